//! The message that keeps an event in a queue while the database is away: its body and its attributes. The function writes
//! and reads it, the operator's tool reads it.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

/// The attribute with the error type of the failure, as in `docs/errors.md`.
pub const CAUSE: &str = "cause";

/// The attribute with the time at which Cognito called, RFC 3339 in UTC.
pub const AS_OF: &str = "as_of";

/// The attribute with the event's trigger source.
pub const TRIGGER_SOURCE: &str = "trigger_source";

/// The attribute with the version of the function that sent the message.
pub const VERSION: &str = "version";

/// The attribute that says how the body is encoded: [`BASE64`], or not at all without it.
pub const ENCODING: &str = "encoding";

/// The encoding of a body with characters that Amazon SQS refuses.
pub const BASE64: &str = "base64";

/// The attribute of a dead letter with the request id of the replay that has refused it.
pub const REQUEST_ID: &str = "request_id";

/// The attribute of a dead letter with the SQLSTATE with which the server has refused it.
pub const SQLSTATE: &str = "sqlstate";

/// The attribute of a dead letter with the ARN of the queue that its replay has read. Of what SQS itself moves there, SQS
/// says it.
pub const SOURCE_ARN: &str = "source_arn";

/// The body that keeps the event byte for byte, and its encoding, if it has one.
pub fn body(event: &RawValue) -> (String, Option<&'static str>) {
    if event.get().chars().all(is_taken) {
        (event.get().to_owned(), None)
    } else {
        (BASE64_STANDARD.encode(event.get()), Some(BASE64))
    }
}

/// The JSON in a body of this encoding; none if there is none.
pub fn event(body: &str, encoding: Option<&str>) -> Option<Box<RawValue>> {
    let json = match encoding {
        Some(BASE64) => String::from_utf8(BASE64_STANDARD.decode(body).ok()?).ok()?,
        _ => body.to_owned(),
    };
    RawValue::from_string(json).ok()
}

/// When Cognito called: what the attribute [`AS_OF`] says, but no later than SQS got the message at `sent`, to the
/// millisecond. A message of another sender says at least the latter. None if nothing is known.
pub fn as_of(attribute: Option<&str>, sent: Option<SystemTime>) -> Option<SystemTime> {
    let said = attribute.and_then(|text| humantime::parse_rfc3339(text).ok());
    match (said, sent) {
        (Some(said), Some(sent)) if said >= sent + Duration::from_millis(1) => Some(sent),
        (said, sent) => said.or(sent),
    }
}

/// The time as [`AS_OF`] has it.
pub fn as_of_text(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// Whether SQS takes the character in a message.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn is_taken(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_kept_byte_for_byte_in_characters_that_sqs_takes() {
        for (name, expected) in
            [("Ada", None), ("\u{ffff}\u{fffe}", Some(BASE64)), ("\u{1f469}\u{200d}", None), ("\\u0000\\ud800", None)]
        {
            let json = format!("{{ \"name\":\n\"{name}\"}}");
            let kept = RawValue::from_string(json.clone()).expect("it is JSON");
            let (body, encoding) = body(&kept);
            assert_eq!(encoding, expected, "{name}");
            assert!(body.chars().all(is_taken), "{name}");
            assert_eq!(event(&body, encoding).expect("the event").get(), json);
        }
    }

    #[test]
    fn an_event_is_never_younger_than_its_message() {
        let time = |text: &str| humantime::parse_rfc3339(text).expect("a time");
        let sent = time("2026-11-20T10:00:00.123Z");
        for (attribute, expected) in [
            (Some("2026-11-20T09:00:00.123456Z"), "2026-11-20T09:00:00.123456Z"),
            (Some("2026-11-20T10:00:00.123999Z"), "2026-11-20T10:00:00.123999Z"),
            (Some("2026-11-20T10:00:00.124Z"), "2026-11-20T10:00:00.123000Z"),
            (Some("9999-12-31T23:59:59Z"), "2026-11-20T10:00:00.123000Z"),
            (Some("yesterday"), "2026-11-20T10:00:00.123000Z"),
            (None, "2026-11-20T10:00:00.123000Z"),
        ] {
            assert_eq!(as_of(attribute, Some(sent)).map(as_of_text).as_deref(), Some(expected), "{attribute:?}");
        }
        assert_eq!(as_of(Some("2026-11-20T09:00:00Z"), None), Some(time("2026-11-20T09:00:00Z")));
        assert_eq!(as_of(None, None), None);
    }

    #[test]
    fn what_holds_no_json_is_no_event() {
        for (body, encoding) in [("no event", None), ("", None), ("{}", Some(BASE64)), ("/w==", Some(BASE64))] {
            assert!(event(body, encoding).is_none(), "{body:?} {encoding:?}");
        }
    }
}
