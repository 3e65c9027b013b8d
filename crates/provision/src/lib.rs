//! `provision`, the operator's binary, as a library: its command line and its `main`.
//!
//! The tree of `commands` is the tree of `--help`: a command is one file with its arguments, its work and its result.
//! `cli` alone reads the environment, `aws` alone calls AWS, `prompt` alone asks the operator.

// Without the commands that need Amazon EC2, parts of the declaration and of `aws` have no reader.
#![cfg_attr(not(feature = "instance"), allow(dead_code, unused_imports))]

mod aws;
mod cli;
mod commands;
mod declaration;
mod environment;
mod error;
mod in_vpc;
mod interrupt;
mod libpq;
mod output;
mod pool;
mod prompt;
mod queue;
mod target;
mod terminal;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::in_vpc::Stop;

/// The command line, as clap knows it: every command with its options and its help.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command that this process was started with. A process that Lambda has started serves the operator's function.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 differences found.
pub async fn run() -> ExitCode {
    if cli::is_function() {
        return in_vpc::serve().await;
    }
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    // Boxed: the SDK's futures are large.
    match Box::pin(cli.run()).await {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            match Stop::of(&error) {
                Some(stop) => prompt::signal(&stop.signal()),
                None => error::print(&error),
            }
            ExitCode::FAILURE
        }
    }
}
