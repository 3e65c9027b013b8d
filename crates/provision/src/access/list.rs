//! `provision access list`

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::rule::{Rule, rules, security_group};
use crate::aws::Aws;
use crate::declaration::Declaration;

/// Everybody who may reach the DB instance.
#[derive(Debug, Serialize)]
pub(crate) struct AccessList {
    security_group: String,
    port: i32,
    rules: Vec<Rule>,
}

pub(crate) async fn list(aws: &Aws, declaration: &Declaration) -> anyhow::Result<AccessList> {
    let (security_group, port) = (security_group(aws, declaration).await?, declaration.port);
    Ok(AccessList { rules: rules(aws, &security_group, port).await?, security_group, port })
}

impl Display for AccessList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, port {}:", self.security_group, self.port)?;
        if self.rules.is_empty() {
            return write!(f, " nobody");
        }
        for rule in &self.rules {
            let who = rule.user.as_deref().or(rule.description.as_deref()).unwrap_or("-");
            write!(f, "\n  {}  {}  {who}", rule.rule_id, rule.source)?;
            for (name, time) in [("since", &rule.since), ("until", &rule.until)] {
                if let Some(time) = time {
                    write!(f, "  {name} {time}")?;
                }
            }
            if rule.expired {
                write!(f, "  EXPIRED: `provision access revoke --expired` removes it")?;
            }
            if rule.anyone {
                write!(f, "  WARNING: the whole internet")?;
            }
        }
        Ok(())
    }
}
