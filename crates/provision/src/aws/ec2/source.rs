//! The source that a security group rule allows.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRuleRequest, UserIdGroupPair};
use ipnet::IpNet;

use super::rule::Ports;

/// The shortest prefixes that are no part of the internet as a whole: no network has more than a /8 of IPv4 addresses, as
/// IANA assigns them (<https://www.iana.org/assignments/ipv4-address-space/>), or than a /16 of IPv6 ones, as the registry of
/// the largest networks does (<https://www.arin.net/participate/policy/nrpm/>, 6.5.2.1).
const NETWORK: (u8, u8) = (8, 16);

/// The source that a security group rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Range(IpNet),
    /// A security group, such as the function's, of this account or of a peered one.
    Group {
        account: Option<String>,
        id: String,
    },
    /// A prefix list of AWS or of the account.
    PrefixList(String),
}

impl Source {
    /// Whether an operator has one rule for both: two IPv4 ranges, two IPv6 ranges, or the same source.
    pub(crate) fn is_kind_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Range(range), Self::Range(other)) => range.addr().is_ipv4() == other.addr().is_ipv4(),
            _ => self == other,
        }
    }

    /// Whether a rule for this source allows the other one too. What a group or a prefix list holds is not known.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Range(range), Self::Range(other)) => range.contains(other),
            _ => self == other,
        }
    }

    /// Whether it is so large that it counts as the whole internet: two halves of it are the whole.
    pub(crate) fn is_internet(&self) -> bool {
        match self {
            Self::Range(IpNet::V4(range)) => range.prefix_len() < NETWORK.0,
            Self::Range(IpNet::V6(range)) => range.prefix_len() < NETWORK.1,
            Self::Group { .. } | Self::PrefixList(_) => false,
        }
    }

    pub(super) fn permission(&self, ports: &Ports, description: &str) -> IpPermission {
        let permission = IpPermission::builder().ip_protocol(&ports.protocol);
        let permission = permission.set_from_port(ports.from).set_to_port(ports.to);
        match self {
            Self::Range(IpNet::V4(range)) => {
                permission.ip_ranges(IpRange::builder().cidr_ip(range.to_string()).description(description).build())
            }
            Self::Range(IpNet::V6(range)) => permission
                .ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range.to_string()).description(description).build()),
            Self::Group { account, id } => {
                let pair = UserIdGroupPair::builder().set_user_id(account.clone()).group_id(id);
                permission.user_id_group_pairs(pair.description(description).build())
            }
            Self::PrefixList(id) => {
                permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(id).description(description).build())
            }
        }
        .build()
    }

    pub(super) fn request(&self, ports: &Ports, description: &str) -> SecurityGroupRuleRequest {
        let request = SecurityGroupRuleRequest::builder().ip_protocol(&ports.protocol);
        let request = request.set_from_port(ports.from).set_to_port(ports.to);
        match self {
            Self::Range(IpNet::V4(range)) => request.cidr_ipv4(range.to_string()),
            Self::Range(IpNet::V6(range)) => request.cidr_ipv6(range.to_string()),
            Self::Group { .. } => request.referenced_group_id(self.to_string()),
            Self::PrefixList(id) => request.prefix_list_id(id),
        }
        .description(description)
        .build()
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Group { account: Some(account), id } => write!(f, "{account}/{id}"),
            Self::Group { account: None, id } | Self::PrefixList(id) => f.write_str(id),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = |id: &str, kind: &str| {
            let digits = id.strip_prefix(kind).unwrap_or_default();
            !digits.is_empty() && digits.len() <= 17 && digits.chars().all(|c| c.is_ascii_hexdigit())
        };
        let is_account = |account: &str| account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
        if let Ok(range) = text.parse::<IpNet>() {
            return Ok(Self::Range(range));
        }
        match text.split_once('/') {
            Some((account, id)) if is_account(account) && is_id(id, "sg-") => {
                Ok(Self::Group { account: Some(account.to_owned()), id: id.to_owned() })
            }
            None if is_id(text, "sg-") => Ok(Self::Group { account: None, id: text.to_owned() }),
            None if is_id(text, "pl-") => Ok(Self::PrefixList(text.to_owned())),
            _ => Err("it is no range, security group or prefix list".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_source_is_written_as_it_is_read() {
        for text in ["192.0.2.0/24", "2001:db8::/32", "sg-0a1b", "210987654321/sg-0a1b2c3d4e5f60718", "pl-6da54004"] {
            assert_eq!(source(text).to_string(), text);
        }
        for text in ["", "sg-", "sg-xyz", "21098765432/sg-0a1b", "210987654321/pl-0a1b", "default", "192.0.2.1/33"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_large_part_of_the_internet_counts_as_the_whole() {
        for text in ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/7", "::/0", "2000::/3", "2a00::/15"] {
            assert!(source(text).is_internet(), "{text}");
        }
        for text in ["10.0.0.0/8", "192.0.2.7/32", "2a00::/16", "2001:db8::/32", "sg-0a1b", "pl-6da54004"] {
            assert!(!source(text).is_internet(), "{text}");
        }
    }

    #[test]
    fn a_wider_range_covers_a_narrower_one() {
        assert!(source("192.0.2.0/24").covers(&source("192.0.2.7/32")));
        assert!(!source("192.0.2.7/32").covers(&source("192.0.2.0/24")));
        assert!(!source("0.0.0.0/0").covers(&source("::/0")));
        assert!(!source("0.0.0.0/0").covers(&source("sg-0a1b")));
    }

    #[test]
    fn the_group_of_a_peered_account_is_asked_for_with_the_account() {
        let permission = source("210987654321/sg-0a1b").permission(&Ports::only(5432), "x");
        let pair = &permission.user_id_group_pairs()[0];
        assert_eq!((pair.user_id(), pair.group_id()), (Some("210987654321"), Some("sg-0a1b")));
        assert_eq!((permission.ip_protocol(), permission.from_port()), (Some("tcp"), Some(5432)));
        let permission = source("sg-0a1b").permission(&Ports::only(5432), "x");
        assert_eq!(permission.user_id_group_pairs()[0].user_id(), None);
    }
}
