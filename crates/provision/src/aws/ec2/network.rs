//! The ways out of a VPC's subnets: routes and endpoints.

use aws_sdk_ec2::types::{Filter, NatGatewayState, RouteState, RouteTable, SecurityGroupIdentifier, VpcEndpointType};
use db::AwsError;
use ipnet::IpNet;
use serde_json::Value;

use super::{Aws, Explain};

/// A subnet, as far as the way out of it matters.
#[derive(Debug)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) range: Option<IpNet>,
    pub(crate) zone: String,
    /// How many addresses are left in it.
    pub(crate) free: i32,
}

/// Where a subnet's default route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DefaultRoute {
    /// To the NAT gateway with this id, which works.
    Nat(String),
    /// To a NAT gateway that does not.
    BrokenNat(String),
    /// To an internet gateway. What has no public address, such as a function, gets no answer through it.
    Internet(String),
    /// To something that takes packets on: a transit gateway, an appliance, a firewall.
    Other(String),
    /// To something that is gone.
    Blackhole,
    None,
}

/// An interface endpoint of a VPC.
#[derive(Debug)]
pub(crate) struct VpcEndpoint {
    pub(crate) id: String,
    /// Such as `com.amazonaws.eu-central-1.sqs`.
    pub(crate) service: String,
    /// `available`, or why it is not.
    pub(crate) state: String,
    /// Whether the service's usual host name leads to it.
    pub(crate) has_private_dns: bool,
    pub(crate) security_groups: Vec<String>,
    pub(crate) policy: Option<Value>,
}

/// The subnets with these ids.
pub(crate) async fn read_subnets(aws: &Aws, ids: &[String]) -> anyhow::Result<Vec<Subnet>> {
    let of_ids = Filter::builder().name("subnet-id").set_values(Some(ids.to_vec())).build();
    let answer = aws.ec2.describe_subnets().filters(of_ids).send().await.explain("ec2:DescribeSubnets")?;
    let subnets = answer.subnets.unwrap_or_default().into_iter();
    Ok(subnets
        .map(|subnet| Subnet {
            range: subnet.cidr_block.as_ref().and_then(|range| range.parse().ok()),
            id: subnet.subnet_id.unwrap_or_default(),
            zone: subnet.availability_zone.unwrap_or_default(),
            free: subnet.available_ip_address_count.unwrap_or_default(),
        })
        .collect())
}

/// The subnet's default route, of its own route table or of the VPC's main one. Without one, a route to other networks may
/// lead to an endpoint there.
pub(crate) async fn default_route(aws: &Aws, vpc: &str, subnet: &str) -> anyhow::Result<DefaultRoute> {
    let tables = tables_of(aws, vpc, subnet).await?;
    let mut routes = tables.iter().flat_map(RouteTable::routes);
    let Some(route) = routes.find(|route| route.destination_cidr_block() == Some("0.0.0.0/0")) else {
        return Ok(other_network(&tables).map_or(DefaultRoute::None, DefaultRoute::Other));
    };
    if route.state() == Some(&RouteState::Blackhole) {
        return Ok(DefaultRoute::Blackhole);
    }
    if let Some(nat) = route.nat_gateway_id() {
        let works = is_nat_available(aws, nat).await?;
        return Ok(if works { DefaultRoute::Nat(nat.to_owned()) } else { DefaultRoute::BrokenNat(nat.to_owned()) });
    }
    if let Some(gateway) = route.gateway_id().filter(|gateway| gateway.starts_with("igw-")) {
        return Ok(DefaultRoute::Internet(gateway.to_owned()));
    }
    let other = route.transit_gateway_id().or(route.network_interface_id()).or(route.instance_id());
    let other = other.or(route.gateway_id()).or(route.vpc_peering_connection_id()).unwrap_or("another network");
    Ok(DefaultRoute::Other(other.to_owned()))
}

/// What leads from the subnet to other networks of one's own: a peering connection, a transit gateway, a core network.
pub(crate) async fn way_to_other_networks(aws: &Aws, vpc: &str, subnet: &str) -> anyhow::Result<Option<String>> {
    Ok(other_network(&tables_of(aws, vpc, subnet).await?))
}

fn other_network(tables: &[RouteTable]) -> Option<String> {
    let routes = tables.iter().flat_map(RouteTable::routes);
    let mut routes = routes.filter(|route| route.state() != Some(&RouteState::Blackhole));
    routes.find_map(|route| {
        let way = route.vpc_peering_connection_id().or(route.transit_gateway_id()).or(route.core_network_arn());
        way.map(str::to_owned)
    })
}

/// The subnet's own route table, or the VPC's main one.
async fn tables_of(aws: &Aws, vpc: &str, subnet: &str) -> Result<Vec<RouteTable>, AwsError> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let own = route_tables(aws, vec![filter("association.subnet-id", subnet)]).await?;
    if !own.is_empty() {
        return Ok(own);
    }
    route_tables(aws, vec![filter("vpc-id", vpc), filter("association.main", "true")]).await
}

async fn route_tables(aws: &Aws, filters: Vec<Filter>) -> Result<Vec<RouteTable>, AwsError> {
    let answer = aws.ec2.describe_route_tables().set_filters(Some(filters)).send().await;
    Ok(answer.explain("ec2:DescribeRouteTables")?.route_tables.unwrap_or_default())
}

async fn is_nat_available(aws: &Aws, id: &str) -> Result<bool, AwsError> {
    let is_it = Filter::builder().name("nat-gateway-id").values(id).build();
    let answer = aws.ec2.describe_nat_gateways().filter(is_it).send().await.explain("ec2:DescribeNatGateways")?;
    Ok(answer.nat_gateways().iter().any(|nat| nat.state() == Some(&NatGatewayState::Available)))
}

/// The VPC's interface endpoints for these services.
pub(crate) async fn list_endpoints(aws: &Aws, vpc: &str, services: &[String]) -> anyhow::Result<Vec<VpcEndpoint>> {
    let in_vpc = Filter::builder().name("vpc-id").values(vpc).build();
    let of_services = Filter::builder().name("service-name").set_values(Some(services.to_vec())).build();
    let request = aws.ec2.describe_vpc_endpoints().filters(in_vpc).filters(of_services);
    let answer = request.send().await.explain("ec2:DescribeVpcEndpoints")?;
    let endpoints = answer.vpc_endpoints.unwrap_or_default().into_iter();
    let endpoints = endpoints.filter(|endpoint| endpoint.vpc_endpoint_type == Some(VpcEndpointType::Interface));
    // AWS lists them for a while.
    let is_gone = |endpoint: &VpcEndpoint| ["deleted", "deleting"].contains(&endpoint.state.as_str());
    let endpoints = endpoints.map(|endpoint| VpcEndpoint {
        security_groups: endpoint
            .groups()
            .iter()
            .filter_map(SecurityGroupIdentifier::group_id)
            .map(str::to_owned)
            .collect(),
        state: endpoint.state().map_or("unknown", |state| state.as_str()).to_ascii_lowercase(),
        has_private_dns: endpoint.private_dns_enabled.unwrap_or_default(),
        policy: endpoint.policy_document.as_deref().and_then(|policy| serde_json::from_str(policy).ok()),
        id: endpoint.vpc_endpoint_id.unwrap_or_default(),
        service: endpoint.service_name.unwrap_or_default(),
    });
    Ok(endpoints.filter(|endpoint| !is_gone(endpoint)).collect())
}
