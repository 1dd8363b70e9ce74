//! `dejavu demo`: the real cache in front of a simulated model server, real requests through it, and a table of what
//! happened.

mod answers;
mod dialect;
mod exchange;
mod script;
pub mod simulator;
mod stage;
mod table;

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;

use super::exit::{Exit, Failure};
use super::serve::stop_asked_for;
use crate::app;
use crate::config::{self, Config};
use crate::embed::{self, Progress};
use crate::telemetry::log::start_logging;
use script::{MODEL, scenes};
use simulator::{Pace, Simulator};
use stage::{Line, Stage};

/// Plays the demo. In a terminal it then stays up until Ctrl-C, unless `once`.
///
/// # Errors
/// 69 when the embedding model or a port cannot be had, 70 when something did not go as it should.
pub async fn run(once: bool) -> Result<(), Exit> {
    let in_terminal = std::io::stdout().is_terminal();
    let folder = tempfile::Builder::new().prefix("dejavu-demo-").tempdir();
    let folder = folder.map_err(|error| Exit::new(Failure::DataFolder, error))?;
    let simulator = Simulator::start(&[MODEL], Pace::REALISTIC).await;
    let simulator = simulator.map_err(|error| Exit::new(Failure::Unavailable, error))?;
    let config = configuration(folder.path(), &simulator)?;
    start_logging(&config.log).map_err(|fault| Exit::say(Failure::Usage, fault))?;
    embed::provision(&config.semantic.embed(), Progress::Shown)
        .await
        .map_err(|error| Exit::new(Failure::Unavailable, error))?;

    let running = app::start(config, None).await.map_err(|error| Exit::new(Failure::Unavailable, error))?;
    let (app, admin) = (format!("http://{}", running.app), format!("http://{}", running.admin));
    println!("\ndejavu on {app}, in front of a simulated model server on {}\n", simulator.url());
    let mut stage = Stage::new(&simulator, app.clone(), admin.clone());
    let outcome = tokio::select! {
        outcome = show(&mut stage, in_terminal) => outcome,
        stopped = stop_asked_for(&running) => stopped,
    };
    if in_terminal && !once && outcome.is_ok() {
        println!("\nStill up. An app reaches the cache at {app}/v1 (model {MODEL}, any API key).");
        println!("Dashboard: {admin}/     Ctrl-C ends it.");
        stop_asked_for(&running).await?;
    }
    running.shutdown().await;
    outcome
}

/// The cache as anyone would set it up, in a folder of its own, on free ports; with more patience for the embedder, so
/// that a busy machine sees the same show.
fn configuration(folder: &Path, simulator: &Simulator) -> Result<Config, Exit> {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"warn\"\n\
         [store]\npath = {folder}\n[cache]\nstale_while_revalidate = \"1m\"\n[versions]\npoll = \"500ms\"\n\
         [semantic]\ndeadline = \"10s\"\n\
         [[upstream]]\nname = \"simulator\"\nkind = \"ollama\"\nurl = {url}\n",
        folder = toml::Value::from(folder.display().to_string()),
        url = toml::Value::from(simulator.url()),
    );
    config::read(&text, std::env::vars(), &|name| std::env::var(name).ok())
        .map_err(|faults| Exit::new(Failure::Usage, faults))
}

/// Plays every scene and prints it.
async fn show(stage: &mut Stage<'_>, in_terminal: bool) -> Result<(), Exit> {
    let mut all = Vec::new();
    for (number, scene) in scenes().iter().enumerate() {
        println!("{}", table::heading(number + 1, scene));
        let waiting = if in_terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        waiting.enable_steady_tick(Duration::from_millis(100));
        let mut lines = Vec::new();
        for act in &scene.acts {
            if let script::Act::Ask(ask, _) | script::Act::AskTogether(ask, _) = act {
                waiting.set_message(ask.prompt);
            }
            lines.extend(stage.play(act).await?);
        }
        waiting.finish_and_clear();
        println!("{}\n", table::scene(&lines));
        all.extend(lines);
    }
    println!("{}", table::totals(&all));
    verdict(&all)
}

fn verdict(lines: &[Line]) -> Result<(), Exit> {
    let faults = table::faults(lines);
    if faults.is_empty() {
        return Ok(());
    }
    Err(Exit::say(Failure::Software, format!("this did not go as it should:\n  {}", faults.join("\n  "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn everything_goes_as_the_script_says() {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(&[MODEL], Pace::INSTANT).await.unwrap();
        let config = configuration(folder.path(), &simulator).unwrap();
        embed::provision(&config.semantic.embed(), Progress::Logged).await.unwrap();
        let running = app::start(config, None).await.unwrap();
        let (app, admin) = (format!("http://{}", running.app), format!("http://{}", running.admin));
        let mut stage = Stage::new(&simulator, app, admin);
        let mut lines = Vec::new();
        for act in scenes().iter().flat_map(|scene| &scene.acts) {
            lines.extend(stage.play(act).await.unwrap());
        }
        assert_eq!(table::faults(&lines), Vec::<String>::new());
        running.shutdown().await;
    }
}
