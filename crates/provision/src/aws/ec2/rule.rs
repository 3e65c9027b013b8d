//! A security group rule, and the meaning of its description.

use std::time::SystemTime;

use aws_sdk_ec2::types::SecurityGroupRule;
use humantime::{format_rfc3339_seconds, parse_rfc3339};
use serde::Serialize;

/// The first word of the descriptions that this program writes. Their characters are limited:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html>
const MARK: &str = "provision";

/// A rule that allows access to the port of the DB instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rule {
    pub(crate) rule_id: String,
    /// An address range or a security group.
    pub(crate) source: String,
    /// The operator whose rule it is, if this program made it.
    pub(crate) user: Option<String>,
    /// RFC 3339.
    pub(crate) since: Option<String>,
    /// RFC 3339. AWS does not know it; `access revoke --expired` does.
    pub(crate) until: Option<String>,
    pub(crate) expired: bool,
    /// Whether it allows the whole internet.
    pub(crate) anyone: bool,
    /// The description of a rule that another program made.
    pub(crate) description: Option<String>,
}

impl Rule {
    pub(super) fn new(rule: &SecurityGroupRule) -> Option<Self> {
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

    /// The description of a rule that starts now.
    pub(crate) fn describe(user: &str, until: Option<SystemTime>) -> String {
        let since = format_rfc3339_seconds(SystemTime::now());
        let until = until.map(|until| format!(" until={}", format_rfc3339_seconds(until))).unwrap_or_default();
        format!("{MARK} user={user} since={since}{until}")
    }
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
    fn a_description_names_the_operator_and_the_end() {
        let now = SystemTime::now();
        let found = rule(&Rule::describe("ada", Some(now + Duration::from_hours(1))));
        assert_eq!((found.user.as_deref(), found.expired), (Some("ada"), false));
        assert!(found.since.is_some() && found.until.is_some(), "{found:?}");
        assert!(rule(&Rule::describe("ada", Some(now - Duration::from_hours(1)))).expired);
        assert_eq!(rule(&Rule::describe("ada", None)).until, None);
    }

    #[test]
    fn a_description_of_another_program_is_kept() {
        let found = rule("office user=ada until=2020-01-01T00:00:00Z");
        assert_eq!((found.user, found.expired), (None, false));
        assert_eq!(found.description.as_deref(), Some("office user=ada until=2020-01-01T00:00:00Z"));
    }
}
