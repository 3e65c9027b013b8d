//! `provision`, the operator's binary. Each command is a file; [`cli`] says which, and alone reads the environment.

mod access;
mod activity;
mod aws;
mod cli;
mod database;
mod declaration;
mod instance;
mod interrupt;
mod output;
mod talk;
mod target;
mod users_list;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Boxed: the SDK's futures are large.
    match Box::pin(Cli::parse().run()).await {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            // Nothing is left to tell somebody who has closed standard error.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
