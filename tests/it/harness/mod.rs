//! What every test here starts from: a whole dejavu in front of scripted model servers, with a port, a folder and a
//! clock of its own.

mod answer;
mod app;
mod client;
mod gate;
mod upstream;

pub use answer::Answer;
pub use app::TestApp;
pub use client::{Ask, Reply, gunzip};
pub use gate::Gate;
pub use upstream::FakeUpstream;
