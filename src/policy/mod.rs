//! Decisions, and nothing else: may this request use the cache ([`admit`]), does a candidate ask the same thing
//! ([`judge`], with the vetoes of [`guard`], and [`rerank`] for what they leave in doubt), may this answer be kept ([`retain`]) and for how long ([`freshness`],
//! [`timeliness`]).
//!
//! Pure: no IO, no async, no clock (time is an argument), so every decision can be tested, explained and replayed.

pub mod admit;
mod compare;
pub mod context;
pub mod freshness;
pub mod guard;
pub mod judge;
pub mod leaning;
mod lexicon;
mod reading;
pub mod rerank;
pub mod retain;
pub mod risk;
pub mod template;
pub mod timeliness;
