//! `provision queue show`

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use super::summary::{Others, Summary, rfc3339, time};
use crate::aws::queue::{Finding, Queue, find_queue};
use crate::cli::Context;
use crate::output::Outcome;
use crate::queue::QueueArgs;
use crate::queue::dead_letters::{DeadLetter, End, read};
use crate::terminal::harmless;

/// Show what waits, what was given up, and why
///
/// Counts the events that wait, and reads dead letters to count them by cause. It receives none of the events that wait,
/// because each receive counts: how old the oldest is, `provision doctor` asks CloudWatch. The dead letters that it reads are
/// hidden from other readers meanwhile. It also looks for settings that lose events.
///
/// Exit status 3 if there are dead letters, or such a setting.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    target: QueueArgs,

    /// How many dead letters to read at most; 0 reads none, and only counts them
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    limit: u64,
}

/// The two queues.
#[derive(Debug, Serialize)]
struct State {
    queue: Counts,
    dead_letters: Option<DeadLetters>,
    findings: Vec<Finding>,
    /// What to do, if there is anything.
    next: Option<String>,
}

/// A queue and about how many messages it has.
#[derive(Debug, Serialize)]
struct Counts {
    name: String,
    place: Option<String>,
    waiting: u64,
    in_flight: u64,
    delayed: u64,
    retention_seconds: u64,
}

#[derive(Debug, Serialize)]
struct DeadLetters {
    #[serde(flatten)]
    counts: Counts,
    /// What was read of them.
    read: Summary,
    /// Those among them that are of other queues.
    of_other_queues: Others,
    /// Whether these are all that could be read.
    is_complete: bool,
    /// When SQS deletes the first of those that were read.
    #[serde(serialize_with = "rfc3339")]
    first_deletion: Option<SystemTime>,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let queue = self.target.find(context).await?;
        let name = self.target.dead_letters_of(&queue);
        let letters = match &name {
            Some(name) => find_queue(context.aws().await?, name).await?,
            None => None,
        };
        let mut findings = Finding::all(&queue, letters.as_ref());
        if let (Some(name), None) = (&name, &letters) {
            findings.push(Finding::of_missing(&queue, name));
        }
        let dead_letters = match &letters {
            Some(letters) => Some(self.read(&queue, letters).await?),
            None => None,
        };
        let next = dead_letters.as_ref().and_then(|letters| self.next(context, &queue, letters));
        let differs = !findings.is_empty() || dead_letters.as_ref().is_some_and(DeadLetters::is_any);
        context.show_check(&State { queue: Counts::of(&queue), dead_letters, findings, next }, differs)
    }

    /// Reads dead letters, unless that moves them: then they are only counted.
    async fn read(&self, queue: &Queue, letters: &Queue) -> anyhow::Result<DeadLetters> {
        let (mut summary, mut of_other_queues) = (Summary::default(), Others::default());
        let mut is_complete = false;
        if self.limit > 0 && letters.redrive.is_none() {
            let end = read(letters, async |reading| {
                while summary.messages + of_other_queues.total() < self.limit {
                    let messages = reading.next().await?;
                    is_complete = messages.is_empty();
                    if is_complete {
                        break;
                    }
                    for message in messages.iter().filter(|message| !of_other_queues.add(message, queue)) {
                        summary.add(DeadLetter::of(message));
                    }
                }
                Ok(())
            });
            is_complete &= end.await? == End::Reached;
        }
        let first_deletion = summary.oldest_sent.map(|sent| sent + letters.retention);
        Ok(DeadLetters { counts: Counts::of(letters), read: summary, of_other_queues, is_complete, first_deletion })
    }

    fn next(&self, context: &Context, queue: &Queue, letters: &DeadLetters) -> Option<String> {
        let command = |command: &str| format!("`{}`", self.target.command_line(context, queue, command));
        if letters.read.may_succeed > 0 {
            let replay = command("replay");
            Some(format!("once the cause is mended, {replay} sends {} to the queue again", letters.read.may_succeed))
        } else if letters.read.messages > 0 {
            let (replay, drop) = (command("replay --cause CAUSE"), command("drop --cause CAUSE"));
            Some(format!("do what is said about the cause, then {replay} tries them again, or {drop} deletes them"))
        } else {
            None
        }
    }
}

impl Counts {
    fn of(queue: &Queue) -> Self {
        Self {
            name: queue.name.clone(),
            place: queue.place().map(|place| place.to_string()),
            waiting: queue.waiting,
            in_flight: queue.in_flight,
            delayed: queue.delayed,
            retention_seconds: queue.retention.as_secs(),
        }
    }

    fn total(&self) -> u64 {
        self.waiting + self.in_flight + self.delayed
    }
}

/// `3 waiting, 1 in flight, 0 delayed`
impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} waiting, {} in flight, {} delayed", self.waiting, self.in_flight, self.delayed)
    }
}

impl DeadLetters {
    fn is_any(&self) -> bool {
        self.counts.total() > 0 || self.read.messages > 0
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { queue, dead_letters, findings, next } = self;
        let place = queue.place.as_ref().map(|place| format!(" ({})", harmless(place))).unwrap_or_default();
        write!(f, "queue:        {}{place}", harmless(&queue.name))?;
        write!(f, "\nevents:       {queue}")?;
        if queue.total() > 0 {
            f.write_str("; how old they are, `provision doctor` says")?;
        }
        match dead_letters {
            None => f.write_str("\ndead letters: no queue for them")?,
            Some(letters) => write!(f, "{letters}")?,
        }
        findings.iter().try_for_each(|finding| write!(f, "\n\n{finding}"))?;
        next.iter().try_for_each(|next| write!(f, "\n\nnext: {}", harmless(next)))
    }
}

impl Display for DeadLetters {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { counts, read, of_other_queues, is_complete, first_deletion } = self;
        write!(f, "\ndead letters: {counts}, in {}", harmless(&counts.name))?;
        if of_other_queues.total() > 0 {
            write!(f, "\nof others:    {of_other_queues}")?;
        }
        if read.messages > 0 {
            write!(f, "\nread:         {}{}", if *is_complete { "" } else { "the first " }, read.size())?;
            if let Some(oldest) = read.oldest_event {
                write!(f, "\noldest event: {}", time(oldest))?;
            }
            if let Some(deletion) = first_deletion {
                write!(f, "\ndeletion:     SQS deletes the first at {}", time(*deletion))?;
            }
            write!(f, "\n\n{read}")?;
        }
        Ok(())
    }
}
