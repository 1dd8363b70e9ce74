//! `dejavu check-config`: one line per fault, or nothing.

use std::path::Path;

use super::exit::{Exit, Failure};
use crate::config::{self, Config, LoadError};

/// Loads a configuration, its environment overrides included.
///
/// # Errors
/// 64 with one line per fault, each with its key and line; a file that cannot be read is one such fault.
pub fn load(file: Option<&Path>) -> Result<Config, Exit> {
    config::load(file).map_err(|error| {
        let name = file.map_or_else(|| "environment".to_owned(), |path| path.display().to_string());
        match error {
            LoadError::Unreadable { .. } => Exit::new(Failure::Usage, error),
            LoadError::Faults(faults) => {
                let lines: Vec<String> = faults.0.iter().map(|fault| format!("{name}: {fault}")).collect();
                Exit::say(Failure::Usage, lines.join("\n"))
            }
        }
    })
}

/// Checks a file and says what it found.
///
/// # Errors
/// As [`load`].
pub fn check(file: &Path) -> Result<(), Exit> {
    let config = load(Some(file))?;
    for key in &config.missing_secrets {
        eprintln!("{}: {key}: the variable it names is not set here; it counts as not written", file.display());
    }
    println!("{}: good", file.display());
    Ok(())
}
