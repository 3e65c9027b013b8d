//! `provision access revoke`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::UserArgs;
use crate::aws::ec2::{self, Rule};
use crate::cli::Context;
use crate::error::Problem;

/// Remove the operator's own rules, or others
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Remove the rules with these ids; without it, the operator's own
    #[arg(long, value_name = "SGR-ID", conflicts_with = "expired")]
    rule_id: Vec<String>,
    /// Remove all expired rules
    #[arg(long)]
    expired: bool,
    #[command(flatten)]
    user: UserArgs,
}

/// The rules that were removed.
#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    security_group: String,
    revoked: Vec<Rule>,
}

impl Revoke {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Revoked> {
        let declaration = context.declaration()?;
        let aws = context.aws().await?;
        let security_group = ec2::require_security_group(aws, declaration).await?;
        let mut revoked = ec2::list_rules(aws, &security_group, declaration.port).await?;
        let is_known = |id: &&String| revoked.iter().any(|rule| rule.rule_id == **id);
        let unknown: Vec<_> = self.rule_id.iter().filter(|id| !is_known(id)).cloned().collect();
        ensure!(
            unknown.is_empty(),
            Problem::new(
                format!("{security_group} has no rule {}", unknown.join(", ")),
                "list the rules with `provision access list`"
            )
        );
        let user = self.user.name(context)?;
        revoked.retain(|rule| match (self.expired, self.rule_id.is_empty()) {
            (true, _) => rule.expired,
            (false, false) => self.rule_id.contains(&rule.rule_id),
            (false, true) => rule.user.as_ref() == Some(&user),
        });
        if !revoked.is_empty() {
            ec2::revoke(aws, &security_group, revoked.iter().map(|rule| rule.rule_id.clone()).collect()).await?;
        }
        Ok(Revoked { security_group, revoked })
    }
}

impl Display for Revoked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.revoked.is_empty() {
            return write!(f, "no rule to remove ({})", self.security_group);
        }
        let sources: Vec<&str> = self.revoked.iter().map(|rule| rule.source.as_str()).collect();
        write!(f, "{} may not reach the DB instance any more ({})", sources.join(", "), self.security_group)
    }
}
