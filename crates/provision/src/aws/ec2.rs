//! Amazon EC2: the security group of the DB instance and its rules, and what is in its VPC.

mod member;
mod network;
mod rule;
mod security_group;
mod source;

use anyhow::Context;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{Filter, SecurityGroupRule, SecurityGroupRuleRequest, SecurityGroupRuleUpdate};
use db::AwsError;

pub(crate) use self::member::{Admission, Member, list_instances, read_interfaces};
pub(crate) use self::network::{
    DefaultRoute, Subnet, VpcEndpoint, default_route, list_endpoints, read_subnets, way_to_other_networks,
};
use self::rule::Ports;
pub(crate) use self::rule::{Rule, User};
pub(crate) use self::security_group::{
    SecurityGroup, change_tags, create_security_group, find_security_group, find_vpc, look_up_security_group,
    require_security_groups, security_group_name, security_group_tags,
};
pub(crate) use self::source::Source;
use super::{Aws, Explain};
use crate::error::Problem;

/// The codes of EC2 for a security group or a prefix list that does not exist, or that has no such id.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
const MISSING: [&str; 5] = [
    "InvalidGroup.NotFound",
    "InvalidGroupId.Malformed",
    "InvalidPrefixListId.Malformed",
    "InvalidPrefixListID.NotFound",
    "InvalidSecurityGroupID.NotFound",
];

/// The group's rules that allow access to this port.
pub(crate) async fn list_rules(aws: &Aws, group: &str, port: i32) -> anyhow::Result<Vec<Rule>> {
    rules_of(aws, group, |rule| Rule::incoming(rule, port)).await
}

/// The group's rules that let its members reach this port elsewhere.
pub(crate) async fn list_outgoing_rules(aws: &Aws, group: &str, port: i32) -> anyhow::Result<Vec<Rule>> {
    rules_of(aws, group, |rule| Rule::outgoing(rule, port)).await
}

async fn rules_of(
    aws: &Aws,
    group: &str,
    read: impl Fn(&SecurityGroupRule) -> Option<Rule>,
) -> anyhow::Result<Vec<Rule>> {
    let of_group = Filter::builder().name("group-id").values(group).build();
    let mut rules = aws.ec2.describe_security_group_rules().filters(of_group).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(rule) = rules.next().await {
        found.extend(read(&rule.explain("ec2:DescribeSecurityGroupRules")?));
    }
    Ok(found)
}

/// The account that owns the group, if there is such a group.
pub(crate) async fn find_owner(aws: &Aws, group: &str) -> anyhow::Result<Option<String>> {
    let is_it = Filter::builder().name("group-id").values(group).build();
    let answer = aws.ec2.describe_security_groups().filters(is_it).send().await;
    let answer = answer.explain("ec2:DescribeSecurityGroups")?;
    Ok(answer.security_groups().first().and_then(|group| group.owner_id.clone()))
}

/// Adds a rule that allows the source, and returns its id, or none if there is one already.
pub(crate) async fn authorize(
    aws: &Aws,
    group: &str,
    source: &Source,
    port: i32,
    description: &str,
) -> anyhow::Result<Option<String>> {
    let permission = source.permission(&Ports::only(port), description);
    match aws.ec2.authorize_security_group_ingress().group_id(group).ip_permissions(permission).send().await {
        Err(error) if error.code() == Some("InvalidPermission.Duplicate") => Ok(None),
        Err(error) if error.code().is_some_and(|code| MISSING.contains(&code)) => {
            let remedy = "correct it; before the group of a peered account stand its number and a slash";
            let error = AwsError::new("ec2:AuthorizeSecurityGroupIngress", &error);
            Err(Problem::new(format!("EC2 cannot find {source} for a rule of {group}"), remedy).because(error).into())
        }
        answer => {
            let answer = answer.explain("ec2:AuthorizeSecurityGroupIngress")?;
            let id = answer.security_group_rules().first().and_then(|rule| rule.security_group_rule_id.clone());
            Ok(Some(id.context("AWS returned no id of the rule")?))
        }
    }
}

/// Makes the rule allow this source at this port.
pub(crate) async fn move_rule(
    aws: &Aws,
    rule: &Rule,
    source: &Source,
    port: i32,
    description: &str,
) -> anyhow::Result<()> {
    modify(aws, rule, source.request(&Ports::only(port), description)).await
}

/// Gives the rule another description.
pub(crate) async fn describe_rule(aws: &Aws, rule: &Rule, description: &str) -> anyhow::Result<()> {
    let source: Source = rule.source.parse().map_err(anyhow::Error::msg)?;
    modify(aws, rule, source.request(&rule.ports, description)).await
}

async fn modify(aws: &Aws, rule: &Rule, request: SecurityGroupRuleRequest) -> anyhow::Result<()> {
    let update = SecurityGroupRuleUpdate::builder().security_group_rule_id(&rule.rule_id).security_group_rule(request);
    let request = aws.ec2.modify_security_group_rules().group_id(&rule.security_group);
    request.security_group_rules(update.build()).send().await.explain("ec2:ModifySecurityGroupRules")?;
    Ok(())
}

/// Removes the rule.
pub(crate) async fn revoke(aws: &Aws, rule: &Rule) -> anyhow::Result<()> {
    let request = aws.ec2.revoke_security_group_ingress().group_id(&rule.security_group);
    request.security_group_rule_ids(&rule.rule_id).send().await.explain("ec2:RevokeSecurityGroupIngress")?;
    Ok(())
}
