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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::Surface;

    fn ending(finish: Finish) -> Recording {
        Recording {
            surface: Surface::OpenaiChat,
            answer: Bytes::from_static(b"{\"choices\":[]}"),
            finish,
            reported_model: None,
            usage: None,
        }
    }

    #[test]
    fn only_complete_answers_are_kept() {
        let table = [
            (Finish::Complete, Ok(())),
            (Finish::ToolCalls, Err(Cause::ToolCalls)),
            (Finish::Truncated, Err(Cause::Truncated)),
            (Finish::Filtered, Err(Cause::Filtered)),
            (Finish::Refused, Err(Cause::Refused)),
            (Finish::Unfinished, Err(Cause::Unfinished)),
        ];
        for (finish, expected) in table {
            assert_eq!(retain(StatusCode::OK, &ending(finish), &Settings::default()), expected, "{finish:?}");
        }
    }

    #[test]
    fn tool_calls_are_kept_when_the_operator_says_so() {
        let settings = Settings { tool_calls: true, ..Settings::default() };
        assert_eq!(retain(StatusCode::OK, &ending(Finish::ToolCalls), &settings), Ok(()));
        assert_eq!(retain(StatusCode::OK, &ending(Finish::Truncated), &settings), Err(Cause::Truncated));
    }

    #[test]
    fn only_successes_are_kept_whatever_they_say() {
        for status in [StatusCode::CONTINUE, StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY] {
            assert_eq!(retain(status, &ending(Finish::Complete), &Settings::default()), Err(Cause::Status));
        }
    }

    #[test]
    fn the_largest_answer_is_kept_and_one_byte_more_is_not() {
        let answer = ending(Finish::Complete);
        let length = answer.answer.len() as u64;
        let fits = Settings { max_answer: Size(length), ..Settings::default() };
        let small = Settings { max_answer: Size(length - 1), ..Settings::default() };
        assert_eq!(retain(StatusCode::OK, &answer, &fits), Ok(()));
        assert_eq!(retain(StatusCode::OK, &answer, &small), Err(Cause::AnswerTooLarge));
    }
}
