//! A policy document of AWS IAM, evaluated as AWS does.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::collections::{BTreeMap, BTreeSet};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Check;

/// Its statements.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    #[serde(rename = "Statement", deserialize_with = "one_or_more")]
    pub(super) statements: Vec<Statement>,
}

/// A statement. Of `action` and `not_action` there is one, and of the resources as well.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    #[serde(default)]
    pub(super) action: Texts,
    #[serde(default)]
    pub(super) not_action: Texts,
    #[serde(default)]
    pub(super) resource: Texts,
    #[serde(default)]
    pub(super) not_resource: Texts,
    #[serde(default)]
    pub(super) condition: BTreeMap<String, BTreeMap<String, Texts>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A text, a number or a truth value, or a list of them.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Texts(pub(super) Vec<String>);

/// What AWS says of a request, and `SimulatePrincipalPolicy` in these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it, whatever others allow.
    ExplicitDeny,
    /// No statement is about it.
    ImplicitDeny,
}

impl Decision {
    /// The word of the API.
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html>
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicitDeny",
            Self::ImplicitDeny => "implicitDeny",
        }
    }

    /// The decision of all documents together.
    pub(crate) fn of<'a>(documents: impl IntoIterator<Item = &'a Document>, check: &Check) -> Self {
        let statements = documents.into_iter().flat_map(|document| &document.statements);
        let effects: Vec<_> = statements.filter(|statement| statement.applies(check)).map(|it| it.effect).collect();
        match () {
            () if effects.contains(&Effect::Deny) => Self::ExplicitDeny,
            () if effects.contains(&Effect::Allow) => Self::Allowed,
            () => Self::ImplicitDeny,
        }
    }
}

impl Document {
    /// The condition keys that any statement looks at.
    pub(crate) fn condition_keys(&self) -> BTreeSet<&str> {
        let keys = self.statements.iter().flat_map(|statement| statement.condition.values());
        keys.flat_map(BTreeMap::keys).map(String::as_str).collect()
    }
}

impl Statement {
    /// Returns whether it is about the check, and all its conditions hold.
    pub(super) fn applies(&self, check: &Check) -> bool {
        let action = check.action.to_lowercase();
        let names_action = |actions: &Texts| actions.iter().any(|pattern| is_like(&action, &pattern.to_lowercase()));
        let names_resource = |resources: &Texts| resources.iter().any(|pattern| is_like(&check.resource, pattern));
        let is_about_action =
            names_action(&self.action) || !self.not_action.0.is_empty() && !names_action(&self.not_action);
        let is_about_resource =
            names_resource(&self.resource) || !self.not_resource.0.is_empty() && !names_resource(&self.not_resource);
        let is_met = |(operator, keys): (&String, &BTreeMap<String, Texts>)| {
            Operator::parse(operator).is_some_and(|operator| {
                keys.iter().all(|(key, expected)| operator.holds(check.value(key), &expected.0))
            })
        };
        is_about_action && is_about_resource && self.condition.iter().all(is_met)
    }
}

impl Texts {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, String> {
        self.0.iter()
    }
}

impl From<Value> for Texts {
    fn from(value: Value) -> Self {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match value {
            Value::Array(values) => Self(values.into_iter().map(text).collect()),
            value => Self(vec![text(value)]),
        }
    }
}

/// IAM takes a single statement without a list around it.
fn one_or_more<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<Statement>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let list = if value.is_array() { value } else { Value::Array(vec![value]) };
    serde_json::from_value(list).map_err(D::Error::custom)
}

/// How a condition compares. A key that the request lacks meets no condition, but those that end with `IfExists`.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
pub(super) struct Operator {
    has_patterns: bool,
    is_if_exists: bool,
}

impl Operator {
    /// None of one that is not evaluated here: its condition never holds.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (name, is_if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let has_patterns = match name {
            "Bool" | "StringEquals" => false,
            // Both have patterns.
            "StringLike" | "ArnLike" | "ArnEquals" => true,
            _ => return None,
        };
        Some(Self { has_patterns, is_if_exists })
    }

    fn holds(&self, value: Option<&str>, expected: &[String]) -> bool {
        let Some(value) = value else { return self.is_if_exists };
        expected.iter().any(|expected| if self.has_patterns { is_like(value, expected) } else { value == expected })
    }
}

/// Returns whether the text matches the pattern, in which `*` stands for any characters and `?` for one.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    match (text.chars().next(), pattern.chars().next()) {
        (_, Some('*')) => {
            is_like(text, &pattern[1..])
                || text.chars().next().is_some_and(|first| is_like(&text[first.len_utf8()..], pattern))
        }
        (Some(first), Some(expected)) if expected == '?' || expected == first => {
            is_like(&text[first.len_utf8()..], &pattern[expected.len_utf8()..])
        }
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(document: &str, check: &Check) -> Decision {
        let document: Document = serde_json::from_str(&format!(r#"{{"Statement": {document}}}"#)).expect("a document");
        Decision::of([&document], check)
    }

    #[test]
    fn a_denial_wins_and_silence_denies_too() {
        let both = r#"[{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
                       {"Effect": "Deny", "Action": "SQS:Send*", "Resource": "arn:queue"}]"#;
        for (action, resource, expected) in [
            ("sqs:SendMessage", "arn:queue", Decision::ExplicitDeny),
            ("sqs:SendMessage", "arn:other", Decision::Allowed),
            ("SQS:getqueueattributes", "arn:queue", Decision::Allowed),
            ("kms:Decrypt", "arn:queue", Decision::ImplicitDeny),
        ] {
            assert_eq!(decision(both, &Check::new(action, resource)), expected, "{action} on {resource}");
        }
    }

    #[test]
    fn what_is_named_as_an_exception_is_left_out() {
        let rest = r#"{"Effect": "Allow", "NotAction": ["iam:*"], "NotResource": "arn:secret:?"}"#;
        for (action, resource, expected) in [
            ("sqs:SendMessage", "arn:queue", Decision::Allowed),
            ("iam:GetRole", "arn:queue", Decision::ImplicitDeny),
            ("sqs:SendMessage", "arn:secret:a", Decision::ImplicitDeny),
            ("sqs:SendMessage", "arn:secret:ab", Decision::Allowed),
        ] {
            assert_eq!(decision(rest, &Check::new(action, resource)), expected, "{action} on {resource}");
        }
    }

    #[test]
    fn a_condition_of_an_unknown_kind_never_holds() {
        for (condition, expected) in [
            (r#"{"Bool": {"k:Is": true}}"#, Decision::Allowed),
            (r#"{"ArnLike": {"K:arn": "arn:*:x"}}"#, Decision::Allowed),
            (r#"{"ArnEquals": {"k:Arn": ["arn:y", "arn:b:y"]}}"#, Decision::ImplicitDeny),
            (r#"{"StringEquals": {"k:None": "x"}}"#, Decision::ImplicitDeny),
            (r#"{"StringEqualsIfExists": {"k:None": "x"}}"#, Decision::Allowed),
            (r#"{"StringLikeIfExists": {"k:Arn": "x"}}"#, Decision::ImplicitDeny),
            (r#"{"NumericLessThan": {"k:Number": "1"}}"#, Decision::ImplicitDeny),
        ] {
            let statement =
                format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {condition}}}"#);
            let check = Check::new("s:Get", "arn").with("k:Is", "true").with("k:Arn", "arn:b:x").with("k:Number", "0");
            assert_eq!(decision(&statement, &check), expected, "{condition}");
        }
    }
}
