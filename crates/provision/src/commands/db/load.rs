//! `provision db load`

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use db::{Budget, contract, schema};
use serde::Serialize;

use crate::cli::Context;
use crate::error::Problem;
use crate::interrupt::unless_interrupted;
use crate::output::Outcome;
use crate::prompt::progress;
use crate::target::Target;
use crate::terminal::harmless;

/// The time limit for the request that cancels a statement.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// Apply the migrations that the database lacks
#[derive(Debug, Args)]
pub(super) struct Load {
    /// Only show the pending migrations
    #[arg(long)]
    dry_run: bool,
    /// Only show the pending migrations; exit status 3 if there are any
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
}

/// The migrations that were applied.
#[derive(Debug, Serialize)]
pub(super) struct Loaded {
    applied: Vec<String>,
    /// What could be safer in the contract, or may fail because of its owner's few rights.
    warnings: Vec<String>,
}

/// The migrations that the database lacks.
#[derive(Debug, Serialize)]
struct Pending {
    pending: Vec<String>,
}

impl Load {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let target = context.target().await?;
        if self.dry_run || self.check {
            let pending = target.with_writing_session(async |session| Ok(schema::pending(session).await?)).await?;
            let differs = self.check && !pending.is_empty();
            return context.show_check(&Pending { pending }, differs);
        }
        context.show_lines(&load(target).await?)
    }
}

/// Applies the pending migrations. Ctrl-C ends it at once and rolls the current migration back.
pub(super) async fn load(target: &Target) -> anyhow::Result<Loaded> {
    target
        .with_writing_session(async |session| {
            let canceller = session.canceller();
            if schema::is_being_loaded(session).await? {
                progress("another session is loading the schema; waiting for it to end");
            }
            let Some(applied) = unless_interrupted(schema::load(session)).await else {
                // Without it the server finishes the statement before it notices the closed connection.
                canceller.cancel(&Budget::new(CANCEL_LIMIT)).await?;
                let problem = "interrupted: the current migration was rolled back";
                bail!(Problem::new(problem, "run `provision db load` again to go on"));
            };
            let applied = applied?;
            Ok(Loaded { applied, warnings: contract::inspect(&**session).await?.warnings })
        })
        .await
}

const UP_TO_DATE: &str = "the schema is up to date";

impl Display for Loaded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.applied.as_slice() {
            [] => f.write_str(UP_TO_DATE)?,
            applied => write!(f, "applied {}", applied.join(", "))?,
        }
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {}", harmless(warning)))
    }
}

impl Display for Pending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.pending.as_slice() {
            [] => f.write_str(UP_TO_DATE),
            pending => write!(f, "pending: {}", pending.join(", ")),
        }
    }
}
