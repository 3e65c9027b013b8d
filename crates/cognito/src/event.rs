//! What the function needs to know of a Cognito event.

use std::collections::BTreeMap;

use aws_lambda_events::cognito::CognitoEventUserPoolsPostConfirmationTriggerSource as PostConfirmationSource;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as UnknownVariant;
use serde_json::value::RawValue;

/// A Cognito trigger's event, as far as it matters here.
///
/// Read by hand, because a strict decoder would lose sign-ups: Cognito adds fields and trigger sources, and
/// attributes can be null.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// Why Cognito invoked the trigger.
    pub trigger_source: String,
    /// The user name.
    pub user_name: Option<String>,
    /// The user attributes.
    pub attributes: BTreeMap<String, String>,
}

/// The JSON is no event of a Cognito trigger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event has no `triggerSource`; send the event of a user pool's trigger, see events/")]
pub struct InvalidEvent;

impl Event {
    /// Reads the event.
    pub fn parse(event: &RawValue) -> Result<Self, InvalidEvent> {
        let event = fields(event);
        let request = event.get("request").map(|request| fields(request)).unwrap_or_default();
        let attributes = request.get("userAttributes").map(|attributes| fields(attributes)).unwrap_or_default();
        Ok(Self {
            trigger_source: event.get("triggerSource").and_then(|source| text(source)).ok_or(InvalidEvent)?,
            user_name: event.get("userName").and_then(|name| text(name)),
            attributes: attributes.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect(),
        })
    }

    /// Whether Cognito sent this because somebody confirmed a sign-up or a new password.
    pub fn is_post_confirmation(&self) -> bool {
        let source: Result<_, UnknownVariant> =
            PostConfirmationSource::deserialize(self.trigger_source.as_str().into_deserializer());
        source.is_ok()
    }
}

/// The fields of a JSON object, each still unread: what is odd in one costs no other. None if it is no object.
fn fields(json: &RawValue) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(json.get()).unwrap_or_default()
}

fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(event: &Value) -> Result<Event, InvalidEvent> {
        Event::parse(&RawValue::from_string(event.to_string()).expect("a value is valid JSON"))
    }

    #[test]
    fn both_post_confirmation_sources_are_known_and_no_other() {
        let known = |source: &str| parse(&json!({"triggerSource": source})).expect("a source").is_post_confirmation();
        assert!(known("PostConfirmation_ConfirmSignUp"));
        assert!(known("PostConfirmation_ConfirmForgotPassword"));
        assert!(!known("PreSignUp_SignUp"));
        assert!(!known("PostConfirmation_SomethingNew"));
    }

    #[test]
    fn attributes_that_are_no_text_count_as_absent() {
        let event = parse(&json!({
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "request": {"userAttributes": {"sub": "s", "name": null, "email": 1, "custom:list": []}},
        }));
        assert_eq!(event.expect("a valid event").attributes, [("sub".to_owned(), "s".to_owned())].into());
    }

    #[test]
    fn what_has_no_trigger_source_is_no_event() {
        for event in [json!(null), json!(1), json!("x"), json!([]), json!({}), json!({"triggerSource": 1})] {
            assert_eq!(parse(&event), Err(InvalidEvent), "{event}");
        }
    }

    #[test]
    fn missing_parts_of_an_event_are_empty() {
        for request in [json!(null), json!([]), json!({"userAttributes": "x"})] {
            let event = parse(&json!({"triggerSource": "x", "request": request})).expect("it has a trigger source");
            assert_eq!((event.user_name, event.attributes.len()), (None, 0), "{request}");
        }
    }

    #[test]
    fn what_is_odd_in_one_field_costs_no_other() {
        let nested = "[".repeat(1000) + &"]".repeat(1000);
        let event = format!(
            r#"{{"odd": 1e999, "triggerSource": "x", "userName": "ada", "request": {{"odd": {nested},
                "userAttributes": {{"sub": "s", "email": "\ud800", "name": {nested}}}}}}}"#
        );
        let event = Event::parse(&RawValue::from_string(event).expect("this is JSON")).expect("a valid event");
        assert_eq!(event.user_name.as_deref(), Some("ada"));
        assert_eq!(event.attributes, [("sub".to_owned(), "s".to_owned())].into());
    }
}
