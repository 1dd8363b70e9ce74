//! Showing what is being fetched, to a person at a terminal or to a log.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// On standard error: bars where it is a terminal, plain lines where it is not.
    Shown,
    /// In the log, one line a step: for servers.
    Logged,
}

impl Progress {
    /// Announces a step that fetches `bytes`, as far as that is known.
    pub(super) fn step(self, what: &str, bytes: Option<u64>) -> Step {
        let size = bytes.map_or_else(String::new, |bytes| format!(" ({})", indicatif::DecimalBytes(bytes)));
        let bar = match self {
            Self::Shown if std::io::stderr().is_terminal() => draw(what, bytes),
            Self::Shown => {
                eprintln!("fetching {what}{size}");
                ProgressBar::hidden()
            }
            Self::Logged => {
                tracing::info!("fetching {what}{size}");
                ProgressBar::hidden()
            }
        };
        Step { bar }
    }

    /// Says one thing.
    pub(super) fn say(self, line: &str) {
        match self {
            Self::Shown => eprintln!("{line}"),
            Self::Logged => tracing::info!("{line}"),
        }
    }
}

fn draw(what: &str, bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr()).with_message(what.to_owned());
    let template = match bytes {
        Some(_) => "{msg:32} {bar:30.cyan} {decimal_bytes:>9} of {decimal_total_bytes:9} {decimal_bytes_per_sec}",
        None => "{msg:32} {spinner} {decimal_bytes}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// One step under way; its bar goes when it does.
#[derive(Debug)]
pub(super) struct Step {
    bar: ProgressBar,
}

impl Step {
    /// So many bytes are here.
    pub(super) fn reached(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// How many there will be, once that is known.
    pub(super) fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
