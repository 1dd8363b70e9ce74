//! May this answer be kept?

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::domain::{Cause, Finish, Recording, Size};

/// What the operator lets the cache keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Answers that ask for tools to be called are kept, for exact matches only.
    pub tool_calls: bool,
    /// The largest answer kept.
    pub max_answer: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tool_calls: false, max_answer: Size::mib(4) }
    }
}

/// Whether a recorded answer may be kept.
///
/// # Errors
/// Why it may not.
pub fn retain(status: StatusCode, recording: &Recording, settings: &Settings) -> Result<(), Cause> {
    if !status.is_success() {
        return Err(Cause::Status);
    }
    if recording.answer.len() as u64 > settings.max_answer.0 {
        return Err(Cause::AnswerTooLarge);
    }
    match recording.finish {
        Finish::Complete => Ok(()),
        Finish::ToolCalls if settings.tool_calls => Ok(()),
        Finish::ToolCalls => Err(Cause::ToolCalls),
        Finish::Truncated => Err(Cause::Truncated),
        Finish::Filtered => Err(Cause::Filtered),
        Finish::Refused => Err(Cause::Refused),
        Finish::Unfinished => Err(Cause::Unfinished),
    }
}
