//! How a command ends: exit codes after sysexits(3).

use std::fmt;
use std::process::ExitCode;

/// Why a command failed, by exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 64 (`EX_USAGE`): bad usage or configuration.
    Usage,
    /// 66 (`EX_NOINPUT`): an input file cannot be read.
    NoInput,
    /// 69 (`EX_UNAVAILABLE`): a needed service is missing.
    Unavailable,
    /// 70 (`EX_SOFTWARE`): a fault of dejavu's own.
    Software,
    /// 73 (`EX_CANTCREAT`): the data folder is unusable.
    DataFolder,
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::DataFolder => 73,
        }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.code())
    }
}

/// A failure with the message that goes to standard error.
#[derive(Debug)]
pub struct Exit {
    /// Decides the exit code.
    pub failure: Failure,
    /// What to tell the person.
    pub error: anyhow::Error,
}

impl Exit {
    /// A failure of this kind.
    pub fn new(failure: Failure, error: impl Into<anyhow::Error>) -> Self {
        Self { failure, error: error.into() }
    }

    /// A failure of this kind, in words.
    pub fn say(failure: Failure, message: impl fmt::Display) -> Self {
        Self { failure, error: anyhow::anyhow!("{message}") }
    }
}

/// Anything not sorted otherwise is a fault of our own.
impl From<anyhow::Error> for Exit {
    fn from(error: anyhow::Error) -> Self {
        Self { failure: Failure::Software, error }
    }
}
