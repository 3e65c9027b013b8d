//! What an operator wants to be allowed, and how the rules come to it.

use anyhow::{bail, ensure};
use serde::Serialize;

use super::{describe, leave};
use crate::aws::Aws;
use crate::aws::ec2::{self, Rule, Source, User};
use crate::error::Problem;

/// What became of the rules.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub(super) enum Change {
    Added,
    /// The operator's rule for another source is now for this one.
    Moved {
        rule_id: String,
        from: String,
    },
    /// The operator's rule has another end.
    Renewed {
        rule_id: String,
    },
    /// The rule of other operators is now this operator's as well.
    Shared {
        rule_id: String,
        with: String,
    },
    Unchanged,
}

/// What an operator wants, and the rules that there are.
pub(super) struct Wish<'a> {
    pub(super) aws: &'a Aws,
    pub(super) group: &'a str,
    pub(super) port: i32,
    pub(super) source: &'a Source,
    pub(super) user: &'a User,
    pub(super) rules: &'a [Rule],
}

impl Wish<'_> {
    /// The rule in this group for this source and port: AWS refuses a second one.
    fn present_in(&self, group: &str) -> Option<&Rule> {
        let source = self.source.to_string();
        let is_present =
            |rule: &&Rule| rule.security_group == group && rule.source == source && rule.is_for_only(self.port);
        self.rules.iter().find(is_present)
    }

    /// Makes this rule the operator's own, whoever's it was.
    pub(super) async fn rewrite(&self, rule: &Rule) -> anyhow::Result<Change> {
        let Self { aws, port, source, user, .. } = *self;
        let id = rule.rule_id.as_str();
        if let Some(other) = self.present_in(&rule.security_group).filter(|present| present.rule_id != id) {
            let problem = format!("{} is allowed by the rule {} already", source, other.rule_id);
            bail!(Problem::new(problem, format!("remove one of them: `provision access revoke --rule-id {id}`")));
        }
        let is_same_kind = match (source, &rule.source.parse::<Source>()) {
            (Source::Range(_), Ok(present)) => source.is_kind_of(present),
            (wanted, Ok(present)) => std::mem::discriminant(wanted) == std::mem::discriminant(present),
            (_, Err(_)) => false,
        };
        ensure!(
            is_same_kind,
            Problem::new(
                format!(
                    "AWS cannot change the rule {id} from {} to {source}, which is another kind of source",
                    rule.source
                ),
                format!("leave out --rule-id, and remove the rule with `provision access revoke --rule-id {id}`")
            )
        );
        ec2::move_rule(aws, rule, source, port, &describe(std::slice::from_ref(user))?).await?;
        let rule_id = rule.rule_id.clone();
        if rule.source == source.to_string() {
            return Ok(Change::Renewed { rule_id });
        }
        Ok(Change::Moved { rule_id, from: rule.source.clone() })
    }

    /// Makes a rule the operator's own, and ends the operator's part in others of the same kind.
    pub(super) async fn fulfil(&self) -> anyhow::Result<Change> {
        let Self { aws, group, port, source, user, .. } = *self;
        let present = self.present_in(group);
        let is_former = |rule: &&Rule| {
            let is_kind = rule.source.parse().is_ok_and(|other: Source| source.is_kind_of(&other));
            is_kind && rule.user(&user.name).is_some() && Some(*rule) != present
        };
        let mut former: Vec<&Rule> = self.rules.iter().filter(is_former).collect();

        let (rule_id, change) = if let Some(rule) = present {
            (rule.rule_id.clone(), self.join(rule).await?)
        } else {
            let is_movable = |rule: &&Rule| {
                rule.security_group == group && rule.is_for_only(port) && rule.others(&user.name).is_empty()
            };
            if let Some(place) = former.iter().position(is_movable) {
                let rule = former.remove(place);
                ec2::move_rule(aws, rule, source, port, &describe(std::slice::from_ref(user))?).await?;
                let rule_id = rule.rule_id.clone();
                (rule_id.clone(), Change::Moved { rule_id, from: rule.source.clone() })
            } else {
                let description = describe(std::slice::from_ref(user))?;
                let Some(rule_id) = ec2::authorize(aws, group, source, port, &description).await? else {
                    bail!(Problem::new(format!("another run has just allowed {source}"), "run this again"));
                };
                (rule_id, Change::Added)
            }
        };
        let mut change = change;
        for rule in former {
            leave(aws, rule, &user.name).await?;
            if !matches!(change, Change::Moved { .. }) {
                change = Change::Moved { rule_id: rule_id.clone(), from: rule.source.clone() };
            }
        }
        Ok(change)
    }

    /// Makes the present rule the operator's own as well. It ends with the last of its operators.
    async fn join(&self, rule: &Rule) -> anyhow::Result<Change> {
        let Self { aws, user, .. } = *self;
        let others = rule.others(&user.name);
        let is_same = rule.user(&user.name).is_some_and(|present| present.until.is_none() && user.until.is_none());
        // Another program's rule has no end, and its description is not ours to change.
        if is_same || !rule.is_own() {
            return Ok(Change::Unchanged);
        }
        let with = others.iter().map(|other| other.name.as_str()).collect::<Vec<_>>().join(", ");
        let users: Vec<User> = others.into_iter().chain([user.clone()]).collect();
        ec2::describe_rule(aws, rule, &describe(&users)?).await?;
        let rule_id = rule.rule_id.clone();
        Ok(if with.is_empty() || rule.user(&user.name).is_some() {
            Change::Renewed { rule_id }
        } else {
            Change::Shared { rule_id, with }
        })
    }
}
