//! dejavu, a semantic response cache for LLM APIs.
//!
//! Start at [`serve`]: `serve/proxy.rs` is the story of one request. The rooms stand here in rank order, lowest
//! first; a room uses only rooms above it on this page (`tests/architecture.rs` holds them to it).

pub mod domain;

pub mod policy;
pub mod telemetry;
pub mod wire;

pub mod access;
pub mod embed;
pub mod index;
pub mod store;
pub mod upstream;

pub mod cache;

pub mod serve;

pub mod config;

pub mod app;

pub mod cli;
