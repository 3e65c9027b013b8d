//! The way from the function to the DB instance: VPC, subnets, security groups.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::ec2::{self, Rule, Source};
use crate::aws::function::FunctionNetwork;
use crate::aws::rds::{DbInstance, Endpoint};

/// The port of the DB instance where AWS does not tell it yet.
const DEFAULT_PORT: i32 = 5432;

/// What is left in a subnet below which the function cannot grow: Lambda takes one address for each of its interfaces.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>
const FEW_ADDRESSES: i32 = 8;

pub(super) async fn vpc(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let instance = deployment.instance().await?;
    let own = instance.db_subnet_group().and_then(|group| group.vpc_id()).unwrap_or_default();
    let is_public = instance.publicly_accessible().unwrap_or_default();
    let Some(network) = &function.network else {
        let mut seen = Seen::new("the function is in no VPC");
        if !is_public {
            seen.wrong(
                format!("the DB instance is private in {own}, and the function is outside"),
                format!("give the function subnets and a security group of {own} (docs/deployment.md)"),
            );
        }
        return Ok(seen);
    };
    let subnets = ec2::read_subnets(deployment.aws().await?, &network.subnets).await?;
    let zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    let mut seen = Seen::new(format!("{} with {} in {}", network.vpc, network.subnets.join(", "), list(&zones)));
    if network.vpc != own && !own.is_empty() && !is_public {
        seen.wrong(
            format!("the DB instance is private in {own}, and the function in {}", network.vpc),
            format!(
                "give the function subnets of {own}, or connect the two VPCs and make sure that routes lead both ways"
            ),
        );
    }
    if zones.len() < 2 {
        seen.advise(
            "the function is in one availability zone, and stops when that one does",
            "give it a subnet in a second zone",
        );
    }
    for subnet in subnets.iter().filter(|subnet| subnet.free < FEW_ADDRESSES) {
        seen.wrong(
            format!("the subnet {} has {} addresses left, too few for the function to grow", subnet.id, subnet.free),
            "free addresses there, or give the function a larger subnet",
        );
    }
    Ok(seen)
}

pub(super) async fn access(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let instance = deployment.instance().await?;
    let host = function.variable("PGHOST").unwrap_or_default();
    if host.contains(".proxy-") {
        return Ok(Seen::off("the function connects through RDS Proxy, whose security groups are not looked at"));
    }
    let aws = deployment.aws().await?;
    let port = instance.endpoint().and_then(Endpoint::port).unwrap_or(DEFAULT_PORT);
    let mut incoming = Vec::new();
    let groups = attached(instance);
    for group in &groups {
        incoming.extend(ec2::list_rules(aws, group, port).await?);
    }
    let mut seen = Seen::new(format!("{} at port {port}", groups.join(", ")));
    let open = incoming.iter().find(|rule| rule.anyone).filter(|_| instance.publicly_accessible().unwrap_or_default());
    if let Some(Rule { rule_id, source, .. }) = open {
        let revoke = deployment.command(&format!("access revoke --rule-id {rule_id}"));
        seen.wrong(format!("the whole internet ({source}) may reach the database's port"), format!("run {revoke}"));
    }
    let Some(network) = &function.network else {
        if !incoming.iter().any(|rule| rule.anyone) {
            seen.wrong(
                "the function is in no VPC, so its address changes, and no rule lets it in",
                "put the function into the VPC of the DB instance (docs/deployment.md)",
            );
        }
        return Ok(seen);
    };
    let subnets = ec2::read_subnets(aws, &network.subnets).await?;
    let ranges: Vec<IpNet> = subnets.iter().filter_map(|subnet| subnet.range).collect();
    if !let_in(&incoming, network, &ranges) {
        let group = network.security_groups.first().map_or("SECURITY-GROUP", String::as_str);
        let name = &deployment.function_name.name;
        let allow = deployment.command(&format!("access allow --from-group {group} --user {name}"));
        seen.wrong(
            format!("no rule of {} lets the function's {group} in at port {port}", groups.join(", ")),
            format!("run {allow}"),
        );
    }
    let mut outgoing = Vec::new();
    for group in &network.security_groups {
        outgoing.extend(ec2::list_outgoing_rules(aws, group, port).await?);
    }
    if outgoing.is_empty() {
        seen.wrong(
            format!("no rule of the function's {} lets it out to port {port}", network.security_groups.join(", ")),
            format!("add an outbound rule for TCP {port} to {}", groups.join(", ")),
        );
    }
    Ok(seen)
}

/// The security groups before the DB instance.
fn attached(instance: &DbInstance) -> Vec<String> {
    let groups = instance.vpc_security_groups().iter();
    groups.filter_map(|group| group.vpc_security_group_id.clone()).collect()
}

/// Whether one of these rules lets the function in, from each of its subnets. A prefix list may hold anything, and counts.
pub(super) fn let_in(rules: &[Rule], network: &FunctionNetwork, ranges: &[IpNet]) -> bool {
    let sources: Vec<Source> = rules.iter().filter_map(|rule| rule.source.parse().ok()).collect();
    let of_group = sources.iter().any(|source| match source {
        Source::Group { id, .. } => network.security_groups.contains(id),
        Source::PrefixList(_) => true,
        Source::Range(_) => false,
    });
    let covers = |range: &IpNet| sources.iter().any(|source| source.covers(&Source::Range(*range)));
    of_group || (!ranges.is_empty() && ranges.iter().all(covers))
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
