//! `provision access revoke`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::ingress::Ingress;
use super::{UserArgs, leave, parse_group, parse_prefix_list, parse_rule_id, still_allowed};
use crate::aws::ec2::{self, Rule, Source};
use crate::cli::{Context, quoted};
use crate::error::Problem;
use crate::terminal::harmless;

/// Remove the operator's own rules, or others
///
/// Without an option, it is the operator's rules for addresses: those for a security group, such as the function's, or for a
/// prefix list stay, and are listed. Of a rule that operators share, the own part is removed, and it stays for the others.
/// A rule for a security group, for a prefix list, for other ports or of another program is removed after a confirmation.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Remove the operator's rule for this security group
    #[arg(long, value_name = "SG-ID", value_parser = parse_group, conflicts_with_all = ["from_prefix_list", "rule_id", "expired"])]
    from_group: Option<Source>,
    /// Remove the operator's rule for this prefix list
    #[arg(long, value_name = "PL-ID", value_parser = parse_prefix_list, conflicts_with_all = ["rule_id", "expired"])]
    from_prefix_list: Option<Source>,
    /// Remove the rules with these ids, of any operator or program; with --user, only this operator's part in them
    #[arg(long, value_name = "SGR-ID", conflicts_with = "expired", value_parser = parse_rule_id)]
    rule_id: Vec<String>,
    /// Remove all expired rules, of any operator, without a confirmation
    #[arg(long, conflicts_with = "user")]
    expired: bool,
    #[command(flatten)]
    user: UserArgs,
}

/// The rules that were removed.
#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    /// All that were looked at.
    security_group: String,
    revoked: Vec<Rule>,
    /// The sources that no rule allows any more.
    closed: Vec<String>,
    /// The rules that stay for other operators.
    shared: Vec<Rule>,
    /// The operator's rules that stay until they are named.
    kept: Vec<Kept>,
    /// What other rules still allow.
    notes: Vec<String>,
}

/// A rule for a security group or a prefix list, which only its name removes.
#[derive(Debug, Serialize)]
struct Kept {
    #[serde(flatten)]
    rule: Rule,
    /// The command that removes it.
    removal: String,
}

/// What becomes of the rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    removed: Vec<Rule>,
    /// Those that only lose the operator's part.
    left: Vec<Rule>,
    /// The operator's that stay until they are named.
    kept: Vec<Rule>,
    /// Those that the command is not about.
    others: Vec<Rule>,
}

impl Plan {
    /// The rules that the options mean, with the own source as AWS returns it.
    fn new(options: &Revoke, source: Option<&Source>, user: &str, rules: Vec<Rule>) -> Self {
        let source = source.map(ToString::to_string);
        let mut plan = Self::default();
        for rule in rules {
            let has_part = rule.user(user).is_some();
            let is_whole = rule.others(user).is_empty();
            let fate = if options.expired {
                if rule.expired { &mut plan.removed } else { &mut plan.others }
            } else if options.rule_id.contains(&rule.rule_id) {
                if options.user.is_named() && !is_whole { &mut plan.left } else { &mut plan.removed }
            } else if !options.rule_id.is_empty() || !has_part || source.as_ref().is_some_and(|id| *id != rule.source) {
                &mut plan.others
            } else if source.is_none() && !is_of_range(&rule) {
                &mut plan.kept
            } else if is_whole {
                &mut plan.removed
            } else {
                &mut plan.left
            };
            fate.push(rule);
        }
        plan
    }

    /// The removed rules that more depends on than an operator's address.
    fn vital(&self, port: i32) -> impl Iterator<Item = &Rule> {
        self.removed.iter().filter(move |rule| !is_of_range(rule) || !rule.is_own() || !rule.is_for_only(port))
    }
}

impl Revoke {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Revoked> {
        let aws = context.aws().await?;
        let ingress = Ingress::find(aws, context.declaration()?).await?;
        let groups: Vec<&str> = ingress.groups().map(String::as_str).collect();
        let rules = ingress.rules(aws).await?;
        let is_known = |id: &&String| rules.iter().any(|rule| rule.rule_id == **id);
        let unknown: Vec<&str> = self.rule_id.iter().filter(|id| !is_known(id)).map(String::as_str).collect();
        ensure!(
            unknown.is_empty(),
            Problem::new(
                format!("{} has no rule {} for port {}", groups.join(", "), unknown.join(", "), ingress.port),
                "list the rules with `provision access list`"
            )
        );
        let user = self.user.name(context)?;
        let is_foreign = |rule: &&Rule| self.rule_id.contains(&rule.rule_id) && rule.user(&user).is_none();
        if let Some(rule) = rules.iter().find(is_foreign).filter(|_| self.user.is_named()) {
            let problem = format!("the rule {} has no part of {user}", rule.rule_id);
            return Err(Problem::new(problem, "list the rules with `provision access list`").into());
        }
        let source = match self.from_group.clone().or(self.from_prefix_list.clone()) {
            Some(source) => Some(ingress.canonical(aws, source).await?),
            None => None,
        };
        let plan = Plan::new(&self, source.as_ref(), &user, rules);
        let vital: Vec<String> = plan.vital(ingress.port).map(Rule::in_full).collect();
        let identifier = ingress.identifier();
        let question = format!("This ends access to {identifier} by {}.", vital.join(", "));
        let _consent = context.confirm_if(!vital.is_empty() && !self.expired, &question, identifier)?;

