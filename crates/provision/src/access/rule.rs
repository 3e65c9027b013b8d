//! A security group rule, and what its description tells of it.

use std::time::SystemTime;

use anyhow::Context;
use aws_sdk_ec2::types::{Filter, SecurityGroupRule};
use humantime::{format_rfc3339_seconds, parse_rfc3339};
use serde::Serialize;

use crate::aws::{Aws, Explain};
use crate::declaration::Declaration;
use crate::instance::find_security_group;

/// What rules made here begin with. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html> tells which
/// characters a description may have.
const MARK: &str = "provision";

/// Somebody or something that may reach the port of the DB instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rule {
    pub(crate) rule_id: String,
    /// An address range or a security group.
    pub(crate) source: String,
    /// Whose rule it is, if it was made here.
    pub(crate) user: Option<String>,
    /// RFC 3339.
    pub(crate) since: Option<String>,
    /// RFC 3339; AWS itself knows no end, `access revoke --expired` does.
    pub(crate) until: Option<String>,
    pub(crate) expired: bool,
    /// Whether the whole internet is let in.
    pub(crate) anyone: bool,
    /// The description of a rule that was not made here.
    pub(crate) description: Option<String>,
}

impl Rule {
    fn new(rule: &SecurityGroupRule) -> Option<Self> {
        let group = rule.referenced_group_info().and_then(|group| group.group_id());
        let source = rule.cidr_ipv4().or(rule.cidr_ipv6()).or(group).or(rule.prefix_list_id())?.to_owned();
        let description = rule.description().unwrap_or_default();
        let made_here = description.split(' ').next() == Some(MARK);
        let word = |name: &str| {
            let mut words = description.split(' ').filter(|_| made_here);
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let until = word("until");
        let end = until.as_deref().and_then(|until| parse_rfc3339(until).ok());
        Some(Self {
            rule_id: rule.security_group_rule_id()?.to_owned(),
            anyone: ["0.0.0.0/0", "::/0"].contains(&source.as_str()),
            source,
            user: word("user"),
            since: word("since"),
            expired: end.is_some_and(|end| end < SystemTime::now()),
            until,
            description: Some(description.to_owned()).filter(|text| !made_here && !text.is_empty()),
        })
    }

    /// The description of a rule that begins now.
    pub(super) fn describe(user: &str, until: Option<SystemTime>) -> String {
        let since = format_rfc3339_seconds(SystemTime::now());
        let until = until.map(|until| format!(" until={}", format_rfc3339_seconds(until))).unwrap_or_default();
        format!("{MARK} user={user} since={since}{until}")
    }
}

/// The security group of the DB instance, as declared or by its name.
pub(super) async fn security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    if let Some(group) = &declaration.network.security_group {
        return Ok(group.clone());
    }
    let group = find_security_group(aws, declaration).await?;
    group.with_context(|| {
        format!("there is no security group {}; run `provision instance apply`", declaration.identifier)
    })
}

/// The group's rules that let somebody in to the port of the DB instance.
pub(super) async fn rules(aws: &Aws, group: &str, port: i32) -> anyhow::Result<Vec<Rule>> {
    let of_group = Filter::builder().name("group-id").values(group).build();
    let mut rules = aws.ec2.describe_security_group_rules().filters(of_group).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(rule) = rules.next().await {
        let rule = rule.explain("ec2:DescribeSecurityGroupRules")?;
        // A rule for all protocols has the port -1.
        let is_ours =
            rule.from_port().is_none_or(|from| from <= port) && rule.to_port().is_none_or(|to| to >= port || to == -1);
        if rule.is_egress() == Some(false) && is_ours {
            found.extend(Rule::new(&rule));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rule(description: &str) -> Rule {
        let rule = SecurityGroupRule::builder().security_group_rule_id("sgr-1").cidr_ipv4("192.0.2.1/32");
        Rule::new(&rule.description(description).build()).expect("it has a source")
    }

    #[test]
    fn a_description_tells_whose_rule_it_is_and_until_when() {
        let now = SystemTime::now();
        let found = rule(&Rule::describe("ada", Some(now + Duration::from_hours(1))));
        assert_eq!((found.user.as_deref(), found.expired), (Some("ada"), false));
        assert!(found.since.is_some() && found.until.is_some(), "{found:?}");
        assert!(rule(&Rule::describe("ada", Some(now - Duration::from_hours(1)))).expired);
        assert_eq!(rule(&Rule::describe("ada", None)).until, None);
    }

    #[test]
    fn somebody_elses_description_is_kept_as_it_is() {
        let found = rule("office user=ada until=2020-01-01T00:00:00Z");
        assert_eq!((found.user, found.expired), (None, false));
        assert_eq!(found.description.as_deref(), Some("office user=ada until=2020-01-01T00:00:00Z"));
    }
}
