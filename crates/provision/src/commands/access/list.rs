//! `provision access list`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use super::ingress::Ingress;
use crate::aws::ec2::Rule;
use crate::cli::Context;
use crate::terminal::harmless;

/// List the rules that allow access to the DB instance
///
/// They are those of every security group that the DB instance has, for the port that it has.
#[derive(Debug, Args)]
pub(super) struct List {}

/// The rules that allow access to the DB instance.
#[derive(Debug, Serialize)]
pub(super) struct AccessList {
    /// The first one.
    security_group: String,
    security_groups: Vec<Group>,
    port: i32,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
struct Group {
    id: String,
    /// Why its rules have no effect, if they have none.
    note: Option<String>,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<AccessList> {
        let aws = context.aws().await?;
        let ingress = Ingress::find(aws, context.declaration()?).await?;
        let groups = ingress.groups().map(|id| Group { id: id.clone(), note: note(&ingress, id) });
        let security_groups: Vec<Group> = groups.collect();
        Ok(AccessList {
            security_group: security_groups.first().map(|group| group.id.clone()).unwrap_or_default(),
            security_groups,
            port: ingress.port,
            rules: ingress.rules(aws).await?,
        })
    }
}

fn note(ingress: &Ingress, group: &str) -> Option<String> {
    let identifier = ingress.identifier();
    match (ingress.exists(), ingress.is_in_force(group)) {
        (true, true) => None,
        (true, false) => Some(format!("not attached to {identifier}")),
        (false, _) => Some(format!("before {identifier} is created")),
    }
}

impl Display for AccessList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, Group { id, note }) in self.security_groups.iter().enumerate() {
            let note = note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let start = if number > 0 { "\n" } else { "" };
            write!(f, "{start}{}, port {}:", harmless(format!("{id}{note}")), self.port)?;
            let mut rules = self.rules.iter().filter(|rule| rule.security_group == *id).peekable();
            if rules.peek().is_none() {
                write!(f, " no rule")?;
            }
            rules.try_for_each(|rule| show(rule, f))?;
        }
        if self.security_groups.is_empty() {
            write!(f, "no security group")?;
        }
        Ok(())
    }
}

fn show(rule: &Rule, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "\n  {}", harmless(format!("{}  {}", rule.rule_id, rule.source)))?;
    if rule.users.is_empty() {
        write!(f, "  {}", harmless(rule.description.as_deref().unwrap_or("-")))?;
    }
    for user in &rule.users {
        write!(f, "  {}", harmless(&user.name))?;
        for (name, time) in [("since", &user.since), ("until", &user.until)] {
            if let Some(time) = time {
                write!(f, "  {name} {}", harmless(time))?;
            }
        }
    }
    if rule.expired {
        write!(f, "  EXPIRED: remove it with `provision access revoke --expired`")?;
    }
    if rule.anyone {
        write!(f, "  WARNING: the whole internet")?;
    }
    Ok(())
}
