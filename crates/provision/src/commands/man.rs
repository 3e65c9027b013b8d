//! `provision man`, for the packages of a release.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;

/// Write a man page for each command into a directory
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Directory, which is made if it is not there
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// Where the pages are.
#[derive(Debug, Serialize)]
struct Pages {
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let Self { directory } = self;
        let write = || {
            fs::create_dir_all(&directory)?;
            clap_mangen::generate_to(crate::command(), &directory)
        };
        write().map_err(|error| {
            let problem = format!("cannot write the man pages into {}", db::shown_path(&directory));
            Problem::new(problem, "name a directory that this user may write to").because(error)
        })?;
        context.show(&Pages { directory })
    }
}

impl Display for Pages {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the man pages are in {}", self.directory.display())
    }
}
