//! The commands. Each has a file; this one reads the arguments and picks.

pub mod admin;
pub mod check_config;
pub mod demo;
pub mod evaluate;
pub mod exit;
pub mod http;
pub mod serve;
pub mod setup;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use exit::{Exit, Failure};

/// A semantic response cache for LLM APIs.
///
/// dejavu stands in front of Ollama and of cloud endpoints, and answers a question that was asked before, in these
/// words or in others, from its own memory.
#[derive(Debug, Parser)]
#[command(name = "dejavu", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the cache.
    Serve {
        /// The configuration file. Without one: `dejavu.toml` if it is there, else the built-in defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print the documented default configuration and exit.
        #[arg(long)]
        print_default_config: bool,
    },
    /// Watch a real cache work, in front of a built-in simulated model server. No set-up.
    Demo {
        /// Exit when the show is over, instead of staying up.
        #[arg(long)]
        once: bool,
    },
    /// Fetch ONNX Runtime and the embedding model.
    Setup {
        /// Use only what is already there; say what is missing.
        #[arg(long)]
        offline: bool,
        /// Take the `[semantic]` section of this configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check a configuration file: exit 0, or 64 and one line per fault.
    CheckConfig {
        /// The file.
        file: PathBuf,
    },
    /// Replay labelled pairs of prompts, or a log of prompts: what the policy makes of them, beside cosine alone.
    Evaluate(evaluate::Arguments),
    /// Show what the cache has done since it started.
    Stats {
        #[command(flatten)]
        server: Server,
    },
    /// Drop entries: shows what would go, unless `--yes`.
    Purge {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        filter: admin::PurgeFilter,
    },
    /// Show what the cache would do with a request, and why.
    Explain {
        #[command(flatten)]
        server: Server,
        /// A file with a request body as an app would send it; `-` for standard input.
        file: PathBuf,
        /// The path the app would send it to.
        #[arg(long, default_value = "/v1/chat/completions")]
        path: String,
        /// The API key the app would send.
        #[arg(long, value_name = "KEY")]
        api_key: Option<String>,
    },
    /// Write all entries as NDJSON.
    Export {
        #[command(flatten)]
        server: Server,
        /// The file; `-` for standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Read entries from an export.
    Import {
        #[command(flatten)]
        server: Server,
        /// The file; `-` for standard input.
        file: PathBuf,
    },
    /// Load prompts with their answers ahead of traffic.
    Warm {
        #[command(flatten)]
        server: Server,
        /// An NDJSON file; `-` for standard input.
        file: PathBuf,
    },
}

impl Command {
    /// Whether it does one thing and ends, rather than serve clients that come and go.
    const fn ends_by_itself(&self) -> bool {
        !matches!(self, Self::Serve { print_default_config: false, .. } | Self::Demo { .. })
    }
}

/// Which running server to speak to.
#[derive(Debug, Args)]
pub struct Server {
    /// The admin listener's URL.
    #[arg(long, value_name = "URL", env = "DEJAVU_ADMIN_URL")]
    admin: Option<String>,
    /// The admin token.
    #[arg(long, value_name = "TOKEN", env = "DEJAVU_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Take both from this configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the server's JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Runs one command line to its end.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(help) => {
            let failed = help.use_stderr();
            // Nowhere left to report a terminal that is gone.
            let _ = help.print();
            return if failed { Failure::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    match perform(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit { failure, error }) => {
            eprintln!("dejavu: {error:#}");
            failure.into()
        }
    }
}

fn perform(command: Command) -> Result<(), Exit> {
    if command.ends_by_itself() {
        // As everything in a pipe does: `dejavu evaluate FILE | head` ends when `head` has seen enough.
        sigpipe::reset();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::new(Failure::Software, error))?;
    let end = runtime.block_on(async {
        match command {
            Command::Serve { print_default_config: true, .. } => {
                print!("{}", crate::config::DEFAULT_FILE);
                Ok(())
            }
            Command::Serve { config, .. } => serve::run(config).await,
            Command::Demo { once } => demo::run(once).await,
            Command::Setup { offline, config } => setup::run(config, offline).await,
            Command::CheckConfig { file } => check_config::check(&file),
            Command::Evaluate(arguments) => Ok(evaluate::run(&arguments).await?),
            Command::Stats { server } => admin::stats(&server).await,
            Command::Purge { server, filter } => admin::purge(&server, &filter).await,
            Command::Explain { server, file, path, api_key } => {
                admin::explain(&server, &file, &path, api_key.as_deref()).await
            }
            Command::Export { server, file } => admin::export(&server, &file).await,
            Command::Import { server, file } => admin::load(&server, "import", &file).await,
            Command::Warm { server, file } => admin::load(&server, "warm", &file).await,
        }
    });
    // A download that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    end
}
