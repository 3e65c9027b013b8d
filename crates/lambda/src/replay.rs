//! The replay of the events that wait in the spill queue: the same program as another function, which Lambda calls with
//! batches of messages.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use cognito::{Event, InvalidEvent, Occasion, UserEvent, queued};
use db::users;
use db::{Budget, Database, Session};
use futures::future::join_all;
use lambda_runtime::Diagnostic;
use serde_json::value::RawValue;
use tracing::warn;

use crate::diagnostics::chain;
use crate::failure::Failure;
use crate::outcome::{Failed, Outcome};
use crate::queue::{Message, NotHidden, Queue};
use crate::spill;
use crate::time_limit::REPLAY_MARGIN;

/// The first pause before a message that could not be ensured is received again, in seconds. Each further one is twice as
/// long, up to [`LONGEST_PAUSE`]: so a database that is away for half a day costs a message ten receives.
const FIRST_PAUSE: i32 = 60;

/// A message can be hidden for 12 hours from its receipt on.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
const LONGEST_PAUSE: i32 = 6 * 60 * 60;

/// The queues of a replay, as far as the function's variables name them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queues<'a> {
    /// Where the messages come from.
    pub(crate) spill: Option<&'a Queue>,
    /// Where those go that no database can ensure.
    pub(crate) dead_letters: Option<&'a Queue>,
}

/// A message, and what became of it.
#[derive(Debug)]
pub(crate) struct Replayed {
    message: SqsMessage,
    /// The event, unless the message holds none.
    pub(crate) event: Option<Event>,
    /// The outcome.
    pub(crate) result: Result<Outcome, (Failure, Failed)>,
    /// Whether the dead letters have it.
    is_buried: bool,
}

/// The batch of messages, if the payload is one.
pub(crate) fn batch(payload: &RawValue) -> Option<SqsEvent> {
    let batch: SqsEvent = serde_json::from_str(payload.get()).ok()?;
    let is_of_sqs = |message: &SqsMessage| message.event_source.as_deref() == Some("aws:sqs");
    (!batch.records.is_empty() && batch.records.iter().all(is_of_sqs)).then_some(batch)
}

/// Ensures the rows of a batch in one round trip. What the database is not at fault for goes to the dead letters; the rest
/// is left to be received again.
pub(crate) async fn replay(
    batch: SqsEvent,
    database: Result<&Database, db::Error>,
    queues: Queues<'_>,
    budget: &Budget,
    request_id: &str,
) -> Vec<Replayed> {
    let (mut events, mut read) = (Vec::new(), Vec::new());
    for message in batch.records {
        let (event, user_event) = event_of(&message);
        read.push((message, event, user_event.map(|user_event| events.push(user_event))));
    }
    let mut answers = ensure(&events, database, budget).await.into_iter();
    let replayed = read.into_iter().map(|(message, event, readable)| {
        let result = match readable {
            Ok(()) => answers.next().expect("each event has an answer"),
            Err(failure) => Err((failure, Failed::Dead)),
        };
        Replayed { message, event, result, is_buried: false }
    });
    let mut replayed: Vec<Replayed> = replayed.collect();
    bury(&mut replayed, queues.dead_letters, request_id).await;
    hold_back(&replayed, queues.spill).await;
    replayed
}

/// The answer: Lambda has the messages that failed received again, and deletes the others. Where one that failed has no id,
/// it is an error, after which all are received again.
pub(crate) fn answer(replayed: &[Replayed]) -> Result<SqsBatchResponse, Diagnostic> {
    let mut answer = SqsBatchResponse::default();
    for failed in replayed.iter().filter(|replayed| !replayed.is_done()) {
        answer.add_failure(failed.message_id().ok_or_else(|| Diagnostic {
            error_type: "InvalidEvent".to_owned(),
            error_message: "a message that failed has no messageId, so that all are received again".to_owned(),
        })?);
    }
    Ok(answer)
}

impl Replayed {
    /// Whether Lambda may delete the message.
    fn is_done(&self) -> bool {
        self.result.is_ok() || self.is_buried
    }

    /// By what the message is found in the queue.
    pub(crate) fn message_id(&self) -> Option<&str> {
        self.message.message_id.as_deref()
    }
}

/// The event of a message, if it holds one, and what the database gets of it.
fn event_of(message: &SqsMessage) -> (Option<Event>, Result<UserEvent, Failure>) {
    let Some(payload) = spill::kept(message) else { return (None, Err(InvalidEvent.into())) };
    match Event::parse(&payload) {
        Ok(event) if event.occasion() != Occasion::Confirmation => (Some(event), Err(Failure::OtherTrigger)),
        Ok(event) => {
            let as_of = spill::as_of(message).unwrap_or_else(SystemTime::now);
            let user_event = UserEvent::new(&event, as_of).map_err(Failure::from);
            (Some(event), user_event)
        }
        Err(error) => (None, Err(error.into())),
    }
}

