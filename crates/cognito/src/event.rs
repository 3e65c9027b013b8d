//! The event of a Cognito trigger.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use aws_lambda_events::cognito::CognitoEventUserPoolsPostConfirmationTriggerSource as PostConfirmationSource;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as UnknownVariant;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{InvalidUser, User};

/// The event of a Cognito trigger, as far as it matters here.
///
/// Read by hand, because a strict decoder would lose sign-ups: Cognito adds fields and trigger sources, and
/// attributes can be null.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// The occasion, such as `PostConfirmation_ConfirmSignUp`.
    pub trigger_source: String,
    /// The name that the user signs in with; a UUID where that is an e-mail address or a phone number.
    pub user_name: Option<String>,
    /// The user pool, such as `eu-central-1_aB3dE5gH7`.
    pub user_pool_id: Option<String>,
    /// The app client that the user signed up with.
    pub client_id: Option<String>,
    /// The user attributes that are text.
    pub attributes: BTreeMap<String, String>,
    /// The values, as far as they are text, that the app client sent along with its request (`ClientMetadata`).
    pub client_metadata: BTreeMap<String, String>,
}

/// The occasion of an event, as far as it matters here: each is a group of trigger sources.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A user confirmed a sign-up or a new password (`PostConfirmation_…`).
    Confirmation,
    /// A user has signed in, or gets tokens: new or refreshed ones (`PostAuthentication_…`, `TokenGeneration_…`).
    SignIn,
    /// A machine gets a token, which is for no user (`TokenGeneration_ClientCredentials`).
    Machine,
    /// That of another trigger.
    Other,
}

/// What the trigger sources of [`Occasion::SignIn`] begin with.
const SIGN_IN: [&str; 2] = ["TokenGeneration_", "PostAuthentication_"];

/// The JSON is no event of a Cognito trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event has no `triggerSource`")]
pub struct InvalidEvent;

impl InvalidEvent {
    /// The way out.
    pub fn remedy(self) -> &'static str {
        "send the event of a user pool's trigger, see events/"
    }
}

impl Event {
    /// Reads an event, which only needs a `triggerSource`. Any other missing or malformed field counts as absent.
    pub fn parse(event: &RawValue) -> Result<Self, InvalidEvent> {
        let event = fields(event);
        let within = |name: &str| event.get(name).map(|object| fields(object)).unwrap_or_default();
        let request = within("request");
        let texts = |name: &str| request.get(name).map(|object| texts(object)).unwrap_or_default();
        Ok(Self {
            trigger_source: event.get("triggerSource").and_then(|source| text(source)).ok_or(InvalidEvent)?,
            user_name: event.get("userName").and_then(|name| text(name)),
            user_pool_id: event.get("userPoolId").and_then(|id| text(id)).filter(|id| is_user_pool_id(id)),
            client_id: within("callerContext").get("clientId").and_then(|id| text(id)).filter(|id| is_client_id(id)),
            attributes: texts("userAttributes"),
            client_metadata: texts("clientMetadata"),
        })
    }

    /// The occasion. A trigger source that is new belongs to the group that its trigger's others do.
    pub fn occasion(&self) -> Occasion {
        match self.trigger_source.as_str() {
            "TokenGeneration_ClientCredentials" => Occasion::Machine,
            source if source.starts_with("PostConfirmation_") => Occasion::Confirmation,
            source if SIGN_IN.iter().any(|prefix| source.starts_with(prefix)) => Occasion::SignIn,
            _ => Occasion::Other,
        }
    }

    /// The occasion of JSON that [`Self::parse`] cannot read: that of a sign-in where it seems to be one, because an error
    /// would keep the person out.
    pub fn likely_occasion(unreadable: &RawValue) -> Occasion {
        let is_named = |prefix: &&str| unreadable.get().contains(&format!("\"{prefix}"));
        if SIGN_IN.iter().any(is_named) { Occasion::SignIn } else { Occasion::Other }
    }

