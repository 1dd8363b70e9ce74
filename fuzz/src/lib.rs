//! The two pure rooms that are fuzzed, by path.

#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/wire/mod.rs"]
pub mod wire;

use std::sync::OnceLock;

use domain::Surface;

/// The surface that `SURFACE` names, for instance `openai-chat`: each is a target of its own.
#[must_use]
pub fn surface() -> Surface {
    static SURFACE: OnceLock<Surface> = OnceLock::new();
    *SURFACE.get_or_init(|| {
        let wished = std::env::var("SURFACE").expect("SURFACE names a surface");
        let named = |surface: &Surface| surface.as_str() == wished;
        Surface::ALL.into_iter().find(named).expect("SURFACE names a surface")
    })
}