/// Ensures the rows of these events. Returns an answer for each.
async fn ensure(
    events: &[UserEvent],
    database: Result<&Database, db::Error>,
    budget: &Budget,
) -> Vec<Result<Outcome, (Failure, Failed)>> {
    if events.is_empty() {
        return Vec::new();
    }
    let answers = match database {
        Ok(database) => {
            database.run_each(budget, async |session: &Session| users::ensure_each(session, events).await).await
        }
        Err(error) => Err(error),
    };
    let of_one = |error: db::Error| {
        let failed = if error.is_about_the_data() { Failed::Dead } else { Failed::Held };
        (error.into(), failed)
    };
    match answers {
        Ok(answers) => answers.into_iter().map(|answer| answer.map(Outcome::Ensured).map_err(of_one)).collect(),
        // One error for all: nobody's data is at fault.
        Err(error) => {
            let error = Arc::new(error);
            events.iter().map(|_| Err((Failure::Database(Arc::clone(&error)), Failed::Held))).collect()
        }
    }
}

/// Sends what can never be ensured to the dead letters, with the cause. Without such a queue, SQS moves it there by itself
/// once it was received as often as the queue permits.
async fn bury(replayed: &mut [Replayed], dead_letters: Option<&Queue>, request_id: &str) {
    let Some(queue) = dead_letters else { return };
    // At once, because all of them have the time of one.
    join_all(replayed.iter_mut().map(async |replayed| {
        let Err((failure, Failed::Dead)) = &replayed.result else { return };
        let sent = queue.send(&letter(&replayed.message, failure, request_id), REPLAY_MARGIN / 2).await;
        replayed.is_buried = sent.is_ok();
        if let Err(error) = sent {
            warn!(error = chain(&error), remedy = error.remedy(), "not sent to the dead letters; it is received again");
        }
    }))
    .await;
}

/// The message with the cause for which no database can ensure it.
fn letter(message: &SqsMessage, failure: &Failure, request_id: &str) -> Message {
    let texts = message.message_attributes.iter().filter_map(|(name, attribute)| {
        Some((name.as_str(), attribute.string_value.as_deref().filter(|value| !value.is_empty())?))
    });
    // That of an earlier refusal.
    let texts = texts.filter(|(name, _)| *name != queued::SQLSTATE);
    let refusal = [(queued::CAUSE, failure.error_type()), (queued::REQUEST_ID, request_id)];
    let sqlstate = failure.sqlstate().map(|sqlstate| (queued::SQLSTATE, sqlstate));
    // The letter is a new message, and the event no younger for it.
    let as_of = spill::as_of(message).map(queued::as_of_text);
    let as_of = as_of.as_deref().map(|as_of| (queued::AS_OF, as_of));
    // Several queues may share the one of their dead letters.
    let source = message.event_source_arn.as_deref().filter(|arn| !arn.is_empty());
    let source = source.map(|arn| (queued::SOURCE_ARN, arn));
    let attributes = texts.chain(refusal).chain(sqlstate).chain(as_of).chain(source);
    let id = message.message_id.clone().unwrap_or_default();
    Message {
        body: message.body.clone().unwrap_or_default(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        group: id.clone(),
        id,
    }
}

/// Has the messages that wait for the database received later, the more often they were, the later.
async fn hold_back(replayed: &[Replayed], queue: Option<&Queue>) {
    let held = replayed.iter().filter(|replayed| matches!(replayed.result, Err((_, Failed::Held))));
    let receipts: Vec<(String, i32)> = held
        .filter_map(|Replayed { message, .. }| {
            let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
            Some((message.receipt_handle.clone()?, pause(receives.unwrap_or(1))))
        })
        .collect();
    if receipts.is_empty() {
        return;
    }
    let Some(queue) = queue else {
        warn!(
            messages = receipts.len(),
            remedy = "set SPILL_QUEUE_URL of the replay to the URL of the queue that it reads",
            "the messages are received again sooner than they should"
        );
        return;
    };
    if let Err(NotHidden { count, error }) = queue.hide(&receipts, REPLAY_MARGIN / 2).await {
        warn!(
            messages = count,
            error = chain(&error),
            remedy = error.remedy(),
            "the messages are received again sooner than they should"
        );
    }
}

/// The seconds until a message is received again that was received so often.
fn pause(receives: u32) -> i32 {
    let times = 2_i32.saturating_pow(receives.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(times).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_as_long_as_the_one_before_up_to_six_hours() {
        let pauses = [0, 1, 2, 3, 9, 10, 1000, u32::MAX].map(pause);
        assert_eq!(pauses, [60, 60, 120, 240, 15_360, 21_600, 21_600, 21_600]);
    }

    #[test]
    fn a_message_that_failed_and_has_no_id_fails_the_batch() {
        let replayed = |id: Option<&str>, result| {
            let mut message = SqsMessage::default();
            message.message_id = id.map(str::to_owned);
            Replayed { message, event: None, result, is_buried: false }
        };
        let held = || Err((Failure::OtherTrigger, Failed::Held));
        let failed = answer(&[replayed(Some("1"), held()), replayed(None, Ok(Outcome::Known))]).expect("an answer");
        assert_eq!(failed.batch_item_failures.len(), 1);
        answer(&[replayed(Some("1"), held()), replayed(None, held())]).expect_err("one that failed cannot be named");
    }

    #[test]
    fn only_messages_of_sqs_are_a_batch() {
        let is_batch = |json: &str| batch(&RawValue::from_string(json.to_owned()).expect("JSON")).is_some();
        assert!(is_batch(r#"{"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}]}"#));
        for other in [r#"{"Records": [{"eventSource": "aws:s3"}]}"#, r#"{"request": {}}"#, "[]", "[[]]", "null", "1"] {
            assert!(!is_batch(other), "{other}");
        }
    }
}
