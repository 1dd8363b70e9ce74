//! The integration tests: one binary, one module a subject. `golden` replays recorded wire bytes; the others start a
//! whole server in front of scripted model servers and ask it as apps do.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot be set up should panic, and the harness reads like a library"
)]

mod harness;

mod admin;
mod backup;
mod codings;
mod collapse;
mod controls;
mod conversations;
mod differential;
mod directives;
mod embeddings;
mod failures;
mod freshness;
mod golden;
mod headers;
mod isolation;
mod listeners;
mod lists;
mod passing;
mod process;
mod reranker;
mod risk;
mod serving;
mod suites;
mod templates;
mod versions;
