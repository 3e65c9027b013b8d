//! What an operator wants to be allowed, and how the rules come to it.

use std::time::Duration;

use anyhow::{bail, ensure};
use serde::Serialize;

use super::ingress::Ingress;
use super::{describe, leave};
use crate::aws::Aws;
use crate::aws::ec2::{self, Rule, Source, User};
use crate::error::Problem;
use crate::prompt::Consent;

/// How often the rules are read until they are as they were written.
const READS: u32 = 4;

/// The pause before the next reading.
const PAUSE: Duration = Duration::from_secs(1);

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

impl Change {
    /// The source of the operator's former rule.
    pub(super) fn former(&self) -> Option<&str> {
        if let Self::Moved { from, .. } = self { Some(from) } else { None }
    }
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
        find_present(self.rules, group, self.source, self.port)
    }

    /// The rule that allows the source now. It is read again, because EC2 may answer with what it was before:
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
    pub(super) async fn read_result(&self, ingress: &Ingress) -> anyhow::Result<(Rule, Vec<Rule>)> {
        let mut reads = 1;
        loop {
            let rules = ingress.rules(self.aws).await?;
            match find_written(&rules, self.group, self.source, self.port, self.user) {
                Ok(rule) => return Ok((rule.clone(), rules)),
                Err(error) if reads == READS => return Err(error),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
            reads += 1;
        }
    }

    /// What to ask before the rule is rewritten for these operators, if others depend on it as it is.
    fn question(&self, rule: &Rule, users: &[User]) -> Option<String> {
        let Self { port, source, user, .. } = *self;
        let keeps_all = rule.others(&user.name).iter().all(|other| users.contains(other));
        (!keeps_all || !rule.is_own() || !rule.is_for_only(port)).then(|| {
            let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
            let (rule, names) = (rule.in_full(), names.join(", "));
            format!("This rewrites {rule}: it will allow {source} at tcp {port} alone, for {names}.")
        })
    }

    /// Makes this rule allow the source, and be the operator's own. Of other operators' parts, those for the same source
    /// stay; `confirm` asks before anything else of another is lost.
    pub(super) async fn rewrite(
        &self,
        rule: &Rule,
        confirm: impl FnOnce(&str) -> anyhow::Result<Consent>,
    ) -> anyhow::Result<Change> {
        let Self { aws, port, source, user, .. } = *self;
        let id = rule.rule_id.as_str();
        if let Some(other) = self.present_in(&rule.security_group).filter(|present| present.rule_id != id) {
            let problem = format!("{} is allowed by the rule {} already", source, other.rule_id);
            bail!(Problem::new(problem, "leave out --rule-id, and use that rule"));
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
        let is_same_source = rule.source == source.to_string();
        let others = if is_same_source { rule.others(&user.name) } else { Vec::new() };
        let users: Vec<User> = others.into_iter().chain([user.clone()]).collect();
        if let Some(question) = self.question(rule, &users) {
            let _consent = confirm(&question)?;
        } else if is_same_source {
            return self.join(rule).await;
        }
        ec2::move_rule(aws, rule, source, port, &describe(&users)?).await?;
        let rule_id = rule.rule_id.clone();
        if is_same_source {
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

fn find_present<'a>(rules: &'a [Rule], group: &str, source: &Source, port: i32) -> Option<&'a Rule> {
    let source = source.to_string();
    rules.iter().find(|rule| rule.security_group == group && rule.source == source && rule.is_for_only(port))
}

/// The rule that allows the source, for this operator until the wished end. EC2 has no condition for a change, so one of
/// two runs at once can undo the other's.
fn find_written<'a>(
    rules: &'a [Rule],
    group: &str,
    source: &Source,
    port: i32,
    user: &User,
) -> anyhow::Result<&'a Rule> {
    let has_part = |rule: &Rule| rule.user(&user.name).is_some_and(|part| part.until == user.until);
    let written = find_present(rules, group, source, port).filter(|rule| !rule.is_own() || has_part(rule));
    written.ok_or_else(|| {
        let problem = format!("another run has changed the rule for {source} at the same time");
        Problem::new(problem, "run this again").into()
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::error;

    #[test]
    fn a_part_that_another_run_has_undone_is_missed() {
        let (ada, bayko) = (User::new("ada", Some(SystemTime::now())), User::new("bayko", None));
        let find = |users: &[&User]| {
            let users = users.iter().copied().cloned().collect();
            let rules = [Rule::of_test("sgr-1", "192.0.2.1/32", users)];
            let source = "192.0.2.1/32".parse().expect("a source");
            find_written(&rules, "sg-1", &source, 5432, &ada).map(|rule| rule.rule_id.clone())
        };
        for users in [&[&ada, &bayko][..], &[]] {
            assert_eq!(find(users).expect("it is there"), "sgr-1", "own or of another program");
        }
        let former = User::new("ada", None);
        for users in [&[&bayko][..], &[&former, &bayko]] {
            let error = find(users).expect_err("the part is not there");
            assert_eq!(error::remedy(&error).as_deref(), Some("run this again"), "{error}");
        }
    }
}
