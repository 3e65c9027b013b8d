//! `provision`, the operator's binary. Each command is a file; [`cli`] says which, and alone reads the environment.

mod access;
mod aws;
mod cli;
mod db_load;
mod declaration;
mod instance;
mod output;
mod talk;
mod users_list;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            // Nothing is left to tell somebody who has closed standard error.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
