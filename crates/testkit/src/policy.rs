//! The policies in `infra/iam`, evaluated as AWS does, and compared with what programs really request.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// One of the checks that AWS makes of a request: an action on a resource, in the context of condition keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    action: String,
    resource: String,
    context: BTreeMap<String, String>,
}

/// What AWS checks of one request. It is allowed if each check is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The checks, the request's own action first.
    pub checks: Vec<Check>,
}

/// A policy of `infra/iam`, with its placeholders filled in.
#[derive(Debug)]
pub struct Policy {
    name: String,
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(rename = "Statement")]
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    sid: String,
    effect: Effect,
    action: OneOrMore,
    resource: OneOrMore,
    #[serde(default)]
    condition: BTreeMap<Operator, BTreeMap<String, OneOrMore>>,
}

#[derive(Debug, Deserialize)]
enum Effect {
    Allow,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    Bool,
    StringEquals,
    StringLike,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Check {
    /// A check without condition keys.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// The same with this value of a condition key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.insert(key.into(), value.into());
        self
    }

    /// The same action on no resource in particular.
    #[must_use]
    pub fn in_general(&self) -> Self {
        Self::new(&self.action, "*")
    }

    /// Returns whether it is about no resource in particular.
    pub fn is_general(&self) -> bool {
        self.resource == "*"
    }

    /// The resource's part after this prefix, if the check is of this action.
    pub fn resource_of<'a>(&'a self, action: &str, prefix: &str) -> Option<&'a str> {
        self.resource.split_once(prefix).filter(|_| self.action == action).map(|(_, rest)| rest)
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)?;
        self.context.iter().try_for_each(|(key, value)| write!(f, " with {key} = {value}"))
    }
}

impl Policy {
    /// Reads `infra/iam/NAME`, with these values in place of its placeholders, which are words of capital letters.
    pub fn read(name: &str, values: &[(&str, &str)]) -> anyhow::Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/iam").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(name, &text, values).with_context(|| format!("infra/iam/{name}"))
    }

    fn parse(name: &str, text: &str, values: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut statements = serde_json::from_str::<Document>(text)?.statements;
        for statement in &mut statements {
            let conditions = statement.condition.values_mut().flat_map(BTreeMap::values_mut);
            for value in conditions.flat_map(OneOrMore::iter_mut).chain(statement.resource.iter_mut()) {
                *value = filled(value, values)?;
            }
        }
        Ok(Self { name: name.to_owned(), statements })
    }

    /// Returns whether the policy allows all that AWS checks of the call.
    pub fn allows(&self, call: &Call) -> bool {
        call.checks.iter().all(|check| self.allowing(check).next().is_some())
    }

    /// Says what the policy lacks for these calls, and which of its actions and resources no call needs.
    pub fn differences(&self, calls: &[Call]) -> Vec<String> {
        let Self { name, statements } = self;
        let checks = || calls.iter().flat_map(|call| &call.checks);
        let missing = checks().filter(|check| self.allowing(check).next().is_none());
        let mut differences: Vec<_> = missing.map(|check| format!("infra/iam/{name} lacks {check}")).collect();
        for statement in statements {
            let used: Vec<_> = checks().filter(|check| statement.allows(check)).collect();
            let actions = statement.action.iter().filter(|action| !used.iter().any(|check| check.action == **action));
            let resources = statement
                .resource
                .iter()
                .filter(|resource| !used.iter().any(|check| is_like(&check.resource, resource)));
            let unused = actions.chain(resources);
            differences.extend(unused.map(|unused| {
                format!("infra/iam/{name} allows {unused} in {}, which nothing requests", statement.sid)
            }));
        }
        differences.sort();
        differences.dedup();
        differences
    }

    fn allowing<'a>(&'a self, check: &'a Check) -> impl Iterator<Item = &'a Statement> {
        self.statements.iter().filter(|statement| statement.allows(check))
    }
}

impl Statement {
    fn allows(&self, check: &Check) -> bool {
        let Effect::Allow = self.effect;
        self.action.iter().any(|action| *action == check.action)
            && self.resource.iter().any(|resource| is_like(&check.resource, resource))
            && self.condition.iter().all(|(operator, keys)| {
                keys.iter().all(|(key, values)| {
                    let value = check.context.get(key);
                    value.is_some_and(|value| values.iter().any(|expected| operator.holds(value, expected)))
                })
            })
    }
}

impl Operator {
    fn holds(&self, value: &str, expected: &str) -> bool {
        match self {
            Self::Bool | Self::StringEquals => value == expected,
            Self::StringLike => is_like(value, expected),
        }
    }
}

