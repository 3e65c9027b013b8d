//! Amazon EC2: the security group of the DB instance and its rules.

mod rule;

use std::fmt::{self, Display, Formatter};

use anyhow::Context;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, Tag,
    TagSpecification, UserIdGroupPair,
};
use ipnet::IpNet;

pub(crate) use self::rule::Rule;
use super::{Aws, Explain};
use crate::declaration::Declaration;
use crate::error::Problem;

/// The source that a security group rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Range(IpNet),
    /// A security group, such as the function's.
    Group(String),
}

/// The declared VPC, or the default one.
async fn vpc(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    if let Some(vpc) = &declaration.network.vpc {
        return Ok(vpc.clone());
    }
    let is_default = Filter::builder().name("is-default").values("true").build();
    let answer = aws.ec2.describe_vpcs().filters(is_default).send().await.explain("ec2:DescribeVpcs")?;
    answer.vpcs().first().and_then(|vpc| vpc.vpc_id.clone()).ok_or_else(|| {
        Problem::new("this region has no default VPC", "set network.vpc and network.subnet_group in the declaration")
            .into()
    })
}

/// The security group that is named as the DB instance, if there is one in its VPC.
pub(crate) async fn find_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Option<String>> {
    let vpc = vpc(aws, declaration).await?;
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let request = aws.ec2.describe_security_groups().filters(filter("group-name", &declaration.identifier));
    let answer = request.filters(filter("vpc-id", &vpc)).send().await.explain("ec2:DescribeSecurityGroups")?;
    Ok(answer.security_groups().first().and_then(|group| group.group_id.clone()))
}

/// The security group of the DB instance: the declared one, or the one that is named as the instance.
pub(crate) async fn require_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    if let Some(group) = &declaration.network.security_group {
        return Ok(group.clone());
    }
    find_security_group(aws, declaration).await?.ok_or_else(|| {
        let problem = format!("there is no security group {}", declaration.identifier);
        Problem::new(problem, "run `provision instance apply`").into()
    })
}

/// Creates the security group and returns its id, or none if another run was quicker.
pub(crate) async fn create_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Option<String>> {
    let name = &declaration.identifier;
    let tags = declaration.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let name_tag = Tag::builder().key("Name").value(name).build();
    let specification = TagSpecification::builder().resource_type(ResourceType::SecurityGroup);
    let specification = specification.set_tags(Some(tags.chain([name_tag]).collect())).build();
    let request = aws.ec2.create_security_group().group_name(name).vpc_id(vpc(aws, declaration).await?);
    let request =
        request.description(format!("Who may reach the DB instance {name}")).tag_specifications(specification);
    match request.send().await {
        Err(error) if error.code() == Some("InvalidGroup.Duplicate") => Ok(None),
        answer => Ok(Some(answer.explain("ec2:CreateSecurityGroup")?.group_id.context("AWS returned no group id")?)),
    }
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
