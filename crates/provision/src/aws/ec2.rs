//! Amazon EC2: the security group of the DB instance and its rules.

mod rule;
mod security_group;

use std::fmt::{self, Display, Formatter};

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, Ipv6Range, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use ipnet::IpNet;

pub(crate) use self::rule::Rule;
pub(crate) use self::security_group::{
    SecurityGroup, change_tags, create_security_group, find_vpc, look_up_security_group, require_security_group,
    require_security_groups, security_group_name, security_group_tags,
};
use super::{Aws, Explain};

/// The source that a security group rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Range(IpNet),
    /// A security group, such as the function's.
    Group(String),
}

/// The group's rules that allow access to this port.
pub(crate) async fn list_rules(aws: &Aws, group: &str, port: i32) -> anyhow::Result<Vec<Rule>> {
    let of_group = Filter::builder().name("group-id").values(group).build();
    let mut rules = aws.ec2.describe_security_group_rules().filters(of_group).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(rule) = rules.next().await {
        let rule = rule.explain("ec2:DescribeSecurityGroupRules")?;
        // A rule for all protocols has the port -1.
        let has_port =
            rule.from_port().is_none_or(|from| from <= port) && rule.to_port().is_none_or(|to| to >= port || to == -1);
        if rule.is_egress() == Some(false) && has_port {
            found.extend(Rule::new(&rule));
        }
    }
    Ok(found)
}

/// Adds a rule that allows the source. Returns false if there is one already.
pub(crate) async fn authorize(
    aws: &Aws,
    group: &str,
    source: &Source,
    port: i32,
    description: &str,
) -> anyhow::Result<bool> {
    let request = aws.ec2.authorize_security_group_ingress().group_id(group);
    match request.ip_permissions(source.permission(port, description)).send().await {
        Err(error) if error.code() == Some("InvalidPermission.Duplicate") => Ok(false),
        answer => Ok(answer.explain("ec2:AuthorizeSecurityGroupIngress").map(|_| true)?),
    }
}

/// Rewrites the rule with this id.
pub(crate) async fn modify_rule(
    aws: &Aws,
    group: &str,
    rule_id: &str,
    source: &Source,
    port: i32,
    description: &str,
) -> anyhow::Result<()> {
    let update = SecurityGroupRuleUpdate::builder().security_group_rule_id(rule_id);
    let update = update.security_group_rule(source.request(port, description)).build();
    let request = aws.ec2.modify_security_group_rules().group_id(group).security_group_rules(update);
    request.send().await.explain("ec2:ModifySecurityGroupRules")?;
    Ok(())
}

/// Removes the rules with these ids.
pub(crate) async fn revoke(aws: &Aws, group: &str, rule_ids: Vec<String>) -> anyhow::Result<()> {
    let request = aws.ec2.revoke_security_group_ingress().group_id(group).set_security_group_rule_ids(Some(rule_ids));
    request.send().await.explain("ec2:RevokeSecurityGroupIngress")?;
    Ok(())
}

impl Source {
    /// Whether a rule's source is of the same kind: IPv4, IPv6, or this same group.
    pub(crate) fn is_kind_of(&self, source: &str) -> bool {
        match self {
            Self::Range(range) => {
                source.parse().is_ok_and(|other: IpNet| other.addr().is_ipv4() == range.addr().is_ipv4())
            }
            Self::Group(group) => source == group,
        }
    }

    fn permission(&self, port: i32, description: &str) -> IpPermission {
        let permission = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
        match self {
            Self::Range(IpNet::V4(range)) => {
                permission.ip_ranges(IpRange::builder().cidr_ip(range.to_string()).description(description).build())
            }
            Self::Range(IpNet::V6(range)) => permission
                .ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range.to_string()).description(description).build()),
            Self::Group(group) => permission
                .user_id_group_pairs(UserIdGroupPair::builder().group_id(group).description(description).build()),
        }
        .build()
    }

    fn request(&self, port: i32, description: &str) -> SecurityGroupRuleRequest {
        let request = SecurityGroupRuleRequest::builder().ip_protocol("tcp").from_port(port).to_port(port);
        match self {
            Self::Range(IpNet::V4(range)) => request.cidr_ipv4(range.to_string()),
            Self::Range(IpNet::V6(range)) => request.cidr_ipv6(range.to_string()),
            Self::Group(group) => request.referenced_group_id(group),
        }
        .description(description)
        .build()
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Group(group) => f.write_str(group),
        }
    }
}