impl OneOrMore {
    fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(value) => std::slice::from_ref(value).iter(),
            Self::More(values) => values.iter(),
        }
    }

    fn iter_mut(&mut self) -> std::slice::IterMut<'_, String> {
        match self {
            Self::One(value) => std::slice::from_mut(value).iter_mut(),
            Self::More(values) => values.iter_mut(),
        }
    }
}

/// The text with the values in place of its placeholders.
fn filled(text: &str, values: &[(&str, &str)]) -> anyhow::Result<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    let mut words = words.map(|word| word.trim_end_matches('-')).filter(|word| word.len() > 1);
    let is_placeholder = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let unknown = words.find(|word| is_placeholder(word) && !values.iter().any(|(placeholder, _)| placeholder == word));
    ensure!(unknown.is_none(), "no value for {} in {text}", unknown.unwrap_or_default());
    Ok(values.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value)))
}

/// Returns whether the text matches the pattern, in which `*` stands for any characters and `?` for one.
fn is_like(text: &str, pattern: &str) -> bool {
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

    fn policy(statement: &str) -> Policy {
        let text = format!(r#"{{"Statement": [{statement}]}}"#);
        Policy::parse("some.json", &text, &[("SECRET-NAME", "db/fn")]).expect("a policy")
    }

    fn allows(policy: &Policy, check: Check) -> bool {
        policy.allows(&Call { checks: vec![check] })
    }

    #[test]
    fn a_secret_matches_with_six_characters_after_its_name_and_no_other_name_does() {
        let read = policy(
            r#"{"Sid": "Read", "Effect": "Allow", "Action": "s:Get", "Resource": "a:secret:SECRET-NAME-??????"}"#,
        );
        for (resource, expected) in [
            ("a:secret:db/fn-AbC123", true),
            ("a:secret:db/fn", false),
            ("a:secret:db/fn-other-AbC123", false),
            ("a:secret:db/other-AbC123", false),
            ("*", false),
        ] {
            assert_eq!(allows(&read, Check::new("s:Get", resource)), expected, "{resource}");
        }
        assert!(!allows(&read, Check::new("s:Put", "a:secret:db/fn-AbC123")));
    }

    #[test]
    fn every_condition_must_hold_with_one_of_its_values() {
        let grant = policy(
            r#"{"Sid": "Grant", "Effect": "Allow", "Action": ["k:Grant"], "Resource": ["*"], "Condition": {
                "Bool": {"k:ForAws": "true"}, "StringLike": {"k:Via": ["rds.*.aws", "x"]}}}"#,
        );
        let check = || Check::new("k:Grant", "key/1");
        assert!(allows(&grant, check().with("k:ForAws", "true").with("k:Via", "rds.eu.aws")));
        assert!(!allows(&grant, check().with("k:ForAws", "true").with("k:Via", "ec2.eu.aws")));
        assert!(!allows(&grant, check().with("k:Via", "x")));
        assert!(!allows(&grant, check()));
    }

    #[test]
    fn a_call_is_allowed_if_each_of_its_checks_is() {
        let stop = policy(r#"{"Sid": "Stop", "Effect": "Allow", "Action": "r:Stop", "Resource": "db:1"}"#);
        let checks = vec![Check::new("r:Stop", "db:1"), Check::new("r:Tag", "db:1")];
        assert!(!stop.allows(&Call { checks }));
    }

    #[test]
    fn a_difference_names_the_policy_the_action_and_the_resource() {
        let stop = policy(
            r#"{"Sid": "Stop", "Effect": "Allow", "Action": ["r:Stop", "r:Start"], "Resource": ["db:1", "pg:1"]}"#,
        );
        let calls = [Call { checks: vec![Check::new("r:Stop", "db:1"), Check::new("r:Tag", "db:1").with("k", "v")] }];
        assert_eq!(
            stop.differences(&calls),
            [
                "infra/iam/some.json allows pg:1 in Stop, which nothing requests",
                "infra/iam/some.json allows r:Start in Stop, which nothing requests",
                "infra/iam/some.json lacks r:Tag on db:1 with k = v",
            ]
        );
    }

    #[test]
    fn a_placeholder_without_a_value_is_an_error() {
        for value in ["arn:aws:rds:REGION:1:db:x", "arn:db:INSTANCE-*", "arn:vpc/VPC-ID"] {
            let text = format!(
                r#"{{"Statement": [{{"Sid": "A", "Effect": "Allow", "Action": "a", "Resource": "{value}"}}]}}"#
            );
            assert!(Policy::parse("some.json", &text, &[]).is_err(), "{value}");
        }
    }
}
