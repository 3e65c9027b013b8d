//! The spill queue: the event of a sign-up waits there while the database is away, and the sign-up succeeds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::sqs::SqsMessage;
use cognito::{Event, queued};
use serde_json::value::RawValue;
use tracing::warn;

use crate::diagnostics::chain;
use crate::failure::Failure;
use crate::queue::{Message, Queue};
use crate::report::trigger_source;

/// The queue's share of the time, which is kept from the database: a connection over TLS and two attempts.
const SHARE: Duration = Duration::from_millis(600);

/// The queue's least share. Below twice this time, the database has what is left.
const LEAST_SHARE: Duration = Duration::from_millis(400);

/// The queue's part of an invocation's time limit.
pub(crate) fn share(limit: Duration) -> Duration {
    (limit / 2).clamp(LEAST_SHARE, SHARE).min(limit)
}

/// Whether the event would have been ensured by a database that is well: then it is worth keeping.
pub(crate) fn is_worth_keeping(failure: &Failure) -> bool {
    matches!(failure, Failure::Database(error) if !error.is_about_the_data())
}

/// The message that keeps the event as it came.
pub(crate) fn message(payload: &RawValue, event: &Event, failure: &Failure, as_of: SystemTime, id: &str) -> Message {
    let (body, encoding) = queued::body(payload);
    let as_of = queued::as_of_text(as_of);
    let attributes = [
        (queued::CAUSE, Some(failure.error_type())),
        (queued::AS_OF, Some(&as_of)),
        (queued::VERSION, Some(env!("CARGO_PKG_VERSION"))),
        (queued::TRIGGER_SOURCE, trigger_source(event)),
        (queued::ENCODING, encoding),
    ];
    let attributes =
        attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let group = event.sub().unwrap_or(id).to_owned();
    Message { body, attributes, group, id: id.to_owned() }
}

/// Returns whether the queue has the message now. A failure is logged.
pub(crate) async fn keep(message: &Message, queue: &Queue, left: Duration) -> bool {
    // A process that did not run for a while is late already: better a late answer than a lost event.
    let kept = queue.send(message, left.max(LEAST_SHARE)).await;
    if let Err(error) = &kept {
        warn!(error = chain(error), remedy = error.remedy(), "the event is not in the queue either");
    }
    kept.is_ok()
}

/// The event that a message keeps.
pub(crate) fn kept(message: &SqsMessage) -> Option<Box<RawValue>> {
    queued::event(message.body.as_deref()?, attribute(message, queued::ENCODING))
}

/// When Cognito called, as far as the message tells.
pub(crate) fn as_of(message: &SqsMessage) -> Option<SystemTime> {
    let sent = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
    queued::as_of(attribute(message, queued::AS_OF), sent.map(|sent| UNIX_EPOCH + Duration::from_millis(sent)))
}

fn attribute<'a>(message: &'a SqsMessage, name: &str) -> Option<&'a str> {
    message.message_attributes.get(name)?.string_value.as_deref()
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsMessageAttribute;

    use super::*;

    /// The message as Lambda hands it over.
    fn received(message: Message) -> SqsMessage {
        let mut received = SqsMessage::default();
        received.body = Some(message.body);
        received.message_attributes = message
            .attributes
            .into_iter()
            .map(|(name, value)| {
                let mut attribute = SqsMessageAttribute::default();
                attribute.string_value = Some(value);
                (name, attribute)
            })
            .collect();
        received
    }

    #[test]
    fn an_event_is_kept_byte_for_byte_whatever_it_holds() {
        let as_of = UNIX_EPOCH + Duration::from_micros(1_800_000_000_123_456);
        for name in ["Ada", "\u{ffff}\u{fffe}", "\u{1f469}\u{200d}\u{1f4bb}", "\\u0000\\ud800"] {
            let json = format!(
                "{{ \"triggerSource\":\"PostConfirmation_ConfirmSignUp\",\n \"request\":{{\"userAttributes\":{{\"sub\":\"s\",\"name\":\"{name}\"}}}}}}"
            );
            let payload = RawValue::from_string(json.clone()).expect("it is JSON");
            let event = Event::parse(&payload).expect("an event");
            let failure = Failure::from(db::Error::BudgetExceeded { step: db::Step::Query });
            let message = message(&payload, &event, &failure, as_of, "id");
            let message = received(message);
            let known = (kept(&message).expect("the event"), super::as_of(&message));
            assert_eq!((known.0.get(), known.1), (json.as_str(), Some(as_of)));
        }
    }

    #[test]
    fn the_queue_has_400_ms_at_least_and_the_database_the_rest() {
        for (limit, expected) in [(4500, 600), (1200, 600), (1000, 500), (800, 400), (500, 400), (300, 300)] {
            assert_eq!(share(Duration::from_millis(limit)).as_millis(), expected, "of {limit} ms");
        }
    }
}
