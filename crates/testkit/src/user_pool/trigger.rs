//! The events that Cognito sends to a Lambda trigger.

use serde_json::{Value, json};

use super::REGION;
use super::user::User;

/// How a user gets tokens.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html#user-pool-lambda-pre-token-generation-trigger-source>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Managed login, also through an identity provider.
    HostedAuth,
    /// The API.
    Authentication,
    /// A new password in place of an administrator's temporary one.
    NewPasswordChallenge,
    /// A remembered device.
    AuthenticateDevice,
    /// A refresh token.
    RefreshTokens,
}

impl TokenSource {
    /// Every way.
    pub const ALL: [Self; 5] = [
        Self::HostedAuth,
        Self::Authentication,
        Self::NewPasswordChallenge,
        Self::AuthenticateDevice,
        Self::RefreshTokens,
    ];
}

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-confirmation.html>
pub(super) fn post_confirmation(pool: &str, source: &str, user: &User) -> String {
    let request = json!({ "userAttributes": attributes(user) });
    event(pool, "1", &format!("PostConfirmation_{source}"), user, &request, &json!({}))
}

pub(super) fn token_generation(pool: &str, source: TokenSource, user: &User, version: u8) -> String {
    let mut request = json!({
        "userAttributes": attributes(user),
        "groupConfiguration": { "groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": null },
    });
    let response = if version == 1 {
        json!({ "claimsOverrideDetails": null })
    } else {
        request["scopes"] = json!(["aws.cognito.signin.user.admin"]);
        json!({ "claimsAndScopeOverrideDetails": null })
    };
    event(pool, &version.to_string(), &format!("TokenGeneration_{source:?}"), user, &request, &response)
}

fn attributes(user: &User) -> Value {
    let mut attributes = json!(user.attributes);
    attributes["cognito:user_status"] = user.status.as_str().into();
    attributes
}

fn event(pool: &str, version: &str, source: &str, user: &User, request: &Value, response: &Value) -> String {
    json!({
        "version": version,
        "region": REGION,
        "userPoolId": pool,
        "userName": user.username,
        "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "4f1g23a12312exampleclient" },
        "triggerSource": source,
        "request": request,
        "response": response,
    })
    .to_string()
}
