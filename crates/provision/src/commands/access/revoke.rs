//! `provision access revoke`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::ingress::Ingress;
use super::{UserArgs, leave, parse_rule_id, still_allowed};
use crate::aws::ec2::{self, Rule};
use crate::cli::Context;
use crate::error::Problem;
use crate::terminal::harmless;

/// Remove the operator's own rules, or others
///
/// Of a rule that operators share, the own part is removed, and it stays for the others; with --rule-id, it is removed for
/// all of them.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Remove the rules with these ids, whoever's they are; without it, the operator's own
    #[arg(long, value_name = "SGR-ID", conflicts_with = "expired", value_parser = parse_rule_id)]
    rule_id: Vec<String>,
    /// Remove all expired rules, whoever's they are
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
    /// What other rules still allow.
    notes: Vec<String>,
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
        let is_meant = |rule: &Rule| match (self.expired, self.rule_id.is_empty()) {
            (true, _) => rule.expired,
            (false, false) => self.rule_id.contains(&rule.rule_id),
            (false, true) => rule.user(&user).is_some(),
        };
        let is_of_all = self.expired || !self.rule_id.is_empty();
        let (meant, mut left): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(is_meant);
        let (mut revoked, mut shared) = (Vec::new(), Vec::new());
        for rule in meant {
            if is_of_all {
                ec2::revoke(aws, &rule).await?;
                revoked.push(rule);
            } else {
                match leave(aws, &rule, &user).await? {
                    Some(kept) => shared.push(kept),
                    None => revoked.push(rule),
                }
            }
        }
        left.retain(|rule| ingress.is_in_force(&rule.security_group));
        left.extend(shared.iter().cloned());
        let still = revoked.iter().map(|rule: &Rule| still_allowed(&rule.source, &left));
        let (closed, notes): (Vec<_>, Vec<_>) = revoked.iter().zip(still).partition(|(_, note)| note.is_none());
        let closed = closed.into_iter().map(|(rule, _)| rule.source.clone()).collect();
        let notes = notes.into_iter().filter_map(|(_, note)| note).collect();
        let security_group = groups.join(", ");
        Ok(Revoked { security_group, revoked, closed, shared, notes })
    }
}

impl Display for Revoked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { security_group, closed, revoked, shared, notes } = self;
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
        let lines: Vec<_> = lines.iter().map(harmless).collect();
        f.write_str(&lines.join("\n"))
    }
}
