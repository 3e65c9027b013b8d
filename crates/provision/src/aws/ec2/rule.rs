//! A security group rule, and the meaning of its description.

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use aws_sdk_ec2::types::SecurityGroupRule;
use humantime::{format_rfc3339_seconds, parse_rfc3339};
use serde::Serialize;

use super::Source;

/// The first word of the descriptions that this program writes. Their characters are limited, and their length:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html>
const MARK: &str = "provision";

/// The most characters of a description.
const DESCRIPTION: usize = 255;

/// A rule that allows access to the port of the DB instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rule {
    pub(crate) security_group: String,
    pub(crate) rule_id: String,
    /// An address range, a security group or a prefix list.
    pub(crate) source: String,
    /// The operators whose rule it is, if this program made it.
    pub(crate) user: Option<String>,
    /// RFC 3339, of the first of them.
    pub(crate) since: Option<String>,
    /// RFC 3339, of the last of them. AWS does not know it; `access revoke --expired` does.
    pub(crate) until: Option<String>,
    /// Whether it is over for all of them.
    pub(crate) expired: bool,
    /// Whether it allows the whole internet.
    pub(crate) anyone: bool,
    /// The description of a rule that another program made.
    pub(crate) description: Option<String>,
    /// Each operator's own part in the rule.
    pub(crate) users: Vec<User>,
    #[serde(skip)]
    pub(super) ports: Ports,
}

/// An operator who has asked for a rule. Several share one, because AWS refuses a second rule for the same source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct User {
    pub(crate) name: String,
    /// RFC 3339.
    pub(crate) since: Option<String>,
    /// RFC 3339.
    pub(crate) until: Option<String>,
    pub(crate) expired: bool,
}

/// The protocol and the ports that a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) protocol: String,
    pub(super) from: Option<i32>,
    pub(super) to: Option<i32>,
}

impl Ports {
    /// This port of TCP alone.
    pub(super) fn only(port: i32) -> Self {
        Self { protocol: "tcp".to_owned(), from: Some(port), to: Some(port) }
    }

    /// Whether PostgreSQL can be reached at this port. The protocol -1 is all of them, and only TCP and
    /// UDP have ports: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html>
    fn include(&self, port: i32) -> bool {
        match self.protocol.as_str() {
            "-1" => true,
            "tcp" => self.from.is_none_or(|from| from <= port) && self.to.is_none_or(|to| port <= to),
            _ => false,
        }
    }
}

impl Display for Ports {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { protocol, from, to } = self;
        match (from, to) {
            _ if protocol == "-1" => f.write_str("all ports"),
            (Some(from), Some(to)) if from == to => write!(f, "{protocol} {from}"),
            (Some(from), Some(to)) => write!(f, "{protocol} {from}-{to}"),
            _ => write!(f, "all ports of {protocol}"),
        }
    }
}

impl Rule {
    /// The rule, if it allows incoming traffic to this port.
    pub(super) fn incoming(rule: &SecurityGroupRule, port: i32) -> Option<Self> {
        Self::new(rule, port, false)
    }

    /// The rule, if it allows outgoing traffic to this port; its source is where the traffic goes.
    pub(super) fn outgoing(rule: &SecurityGroupRule, port: i32) -> Option<Self> {
        Self::new(rule, port, true)
    }

    fn new(rule: &SecurityGroupRule, port: i32, is_egress: bool) -> Option<Self> {
        let protocol = match rule.ip_protocol() {
            Some("6") => "tcp",
            protocol => protocol.unwrap_or("-1"),
        };
        let ports = Ports { protocol: protocol.to_owned(), from: rule.from_port(), to: rule.to_port() };
        if rule.is_egress() != Some(is_egress) || !ports.include(port) {
            return None;
        }
        let source = rule.cidr_ipv4().or(rule.cidr_ipv6()).or(rule.prefix_list_id()).map(str::to_owned);
        let source = source.or_else(|| {
            let group = rule.referenced_group_info()?;
            let is_peer = |account: &&str| rule.group_owner_id().is_some_and(|own| own != *account);
            let account = group.user_id().filter(is_peer).map(str::to_owned);
            Some(Source::Group { account, id: group.group_id()?.to_owned() }.to_string())
        })?;
        let description = rule.description().unwrap_or_default();
        let users = User::parse_all(description);
        let rule = Self {
            security_group: rule.group_id().unwrap_or_default().to_owned(),
            rule_id: rule.security_group_rule_id()?.to_owned(),
            anyone: source.parse().is_ok_and(|source: Source| source.is_internet()),
            source,
            user: None,
            since: None,
            until: None,
            expired: false,
            description: Some(description.to_owned()).filter(|text| users.is_empty() && !text.is_empty()),
            users: Vec::new(),
            ports,
        };
        Some(rule.with_users(users))
    }

