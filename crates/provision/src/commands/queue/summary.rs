//! The dead letters, counted.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::aws::queue::{Message, Queue};
use crate::output::{counted, table};
use crate::queue::Cause;
use crate::queue::dead_letters::DeadLetter;
use crate::terminal::harmless;

/// By cause and trigger source.
type Groups = BTreeMap<(Cause, Option<String>), Tally>;

/// Dead letters by cause and trigger source.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) messages: u64,
    /// Different users whom the events identify.
    #[serde(rename = "users", serialize_with = "count")]
    subs: HashSet<String>,
    /// Those whose event identifies no user.
    without_user: u64,
    /// Those that `replay` sends without further options.
    pub(super) may_succeed: u64,
    /// When the first event happened.
    #[serde(serialize_with = "rfc3339")]
    pub(super) oldest_event: Option<SystemTime>,
    /// When the first one came to a queue.
    #[serde(serialize_with = "rfc3339")]
    pub(super) oldest_sent: Option<SystemTime>,
    #[serde(rename = "by_cause", serialize_with = "groups")]
    groups: Groups,
}

#[derive(Debug, Default)]
struct Tally {
    messages: u64,
    may_succeed: u64,
    oldest_event: Option<SystemTime>,
}

/// Those of one cause and trigger source.
#[derive(Serialize)]
struct Group<'a> {
    cause: Cause,
    trigger_source: Option<&'a str>,
    messages: u64,
    may_succeed: u64,
    #[serde(serialize_with = "rfc3339")]
    oldest_event: Option<SystemTime>,
    remedy: &'static str,
}

impl Summary {
    pub(super) fn add(&mut self, letter: DeadLetter) {
        let may_succeed = u64::from(letter.may_succeed());
        let tally = self.groups.entry((letter.cause, letter.trigger_source)).or_default();
        for (messages, retried) in
            [(&mut tally.messages, &mut tally.may_succeed), (&mut self.messages, &mut self.may_succeed)]
        {
            *messages += 1;
            *retried += may_succeed;
        }
        for (oldest, time) in [
            (&mut tally.oldest_event, letter.event_at),
            (&mut self.oldest_event, letter.event_at),
            (&mut self.oldest_sent, letter.sent_at),
        ] {
            *oldest = [*oldest, time].into_iter().flatten().min();
        }
        match letter.sub {
            Some(sub) => drop(self.subs.insert(sub)),
            None => self.without_user += 1,
        }
    }

    pub(super) fn users(&self) -> usize {
        self.subs.len()
    }

    /// `DatabaseUnreachable 12, InvalidEvent 1`.
    pub(super) fn causes(&self) -> String {
        let mut causes = BTreeMap::<Cause, u64>::new();
        for ((cause, _), tally) in &self.groups {
            *causes.entry(*cause).or_default() += tally.messages;
        }
        let causes: Vec<_> = causes.iter().map(|(cause, count)| format!("{} {count}", cause.as_str())).collect();
        causes.join(", ")
    }

    /// `12 dead letters of 11 users`, and how many events identify none.
    pub(super) fn size(&self) -> String {
        let letters = counted(self.messages, "dead letter", "dead letters");
        let users = format!("{} {}", self.users(), if self.users() == 1 { "user" } else { "users" });
        match self.without_user {
            0 => format!("{letters} of {users}"),
            without => format!("{letters} of {users} ({without} of no known user)"),
        }
    }
}

impl<'a> Group<'a> {
    fn of(((cause, source), tally): (&'a (Cause, Option<String>), &Tally)) -> Self {
        let Tally { messages, may_succeed, oldest_event } = *tally;
        let (cause, remedy) = (*cause, cause.remedy());
        Self { cause, trigger_source: source.as_deref(), messages, may_succeed, oldest_event, remedy }
    }
}

/// A table, and the remedy of each cause.
impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = ["cause", "trigger source", "messages", "may succeed now", "oldest event"];
        let rows = self.groups.iter().map(Group::of).map(|group| {
            let source = group.trigger_source.unwrap_or("unknown").to_owned();
            let oldest = group.oldest_event.map_or_else(|| "unknown".to_owned(), time);
            let [messages, may_succeed] = [group.messages, group.may_succeed].map(|count| count.to_string());
            [group.cause.as_str().to_owned(), source, messages, may_succeed, oldest]
        });
        table(f, header, rows)?;
        let mut causes: Vec<Cause> = self.groups.keys().map(|(cause, _)| *cause).collect();
        causes.dedup();
        f.write_str("\n")?;
        causes.iter().try_for_each(|cause| write!(f, "\n{}: {}", cause.as_str(), cause.remedy()))
    }
}

/// `InternalError 2, AccessDenied 1`
pub(super) fn counts(codes: &BTreeMap<String, u64>) -> String {
    codes.iter().map(|(code, count)| format!("{code} {count}")).collect::<Vec<_>>().join(", ")
}

/// Dead letters of other queues than this one, which share the queue of their dead letters: how many, by their queue's name.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Others(BTreeMap<String, u64>);

impl Others {
    /// Counts the letter if it is of another queue than `queue`. Returns whether it is.
    pub(super) fn add(&mut self, message: &Message, queue: &Queue) -> bool {
        let Some(arn) = message.source.as_ref().filter(|arn| **arn != queue.arn) else { return false };
        let name = arn.rsplit(':').next().unwrap_or_default();
        // The queue of that name in another region or account.
        let name = if name == queue.name { arn.as_str() } else { name };
        *self.0.entry(name.to_owned()).or_default() += 1;
        true
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// ``dev-spill 3; `--queue` with that name works on them``
impl Display for Others {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}; `--queue` with that name works on them", harmless(counts(&self.0)))
    }
}

/// The time in UTC, to the second.
pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn rfc3339<S: Serializer>(value: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(time).serialize(serializer)
}

fn count<S: Serializer>(subs: &HashSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    subs.len().serialize(serializer)
}

fn groups<S: Serializer>(groups: &Groups, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(groups.iter().map(Group::of))
}
