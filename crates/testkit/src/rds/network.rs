//! Subnet groups, and the few actions of EC2 and STS that a deployment needs where no other server has them.

use std::collections::BTreeMap;

use super::ACCOUNT;
use super::account::Account;
use super::answer::{Answer, Refusal, Xml};
use super::request::Request;

/// A DB subnet group.
#[derive(Clone, Debug)]
pub struct SubnetGroup {
    /// The id of its VPC.
    pub vpc: String,
}

/// A security group.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    /// Such as `sg-1`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its VPC.
    pub vpc: String,
    /// What it is for.
    pub description: String,
    /// The ranges that it lets in, on all ports.
    pub ranges: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl SecurityGroup {
    /// A group without rules.
    pub fn new(id: &str, name: &str, vpc: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            vpc: vpc.to_owned(),
            description: name.to_owned(),
            ranges: Vec::new(),
            tags: BTreeMap::new(),
        }
    }
}

impl Account {
    pub(super) fn subnet_group_view(&self, name: &str) -> Xml {
        let vpc = self.subnet_groups.get(name).map_or(&self.vpc, |group| &group.vpc);
        let subnets = ["a", "b"].map(|zone| {
            let zone = Xml::default().text("Name", format!("eu-central-1{zone}"));
            let subnet =
                Xml::default().text("SubnetIdentifier", format!("subnet-{vpc}")).text("SubnetStatus", "Active");
            subnet.node("SubnetAvailabilityZone", zone)
        });
        Xml::default()
            .text("DBSubnetGroupName", name)
            .text("DBSubnetGroupDescription", name)
            .text("VpcId", vpc)
            .text("SubnetGroupStatus", "Complete")
            .text("DBSubnetGroupArn", format!("arn:aws:rds:eu-central-1:{ACCOUNT}:subgrp:{name}"))
            .list("Subnets", "Subnet", subnets)
    }

    /// The name of a subnet group that exists. RDS keeps names in lower case:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>
    pub(super) fn require_subnet_group(&self, name: &str) -> Result<String, Refusal> {
        let folded = name.to_lowercase();
        if self.subnet_groups.contains_key(&folded) {
            return Ok(folded);
        }
        Err(Refusal::new("DBSubnetGroupNotFoundFault", format!("DB subnet group '{folded}' does not exist.")))
    }

