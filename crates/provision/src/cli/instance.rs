//! `provision instance`

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context;
use clap::{Args, Subcommand};
use secrecy::SecretString;

use super::{Outcome, Surroundings};
use crate::instance;

#[derive(Debug, Subcommand)]
pub(super) enum InstanceCommand {
    /// Show what differs from the declaration; exit status 3 if anything does
    Plan,
    /// Create the DB instance, or bring it into line with the declaration
    Apply {
        /// Do at once what would wait for the maintenance window, with its interruption
        #[arg(long)]
        now: bool,
        /// The file with the master password, where the declaration says "given"; `-` is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        patience: Patience,
    },
    /// Show how the DB instance is
    Status,
    /// Wait until the DB instance is available
    Wait,
    /// Start the stopped DB instance
    Start {
        #[command(flatten)]
        patience: Patience,
    },
    /// Stop the DB instance; AWS starts it again after 7 days
    Stop {
        #[command(flatten)]
        patience: Patience,
    },
    /// Make a snapshot
    Snapshot {
        /// Its name, in place of a dated one
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete the DB instance, after a final snapshot
    Delete {
        /// Keep no snapshot: all data is lost
        #[arg(long)]
        skip_snapshot: bool,
        /// Turn deletion protection off first
        #[arg(long)]
        unprotect: bool,
        #[command(flatten)]
        patience: Patience,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Patience {
    /// Return as soon as AWS has taken the request
    #[arg(long)]
    no_wait: bool,
}

impl InstanceCommand {
    pub(super) async fn run(self, surroundings: &Surroundings) -> anyhow::Result<Outcome> {
        let (output, agreed) = (surroundings.output, surroundings.yes);
        let declaration = &surroundings.declaration()?;
        let identifier = &declaration.identifier;
        let aws = &surroundings.aws().await?;
        match self {
            Self::Plan => {
                let plan = instance::plan(aws, declaration).await?;
                output.show(&plan)?;
                return Ok(if plan.is_empty() { Outcome::Done } else { Outcome::Differences });
            }
            Self::Apply { now, password_file, patience } => {
                let password = password_file.as_deref().map(read_password).transpose()?;
                let applied = instance::apply(aws, declaration, password, now, !patience.no_wait, agreed).await?;
                output.show(&applied)?;
            }
            Self::Status => output.show(&instance::status(aws, identifier).await?)?,
            Self::Wait => {
                instance::wait(aws, identifier, "available").await?;
                output.show(&instance::status(aws, identifier).await?)?;
            }
            Self::Start { patience } => output.show(&instance::start(aws, identifier, !patience.no_wait).await?)?,
            Self::Stop { patience } => output.show(&instance::stop(aws, identifier, !patience.no_wait).await?)?,
            Self::Snapshot { name } => output.show(&instance::snapshot(aws, identifier, name).await?)?,
            Self::Delete { skip_snapshot, unprotect, patience } => {
                let deletion = instance::Deletion { skip_snapshot, unprotect, patient: !patience.no_wait, agreed };
                output.show(&instance::delete(aws, identifier, deletion).await?)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn read_password(file: &Path) -> anyhow::Result<SecretString> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read the password from {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}
