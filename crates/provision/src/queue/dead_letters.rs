//! Reading the dead letters: each once, and what stays is given back.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use cognito::{Event, queued};
use db::Kind;

use super::cause::Cause;
use crate::aws::queue::{Message, Queue, Refused};
use crate::error::Problem;
use crate::interrupt::{unless_interrupted, until_interrupted};
use crate::output::counted;
use crate::prompt::{Consent, progress};

/// The shortest and the longest time for which a message that was read is kept from other readers. AWS allows 12 hours.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
const HOLD: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(12));

/// The fewest messages that a run reads in a second, far from the region.
const SLOWEST: u64 = 10;

/// After so many answers without a new message, a run has been round.
const ROUNDS: usize = 10;

/// After so many messages, progress is reported.
const REPORT: usize = 1000;

/// What is known of a dead letter without its personal data.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) cause: Cause,
    /// Such as `PostConfirmation_ConfirmSignUp`; none if it says nothing that is known.
    pub(crate) trigger_source: Option<String>,
    /// When the function got the event.
    pub(crate) event_at: Option<SystemTime>,
    pub(crate) sent_at: Option<SystemTime>,
    /// The user, if the event identifies one.
    pub(crate) sub: Option<String>,
    /// Whether the database was asked and has refused the event itself.
    pub(crate) is_refused: bool,
}

/// A run through the dead letters.
pub(crate) struct Reading<'a> {
    queue: &'a Queue,
    hold: Duration,
    seen: HashSet<String>,
    /// The handles of messages that only this run sees now, by the messages' ids.
    held: HashMap<String, String>,
}

/// How a run through the dead letters has ended, other than by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Reached,
    Interrupted,
}

/// Gives a run through the dead letters to `work`. Afterwards, also after an error or an interruption, others can read at once
/// what is still there.
pub(crate) async fn read<'a>(
    queue: &'a Queue,
    work: impl AsyncFnOnce(&mut Reading<'a>) -> anyhow::Result<()>,
) -> anyhow::Result<End> {
    let mut reading = Reading::of(queue)?;
    if queue.in_flight > 0 {
        let hidden = counted(queue.in_flight, "dead letter is", "dead letters are");
        progress(&format!("{hidden} with another reader, or a run that was killed; they come back by themselves"));
    }
    let ended = until_interrupted(Box::pin(work(&mut reading))).await;
    // A second interruption leaves them hidden until the time is over that they were received for.
    let released = unless_interrupted(Box::pin(reading.release())).await;
    match (ended, released) {
        (Some(ended), Some(())) => ended.map(|()| End::Reached),
        (Some(Err(error)), None) => Err(error),
        _ => Ok(End::Interrupted),
    }
}

/// Fails if reading is no mere look: the queue's own redrive policy moves on what was received often.
fn ensure_readable(queue: &Queue) -> Result<(), Problem> {
    match &queue.redrive {
        None => Ok(()),
        Some(redrive) => Err(Problem::new(
            format!(
                "the queue of the dead letters, {}, has a redrive policy itself: reading it can move messages to {}",
                queue.name, redrive.dead_letters
            ),
            "remove the redrive policy of that queue, or name the queue of the dead letters with --dead-letters",
        )),
    }
}

/// So long that a slow run through as many messages does not meet them again.
fn hold(messages: u64) -> Duration {
    let (shortest, longest) = HOLD;
    shortest.saturating_add(Duration::from_secs(messages / SLOWEST)).min(longest)
}

impl<'a> Reading<'a> {
    fn of(queue: &'a Queue) -> Result<Self, Problem> {
        ensure_readable(queue)?;
        Ok(Self { queue, hold: hold(queue.waiting), seen: HashSet::new(), held: HashMap::new() })
    }

