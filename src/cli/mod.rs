//! The commands.

pub mod exit;
pub mod http;

pub mod exit;
pub mod http;