    /// Returns whether the source is one of those of [`Occasion::Confirmation`] that AWS documents.
    pub fn is_known_confirmation(&self) -> bool {
        let source: Result<_, UnknownVariant> =
            PostConfirmationSource::deserialize(self.trigger_source.as_str().into_deserializer());
        source.is_ok()
    }

    /// Cognito's id of the user, if it is a UUID as all of Cognito's are, in braces and with a prefix not even that. Other
    /// text in its place could be personal.
    pub fn sub(&self) -> Option<&str> {
        let is_bare = |sub: &str| sub.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        self.attributes.get("sub").map(String::as_str).filter(|sub| is_bare(sub) && Uuid::try_parse(sub).is_ok())
    }

    /// The user that the attributes make.
    pub fn user(&self) -> Result<User, InvalidUser> {
        User::from_attributes(self.user_name.as_deref(), &self.attributes)
    }
}

/// The name of a field, which needs no memory of its own unless it holds escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The fields of a JSON object, each still unread: a malformed one affects no other. None if it is no object.
fn fields(json: &RawValue) -> BTreeMap<Name<'_>, &RawValue> {
    serde_json::from_str(json.get()).unwrap_or_default()
}

/// The fields of a JSON object that are text: read at once where all are, as Cognito's, because that costs half.
fn texts(json: &RawValue) -> BTreeMap<String, String> {
    let one_by_one = || fields(json).into_iter().filter_map(|(Name(name), value)| Some((name.into(), text(value)?)));
    serde_json::from_str(json.get()).unwrap_or_else(|_| one_by_one().collect())
}

fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

