//! `dejavu serve`: runs the cache until it is told to stop.

use std::path::{Path, PathBuf};

use super::check_config;
use super::exit::{Exit, Failure};
use crate::app::{self, StartError};
use crate::telemetry::start_logging;

/// The file read when none is named and it is there.
const USUAL_FILE: &str = "dejavu.toml";

/// Runs the server until SIGTERM or SIGINT, then drains and flushes.
///
/// # Errors
/// 64 for a faulty configuration, 69 for an address that cannot be had, 73 for an unusable data folder.
pub async fn run(named: Option<PathBuf>) -> Result<(), Exit> {
    let file = named.or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|usual| usual.is_file()));
    let config = check_config::load(file.as_deref())?;
    start_logging(&config.log).map_err(|fault| Exit::say(Failure::Usage, format!("log.filter: {fault}")))?;
    for key in &config.missing_secrets {
        tracing::warn!(key, "the variable that this key names is not set; it counts as not written");
    }
    let running = app::start(config, file).await.map_err(failed_start)?;
    stop_asked_for(&running).await?;
    tracing::info!("stopping: answers under way may finish");
    running.shutdown().await;
    tracing::info!("stopped, everything flushed");
    Ok(())
}

fn failed_start(error: StartError) -> Exit {
    let failure = match &error {
        StartError::Store(_) => Failure::DataFolder,
        StartError::Listen { .. } | StartError::Upstream(_) => Failure::Unavailable,
    };
    Exit::new(failure, error)
}

/// Waits for SIGTERM or SIGINT; on SIGHUP reloads the configuration.
pub(super) async fn stop_asked_for(running: &app::Running) -> Result<(), Exit> {
    use tokio::signal::unix::{SignalKind, signal};
    let on = |kind| signal(kind).map_err(|error| Exit::new(Failure::Software, error));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hang_up = on(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => running.reload().await,
        }
    }
}

/// Where the admin listener of a configuration file is, and its token.
///
/// # Errors
/// As [`check_config::load`].
pub fn admin_of(file: &Path) -> Result<(String, Option<String>), Exit> {
    let config = check_config::load(Some(file))?;
    let token = config.admin.token.map(|token| token.expose().to_owned());
    Ok((format!("http://{}", config.admin.listen), token))
}
