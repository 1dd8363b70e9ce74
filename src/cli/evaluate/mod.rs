//! `dejavu evaluate FILE`: replays labelled pairs of prompts, or a log of prompts, and shows what the policy makes of
//! them beside what cosine similarity alone would.
//!
//! Pairs are JSON lines with `a`, `b`, `same` and optionally `tag` (or `source`) and `similarity`; a log has one
//! prompt a line as `prompt`, `text` or `question`, optionally with a `class` (or `intent`). With `--timeliness` the file
//! holds questions labelled by how soon their answers may be others.

mod calibrate;
mod pairs;
mod plot;
mod replay;
mod rows;
mod second;
mod show;
mod timeliness;
mod vectors;

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::policy::judge;

/// What to replay, and what to show of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// JSON lines: labelled pairs (`a`, `b`, `same`), or a log of prompts (`prompt` or `text`, optionally `class`).
    pub file: PathBuf,
    /// The policy's least similarity, instead of the shipped one.
    #[arg(long, value_name = "COSINE")]
    pub min_similarity: Option<f32>,
    /// How many of the worst errors to print.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub errors: usize,
    /// Replay at most this many lines.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
    /// Write the curves as an SVG picture.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// The file holds questions labelled by how time-bound they are: show how well that is told.
    #[arg(long)]
    pub timeliness: bool,
    /// With `--timeliness`: learn from the file, and write the weights instead of a report.
    #[arg(long, value_name = "FILE", requires = "timeliness")]
    pub weights: Option<PathBuf>,
    /// Write a calibration file for `semantic.calibration`, from a log with classes.
    #[arg(long, value_name = "FILE")]
    pub calibrate: Option<PathBuf>,
    /// The budget that the calibration is judged by.
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    pub max_false_hit_rate: f64,
    /// The embedding model, by name or folder.
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// The second stage.
    #[command(flatten)]
    pub second: second::Arguments,
}

/// One operating point: where candidates begin to be accepted, by what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// `cosine` alone, or the `policy`.
    pub by: Judge,
    /// The least similarity.
    pub floor: f32,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// Cosine similarity alone.
    Cosine,
    /// The policy: similarity, vetoes and all.
    Policy,
}

impl Point {
    fn name(self) -> String {
        let by = match self.by {
            Judge::Cosine => "cosine",
            Judge::Policy => "policy",
        };
        format!("{by} >= {:.2}", self.floor)
    }
}

/// The points of the tables: cosine as other caches use it, and the policy at the floor asked for.
fn points(floor: f32) -> Vec<Point> {
    let cosine = [0.80, 0.85, 0.90, 0.95].map(|floor| Point { by: Judge::Cosine, floor });
    cosine.into_iter().chain([Point { by: Judge::Policy, floor }]).collect()
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, the embedder is not to be had, or the picture cannot be written.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.timeliness {
        return timeliness::run(arguments).await;
    }
    let input = rows::read(&arguments.file, arguments.limit)?;
    let floor = arguments.min_similarity.unwrap_or(judge::Settings::default().min_similarity);
    let second = second::Second::open(&arguments.second).await?;
    match input {
        rows::Input::Pairs(pairs) => {
            let measured = pairs::measure(pairs, arguments.model.as_deref(), &second).await?;
            let report = pairs::report(&measured, floor, arguments.errors, &second);
            if let Some(path) = &arguments.plot {
                let curves = pairs::curves(&measured);
                write(path, &plot::svg("near-misses accepted", "rewordings kept", &curves))?;
            }
            if arguments.json { print_json(&report) } else { show::pairs(&report) }
        }
        rows::Input::Log(lines) => {
            let replayed = replay::replay(lines, arguments.model.as_deref(), &second).await?;
            let report = replay::report(&replayed, floor, arguments.errors, &second);
            if let Some(path) = &arguments.plot {
                write(path, &plot::svg("wrong among the hits", "hit rate", &replay::curves(&replayed)))?;
            }
            if let Some(path) = &arguments.calibrate {
                let calibrated = calibrate::calibrate(&replayed, floor, arguments)?;
                write(path, &calibrated.table.write())?;
                return if arguments.json { print_json(&calibrated) } else { calibrate::show(&calibrated) };
            }
            if arguments.json { print_json(&report) } else { show::log(&report) }
        }
    }
}

fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn print_json(report: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(report)?);
    Ok(())
}

/// Times of the decision alone, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
}

impl Latency {
    fn of(mut micros: Vec<f64>) -> Self {
        micros.sort_by(f64::total_cmp);
        let at = |share: usize| micros.get(micros.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99) }
    }
}

/// A part of a whole, as a share; zero of nothing is zero.
fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^52")]
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    share
}
