//! `provision access revoke`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use serde::Serialize;

use super::rule::{Rule, rules, security_group};
use crate::aws::{Aws, Explain};
use crate::declaration::Declaration;

/// Which rules to remove.
#[derive(Clone, Debug)]
pub(crate) enum Revocation {
    /// Those of this user.
    Of(String),
    /// Those with these ids.
    Ids(Vec<String>),
    /// Those whose time is over.
    Expired,
}

/// The rules that were removed.
#[derive(Debug, Serialize)]
pub(crate) struct Revoked {
    security_group: String,
    revoked: Vec<Rule>,
}

pub(crate) async fn revoke(aws: &Aws, declaration: &Declaration, which: Revocation) -> anyhow::Result<Revoked> {
    let security_group = security_group(aws, declaration).await?;
    let mut revoked = rules(aws, &security_group, declaration.port).await?;
    if let Revocation::Ids(ids) = &which {
        let unknown: Vec<_> =
            ids.iter().filter(|id| revoked.iter().all(|rule| rule.rule_id != **id)).cloned().collect();
        let unknown = unknown.join(", ");
        ensure!(unknown.is_empty(), "{security_group} has no rule {unknown}; `provision access list` shows them");
    }
    revoked.retain(|rule| match &which {
        Revocation::Of(user) => rule.user.as_ref() == Some(user),
        Revocation::Ids(ids) => ids.contains(&rule.rule_id),
        Revocation::Expired => rule.expired,
    });
    if !revoked.is_empty() {
        let ids = revoked.iter().map(|rule| rule.rule_id.clone()).collect();
        let request = aws.ec2.revoke_security_group_ingress().group_id(&security_group);
        request.set_security_group_rule_ids(Some(ids)).send().await.explain("ec2:RevokeSecurityGroupIngress")?;
    }
    Ok(Revoked { security_group, revoked })
}

impl Display for Revoked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.revoked.is_empty() {
            return write!(f, "there is nothing to revoke ({})", self.security_group);
        }
        let sources: Vec<&str> = self.revoked.iter().map(|rule| rule.source.as_str()).collect();
        write!(f, "{} may no longer come in ({})", sources.join(", "), self.security_group)
    }
}
