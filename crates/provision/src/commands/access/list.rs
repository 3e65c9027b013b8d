//! `provision access list`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use crate::aws::ec2::{self, Rule};
use crate::cli::Context;
use crate::terminal::harmless;

/// List the rules that allow access to the DB instance
#[derive(Debug, Args)]
pub(super) struct List {}

/// The rules that allow access to the DB instance.
#[derive(Debug, Serialize)]
pub(super) struct AccessList {
    security_group: String,
    port: i32,
    rules: Vec<Rule>,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<AccessList> {
        let declaration = context.declaration()?;
        let aws = context.aws().await?;
        let (security_group, port) = (ec2::require_security_group(aws, declaration).await?, declaration.port);
        Ok(AccessList { rules: ec2::list_rules(aws, &security_group, port).await?, security_group, port })
    }
}

impl Display for AccessList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, port {}:", harmless(&self.security_group), self.port)?;
        if self.rules.is_empty() {
            return write!(f, " no rule");
        }
        for rule in &self.rules {
            let who = rule.user.as_deref().or(rule.description.as_deref()).unwrap_or("-");
            write!(f, "\n  {}", harmless(format!("{}  {}  {who}", rule.rule_id, rule.source)))?;
            for (name, time) in [("since", &rule.since), ("until", &rule.until)] {
                if let Some(time) = time {
                    write!(f, "  {name} {}", harmless(time))?;
                }
            }
            if rule.expired {
                write!(f, "  EXPIRED: remove it with `provision access revoke --expired`")?;
            }
            if rule.anyone {
                write!(f, "  WARNING: the whole internet")?;
            }
        }
        Ok(())
    }
}
