//! `provision db load`

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use db::contract;
use db::schema::{self, Holder, Step};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::load_obstacles;
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::progress;
use crate::target::{Session, Target};
use crate::terminal::harmless;

/// The pause between two looks at the lock of another load.
const PAUSE: Duration = Duration::from_millis(200);

/// The time after which a wait is reported again.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// How long a load waits for another one at most.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

/// Apply the migrations that the database lacks
///
/// Loads at once do no harm, also through a pooler: one waits for the other.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// Only show the pending migrations
    #[arg(long)]
    dry_run: bool,
    /// Only show the pending migrations; exit status 3 if there are any
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// How long to wait at most for another load to end, such as 90s or 5m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// How far a load is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stage {
    #[default]
    Connecting,
    /// Another load is under way, and no migration has begun.
    Waiting,
    Migrating,
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
            let pending = target
                .with_writing_session(async |session| Ok(schema::pending(&session.transaction().await?).await?))
                .await?;
            let differs = self.check && !pending.is_empty();
            return context.show_check(&Pending { pending }, differs);
        }
        let stage = Cell::default();
        let loaded = load(target, None, self.timeout, &stage).await?.ok_or_else(|| {
            let problem = match stage.get() {
                Stage::Connecting => "interrupted: no migration had begun",
                Stage::Waiting => "interrupted while waiting for another load: no migration had begun",
                Stage::Migrating => "interrupted: the current migration was rolled back",
            };
            Problem::new(problem, "run `provision db load` again to go on")
        })?;
        context.show_lines(&loaded)
    }
}

/// Applies the pending migrations, as the `actor` if there is one, or returns `None`: an interruption ends it at once and rolls
/// the current migration back.
pub(super) async fn load(
    target: &Target,
    actor: Option<&str>,
    timeout: Duration,
    stage: &Cell<Stage>,
) -> anyhow::Result<Option<Loaded>> {
    target
        .with_interruptible_session(async |session| {
            if let Some(actor) = actor {
                session.act_as(actor);
            }
            match apply(session, actor, timeout, stage).await {
                Err(error) => Err(load_obstacles::explain(session, error).await),
                Ok(applied) => {
                    Ok(Loaded { applied, warnings: contract::inspect(&session.transaction().await?).await?.warnings })
                }
            }
        })
        .await
}

async fn apply(
    session: &mut Session,
    actor: Option<&str>,
    timeout: Duration,
    stage: &Cell<Stage>,
) -> anyhow::Result<Vec<String>> {
    let mut applied = Vec::new();
    // None for a time that is longer than the clock can count.
    let deadline = Instant::now().checked_add(timeout);
    let mut reported = None;
    loop {
        stage.set(Stage::Migrating);
        match schema::advance(session, actor).await? {
            Step::Applied(migration) => applied.push(migration),
            Step::Complete => return Ok(applied),
            Step::Busy(mut holders) => {
                if applied.is_empty() {
                    stage.set(Stage::Waiting);
                }
                loop {
                    if deadline.is_some_and(|deadline| Instant::now() + PAUSE > deadline) {
                        bail!(timed_out(&holders, timeout));
                    }
                    if reported.is_none_or(|time: Instant| time.elapsed() >= REPORT_INTERVAL) {
                        progress(&format!("waiting for another load to end: {}", shown(&holders)));
                        reported = Some(Instant::now());
                    }
                    sleep(PAUSE).await;
                    holders = schema::holders(&session.transaction().await?).await?;
                    if holders.is_empty() {
                        break;
                    }
                }
            }
        }
    }
}

fn timed_out(holders: &[Holder], timeout: Duration) -> Problem {
    let time = humantime::format_duration(timeout);
    let problem = format!("another load has not ended after {time}: {}", shown(holders));
    let remedy = match holders {
        [holder, ..] => format!(
            "wait longer with --timeout, or, if nobody needs it, end it with `provision db sessions --kill {}`",
            holder.pid
        ),
        [] => "wait longer with --timeout".to_owned(),
    };
    Problem::new(problem, remedy)
}

fn shown(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "its session has just ended".to_owned();
    }
    holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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