/// `[\w-]+_[0-9a-zA-Z]+` of 1 to 55 characters.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolType.html>
fn is_user_pool_id(id: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let (region, pool) = id.rsplit_once('_').unwrap_or_default();
    id.len() <= 55
        && !region.is_empty()
        && region.bytes().all(is_word)
        && !pool.is_empty()
        && pool.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `[\w+]+` of 1 to 128 characters.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html>
fn is_client_id(id: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'+';
    (1..=128).contains(&id.len()) && id.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(event: &Value) -> Result<Event, InvalidEvent> {
        Event::parse(&RawValue::from_string(event.to_string()).expect("a value is valid JSON"))
    }

    #[test]
    fn every_source_of_post_confirmation_counts_and_two_are_known() {
        let seen = |source: &str| {
            let event = parse(&json!({"triggerSource": source})).expect("a source");
            (event.occasion(), event.is_known_confirmation())
        };
        assert_eq!(seen("PostConfirmation_ConfirmSignUp"), (Occasion::Confirmation, true));
        assert_eq!(seen("PostConfirmation_ConfirmForgotPassword"), (Occasion::Confirmation, true));
        assert_eq!(seen("PostConfirmation_SomethingNew"), (Occasion::Confirmation, false));
        for other in ["PreSignUp_SignUp", "PostConfirmation", "postconfirmation_confirmsignup", ""] {
            assert_eq!(seen(other), (Occasion::Other, false), "{other}");
        }
    }

    #[test]
    fn every_token_of_a_user_is_a_sign_in_and_a_machines_is_not() {
        let seen = |source: &str| parse(&json!({"triggerSource": source})).expect("a source").occasion();
        for source in [
            "TokenGeneration_HostedAuth",
            "TokenGeneration_Authentication",
            "TokenGeneration_NewPasswordChallenge",
            "TokenGeneration_AuthenticateDevice",
            "TokenGeneration_RefreshTokens",
            "TokenGeneration_SomethingNew",
            "PostAuthentication_Authentication",
        ] {
            assert_eq!(seen(source), Occasion::SignIn, "{source}");
        }
        assert_eq!(seen("TokenGeneration_ClientCredentials"), Occasion::Machine);
        assert_eq!(seen("PreAuthentication_Authentication"), Occasion::Other);
    }

    #[test]
    fn json_that_cannot_be_read_is_a_sign_in_if_it_seems_to_be_one() {
        let likely = |json: &str| {
            let json = RawValue::from_string(json.to_owned()).expect("it is JSON");
            assert_eq!(Event::parse(&json), Err(InvalidEvent), "{json}");
            Event::likely_occasion(&json)
        };
        for event in [
            // A name that no text can hold makes the whole object unreadable.
            r#"{"triggerSource": "TokenGeneration_RefreshTokens", "\ud800": 1}"#,
            r#"{"triggerSource": "PostAuthentication_Authentication", "triggerSource": null}"#,
            r#"[{"triggerSource": "TokenGeneration_HostedAuth"}]"#,
        ] {
            assert_eq!(likely(event), Occasion::SignIn, "{event}");
        }
        for event in ["null", "{}", r#"{"triggerSource": 1, "x": "PostConfirmation_ConfirmSignUp"}"#] {
            assert_eq!(likely(event), Occasion::Other, "{event}");
        }
    }

    #[test]
    fn a_sub_that_is_no_uuid_is_no_id() {
        let sub = |sub: &str| {
            let attributes = json!({"triggerSource": "x", "request": {"userAttributes": {"sub": sub}}});
            parse(&attributes).expect("a source").sub().map(str::to_owned)
        };
        let uuid = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";
        assert_eq!(sub(uuid).as_deref(), Some(uuid));
        assert_eq!(sub(&uuid.replace('-', "")), Some(uuid.replace('-', "")));
        for other in ["ada@example.com", "", &"-".repeat(36), &format!("{{{uuid}}}"), &format!("urn:uuid:{uuid}")] {
            assert_eq!(sub(other), None, "{other}");
        }
    }

    #[test]
    fn the_ids_of_user_pool_and_client_are_read_if_they_are_well_formed() {
        let ids = |pool: &str, client: &str| {
            let event = json!({"triggerSource": "x", "userPoolId": pool, "callerContext": {"clientId": client}});
            let event = parse(&event).expect("it has a trigger source");
            (event.user_pool_id.is_some(), event.client_id.is_some())
        };
        assert_eq!(ids("eu-central-1_aB3dE5gH7", "7lhlkkfbfb4q5kpp90urffao"), (true, true));
        for (pool, client) in [
            ("", ""),
            ("ada@example.com", "ada@example.com"),
            ("_aB3dE5gH7", "client-1"),
            ("eu-central-1_", "two words"),
            ("eu-central-1_aB3-", "\u{e9}"),
            (&format!("eu_{}", "a".repeat(53)), &"a".repeat(129)),
        ] {
            assert_eq!(ids(pool, client), (false, false), "{pool} {client}");
        }
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
    fn of_attributes_with_one_name_the_last_counts() {
        for (attributes, expected) in [
            (r#"{"a": "1", "b": "2", "a": "3"}"#, vec![("a", "3"), ("b", "2")]),
            (r#"{"a": "1", "b": "2", "\u0061": null}"#, vec![("b", "2")]),
            (r#"{"a": null, "b": "2", "a": "1"}"#, vec![("a", "1"), ("b", "2")]),
        ] {
            let event = format!(r#"{{"triggerSource": "x", "request": {{"userAttributes": {attributes}}}}}"#);
            let event = Event::parse(&RawValue::from_string(event).expect("it is JSON")).expect("a valid event");
            let read = event.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(read.collect::<Vec<_>>(), expected, "{attributes}");
        }
    }

    #[test]
    fn json_without_a_trigger_source_is_no_event() {
        for event in [json!(null), json!(1), json!("x"), json!([]), json!({}), json!({"triggerSource": 1})] {
            assert_eq!(parse(&event), Err(InvalidEvent), "{event}");
        }
    }

    #[test]
    fn missing_parts_of_an_event_are_empty() {
        for request in [json!(null), json!([]), json!({"userAttributes": "x"})] {
            let event = parse(&json!({"triggerSource": "x", "request": request})).expect("it has a trigger source");
            assert_eq!((event.user_name, event.user_pool_id, event.client_id), (None, None, None), "{request}");
            assert_eq!(event.attributes, BTreeMap::new(), "{request}");
        }
    }

    #[test]
    fn a_malformed_field_affects_no_other() {
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
