//! From a request in AWS's JSON protocol to its answer.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use serde::{Deserialize, Serialize};

use super::traffic::Verdict;
use super::user::User;
use super::{State, UserPool};

const SERVICE: &str = "AWSCognitoIdentityProviderService.";

/// An answer, or none.
#[derive(Debug)]
pub(super) enum Answer {
    Http(u16, String),
    Closed,
    Stalled,
}

/// An error that AWS answers with.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    /// The caller's mistake.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(super) fn internal() -> Self {
        Self { status: 500, ..Self::new("InternalErrorException", "An internal error occurred.") }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfPool {
    user_pool_id: String,
}

impl UserPool {
    /// Answers the request of this `x-amz-target`, and counts it.
    pub(super) fn answer(&self, target: &str, body: &[u8]) -> Answer {
        let action = target.strip_prefix(SERVICE).unwrap_or(target);
        let mut state = self.state();
        let answer = match state.admit(action) {
            Verdict::Pass => state.answer(action, body),
            Verdict::Refuse(refusal) => Err(refusal),
            Verdict::Close => {
                state.traffic.count(action, "closed");
                return Answer::Closed;
            }
            Verdict::Stall => {
                state.traffic.count(action, "stalled");
                self.stalled.notify_one();
                return Answer::Stalled;
            }
        };
        match answer {
            Ok(body) => {
                state.traffic.count(action, "200");
                Answer::Http(200, body)
            }
            Err(Refusal { status, code, message }) => {
                state.traffic.count(action, code);
                Answer::Http(status, json(&serde_json::json!({ "__type": code, "message": message })))
            }
        }
    }
}

impl State {
    fn answer(&mut self, action: &str, body: &[u8]) -> Result<String, Refusal> {
        let pool = read::<OfPool>(body)?.user_pool_id;
        if *pool != *self.id {
            return Err(Refusal::new("ResourceNotFoundException", format!("User pool {pool} does not exist.")));
        }
        match action {
            "ListUsers" => self.list_users(&read(body)?),
            "AdminGetUser" => self.admin_get_user(&read(body)?),
            "DescribeUserPool" => Ok(self.describe_user_pool()),
            _ => Err(Refusal::new("UnknownOperationException", format!("the stand-in does not know {action}"))),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is JSON")
}

/// A date as AWS writes it: seconds since 1970, with a fraction.
pub(super) fn seconds(milliseconds: u64) -> f64 {
    std::time::Duration::from_millis(milliseconds).as_secs_f64()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
}

/// A user in an answer: `ListUsers` says `Attributes`, and `AdminGetUser` says `UserAttributes`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Profile<'a> {
    username: &'a str,
    user_status: &'static str,
    enabled: bool,
    user_create_date: f64,
    user_last_modified_date: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Vec<Attribute<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_attributes: Option<Vec<Attribute<'a>>>,
}

impl<'a> Profile<'a> {
    fn new(user: &'a User) -> Self {
        Self {
            username: &user.username,
            user_status: user.status.as_str(),
            enabled: user.enabled,
            user_create_date: seconds(user.created_ms),
            user_last_modified_date: seconds(user.modified_ms),
            attributes: None,
            user_attributes: None,
        }
    }

    /// "Amazon Cognito returns an error if not all users in the results have set a value for the attribute you
    /// request."
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
    pub(super) fn listed(user: &'a User, only: Option<&'a [String]>) -> Result<Self, Refusal> {
        let attributes = match only {
            None => attributes(user),
            Some(only) => only
                .iter()
                .map(|name| user.get(name).map(|value| Attribute { name, value }))
                .collect::<Option<_>>()
                .ok_or_else(|| Refusal::parameter("One or more requested attributes do not exist."))?,
        };
        Ok(Self { attributes: Some(attributes), ..Self::new(user) })
    }

    pub(super) fn found(user: &'a User) -> Self {
        Self { user_attributes: Some(attributes(user)), ..Self::new(user) }
    }
}

fn attributes(user: &User) -> Vec<Attribute<'_>> {
    user.attributes.iter().map(|(name, value)| Attribute { name, value }).collect()
}
