//! The two pure rooms that are fuzzed, by path.

#![expect(dead_code, reason = "the rooms are whole, the targets use some of them")]

#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/wire/mod.rs"]
pub mod wire;

use domain::Surface;

/// The surface that a target is named after: `read-openai-chat` fuzzes OpenAI chat.
#[must_use]
pub fn surface_of(target: &str) -> Surface {
    let named = |surface: &Surface| target.ends_with(surface.as_str());
    Surface::ALL.into_iter().find(named).expect("each target's name ends in a surface's")
}