    /// That the security groups exist and are in the VPC.
    pub(super) fn check_security_groups(&self, groups: &[String], vpc: &str) -> Result<(), Refusal> {
        for id in groups {
            match self.security_groups.iter().find(|group| group.id == *id) {
                Some(group) if group.vpc != vpc => {
                    let message = format!(
                        "The DB instance and EC2 security group are in different VPCs. The DB instance is in {vpc} and \
                         the EC2 security group is in {}",
                        group.vpc
                    );
                    return Err(Refusal::combination(message));
                }
                None if self.has_own_network => {
                    return Err(Refusal::value(format!("Invalid security group , groupId= {id}, groupName=.")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn create_subnet_group(&mut self, request: &Request) -> Xml {
        let name = request.get("DBSubnetGroupName").unwrap_or_default().to_lowercase();
        self.subnet_groups.insert(name.clone(), SubnetGroup { vpc: self.vpc.clone() });
        Xml::default().node("DBSubnetGroup", self.subnet_group_view(&name))
    }

    pub(super) fn describe_subnet_groups(&self, request: &Request) -> Answer {
        let names = match request.get("DBSubnetGroupName") {
            Some(name) => vec![self.require_subnet_group(name)?],
            None => self.subnet_groups.keys().cloned().collect(),
        };
        let views = names.iter().map(|name| self.subnet_group_view(name));
        Ok(Xml::default().list("DBSubnetGroups", "DBSubnetGroup", views))
    }

    pub(super) fn answer_of_network(&mut self, request: &Request) -> Answer {
        let empty = |set: &str| Ok(Xml::default().node(set, Xml::default()));
        match request.action.as_str() {
            "GetCallerIdentity" => Ok(Xml::default()
                .text("Arn", format!("arn:aws:iam::{ACCOUNT}:user/operator"))
                .text("UserId", "AIDA")
                .text("Account", ACCOUNT)),
            "DescribeVpcs" => {
                let vpc = Xml::default().text("vpcId", &self.vpc).text("isDefault", true).text("state", "available");
                Ok(Xml::default().list("vpcSet", "item", [vpc]))
            }
            "DescribeSecurityGroups" => self.describe_security_groups(request),
            "CreateSecurityGroup" => self.create_security_group(request),
            "CreateTags" | "DeleteTags" => Ok(self.change_tags_of_groups(request)),
            "DescribeSecurityGroupRules" => empty("securityGroupRuleSet"),
            "DescribeSubnets" => empty("subnetSet"),
            action => Err(Refusal::unknown(format_args!("the action {action} of {}", request.service))),
        }
    }

    fn describe_security_groups(&self, request: &Request) -> Answer {
        let filters: BTreeMap<String, Vec<String>> = (1..)
            .map_while(|number| {
                let name = request.get(&format!("Filter.{number}.Name"))?.to_owned();
                let value = |index| request.get(&format!("Filter.{number}.Value.{index}")).map(str::to_owned);
                Some((name, (1..).map_while(value).collect()))
            })
            .collect();
        let passes = |filter: &str, value: &str| {
            filters.get(filter).is_none_or(|values: &Vec<String>| values.iter().any(|wanted| wanted == value))
        };
        let ids = request.list("GroupId");
        let found = self.security_groups.iter().filter(|group| {
            (ids.is_empty() || ids.contains(&group.id))
                && passes("group-name", &group.name)
                && passes("vpc-id", &group.vpc)
                && passes("group-id", &group.id)
        });
        let views: Vec<Xml> = found
            .map(|group| {
                let permissions = group.ranges.iter().map(|range| {
                    let range = Xml::default().text("cidrIp", range);
                    Xml::default().text("ipProtocol", "-1").list("ipRanges", "item", [range])
                });
                let tags = group.tags.iter().map(|(key, value)| Xml::default().text("key", key).text("value", value));
                Xml::default()
                    .text("ownerId", ACCOUNT)
                    .text("groupId", &group.id)
                    .text("groupName", &group.name)
                    .text("groupDescription", &group.description)
                    .text("vpcId", &group.vpc)
                    .list("ipPermissions", "item", permissions)
                    .list("tagSet", "item", tags)
            })
            .collect();
        // Filters find nothing; an id that does not exist is an error.
        if let Some(id) = ids.iter().find(|id| !self.security_groups.iter().any(|group| group.id == **id)) {
            return Err(Refusal::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")));
        }
        Ok(Xml::default().list("securityGroupInfo", "item", views))
    }

    fn change_tags_of_groups(&mut self, request: &Request) -> Xml {
        let ids = request.list("ResourceId");
        let tags = (1..).map_while(|number| {
            let key = request.get(&format!("Tag.{number}.Key"))?;
            Some((key.to_owned(), request.get(&format!("Tag.{number}.Value")).unwrap_or_default().to_owned()))
        });
        let tags: BTreeMap<String, String> = tags.collect();
        for group in self.security_groups.iter_mut().filter(|group| ids.contains(&group.id)) {
            if request.action == "CreateTags" {
                group.tags.extend(tags.clone());
            } else {
                group.tags.retain(|key, _| !tags.contains_key(key));
            }
        }
        Xml::default().text("return", true)
    }

    fn create_security_group(&mut self, request: &Request) -> Answer {
        let (name, vpc) = (request.get("GroupName").unwrap_or_default(), request.get("VpcId").unwrap_or(&self.vpc));
        if self.security_groups.iter().any(|group| group.name == name && group.vpc == vpc) {
            let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
            return Err(Refusal::new("InvalidGroup.Duplicate", message));
        }
        let tags = tags_of_creation(request)?;
        let id = format!("sg-{:017x}", self.security_groups.len());
        let description = request.get("GroupDescription").unwrap_or_default().to_owned();
        self.security_groups.push(SecurityGroup { description, tags, ..SecurityGroup::new(&id, name, vpc) });
        Ok(Xml::default().text("return", true).text("groupId", id))
    }
}

/// The tags that a resource of EC2 is created with: each key once, as
/// <https://github.com/cloud-custodian/cloud-custodian/issues/3792> and
/// <https://github.com/eksctl-io/eksctl/issues/2603> show.
pub(super) fn tags_of_creation(request: &Request) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for number in 1.. {
        let field = |name: &str| request.get(&format!("TagSpecification.1.Tag.{number}.{name}"));
        let Some(key) = field("Key") else { break };
        if tags.insert(key.to_owned(), field("Value").unwrap_or_default().to_owned()).is_some() {
            return Err(Refusal::value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    Ok(tags)
}
