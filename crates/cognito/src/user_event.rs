//! The argument of the contract `cognito.ensure_user(event jsonb)`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::user::{self, without_nul};
use crate::{Event, InvalidUser};

/// The version of the contract. New fields do not change it.
const CONTRACT: u8 = 1;

/// The trigger source of an event that no trigger has sent: the operator's tool has read the user from the pool.
const OF_POOL: &str = "Provision_Reconcile";

/// What Cognito reported of a user, as the contract's functions in the database get it. `docs/own-table.md` describes the
/// fields.
///
/// Made of text that was read, never of the event itself: PostgreSQL's `jsonb` refuses NUL and lone surrogates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserEvent {
    contract: u8,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_pool_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    trigger_source: String,
    display_name: String,
    handles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    email_verified: bool,
    attributes: BTreeMap<String, String>,
    client_metadata: BTreeMap<String, String>,
    #[serde(serialize_with = "rfc3339")]
    as_of: SystemTime,
}

impl UserEvent {
    /// Makes it of an event that Cognito sent at `as_of`. The same on each try: by it the database knows its own work.
    pub fn new(event: &Event, as_of: SystemTime) -> Result<Self, InvalidUser> {
        let user = event.user()?;
        let email = user.email().map(str::to_owned);
        let email_verified = email.is_some() && is_verified(&event.attributes);
        Ok(Self {
            contract: CONTRACT,
            sub: user.cognito_user_id().to_owned(),
            user_name: event.user_name.as_deref().map(without_nul),
            user_pool_id: event.user_pool_id.clone(),
            client_id: event.client_id.clone(),
            trigger_source: without_nul(&event.trigger_source),
            display_name: user.display_name().to_owned(),
            handles: user.handles(),
            email,
            email_verified,
            attributes: all_without_nul(&event.attributes),
            client_metadata: all_without_nul(&event.client_metadata),
            as_of,
        })
    }

    /// Makes it of a user as the pool had it at `as_of`, as if a trigger had sent it.
    pub fn of_pool_user(
        user_pool_id: &str,
        user_name: &str,
        attributes: BTreeMap<String, String>,
        as_of: SystemTime,
    ) -> Result<Self, InvalidUser> {
        let event = Event {
            trigger_source: OF_POOL.to_owned(),
            user_name: Some(user_name.to_owned()),
            user_pool_id: Some(user_pool_id.to_owned()),
            client_id: None,
            attributes,
            client_metadata: BTreeMap::new(),
        };
        Self::new(&event, as_of)
    }

    /// The address that the event of a user with these attributes has, and whether Cognito has verified it. The whole event
    /// would cost far more, because names are normalised.
    pub fn address_of(attributes: &BTreeMap<String, String>) -> (Option<String>, bool) {
        let email = user::attribute(attributes, "email");
        let email_verified = email.is_some() && is_verified(attributes);
        (email, email_verified)
    }

    /// Cognito's id of the user.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// The user name, by which the pool finds the user.
    pub fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    /// The handle that the user gets if nobody has it.
    pub fn handle(&self) -> Option<&str> {
        self.handles.first().map(String::as_str)
    }

    /// The address as the database gets it, and whether Cognito has verified it.
    pub fn address(&self) -> (Option<&str>, bool) {
        (self.email.as_deref(), self.email_verified)
    }
}

fn is_verified(attributes: &BTreeMap<String, String>) -> bool {
    attributes.get("email_verified").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn all_without_nul(values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (without_nul(name), without_nul(value))).collect()
}

/// In microseconds, PostgreSQL's own precision.
fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_micros(*time))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    const SUB: &str = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";

    fn user_event(event: &str) -> Value {
        let event = RawValue::from_string(event.to_owned()).expect("the event is JSON");
        let event = Event::parse(&event).expect("it has a trigger source");
        let as_of = UNIX_EPOCH + Duration::from_micros(1_800_000_000_123_456);
        serde_json::to_value(UserEvent::new(&event, as_of).expect("`sub` is there")).expect("it is JSON")
    }

    #[test]
    fn the_whole_of_an_event_reaches_the_contract() {
        let event = json!({
            "version": "1",
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "userName": "countess",
            "userPoolId": "eu-central-1_aB3dE5gH7",
            "callerContext": {"awsSdkVersion": "aws-sdk-js-2", "clientId": "7lhlkkfbfb4q5kpp90urffao"},
            "request": {
                "userAttributes": {
                    "sub": SUB,
                    "name": "Ada Lovelace",
                    "email": " ada@example.com ",
                    "email_verified": "true",
                    "custom:tenant": "42",
                },
                "clientMetadata": {"invitation": "i-1", "nested": {"is": "no text"}},
            },
        });
        let user_event = user_event(&event.to_string());
        assert_eq!(
            user_event,
            json!({
                "contract": 1,
                "sub": SUB,
                "user_name": "countess",
                "user_pool_id": "eu-central-1_aB3dE5gH7",
                "client_id": "7lhlkkfbfb4q5kpp90urffao",
                "trigger_source": "PostConfirmation_ConfirmSignUp",
                "display_name": "Ada Lovelace",
                "handles": [
                    "countess",
                    "countess-5c2f",
                    "countess-5c2f8a10",
                    "countess-5c2f8a109d3e4b71",
                    "countess-5c2f8a109d3e4b718f062a4be1c07d95",
                ],
                "email": "ada@example.com",
                "email_verified": true,
                "attributes": {
                    "sub": SUB,
                    "name": "Ada Lovelace",
                    "email": " ada@example.com ",
                    "email_verified": "true",
                    "custom:tenant": "42",
                },
                "client_metadata": {"invitation": "i-1"},
                "as_of": "2027-01-15T08:00:00.123456Z",
            })
        );
    }

    #[test]
    fn an_address_is_verified_only_if_cognito_says_so() {
        for (verified, expected) in [(json!("true"), true), (json!("false"), false), (json!(null), false)] {
            let attributes = json!({"sub": SUB, "email": "ada@example.com", "email_verified": verified});
            let event = json!({"triggerSource": "x", "request": {"userAttributes": attributes}});
            assert_eq!(user_event(&event.to_string())["email_verified"], expected, "{verified}");
        }
        let event =
            json!({"triggerSource": "x", "request": {"userAttributes": {"sub": SUB, "email_verified": "true"}}});
        assert_eq!(user_event(&event.to_string())["email_verified"], false, "there is no address");
    }

    #[test]
    fn neither_nul_nor_a_lone_surrogate_reaches_the_contract() {
        let event = r#"{"triggerSource": "x\u0000", "userName": "\u0000ada", "request": {
            "userAttributes": {"sub": "s", "custom:\u0000a": "b\u0000", "custom:b": "\ud800"},
            "clientMetadata": {"\u0000c": "\u0000", "d": "\udfff"}}}"#;
        let user_event = user_event(event);
        assert_eq!(user_event["trigger_source"], "x");
        assert_eq!(user_event["user_name"], "ada");
        assert_eq!(user_event["attributes"], json!({"sub": "s", "custom:a": "b"}));
        assert_eq!(user_event["client_metadata"], json!({"c": ""}));
    }
}
