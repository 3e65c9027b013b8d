//! The way from the function to the DB instance: VPC, subnets, security groups.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::deployment::{Deployment, without_instance};
use super::finding::Seen;
use crate::aws::Aws;
use crate::aws::ec2::{self, Rule, Source};
use crate::aws::rds::{DbInstance, DbSubnetGroup, Endpoint, attached_security_groups};

/// The port of the DB instance where AWS does not tell it yet.
const DEFAULT_PORT: i32 = 5432;

/// What is left in a subnet below which it is worth a word: Lambda takes an address for each pair of a subnet and its security
/// groups, and more of them with many calls at once.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>
const FEW_ADDRESSES: i32 = 8;

pub(super) async fn vpc(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    if function.has_capacity_provider {
        return Ok(managed());
    }
    let Some(instance) = deployment.find_instance().await? else { return Ok(without_instance()) };
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
    let aws = deployment.aws().await?;
    let subnets = ec2::read_subnets(aws, &network.subnets).await?;
    let zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    let mut seen = Seen::new(format!("{} with {} in {}", network.vpc, network.subnets.join(", "), list(&zones)));
    if network.vpc != own && !own.is_empty() && !is_public {
        let mut is_connected = true;
        for subnet in &network.subnets {
            is_connected &= ec2::way_to_other_networks(aws, &network.vpc, subnet).await?.is_some();
        }
        if !is_connected {
            seen.wrong(
                format!("the DB instance is private in {own}, and the function in {}", network.vpc),
                format!("give the function subnets of {own}, or connect the two VPCs and let routes lead both ways"),
            );
        }
    }
    if zones.len() < 2 {
        seen.advise(
            "the function is in one availability zone, and stops when that one does",
            "give it a subnet in a second zone",
        );
    }
    for subnet in subnets.iter().filter(|subnet| subnet.free < FEW_ADDRESSES) {
        let problem = format!("the subnet {} has {} addresses left", subnet.id, subnet.free);
        let remedy = "free addresses there, or give the function a larger subnet";
        match subnet.free {
            ..=0 => seen.wrong(problem, remedy),
            _ => seen.advise(problem, remedy),
        }
    }
    Ok(seen)
}

pub(super) async fn access(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    if function.has_capacity_provider {
        return Ok(managed());
    }
    let Some(instance) = deployment.find_instance().await? else { return Ok(without_instance()) };
    if deployment.has_proxy().await? {
        return Ok(Seen::off("the function connects through RDS Proxy, whose security groups are not looked at"));
    }
    let aws = deployment.aws().await?;
    let port = instance.endpoint().and_then(Endpoint::port).unwrap_or(DEFAULT_PORT);
    let mut incoming = Vec::new();
    let groups = attached_security_groups(instance);
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
    if !allow(&incoming, &network.security_groups, &ranges) {
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
    if !allow(&outgoing, &groups, &addresses(aws, instance).await?) {
        seen.wrong(
            format!(
                "no rule of the function's {} lets it out to port {port} of the DB instance",
                network.security_groups.join(", ")
            ),
            format!("add an outbound rule for TCP {port} to {}", groups.join(", ")),
        );
    }
    Ok(seen)
}

/// Whether one of these rules is for one of these groups, or they are for all of these ranges. A prefix list may hold
/// anything, and counts.
pub(super) fn allow(rules: &[Rule], groups: &[String], ranges: &[IpNet]) -> bool {
    let others: Vec<Source> = rules.iter().filter_map(|rule| rule.source.parse().ok()).collect();
    let is_of_groups = others.iter().any(|other| match other {
        Source::Group { id, .. } => groups.contains(id),
        Source::PrefixList(_) => true,
        // Where no range is known, only everything is enough.
        Source::Range(range) => ranges.is_empty() && range.prefix_len() == 0,
    });
    let covers = |range: &IpNet| others.iter().any(|other| other.covers(&Source::Range(*range)));
    is_of_groups || (!ranges.is_empty() && ranges.iter().all(covers))
}

/// The ranges of the subnets that the DB instance may be in.
async fn addresses(aws: &Aws, instance: &DbInstance) -> anyhow::Result<Vec<IpNet>> {
    let subnets = instance.db_subnet_group().map(DbSubnetGroup::subnets).unwrap_or_default().iter();
    let ids: Vec<String> = subnets.filter_map(|subnet| subnet.subnet_identifier.clone()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(ec2::read_subnets(aws, &ids).await?.iter().filter_map(|subnet| subnet.range).collect())
}

/// What a check says where the function's network is not its own.
pub(super) fn managed() -> Seen {
    Seen::off("the function's network is that of its capacity provider, which is not looked at")
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
