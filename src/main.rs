//! The `dejavu` binary: hands the arguments to [`dejavu::cli`] and turns the end of a command into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    dejavu::cli::run(std::env::args_os())
}