        let Plan { removed: revoked, left, kept, others: mut allowing } = plan;
        for rule in &revoked {
            ec2::revoke(aws, rule).await?;
        }
        let mut shared = Vec::new();
        for rule in &left {
            shared.extend(leave(aws, rule, &user).await?);
        }
        allowing.extend(shared.iter().chain(&kept).cloned());
        allowing.retain(|rule| ingress.is_in_force(&rule.security_group));
        let still = revoked.iter().map(|rule: &Rule| still_allowed(&rule.source, &allowing));
        let (closed, notes): (Vec<_>, Vec<_>) = revoked.iter().zip(still).partition(|(_, note)| note.is_none());
        let closed = closed.into_iter().map(|(rule, _)| rule.source.clone()).collect();
        let notes = notes.into_iter().filter_map(|(_, note)| note).collect();
        let kept = kept.into_iter().map(|rule| Kept { removal: self.removal(context, &rule), rule }).collect();
        let security_group = groups.join(", ");
        Ok(Revoked { security_group, revoked, closed, shared, kept, notes })
    }

    /// The command that removes this rule's part of the same operator.
    fn removal(&self, context: &Context, rule: &Rule) -> String {
        let option = if matches!(rule.source.parse(), Ok(Source::PrefixList(_))) { "prefix-list" } else { "group" };
        let user = self.user.user.as_ref().map(|user| format!(" --user {}", quoted(user))).unwrap_or_default();
        context.command_line(&format!("access revoke --from-{option} {}{user}", rule.source))
    }
}

fn is_of_range(rule: &Rule) -> bool {
    matches!(rule.source.parse(), Ok(Source::Range(_)))
}

impl Display for Revoked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { security_group, closed, revoked, shared, kept, notes } = self;
        let mut lines = Vec::new();
        if revoked.is_empty() && shared.is_empty() {
            lines.push(format!("no rule to remove ({security_group})"));
        }
        if !closed.is_empty() {
            let sources = closed.join(", ");
            lines.push(format!("{sources} may not reach the DB instance any more ({security_group})"));
        }
        lines.extend(notes.iter().cloned());
        for rule in shared {
            let users = rule.user.as_deref().unwrap_or_default();
            lines
                .push(format!("{} stays allowed for {users} ({}, {})", rule.source, rule.security_group, rule.rule_id));
        }
        for Kept { rule, removal } in kept {
            let Rule { source, security_group, rule_id, .. } = rule;
            lines.push(format!(
                "{source} stays allowed ({security_group}, {rule_id}): remove its rule with `{removal}`"
            ));
        }
        let lines: Vec<_> = lines.iter().map(harmless).collect();
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::aws::ec2::User;

    const FUNCTION: &str = "sg-0a1b";

    /// The rules of two operators: each one's laptop, a shared office, and the function, which only `ada` has allowed.
    fn rules() -> Vec<Rule> {
        let (ada, bayko) = (User::new("ada", None), User::new("bayko", None));
        vec![
            Rule::of_test("sgr-1", "192.0.2.1/32", vec![ada.clone()]),
            Rule::of_test("sgr-2", "192.0.2.2/32", vec![bayko.clone()]),
            Rule::of_test("sgr-3", "198.51.100.0/24", vec![ada.clone(), bayko]),
            Rule::of_test("sgr-4", FUNCTION, vec![ada.clone()]),
            Rule::of_test("sgr-5", "pl-0a1b", vec![ada]),
        ]
    }

    /// The ids of what `ada`'s command removes, leaves and keeps, and of what it asks about.
    fn planned(arguments: &str) -> [String; 4] {
        let options = RevokeCommand::parse_from(["revoke"].into_iter().chain(arguments.split_whitespace())).options;
        let source = options.from_group.clone().or(options.from_prefix_list.clone());
        let user = options.user.user.clone().unwrap_or_else(|| "ada".to_owned());
        let plan = Plan::new(&options, source.as_ref(), &user, rules());
        let ids = |rules: Vec<&Rule>| rules.iter().map(|rule| rule.rule_id.as_str()).collect::<Vec<_>>().join(" ");
        let [removed, left, kept] = [&plan.removed, &plan.left, &plan.kept].map(|rules| ids(rules.iter().collect()));
        [removed, left, kept, ids(plan.vital(5432).collect())]
    }

    #[derive(Debug, clap::Parser)]
    struct RevokeCommand {
        #[command(flatten)]
        options: Revoke,
    }

    #[test]
    fn the_rule_of_a_group_or_a_prefix_list_stays_until_it_is_named() {
        assert_eq!(planned(""), ["sgr-1", "sgr-3", "sgr-4 sgr-5", ""]);
        assert_eq!(planned("--from-group sg-0a1b"), ["sgr-4", "", "", "sgr-4"]);
        assert_eq!(planned("--from-prefix-list pl-0a1b"), ["sgr-5", "", "", "sgr-5"]);
        assert_eq!(planned("--from-group sg-0a1b --user bayko"), ["", "", "", ""], "it is ada's");
        assert_eq!(planned("--rule-id sgr-4 --rule-id sgr-2"), ["sgr-2 sgr-4", "", "", "sgr-4"]);
    }

    #[test]
    fn only_the_named_operators_part_of_a_named_rule_is_removed() {
        assert_eq!(planned("--rule-id sgr-3 --user bayko"), ["", "sgr-3", "", ""]);
        assert_eq!(planned("--rule-id sgr-2 --user bayko"), ["sgr-2", "", "", ""]);
        assert_eq!(planned("--rule-id sgr-3"), ["sgr-3", "", "", ""], "everybody's");
    }
}
