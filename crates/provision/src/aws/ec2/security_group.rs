//! The security group of the DB instance.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, SecurityGroup as SdkGroup, Tag, TagSpecification};

use super::{Aws, Explain};
use crate::aws::rds;
use crate::declaration::Declaration;
use crate::error::Problem;

/// A security group that exists.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) description: String,
    /// What it lets in, such as `0.0.0.0/0 tcp 5432`.
    pub(crate) rules: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl SecurityGroup {
    /// Whether this program made it for the declared DB instance.
    pub(crate) fn is_own(&self, declaration: &Declaration) -> bool {
        self.description == description(declaration)
    }
}

/// The name of the group that belongs to the DB instance.
pub(crate) fn security_group_name(declaration: &Declaration) -> String {
    let identifier = &declaration.identifier;
    // EC2 keeps names that begin with "sg-" for itself:
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    if identifier.starts_with("sg-") { format!("db-{identifier}") } else { identifier.clone() }
}

/// How this program describes the group that it creates, which tells it from those of others.
fn description(declaration: &Declaration) -> String {
    format!("Who may reach the DB instance {}", declaration.identifier)
}

/// The tags of the group: those of the declaration, and its name in the console.
pub(crate) fn security_group_tags(declaration: &Declaration) -> BTreeMap<String, String> {
    let mut tags = declaration.tags.clone().unwrap_or_default();
    tags.entry("Name".to_owned()).or_insert_with(|| declaration.identifier.clone());
    tags
}

/// The VPC of a DB instance that is to be created: that of the declared subnet group, else the declared one, else the
/// default one.
pub(crate) async fn find_vpc(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    let declared = &declaration.network.vpc;
    if let Some(group) = &declaration.network.subnet_group {
        let vpc = rds::vpc_of_subnet_group(aws, group).await?;
        ensure!(
            declared.as_ref().is_none_or(|declared| *declared == vpc),
            Problem::new(
                format!("network.subnet_group {group} is in {vpc}, and network.vpc is another VPC"),
                "correct one of them in the declaration; network.subnet_group alone is enough"
            )
        );
        return Ok(vpc);
    }
    if let Some(vpc) = declared {
        return Ok(vpc.clone());
    }
    let is_default = Filter::builder().name("is-default").values("true").build();
    let answer = aws.ec2.describe_vpcs().filters(is_default).send().await.explain("ec2:DescribeVpcs")?;
    answer.vpcs().first().and_then(|vpc| vpc.vpc_id.clone()).ok_or_else(|| {
        Problem::new("this region has no default VPC", "set network.subnet_group in the declaration").into()
    })
}

/// The security group with the name that belongs to the DB instance, if there is one in this VPC.
pub(crate) async fn look_up_security_group(
    aws: &Aws,
    declaration: &Declaration,
    vpc: &str,
) -> anyhow::Result<Option<SecurityGroup>> {
    let name = security_group_name(declaration);
    Ok(describe(aws, &[("group-name", &[name]), ("vpc-id", &[vpc.to_owned()])]).await?.into_iter().next())
}

/// The security groups with these ids, or an error that names the ones that do not exist.
pub(crate) async fn require_security_groups(aws: &Aws, ids: &[String]) -> anyhow::Result<Vec<SecurityGroup>> {
    let found = describe(aws, &[("group-id", ids)]).await?;
    let is_missing = |id: &&String| !found.iter().any(|group| group.id == **id);
    let missing: Vec<&str> = ids.iter().filter(is_missing).map(String::as_str).collect();
    ensure!(
        missing.is_empty(),
        Problem::new(
            format!("there is no security group {} in this region and account", missing.join(", ")),
            "correct its id, or choose the region and the account with --region and --profile"
        )
    );
    Ok(found)
}

async fn describe(aws: &Aws, filters: &[(&str, &[String])]) -> anyhow::Result<Vec<SecurityGroup>> {
    let filters =
        filters.iter().map(|(name, values)| Filter::builder().name(*name).set_values(Some(values.to_vec())).build());
    let request = aws.ec2.describe_security_groups().set_filters(Some(filters.collect()));
    let answer = request.send().await.explain("ec2:DescribeSecurityGroups")?;
    Ok(answer.security_groups.unwrap_or_default().into_iter().map(SecurityGroup::from).collect())
}

/// The id of the security group that is named as the DB instance, if there is one in its VPC.
pub(crate) async fn find_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Option<String>> {
    let vpc = find_vpc(aws, declaration).await?;
    Ok(look_up_security_group(aws, declaration, &vpc).await?.map(|group| group.id))
}

/// Creates the security group in this VPC and returns its id, or none if another run was quicker.
pub(crate) async fn create_security_group(
    aws: &Aws,
    declaration: &Declaration,
    vpc: &str,
) -> anyhow::Result<Option<String>> {
    let tags = security_group_tags(declaration).into_iter();
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let specification = TagSpecification::builder().resource_type(ResourceType::SecurityGroup);
    let request = aws.ec2.create_security_group().group_name(security_group_name(declaration)).vpc_id(vpc);
    let request = request.description(description(declaration));
    match request.tag_specifications(specification.set_tags(Some(tags.collect())).build()).send().await {
        Err(error) if error.code() == Some("InvalidGroup.Duplicate") => Ok(None),
        answer => Ok(Some(answer.explain("ec2:CreateSecurityGroup")?.group_id.context("AWS returned no group id")?)),
    }
}

/// Adds the tags, or replaces their values, and removes the ones without a value.
pub(crate) async fn change_tags(aws: &Aws, group: &str, tags: &BTreeMap<String, Option<String>>) -> anyhow::Result<()> {
    let added = tags.iter().filter_map(|(key, value)| Some(Tag::builder().key(key).value(value.as_ref()?).build()));
    let added: Vec<Tag> = added.collect();
    if !added.is_empty() {
        aws.ec2.create_tags().resources(group).set_tags(Some(added)).send().await.explain("ec2:CreateTags")?;
    }
    let removed = tags.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| Tag::builder().key(key).build());
    let removed: Vec<Tag> = removed.collect();
    if !removed.is_empty() {
        aws.ec2.delete_tags().resources(group).set_tags(Some(removed)).send().await.explain("ec2:DeleteTags")?;
    }
    Ok(())
}

impl From<SdkGroup> for SecurityGroup {
    fn from(group: SdkGroup) -> Self {
        let tags = group.tags.unwrap_or_default().into_iter();
        Self {
            id: group.group_id.unwrap_or_default(),
            vpc: group.vpc_id.unwrap_or_default(),
            description: group.description.unwrap_or_default(),
            rules: group.ip_permissions.unwrap_or_default().iter().flat_map(shown).collect(),
            tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
        }
    }
}

/// What a permission lets in: one line for each source.
fn shown(permission: &IpPermission) -> Vec<String> {
    let protocol = permission.ip_protocol().filter(|protocol| *protocol != "-1").unwrap_or("all");
    let ports = match (permission.from_port(), permission.to_port()) {
        (Some(from), Some(to)) if from == to => format!(" {from}"),
        (Some(from), Some(to)) => format!(" {from}-{to}"),
        _ => String::new(),
    };
    let v4 = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip());
    let v6 = permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| pair.group_id());
    let lists = permission.prefix_list_ids().iter().filter_map(|list| list.prefix_list_id());
    v4.chain(v6).chain(groups).chain(lists).map(|source| format!("{source} {protocol}{ports}")).collect()
}
