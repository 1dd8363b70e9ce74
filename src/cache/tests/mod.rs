//! The engine's tests, told as stories about a [`house::House`]: a real engine over a real store in memory and a
//! real index, with an embedder, a clock and upstreams' versions that do as they are told.

mod canaries;
mod coalescing;
mod context;
mod crossing;
mod disk;
mod equality;
mod freshness;
mod house;
mod meaning;
mod operators;
mod purging;
mod reranking;
mod risk;
mod upkeep;
mod versions;
