//! The policies in `infra/iam`, evaluated as AWS does, and compared with what programs really request.

mod document;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

pub(crate) use self::document::{Decision, Document};
use self::document::{Effect, Operator, Statement, is_like};

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

    /// The action, such as `sqs:SendMessage`.
    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    /// The resource's ARN, or `*`.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// The value of a condition key, whose case does not matter.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let mut named = self.context.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        named.next().map(|(_, value)| value.as_str())
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
            statement.ensure_plain()?;
            let conditions = statement.condition.values_mut().flat_map(BTreeMap::values_mut);
            for value in conditions.chain([&mut statement.resource]).flat_map(|texts| &mut texts.0) {
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
            let used: Vec<_> = checks().filter(|check| statement.applies(check)).collect();
            let actions = statement.action.iter().filter(|action| !used.iter().any(|check| check.action == **action));
            let resources = statement
                .resource
                .iter()
                .filter(|resource| !used.iter().any(|check| is_like(&check.resource, resource)));
            let unused = actions.chain(resources);
            differences.extend(unused.map(|unused| {
                let sid = statement.sid.as_deref().unwrap_or_default();
                format!("infra/iam/{name} allows {unused} in {sid}, which nothing requests")
            }));
        }
        differences.sort();
        differences.dedup();
        differences
    }

    fn allowing<'a>(&'a self, check: &'a Check) -> impl Iterator<Item = &'a Statement> {
        self.statements.iter().filter(|statement| statement.applies(check))
    }
}

impl Statement {
    /// Fails for what the policies of `infra/iam` do without: a reader sees at once what they allow.
    fn ensure_plain(&self) -> anyhow::Result<()> {
        let sid = self.sid.as_deref().context("a statement has no Sid")?;
        ensure!(self.effect == Effect::Allow, "{sid} denies");
        ensure!(self.not_action.0.is_empty() && self.not_resource.0.is_empty(), "{sid} names exceptions");
        ensure!(!self.action.iter().any(|action| action.contains(['*', '?'])), "{sid} has a pattern of actions");
        let unknown = self.condition.keys().find(|operator| Operator::parse(operator).is_none());
        ensure!(unknown.is_none(), "{sid} has the unknown condition {}", unknown.map_or("", |unknown| unknown));
        Ok(())
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
    fn what_is_hard_to_read_has_no_place_in_a_policy_of_the_project() {
        for statement in [
            r#"{"Effect": "Allow", "Action": "s:Get", "Resource": "*"}"#,
            r#"{"Sid": "A", "Effect": "Deny", "Action": "s:Get", "Resource": "*"}"#,
            r#"{"Sid": "A", "Effect": "Allow", "Action": "s:*", "Resource": "*"}"#,
            r#"{"Sid": "A", "Effect": "Allow", "NotAction": "s:Get", "Resource": "*"}"#,
            r#"{"Sid": "A", "Effect": "Allow", "Action": "s:Get", "NotResource": "a"}"#,
            r#"{"Sid": "A", "Effect": "Allow", "Action": "s:Get", "Resource": "*", "Condition": {"Null": {"k": "true"}}}"#,
        ] {
            let text = format!(r#"{{"Statement": [{statement}]}}"#);
            assert!(Policy::parse("some.json", &text, &[]).is_err(), "{statement}");
        }
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
