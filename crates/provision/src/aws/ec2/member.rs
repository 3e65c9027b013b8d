//! What is in a VPC, with the addresses and the security groups that it connects with.

use std::net::IpAddr;

use aws_sdk_ec2::types::{Filter, Instance, InstanceNetworkInterface, NetworkInterface};
use ipnet::IpNet;

use super::{Aws, Explain, Rule, Source};

/// The most ids in one filter: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>
const FILTER: usize = 200;

/// An instance or a network interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Of its tag `Name`.
    pub(crate) name: Option<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Whether rules let a member of a VPC in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Admission {
    Refused,
    /// There is a rule for a prefix list, which may hold anything.
    Unknown,
    Admitted,
}

impl Member {
    /// Whether one of these incoming rules is for one of its security groups or addresses.
    pub(crate) fn admission(&self, rules: &[Rule]) -> Admission {
        let is_own = |source: Source| match source {
            Source::Group { account, id } if account.is_none() && self.security_groups.contains(&id) => {
                Admission::Admitted
            }
            Source::Range(range) if self.addresses.iter().any(|address| range.contains(&IpNet::from(*address))) => {
                Admission::Admitted
            }
            Source::PrefixList(_) => Admission::Unknown,
            Source::Group { .. } | Source::Range(_) => Admission::Refused,
        };
        let sources = rules.iter().filter_map(|rule| rule.source.parse().ok());
        sources.map(is_own).max().unwrap_or(Admission::Refused)
    }
}

/// The running instances in the VPC.
pub(crate) async fn list_instances(aws: &Aws, vpc: &str) -> anyhow::Result<Vec<Member>> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let request = aws.ec2.describe_instances().filters(filter("vpc-id", vpc));
    let request = request.filters(filter("instance-state-name", "running"));
    let mut pages = request.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let reservations = page.explain("ec2:DescribeInstances")?.reservations.unwrap_or_default();
        let instances = reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default());
        found.extend(instances.map(Member::from));
    }
    Ok(found)
}

/// Those of these network interfaces that are in the VPC.
pub(crate) async fn read_interfaces(aws: &Aws, vpc: &str, ids: &[String]) -> anyhow::Result<Vec<Member>> {
    let in_vpc = Filter::builder().name("vpc-id").values(vpc).build();
    let mut found = Vec::new();
    for ids in ids.chunks(FILTER) {
        let is_one = Filter::builder().name("network-interface-id").set_values(Some(ids.to_vec())).build();
        let request = aws.ec2.describe_network_interfaces().filters(in_vpc.clone()).filters(is_one);
        let mut interfaces = request.into_paginator().items().send();
        while let Some(interface) = interfaces.next().await {
            found.push(Member::from(interface.explain("ec2:DescribeNetworkInterfaces")?));
        }
    }
    Ok(found)
}

impl From<Instance> for Member {
    fn from(instance: Instance) -> Self {
        let v6 = instance.network_interfaces().iter().flat_map(InstanceNetworkInterface::ipv6_addresses);
        let v6 = v6.filter_map(|address| address.ipv6_address());
        let addresses = instance.private_ip_address().into_iter().chain(v6).filter_map(|text| text.parse().ok());
        let groups = instance.security_groups().iter().filter_map(|group| group.group_id.clone());
        let name = instance.tags().iter().find(|tag| tag.key() == Some("Name")).and_then(|tag| tag.value.clone());
        Self {
            name: name.filter(|name| !name.is_empty()),
            addresses: addresses.collect(),
            security_groups: groups.collect(),
            id: instance.instance_id.unwrap_or_default(),
        }
    }
}

impl From<NetworkInterface> for Member {
    fn from(interface: NetworkInterface) -> Self {
        let v6 = interface.ipv6_addresses().iter().filter_map(|address| address.ipv6_address());
        let addresses = interface.private_ip_address().into_iter().chain(v6).filter_map(|text| text.parse().ok());
        let groups = interface.groups().iter().filter_map(|group| group.group_id.clone());
        Self {
            name: None,
            addresses: addresses.collect(),
            security_groups: groups.collect(),
            id: interface.network_interface_id.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_let_in_by_its_group_or_its_address() {
        let member = Member {
            security_groups: vec!["sg-0a".to_owned()],
            addresses: vec!["10.0.1.7".parse().expect("an address")],
            ..Member::default()
        };
        for (sources, expected) in [
            (&["sg-0a"][..], Admission::Admitted),
            (&["10.0.0.0/16"], Admission::Admitted),
            (&["pl-0a", "10.0.1.7/32"], Admission::Admitted),
            (&["sg-0b", "pl-0a"], Admission::Unknown),
            (&["210987654321/sg-0a", "10.0.2.0/24", "2001:db8::/32"], Admission::Refused),
            (&[], Admission::Refused),
        ] {
            let rules: Vec<Rule> = sources.iter().map(|source| Rule::of_test("sgr-1", source, Vec::new())).collect();
            assert_eq!(member.admission(&rules), expected, "{sources:?}");
        }
    }
}
