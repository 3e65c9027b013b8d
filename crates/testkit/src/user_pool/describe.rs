//! `AdminGetUser` and `DescribeUserPool`.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Profile, Refusal, json as to_json, seconds};
use super::{REGION, State};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AdminGetUser {
    username: String,
}

impl State {
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html>
    pub(super) fn admin_get_user(&self, request: &AdminGetUser) -> Result<String, Refusal> {
        let name = &request.username;
        if name.is_empty() || name.chars().count() > 128 || name.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            let problem = r"failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+";
            return Err(Refusal::parameter(format!("1 validation error detected: Value at 'username' {problem}")));
        }
        let user = self.directory.find_by_rules(&request.username, &self.rules);
        let user = user.ok_or_else(|| Refusal::new("UserNotFoundException", "User does not exist."))?;
        Ok(to_json(&Profile::found(&user)))
    }

    /// What identifies the pool, its names, and how many users it has about.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolType.html>
    pub(super) fn describe_user_pool(&self) -> String {
        let mut pool = json!({
            "Id": &*self.id,
            "Name": "users",
            "Arn": format!("arn:aws:cognito-idp:{REGION}:123456789012:userpool/{}", self.id),
            "CreationDate": seconds(self.directory.began_ms()),
            "LastModifiedDate": seconds(self.directory.began_ms()),
            "EstimatedNumberOfUsers": self.directory.count(),
            "LambdaConfig": {},
        });
        if let Some(function) = self.rules.post_confirmation {
            pool["LambdaConfig"]["PostConfirmation"] = json!(function);
        }
        if self.directory.username_is_sub() {
            pool["UsernameAttributes"] = json!(["email"]);
        } else if !self.rules.aliases.is_empty() {
            pool["AliasAttributes"] = json!(self.rules.aliases);
        }
        json!({ "UserPool": pool }).to_string()
    }
}