    /// The next messages that this run has not had before; none at the end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Vec<Message>> {
        let before = self.seen.len();
        let mut new = Vec::new();
        for _ in 0..ROUNDS {
            let messages = self.queue.receive(self.hold).await?;
            let is_end = messages.is_empty();
            for message in messages {
                self.held.insert(message.id.clone(), message.handle.clone());
                // One that comes again has outlasted the hold, or SQS has delivered it twice. Others may follow.
                if self.seen.insert(message.id.clone()) {
                    new.push(message);
                }
            }
            if is_end || !new.is_empty() {
                break;
            }
        }
        if before / REPORT < self.seen.len() / REPORT {
            progress(&format!("{} dead letters of about {} read", self.seen.len(), self.queue.waiting));
        }
        Ok(new)
    }

    /// Deletes these messages of the last part. Returns those that are still there.
    pub(crate) async fn delete<'m>(
        &mut self,
        messages: &[&'m Message],
        consent: &Consent,
    ) -> anyhow::Result<Vec<Refused<&'m str>>> {
        let handles: Vec<&str> = messages.iter().map(|message| message.handle.as_str()).collect();
        let refused = self.queue.delete(&handles, consent).await?;
        for message in messages {
            if !refused.iter().any(|refused| refused.item == message.handle) {
                self.held.remove(&message.id);
            }
        }
        Ok(refused)
    }

    /// What cannot be released comes back by itself, so this is no error of the work.
    async fn release(self) {
        let handles: Vec<&str> = self.held.values().map(String::as_str).collect();
        let (hidden, cause) = match self.queue.release(&handles).await {
            Ok(refused) => (refused.len(), refused.first().map(|refused| refused.code.clone()).unwrap_or_default()),
            Err(error) => (handles.len(), format!("{error:#}")),
        };
        if hidden > 0 {
            let hidden = counted(hidden, "dead letter stays", "dead letters stay");
            let hold = humantime::format_duration(self.hold);
            progress(&format!("{hidden} hidden from other readers for up to {hold}: {cause}"));
        }
    }
}

impl DeadLetter {
    pub(crate) fn of(message: &Message) -> Self {
        let cause = Cause::of(message.attribute(queued::CAUSE));
        let event = queued::event(&message.body, message.attribute(queued::ENCODING));
        let event = event.and_then(|event| Event::parse(&event).ok());
        let of_event = || event.as_ref().map(|event| &*event.trigger_source);
        let source = message.attribute(queued::TRIGGER_SOURCE).or_else(of_event);
        Self {
            cause,
            trigger_source: source.filter(|source| is_trigger_source(source)).map(str::to_owned),
            event_at: message.attribute(queued::AS_OF).and_then(|time| humantime::parse_rfc3339(time).ok()),
            sent_at: message.sent_at,
            sub: event.as_ref().and_then(Event::sub).map(str::to_lowercase),
            // Only what replays a message and has an answer about it names the request.
            is_refused: message.attribute(queued::REQUEST_ID).is_some(),
        }
    }

    /// Whether the event may succeed now: its cause was the database's state, and not the event.
    pub(crate) fn may_succeed(&self) -> bool {
        match self.cause {
            Cause::Kind(Kind::DatabaseRefused) => !self.is_refused,
            Cause::Kind(_) => true,
            Cause::InvalidEvent | Cause::Unknown => false,
        }
    }

    /// When its story began, as far as it is known.
    pub(crate) fn began_at(&self) -> Option<SystemTime> {
        self.event_at.or(self.sent_at)
    }
}

/// Whether the text has the form of Cognito's trigger sources, and so is nobody's name or address.
fn is_trigger_source(text: &str) -> bool {
    text.split_once('_').is_some_and(|(trigger, occasion)| {
        ["PostConfirmation", "PostAuthentication", "TokenGeneration"].contains(&trigger)
            && (1..=40).contains(&occasion.len())
            && occasion.bytes().all(|byte| byte.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_held_as_long_as_a_slow_run_takes_and_aws_allows() {
        assert_eq!(hold(0), Duration::from_mins(5));
        assert_eq!(hold(36_000), Duration::from_mins(65));
        assert_eq!(hold(u64::MAX), Duration::from_hours(12));
    }

    #[test]
    fn what_could_be_personal_is_no_trigger_source() {
        assert!(is_trigger_source("PostConfirmation_ConfirmSignUp"));
        for text in ["ada", "Ada_Lovelace", "PostConfirmation_", "PostConfirmation_ada@example.com", "PreSignUp_SignUp"]
        {
            assert!(!is_trigger_source(text), "{text}");
        }
    }
}
