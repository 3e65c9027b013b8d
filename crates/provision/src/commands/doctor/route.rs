//! The way from the function's subnets to the services that it calls.

use anyhow::bail;
use ipnet::IpNet;
use serde_json::Value;

use super::deployment::Deployment;
use super::finding::Seen;
use super::network::{allow, managed};
use crate::aws::ec2::{self, DefaultRoute, Subnet, VpcEndpoint};
use crate::aws::function::FunctionNetwork;
use crate::aws::{Aws, policy};

/// The port of AWS's endpoints.
const HTTPS: i32 = 443;

/// A service that the function calls: the last part of its endpoint's name, its own name, and the action that must pass.
struct Service {
    key: &'static str,
    name: &'static str,
    action: &'static str,
    resource: String,
}

pub(super) async fn ways(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let services = services(deployment).await?;
    let names: Vec<&str> = services.iter().map(|service| service.name).collect();
    if services.is_empty() {
        return Ok(Seen::off("the function calls no service: it makes its tokens itself"));
    }
    let Some(network) = &function.network else {
        return Ok(Seen::new(format!("outside a VPC, every way is open: {}", names.join(", "))));
    };
    // The SDK goes where these say.
    if let Some(name) = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SQS"]
        .into_iter()
        .find(|name| function.variable(name).is_some())
    {
        return Ok(Seen::off(format!("{name} of the function names another endpoint, which is not looked at")));
    }
    if function.has_capacity_provider {
        return Ok(managed());
    }
    let aws = deployment.aws().await?;
    let region = deployment.region().await?;
    let names: Vec<String> = services.iter().map(|service| endpoint_name(&region, service.key)).collect();
    let endpoints = ec2::list_endpoints(aws, &network.vpc, &names).await?;
    let subnets = ec2::read_subnets(aws, &network.subnets).await?;
    let mut seen = Seen::new("");
    let mut found = Vec::new();
    for service in &services {
        let name = endpoint_name(&region, service.key);
        let endpoint = endpoints.iter().find(|endpoint| endpoint.service == name && endpoint.has_private_dns);
        if let Some(endpoint) = endpoint {
            found.push(format!("{} through {}", service.name, endpoint.id));
            check_endpoint(aws, &mut seen, service, endpoint, network, &subnets).await?;
        } else {
            let hidden = endpoints.iter().find(|endpoint| endpoint.service == name);
            found.push(check_routes(aws, &mut seen, service, hidden, network, &name).await?);
        }
    }
    let mut outgoing = Vec::new();
    for group in &network.security_groups {
        outgoing.extend(ec2::list_outgoing_rules(aws, group, HTTPS).await?);
    }
    if outgoing.is_empty() {
        seen.wrong(
            format!("no rule of the function's {} lets it out to port {HTTPS}", network.security_groups.join(", ")),
            format!("add an outbound rule for TCP {HTTPS} to it"),
        );
    }
    Ok(seen.saying(found.join("; ")))
}

async fn services(deployment: &Deployment<'_>) -> anyhow::Result<Vec<Service>> {
    let function = deployment.function().await?;
    let mut services = Vec::new();
    if function.variable("DB_SECRET_ID").is_some() {
        let arn = deployment.find_secret().await.ok().flatten().map(|secret| secret.arn.clone());
        services.push(Service {
            key: "secretsmanager",
            name: "Secrets Manager",
            action: "secretsmanager:GetSecretValue",
            resource: arn.unwrap_or_default(),
        });
    }
    if function.variable("SPILL_QUEUE_URL").is_some() {
        let arn = deployment.find_queue().await.ok().flatten().map(|queue| queue.arn.clone());
        services.push(Service {
            key: "sqs",
            name: "Amazon SQS",
            action: "sqs:SendMessage",
            resource: arn.unwrap_or_default(),
        });
    }
    Ok(services)
}

/// <https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html>
fn endpoint_name(region: &str, key: &str) -> String {
    let prefix = if region.starts_with("cn-") { "cn." } else { "" };
    format!("{prefix}com.amazonaws.{region}.{key}")
}

async fn check_endpoint(
    aws: &Aws,
    seen: &mut Seen,
    service: &Service,
    endpoint: &VpcEndpoint,
    network: &FunctionNetwork,
    subnets: &[Subnet],
) -> anyhow::Result<()> {
    let VpcEndpoint { id, state, security_groups, policy, .. } = endpoint;
    if state != "available" {
        seen.wrong(format!("the endpoint {id} for {} is {state}", service.name), "wait for it, or create it again");
    }
    let mut rules = Vec::new();
    for group in security_groups {
        rules.extend(ec2::list_rules(aws, group, HTTPS).await?);
    }
    let ranges: Vec<IpNet> = subnets.iter().filter_map(|subnet| subnet.range).collect();
    if !allow(&rules, &network.security_groups, &ranges) {
        let groups = security_groups.join(", ");
        seen.wrong(
            format!("the endpoint {id} for {} lets nothing of the function in ({groups})", service.name),
            format!(
                "add an inbound rule for TCP {HTTPS} from {} to it",
                network.security_groups.first().map_or("the function's security group", String::as_str)
            ),
        );
    }
    let is_known = !service.resource.is_empty();
    if policy
        .as_ref()
        .is_some_and(|policy: &Value| is_known && !policy::allows(policy, service.action, &service.resource))
    {
        seen.wrong(
            format!("the policy of the endpoint {id} does not let {} through", service.action),
            format!("allow {} on {} there", service.action, service.resource),
        );
    }
    Ok(())
}

/// The way without an endpoint, from each subnet. An endpoint without private DNS is not on it.
async fn check_routes(
    aws: &Aws,
    seen: &mut Seen,
    service: &Service,
    hidden: Option<&VpcEndpoint>,
    network: &FunctionNetwork,
    endpoint: &str,
) -> anyhow::Result<String> {
    let name = service.name;
    let mut ways = Vec::new();
    let remedy =
        format!("create an interface endpoint {endpoint} with private DNS in {}, or a NAT gateway", network.vpc);
    for subnet in &network.subnets {
        let problem = match ec2::default_route(aws, &network.vpc, subnet).await? {
            DefaultRoute::Nat(id) | DefaultRoute::Other(id) => {
                if !ways.contains(&id) {
                    ways.push(id);
                }
                continue;
            }
            DefaultRoute::BrokenNat(id) => format!("the route of {subnet} leads to {id}, which is not available"),
            DefaultRoute::Internet(id) => {
                format!("the route of {subnet} leads to {id}, and a function in a VPC has no public address")
            }
            DefaultRoute::Blackhole => format!("the route of {subnet} leads to something that is gone"),
            DefaultRoute::None => format!("{subnet} has no route out"),
        };
        match hidden {
            Some(VpcEndpoint { id, .. }) => seen.wrong(
                format!("no way to {name}: {problem}, and the endpoint {id} has no private DNS"),
                format!("turn private DNS on for {id}"),
            ),
            None => seen.wrong(format!("no way to {name}: {problem}"), remedy.clone()),
        }
    }
    if ways.is_empty() && network.subnets.is_empty() {
        bail!("AWS tells no subnets of the function");
    }
    Ok(format!("{name} through {}", if ways.is_empty() { "nothing".to_owned() } else { ways.join(", ") }))
}
