//! A statement of a function's policy, read as AWS does.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use serde::Serialize;
use serde_json::Value;

use super::COGNITO;
use crate::aws::policy::is_like;
use crate::aws::user_pool::UserPool;

/// A statement that allows others to invoke the function, or denies it.
#[derive(Debug, Serialize)]
pub(crate) struct Statement {
    pub(crate) id: String,
    /// `Allow` or `Deny`. A deny wins over every allow.
    pub(crate) effect: String,
    /// Such as `cognito-idp.amazonaws.com`, or `*`.
    pub(crate) principals: Vec<String>,
    /// The resources that they may call for, such as a user pool's ARN. None: for any.
    pub(crate) sources: Vec<String>,
    #[serde(skip)]
    whole: Value,
}

impl Statement {
    /// Every statement of the policy.
    pub(crate) fn all(policy: &Value) -> Vec<Self> {
        list(&policy["Statement"]).into_iter().map(Self::new).collect()
    }

    fn new(whole: &Value) -> Self {
        let principal = &whole["Principal"];
        let principals = match principal {
            Value::Object(kinds) => kinds.values().flat_map(texts).collect(),
            principal => texts(principal),
        };
        let conditions = whole["Condition"].as_object().into_iter().flat_map(|operators| operators.values());
        let keys = conditions.filter_map(Value::as_object).flatten();
        let sources =
            keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn")).flat_map(|(_, value)| texts(value));
        let text = |name: &str| whole[name].as_str().unwrap_or_default().to_owned();
        let (id, effect) = (text("Sid"), text("Effect"));
        Self { id, effect, principals, sources: sources.collect(), whole: whole.clone() }
    }

    /// Whether it allows Cognito to invoke the function for this pool. One with a condition that this program does not know
    /// counts as one that does not.
    pub(crate) fn permits(&self, pool: &UserPool) -> bool {
        self.is_allow() && self.is_of_pool(pool)
    }

    /// Whether it denies that, whatever other statements allow.
    pub(crate) fn denies(&self, pool: &UserPool) -> bool {
        self.effect == "Deny" && self.is_of_pool(pool)
    }

    /// Whether it is for callers of one resource or one account.
    #[cfg(feature = "instance")]
    pub(crate) fn is_scoped(&self) -> bool {
        let conditions = self.whole["Condition"].as_object().into_iter().flat_map(|operators| operators.values());
        let mut keys = conditions.filter_map(Value::as_object).flat_map(|keys| keys.keys());
        keys.any(|key| ["aws:sourcearn", "aws:sourceaccount"].contains(&key.to_ascii_lowercase().as_str()))
    }

    pub(crate) fn is_allow(&self) -> bool {
        self.effect == "Allow"
    }

    fn is_of_pool(&self, pool: &UserPool) -> bool {
        let account = pool.place().map(|place| place.account).unwrap_or_default();
        self.is_of_arn(&pool.arn, &account)
    }

    fn is_of_arn(&self, pool: &str, account: &str) -> bool {
        let holds = |operator: &str, key: &str, value: &Value| {
            let actual = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => pool,
                "aws:sourceaccount" => account,
                _ => return false,
            };
            match operator.trim_end_matches("IfExists") {
                "StringEquals" => texts(value).iter().any(|expected| expected == actual),
                "ArnEquals" | "ArnLike" | "StringLike" => texts(value).iter().any(|pattern| is_like(actual, pattern)),
                _ => false,
            }
        };
        let none = serde_json::Map::new();
        let conditions = self.whole["Condition"].as_object().unwrap_or(&none);
        self.principals.iter().any(|principal| principal == COGNITO || principal == "*")
            && texts(&self.whole["Action"])
                .iter()
                .any(|action| ["lambda:InvokeFunction", "lambda:*", "*"].contains(&action.as_str()))
            && conditions.iter().all(|(operator, keys)| {
                keys.as_object().is_some_and(|keys| keys.iter().all(|(key, value)| holds(operator, key, value)))
            })
    }
}

/// A value that may stand alone or in a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn texts(value: &Value) -> Vec<String> {
    list(value).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POOL: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_AbC";

    fn permits(change: impl FnOnce(&mut Value)) -> bool {
        let mut statement = json!({
            "Sid": "x", "Effect": "Allow", "Principal": {"Service": "cognito-idp.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": "function",
            "Condition": {"ArnLike": {"AWS:SourceArn": POOL}, "StringEquals": {"AWS:SourceAccount": "123456789012"}}
        });
        change(&mut statement);
        let statement = Statement::new(&statement);
        statement.is_allow() && statement.is_of_arn(POOL, "123456789012")
    }

    #[test]
    fn every_way_to_allow_the_pool_counts() {
        assert!(permits(|_| {}));
        assert!(permits(|statement| statement["Condition"] = Value::Null), "any pool may");
        assert!(permits(|statement| statement["Principal"] = json!("*")));
        assert!(permits(|statement| statement["Principal"] = json!({"Service": ["x", "cognito-idp.amazonaws.com"]})));
        assert!(permits(|statement| statement["Action"] = json!(["lambda:GetFunction", "lambda:*"])));
        let pools = "arn:aws:cognito-idp:*:123456789012:userpool/*";
        assert!(permits(|statement| statement["Condition"] = json!({"ArnLike": {"aws:sourceArn": ["x", pools]}})));
        assert!(permits(
            |statement| statement["Condition"] = json!({"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}})
        ));
    }

    #[test]
    fn what_allows_another_or_under_an_unknown_condition_does_not_count() {
        let other = json!({"ArnLike": {"AWS:SourceArn": POOL.replace("AbC", "Abd")}});
        assert!(!permits(|statement| statement["Condition"] = other));
        assert!(!permits(
            |statement| statement["Condition"]["StringEquals"] = json!({"AWS:SourceAccount": "210987654321"})
        ));
        assert!(!permits(|statement| statement["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})));
        assert!(!permits(|statement| statement["Condition"] = json!({"StringNotEquals": {"aws:SourceAccount": "1"}})));
        assert!(!permits(|statement| statement["Effect"] = json!("Deny")));
        assert!(!permits(|statement| statement["Principal"] = json!({"Service": "sns.amazonaws.com"})));
        assert!(!permits(|statement| statement["Action"] = json!("lambda:GetFunction")));
    }
}
