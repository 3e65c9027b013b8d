//! `provision queue replay`

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::hash::{BuildHasher, RandomState};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::summary::{Others, Summary, counts};
use crate::aws::queue::{Message, Queue};
use crate::cli::Context;
use crate::error::{Problem, first};
use crate::output::Outcome;
use crate::prompt::Consent;
use crate::queue::dead_letters::{DeadLetter, End, Reading, read};
use crate::queue::{Cause, QueueArgs};
use crate::terminal::harmless;

/// Send dead letters to the queue again
///
/// Sends those that may succeed now: whose cause was the state of the database, its settings or the way to it. An event
/// that identifies no user, or that the database itself has refused, stays, unless its cause is named. Each is deleted from
/// the dead letters only after the queue has it. A second one of an event does no harm: the row is the same. A run sends each
/// event once: one that fails again meanwhile is left. So are dead letters of another queue, where two share theirs.
///
/// A run that is interrupted or fails loses nothing; run the same command again.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    target: QueueArgs,

    /// Only those of this cause, such as DatabaseUnreachable, may be repeated; without it, those that may succeed now
    #[arg(long, value_name = "CAUSE")]
    cause: Vec<Cause>,

    /// All dead letters
    #[arg(long, conflicts_with = "cause")]
    all: bool,

    /// Only count; sends nothing, and ends with 3 if there is something to send
    #[arg(long)]
    dry_run: bool,
}

/// What was sent and what was not.
#[derive(Debug, Serialize)]
struct Replayed {
    queue: String,
    dead_letters: String,
    dry_run: bool,
    /// Those that the queue has now, or would have.
    sent: Summary,
    /// Those that were not meant.
    left: Summary,
    /// Those of other queues.
    of_other_queues: Others,
    /// Those whose event this run has sent before: they have failed again meanwhile, or were there twice.
    again: Summary,
    #[serde(skip)]
    events: Events,
    /// Those that the queue has not taken, by AWS's error code.
    not_sent: BTreeMap<String, u64>,
    /// Those that are in both queues now, by AWS's error code.
    not_deleted: BTreeMap<String, u64>,
    next: Option<String>,
}

/// The events that a run has sent. A letter that comes back is a new message, so they are known by body and time.
#[derive(Debug, Default)]
struct Events {
    hasher: RandomState,
    digests: HashSet<u64>,
}

impl Events {
    /// Adds the message's event, unless it is known.
    fn add(&mut self, message: &Message) -> bool {
        self.digests.insert(self.hasher.hash_one((&message.body, message.as_of())))
    }
}

