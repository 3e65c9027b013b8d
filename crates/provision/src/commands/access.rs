//! `provision access`: who may reach the DB instance, as rules of its security groups.

mod address;
mod allow;
mod ingress;
mod list;
mod revoke;
mod wish;

use std::fmt::Display;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::aws::Aws;
use crate::aws::ec2::{self, Rule, Source, User};
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::announce;

/// Control which networks reach the DB instance
#[derive(Debug, Args)]
pub(crate) struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    Allow(allow::Allow),
    Revoke(revoke::Revoke),
    List(list::List),
}

/// The operator whose rules are meant.
#[derive(Clone, Debug, Args)]
struct UserArgs {
    /// Owner of the rule, kept in its description; without it, the name in USER, else `operator`. Give each machine with
    /// the same USER, such as containers with root, a name of its own
    #[arg(long)]
    user: Option<String>,
}

impl UserArgs {
    /// Whether the operator was named, not found.
    fn is_named(&self) -> bool {
        self.user.is_some()
    }

    fn name(&self, context: &Context) -> anyhow::Result<String> {
        let name = self.user.clone().map_or_else(|| context.variable("USER"), |name| Ok(Some(name)))?;
        Ok(name.unwrap_or_else(|| "operator".to_owned()))
    }
}

impl Access {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.command {
            AccessCommand::Allow(command) => show_change(context, &command.run(context).await?),
            AccessCommand::Revoke(command) => show_change(context, &command.run(context).await?),
            AccessCommand::List(command) => context.show_lines(&command.run(context).await?),
        }
    }
}

/// Writes what a command has changed, on standard error if not on standard output: nothing else knows it.
fn show_change(context: &Context, result: &(impl Display + Serialize)) -> anyhow::Result<Outcome> {
    context.show_lines(result).inspect_err(|_| announce(result)).map_err(|error| {
        let remedy = "do not repeat it: list the rules with `provision access list`";
        Problem::new("the result is above instead", remedy).because(error).into()
    })
}

/// Reads the id of a security group, of this account or a peered one.
fn parse_group(text: &str) -> Result<Source, String> {
    let source = text.parse().ok().filter(|source| matches!(source, Source::Group { .. }));
    source.ok_or_else(|| {
        "use an id such as sg-0123456789abcdef0, after the account and a slash if it is peered".to_owned()
    })
}

/// Reads the id of a prefix list.
fn parse_prefix_list(text: &str) -> Result<Source, String> {
    let source = text.parse().ok().filter(|source| matches!(source, Source::PrefixList(_)));
    source.ok_or_else(|| "use an id such as pl-0123456789abcdef0".to_owned())
}

/// Reads the id of a rule.
fn parse_rule_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sgr-").unwrap_or_default();
    let is_id = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    if is_id { Ok(text.to_owned()) } else { Err("use an id such as sgr-0123456789abcdef0".to_owned()) }
}

/// Ends this operator's part in the rule. Returns the rule as it is for others, or none if it is gone.
async fn leave(aws: &Aws, rule: &Rule, user: &str) -> anyhow::Result<Option<Rule>> {
    let others = rule.others(user);
    if others.is_empty() {
        ec2::revoke(aws, rule).await?;
        return Ok(None);
    }
    ec2::describe_rule(aws, rule, &describe(&others)?).await?;
    Ok(Some(rule.clone().with_users(others)))
}

/// The description of a rule for these operators.
fn describe(users: &[User]) -> anyhow::Result<String> {
    User::describe_all(users).ok_or_else(|| {
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        let problem = format!("a rule cannot name so many operators: {}", names.join(", "));
        Problem::new(problem, "end access that is not needed any more with `provision access revoke --user`").into()
    })
}

/// Says which of the rules still allow this source, or a part of it, if any do.
fn still_allowed(source: &str, rules: &[Rule]) -> Option<String> {
    let parsed: Source = source.parse().ok()?;
    let shown = |allows: &dyn Fn(&Source) -> bool| {
        let allowing = rules.iter().filter(|rule| rule.source.parse().is_ok_and(|other: Source| allows(&other)));
        let shown: Vec<String> = allowing.map(|rule| format!("{} for {}", rule.rule_id, rule.source)).collect();
        (!shown.is_empty()).then(|| shown.join(", "))
    };
    match (shown(&|other| other.covers(&parsed)), shown(&|other| parsed.covers(other))) {
        (Some(rules), _) => Some(format!("{source} is still allowed, by {rules}")),
        (None, Some(rules)) => Some(format!("a part of {source} is still allowed, by {rules}")),
        (None, None) => None,
    }
}