    /// The rule when it is for these operators.
    pub(crate) fn with_users(self, users: Vec<User>) -> Self {
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        let ends = users.iter().map(|user| user.until.clone()).collect::<Option<Vec<_>>>();
        Self {
            user: Some(names.join(", ")).filter(|names| !names.is_empty()),
            since: users.first().and_then(|user| user.since.clone()),
            until: ends.and_then(|ends| ends.into_iter().max()),
            expired: !users.is_empty() && users.iter().all(|user| user.expired),
            users,
            ..self
        }
    }

    /// The rule with what it allows and for whom, for questions.
    pub(crate) fn in_full(&self) -> String {
        let owner = match (&self.user, &self.description) {
            (Some(users), _) => format!("for {users}"),
            (None, Some(description)) => format!("of another program, described as {description:?}"),
            (None, None) => "of another program".to_owned(),
        };
        format!("the rule {} ({}, {}, {owner})", self.rule_id, self.source, self.ports)
    }

    /// Whether this program made it.
    pub(crate) fn is_own(&self) -> bool {
        !self.users.is_empty()
    }

    /// Whether it allows this port and no other, so that AWS refuses a second one for its source.
    pub(crate) fn is_for_only(&self, port: i32) -> bool {
        self.ports == Ports::only(port)
    }

    /// The operators whose time is not over, but for this one.
    pub(crate) fn others(&self, name: &str) -> Vec<User> {
        self.users.iter().filter(|user| user.name != name && !user.expired).cloned().collect()
    }

    /// The part of this operator in the rule.
    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }
}

#[cfg(test)]
impl Rule {
    /// A rule for the port 5432 of a security group.
    pub(crate) fn of_test(rule_id: &str, source: &str, users: Vec<User>) -> Self {
        let rule = Self {
            security_group: "sg-1".to_owned(),
            rule_id: rule_id.to_owned(),
            source: source.to_owned(),
            user: None,
            since: None,
            until: None,
            expired: false,
            anyone: false,
            description: None,
            users: Vec::new(),
            ports: Ports::only(5432),
        };
        rule.with_users(users)
    }
}

impl User {
    /// An operator whose part in a rule starts now.
    pub(crate) fn new(name: &str, until: Option<SystemTime>) -> Self {
        let shown = |time| format_rfc3339_seconds(time).to_string();
        let since = Some(shown(SystemTime::now()));
        Self { name: name.to_owned(), since, until: until.map(shown), expired: false }
    }