impl Replay {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let queue = self.target.find(context).await?;
        let letters = self.target.find_dead_letters(context, &queue).await?;
        // Sending needs no question: what is deleted is in the queue.
        let consent = context.confirm_if(false, "", "")?;
        let mut replayed = Replayed {
            queue: queue.name.clone(),
            dead_letters: letters.name.clone(),
            dry_run: self.dry_run,
            sent: Summary::default(),
            left: Summary::default(),
            of_other_queues: Others::default(),
            again: Summary::default(),
            events: Events::default(),
            not_sent: BTreeMap::new(),
            not_deleted: BTreeMap::new(),
            next: None,
        };
        let ended = read(&letters, async |reading| {
            loop {
                let messages = reading.next().await?;
                if messages.is_empty() {
                    return Ok(());
                }
                self.send(&queue, reading, &messages, &mut replayed, &consent).await?;
            }
        });
        let ended = ended.await;
        let again = "run the same command again: it goes on with those that are left";
        if ended.as_ref().is_ok_and(|end| *end == End::Reached) {
            replayed.next = self.next(context, &queue, &replayed);
        }
        let differs = self.dry_run && replayed.sent.messages > 0;
        let is_begun = replayed.sent.messages > 0 || !replayed.not_sent.is_empty();
        match ended {
            Ok(End::Reached) => {}
            Ok(End::Interrupted) => {
                context.show_lines(&replayed)?;
                bail!(Problem::new("interrupted before the end of the dead letters", again));
            }
            // Nothing is known yet that is worth a line.
            Err(error) if !is_begun => return Err(error),
            Err(error) => {
                context.show_lines(&replayed)?;
                let remedy = format!("{}{again}", first(&error));
                return Err(Problem::new("not all dead letters were read", remedy).because(error).into());
            }
        }
        let outcome = context.show_check(&replayed, differs)?;
        if !replayed.not_sent.is_empty() {
            let problem = format!("not all dead letters were sent: {}", counts(&replayed.not_sent));
            bail!(Problem::new(
                problem,
                "look the code up in the API reference of Amazon SQS, SendMessageBatch, and run this again"
            ));
        }
        Ok(outcome)
    }

    /// Sends those of these messages that are meant, and deletes what the queue has.
    async fn send(
        &self,
        queue: &Queue,
        reading: &mut Reading<'_>,
        messages: &[Message],
        replayed: &mut Replayed,
        consent: &Consent,
    ) -> anyhow::Result<()> {
        let mut meant = Vec::new();
        for message in messages {
            if replayed.of_other_queues.add(message, queue) {
                continue;
            }
            let letter = DeadLetter::of(message);
            if !self.is_meant(&letter) {
                replayed.left.add(letter);
            } else if self.dry_run || replayed.events.add(message) {
                meant.push(message);
            } else {
                replayed.again.add(letter);
            }
        }
        if !self.dry_run {
            for refused in queue.send(&meant).await? {
                *replayed.not_sent.entry(refused.code).or_default() += 1;
                meant.retain(|message| message.id != refused.item.id);
            }
        }
        for message in &meant {
            replayed.sent.add(DeadLetter::of(message));
        }
        if !self.dry_run {
            for refused in reading.delete(&meant, consent).await? {
                *replayed.not_deleted.entry(refused.code).or_default() += 1;
            }
        }
        Ok(())
    }

    fn is_meant(&self, letter: &DeadLetter) -> bool {
        if self.cause.is_empty() { self.all || letter.may_succeed() } else { self.cause.contains(&letter.cause) }
    }

    fn next(&self, context: &Context, queue: &Queue, replayed: &Replayed) -> Option<String> {
        let command = |command: &str| format!("`{}`", self.target.command_line(context, queue, command));
        if self.dry_run {
            (replayed.sent.messages > 0).then(|| "run this again without --dry-run: it sends them".to_owned())
        } else if replayed.sent.messages > 0 {
            Some(format!("look at {} in some minutes: what fails again comes back", command("show")))
        } else if replayed.left.messages > 0 {
            Some(format!("{} says what to do about those that are left", command("show")))
        } else {
            None
        }
    }
}

impl Display for Replayed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            queue, dead_letters, dry_run, sent, left, of_other_queues, again, not_sent, not_deleted, next, ..
        } = self;
        let (queue, dead_letters) = (harmless(queue), harmless(dead_letters));
        if sent.messages == 0 {
            write!(f, "no dead letter of {dead_letters} {}", if *dry_run { "is to be sent" } else { "was sent" })?;
        } else {
            let done = if *dry_run { "would send" } else { "sent" };
            write!(f, "{done} {} to {queue}: {}", sent.size(), sent.causes())?;
        }
        if left.messages > 0 {
            write!(f, "\nleft in {dead_letters}: {}", left.causes())?;
        }
        if of_other_queues.total() > 0 {
            write!(f, "\nleft in {dead_letters}, of other queues: {of_other_queues}")?;
        }
        if again.messages > 0 {
            let causes = again.causes();
            write!(f, "\nleft in {dead_letters}, because this run has sent the same event already: {causes}")?;
        }
        for (codes, what) in
            [(not_sent, "not sent"), (not_deleted, "not deleted, so in both queues, which does no harm")]
        {
            if !codes.is_empty() {
                write!(f, "\n{what}: {}", harmless(counts(codes)))?;
            }
        }
        next.iter().try_for_each(|next| write!(f, "\nnext: {}", harmless(next)))
    }
}
