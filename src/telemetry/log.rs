//! The log: lines on standard error, as text or as JSON. Prompts, bodies and credentials are never in it.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a `tracing` filter such as `"info,dejavu::cache=debug"`.
    /// The environment variable `RUST_LOG` goes before it.
    pub filter: String,
    /// `text` or `json`.
    pub format: Format,
}

impl Default for Settings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Text }
    }
}

/// Starts logging for the whole process. A second call does nothing, so tests may call it freely.
///
/// # Errors
/// When the filter is not one; the message says what is wrong with it.
pub fn start_logging(settings: &Settings) -> Result<(), String> {
    let wished = std::env::var("RUST_LOG").unwrap_or_else(|_| settings.filter.clone());
    let filter = EnvFilter::try_new(wished).map_err(|fault| fault.to_string())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails only if a subscriber is already there, which is then the one wanted.
    let _ = match settings.format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().try_init(),
    };
    Ok(())
}