    /// The operators in a description, none if another program wrote it: `provision user=… since=… until=… user=…`
    fn parse_all(description: &str) -> Vec<Self> {
        let mut words = description.split(' ');
        let mut users: Vec<Self> = Vec::new();
        if words.next() != Some(MARK) {
            return users;
        }
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match (key, users.last_mut()) {
                ("user", _) => {
                    users.push(Self { name: value.to_owned(), since: None, until: None, expired: false });
                }
                ("since", Some(user)) => user.since = Some(value.to_owned()),
                ("until", Some(user)) => {
                    user.until = Some(value.to_owned());
                    user.expired = parse_rfc3339(value).is_ok_and(|end| end < SystemTime::now());
                }
                _ => {}
            }
        }
        users
    }

    /// The description of a rule for these operators, or none if AWS would refuse its length.
    pub(crate) fn describe_all(users: &[Self]) -> Option<String> {
        let write = |shows_since: bool| {
            let parts = users.iter().map(|user| {
                let since = user.since.iter().filter(|_| shows_since).map(|since| format!(" since={since}"));
                let until = user.until.iter().map(|until| format!(" until={until}"));
                format!(" user={}{}", user.name, since.chain(until).collect::<String>())
            });
            format!("{MARK}{}", parts.collect::<String>())
        };
        [write(true), write(false)].into_iter().find(|description| description.len() <= DESCRIPTION)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_ec2::types::ReferencedSecurityGroup;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn rule(description: &str) -> Rule {
        let rule = SecurityGroupRule::builder().security_group_rule_id("sgr-1").cidr_ipv4("192.0.2.1/32");
        let rule = rule.is_egress(false).ip_protocol("tcp").from_port(5432).to_port(5432);
        Rule::incoming(&rule.description(description).build(), 5432).expect("it has a source")
    }

    fn described(users: &[User]) -> Rule {
        rule(&User::describe_all(users).expect("it is short"))
    }

    #[test]
    fn a_description_names_the_operator_and_the_end() {
        let now = SystemTime::now();
        let found = described(&[User::new("ada", Some(now + HOUR))]);
        assert_eq!((found.user.as_deref(), found.expired), (Some("ada"), false));
        assert!(found.since.is_some() && found.until.is_some(), "{found:?}");
        assert!(described(&[User::new("ada", Some(now - HOUR))]).expired);
        assert_eq!(described(&[User::new("ada", None)]).until, None);
    }

    #[test]
    fn a_shared_rule_ends_with_the_last_of_its_operators() {
        let now = SystemTime::now();
        let (over, later) = (User::new("ada", Some(now - HOUR)), User::new("bayko", Some(now + HOUR)));
        let found = described(&[over.clone(), later.clone()]);
        assert_eq!((found.user.as_deref(), found.expired), (Some("ada, bayko"), false));
        assert_eq!(found.until, later.until);
        assert_eq!(found.others("ada"), [later]);
        assert_eq!(found.others("bayko"), [], "ada's time is over");
        assert_eq!(described(&[over.clone(), User::new("bayko", None)]).until, None);
        assert!(described(&[over]).expired);
    }

    #[test]
    fn a_description_is_never_longer_than_aws_allows() {
        let users = |count: usize, length: usize| -> Vec<User> {
            (0..count).map(|number| User::new(&format!("{number:0length$}"), Some(SystemTime::now()))).collect()
        };
        let kept = User::describe_all(&users(4, 8)).expect("without the beginnings it is short enough");
        assert!(kept.len() <= 255 && !kept.contains("since"), "{kept}");
        assert_eq!(rule(&kept).users.len(), 4);
        assert_eq!(User::describe_all(&users(3, 64)), None);
    }

    #[test]
    fn a_question_names_the_owners_and_the_ports_of_a_rule() {
        let shared = described(&[User::new("ada", None), User::new("bayko", None)]);
        assert_eq!(shared.in_full(), "the rule sgr-1 (192.0.2.1/32, tcp 5432, for ada, bayko)");
        let mut office = rule("ssh and db");
        office.ports.from = Some(22);
        assert_eq!(
            office.in_full(),
            r#"the rule sgr-1 (192.0.2.1/32, tcp 22-5432, of another program, described as "ssh and db")"#
        );
        office.ports = Ports { protocol: "-1".to_owned(), from: None, to: None };
        assert!(office.in_full().contains(", all ports, "), "{}", office.in_full());
    }

    #[test]
    fn a_description_of_another_program_is_kept() {
        let found = rule("office user=ada until=2020-01-01T00:00:00Z");
        assert_eq!((found.user.as_deref(), found.expired), (None, false));
        assert_eq!(found.description.as_deref(), Some("office user=ada until=2020-01-01T00:00:00Z"));
    }

    #[test]
    fn a_rule_is_judged_by_its_protocol_its_ports_and_its_direction() {
        let is_found = |protocol: &str, from: i32, to: i32, is_egress: bool| {
            let rule = SecurityGroupRule::builder().security_group_rule_id("sgr-1").cidr_ipv4("192.0.2.1/32");
            let rule = rule.is_egress(is_egress).ip_protocol(protocol).from_port(from).to_port(to).build();
            Rule::incoming(&rule, 5432).is_some()
        };
        for (protocol, from, to) in [("tcp", 5432, 5432), ("6", 0, 65535), ("-1", -1, -1)] {
            assert!(is_found(protocol, from, to, false), "{protocol} {from} {to}");
            assert!(!is_found(protocol, from, to, true), "outgoing");
        }
        for (protocol, from, to) in
            [("icmp", -1, -1), ("1", -1, -1), ("icmpv6", -1, -1), ("udp", 5432, 5432), ("50", -1, -1), ("tcp", 22, 443)]
        {
            assert!(!is_found(protocol, from, to, false), "{protocol} {from} {to}");
        }
    }

    #[test]
    fn the_group_of_a_peered_account_is_shown_with_it() {
        let shown = |account: &str| {
            let group = ReferencedSecurityGroup::builder().group_id("sg-0a1b").user_id(account).build();
            let rule = SecurityGroupRule::builder().security_group_rule_id("sgr-1").referenced_group_info(group);
            let rule = rule.group_owner_id("123456789012").is_egress(false).ip_protocol("-1").build();
            Rule::incoming(&rule, 5432).expect("a rule").source
        };
        assert_eq!(shown("123456789012"), "sg-0a1b");
        assert_eq!(shown("210987654321"), "210987654321/sg-0a1b");
    }
}
