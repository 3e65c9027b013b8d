//! `provision queue drop`

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use anyhow::{bail, ensure};
use clap::Args;
use serde::Serialize;

use super::summary::{Others, Summary, counts};
use crate::aws::queue::{Message, Queue};
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::{Consent, announce};
use crate::queue::dead_letters::{DeadLetter, End, read};
use crate::queue::{Cause, QueueArgs};
use crate::terminal::harmless;

/// Delete dead letters, after a question
///
/// Counts them by cause, asks, and deletes those that it has counted. Their users may be left without a row; `provision
/// users reconcile` finds these all the same. Events that wait are never deleted: their rows are still to come. Nor are dead
/// letters of another queue, where two share theirs.
#[derive(Debug, Args)]
pub(super) struct Drop {
    #[command(flatten)]
    target: QueueArgs,

    #[command(flatten)]
    selection: Selection,

    /// Only count; deletes nothing, and ends with 3 if there is something to delete
    #[arg(long)]
    dry_run: bool,
}

/// The dead letters that are meant. All that is given must hold.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Selection {
    /// Those of this cause, such as InvalidEvent, may be repeated
    #[arg(long, value_name = "CAUSE")]
    cause: Vec<Cause>,

    /// Those whose event is older than this, such as 7d
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    /// All dead letters
    #[arg(long, conflicts_with_all = ["cause", "older_than"])]
    all: bool,
}

/// What was deleted.
#[derive(Debug, Serialize)]
struct Dropped {
    dead_letters: String,
    dry_run: bool,
    /// Those that are meant.
    found: Summary,
    /// Those of other queues, which are never meant.
    of_other_queues: Others,
    deleted: u64,
    /// Those that SQS has not deleted, by its error code.
    not_deleted: BTreeMap<String, u64>,
    next: Option<String>,
}

impl Drop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let queue = self.target.find(context).await?;
        let letters = self.target.find_dead_letters(context, &queue).await?;
        let mut of_other_queues = Others::default();
        let (found, ids) = self.find(&queue, &letters, &mut of_other_queues).await?;
        let mut dropped = Dropped {
            dead_letters: letters.name.clone(),
            dry_run: self.dry_run,
            found,
            of_other_queues,
            deleted: 0,
            not_deleted: BTreeMap::new(),
            next: None,
        };
        if self.dry_run || ids.is_empty() {
            dropped.next = dropped.followed_by(context);
            return context.show_check(&dropped, self.dry_run && !ids.is_empty());
        }
        announce(&dropped.found);
        let place = letters.place().map(|place| format!(" ({place})")).unwrap_or_default();
        let question = format!(
            "This deletes {} from {}{place}. Users without a row stay without, until `provision users reconcile`.",
            dropped.found.size(),
            letters.name
        );
        let consent = context.confirm(&question, &letters.name)?;
        let ended = delete(&letters, ids, &mut dropped, &consent).await;
        if dropped.deleted > 0 {
            dropped.next = dropped.followed_by(context);
        }
        context.show_lines(&dropped)?;
        if ended? == End::Interrupted {
            bail!(Problem::new(
                "interrupted before all were deleted",
                "run this again: it counts what is left, and asks again"
            ));
        }
        let left = dropped.found.messages - dropped.deleted;
        ensure!(
            left == 0,
            Problem::new(
                format!("{left} of the dead letters were not found again, or not deleted"),
                "run this again in some minutes: another program may be reading them"
            )
        );
        Ok(Outcome::Done)
    }

    /// Counts those that are meant, and remembers which they are: nothing newer is deleted than what is asked about.
    async fn find(
        &self,
        queue: &Queue,
        letters: &Queue,
        of_other_queues: &mut Others,
    ) -> anyhow::Result<(Summary, HashSet<String>)> {
        let now = SystemTime::now();
        let (mut found, mut ids) = (Summary::default(), HashSet::new());
        let end = read(letters, async |reading| {
            loop {
                let messages = reading.next().await?;
                if messages.is_empty() {
                    return Ok(());
                }
                for message in messages {
                    if of_other_queues.add(&message, queue) {
                        continue;
                    }
                    let letter = DeadLetter::of(&message);
                    if self.selection.is_meant(&letter, now) {
                        found.add(letter);
                        ids.insert(message.id);
                    }
                }
            }
        });
        ensure!(end.await? == End::Reached, "interrupted, so nothing was deleted");
        Ok((found, ids))
    }
}

/// Deletes the messages with these ids.
async fn delete(
    letters: &Queue,
    mut ids: HashSet<String>,
    dropped: &mut Dropped,
    consent: &Consent,
) -> anyhow::Result<End> {
    read(letters, async |reading| {
        while !ids.is_empty() {
            let messages = reading.next().await?;
            if messages.is_empty() {
                break;
            }
            let meant: Vec<&Message> = messages.iter().filter(|message| ids.remove(&message.id)).collect();
            let refused = reading.delete(&meant, consent).await?;
            dropped.deleted += u64::try_from(meant.len() - refused.len())?;
            for refused in refused {
                *dropped.not_deleted.entry(refused.code).or_default() += 1;
            }
        }
        Ok(())
    })
    .await
}

impl Selection {
    fn is_meant(&self, letter: &DeadLetter, now: SystemTime) -> bool {
        // One whose age is unknown is not old.
        let age = letter.began_at().map(|time| now.duration_since(time).unwrap_or_default()).unwrap_or_default();
        (self.cause.is_empty() || self.cause.contains(&letter.cause)) && self.older_than.is_none_or(|least| age > least)
    }
}

impl Dropped {
    fn followed_by(&self, context: &Context) -> Option<String> {
        let reconcile = context.command_line("users reconcile --prod --pool ID --dry-run");
        if self.found.messages == 0 {
            None
        } else if self.dry_run {
            Some("run this again without --dry-run: it asks, and deletes them".to_owned())
        } else {
            Some(format!("`{reconcile}` finds every user who has no row, also these"))
        }
    }
}

impl Display for Dropped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { dead_letters, dry_run, found, of_other_queues, deleted, not_deleted, next } = self;
        let dead_letters = harmless(dead_letters);
        if found.messages == 0 {
            write!(f, "no dead letter of {dead_letters} is meant")?;
        } else if *dry_run {
            write!(f, "would delete {} from {dead_letters}: {}", found.size(), found.causes())?;
        } else {
            write!(f, "deleted {deleted} of {} from {dead_letters}: {}", found.size(), found.causes())?;
        }
        if of_other_queues.total() > 0 {
            write!(f, "\nleft, of other queues: {of_other_queues}")?;
        }
        if !not_deleted.is_empty() {
            write!(f, "\nnot deleted: {}", harmless(counts(not_deleted)))?;
        }
        next.iter().try_for_each(|next| write!(f, "\nnext: {}", harmless(next)))
    }
}
