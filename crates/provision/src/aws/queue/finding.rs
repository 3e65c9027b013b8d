//! Settings of the queues that lose messages.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use humantime::format_duration;
use serde::Serialize;

use super::{Queue, QueueName};
use crate::terminal::harmless;

/// The fewest receives before a message is a dead letter. With fewer, batches that Lambda throttles make dead letters.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
const FEWEST_RECEIVES: u64 = 5;

/// The shortest visibility timeout: AWS advises six times the time limit of the function, which is at least 6 s here.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
const SHORTEST_VISIBILITY: Duration = Duration::from_secs(36);

/// The shortest retention of events: SQS's own default, and longer than a weekend.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
const SHORTEST_RETENTION: Duration = Duration::from_hours(4 * 24);

/// A setting that can lose events.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) queue: String,
    /// SQS's name for it.
    pub(crate) setting: &'static str,
    pub(crate) problem: String,
    pub(crate) remedy: String,
}

impl Finding {
    fn new(queue: &str, setting: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { queue: queue.to_owned(), setting, problem: problem.into(), remedy: remedy.into() }
    }

    /// The queue of the dead letters does not exist.
    pub(crate) fn of_missing(queue: &Queue, dead_letters: &QueueName) -> Self {
        Self::new(
            &queue.name,
            "RedrivePolicy",
            format!(
                "its queue of dead letters, {dead_letters}, does not exist, or these credentials may not know of it"
            ),
            "create that queue, name another one in the redrive policy, or choose other credentials with --profile",
        )
    }

    /// What is wrong with the queue of events, and with that of its dead letters.
    pub(crate) fn all(queue: &Queue, dead_letters: Option<&Queue>) -> Vec<Self> {
        let mut findings = Vec::new();
        match &queue.redrive {
            None => findings.push(Self::new(
                &queue.name,
                "RedrivePolicy",
                "it has none: an event that fails again and again is deleted at the end of the retention, unseen",
                format!("set one with a queue of dead letters and maxReceiveCount {FEWEST_RECEIVES} or more"),
            )),
            Some(redrive) if redrive.max_receives < FEWEST_RECEIVES => findings.push(Self::new(
                &queue.name,
                "RedrivePolicy",
                format!(
                    "maxReceiveCount is {}: each receive counts, also of a batch that Lambda throttles",
                    redrive.max_receives
                ),
                format!("set maxReceiveCount to {FEWEST_RECEIVES} or more"),
            )),
            Some(_) => {}
        }
        if queue.visibility < SHORTEST_VISIBILITY {
            findings.push(Self::new(
                &queue.name,
                "VisibilityTimeout",
                format!(
                    "it is {}: an event can come again while the function still works on it, and each time counts",
                    format_duration(queue.visibility)
                ),
                "set it to six times the time limit of the function that replays events",
            ));
        }
        if queue.retention < SHORTEST_RETENTION {
            findings.push(Self::new(
                &queue.name,
                "MessageRetentionPeriod",
                format!("it is {}: a longer outage of the database loses events", format_duration(queue.retention)),
                format!("set it to {} or more", format_duration(SHORTEST_RETENTION)),
            ));
        }
        findings.extend(dead_letters.into_iter().flat_map(|letters| Self::of_dead_letters(queue, letters)));
        findings
    }

    fn of_dead_letters(queue: &Queue, letters: &Queue) -> Vec<Self> {
        let mut findings = Vec::new();
        // A dead letter keeps the time of its first arrival, from which the retention counts.
        // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
        if letters.retention <= queue.retention {
            findings.push(Self::new(
                &letters.name,
                "MessageRetentionPeriod",
                format!(
                    "it is {}, and that of {} {}: the time counts from the first arrival there, so a late dead letter is \
                     deleted at once",
                    format_duration(letters.retention),
                    queue.name,
                    format_duration(queue.retention)
                ),
                "set it to 14 days, the most that SQS allows, and that of the queue of events to less",
            ));
        }
        if let Some(redrive) = &letters.redrive {
            findings.push(Self::new(
                &letters.name,
                "RedrivePolicy",
                format!("it is the queue of dead letters, and sends them on to {}", redrive.dead_letters),
                "remove its redrive policy",
            ));
        }
        if letters.takes_from.as_ref().is_some_and(|sources| !sources.contains(&queue.arn)) {
            findings.push(Self::new(
                &letters.name,
                "RedriveAllowPolicy",
                format!("it does not take the dead letters of {}", queue.name),
                "add the ARN of that queue to its sourceQueueArns",
            ));
        }
        findings
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { queue, setting, problem, remedy } = self;
        write!(f, "{} {setting}: {}\n  hint: {}", harmless(queue), harmless(problem), harmless(remedy))
    }
}
