//! What is deployed, as far as it exists.

use anyhow::ensure;

use super::Wish;
use crate::aws::rds::{self, DbInstance, ParameterGroup};
use crate::aws::{Aws, ec2};
use crate::declaration::{Declaration, major_version};
use crate::error::Problem;

/// The parts of a deployment.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Deployed {
    pub(in super::super) instance: Option<DbInstance>,
    /// The group that the instance should have; it has no ARN until it exists.
    pub(in super::super) parameter_group: ParameterGroup,
    /// The group that this program makes where the declaration has none, if it exists.
    pub(in super::super) security_group: Option<ec2::SecurityGroup>,
    /// The VPC of the instance, also of one that is to be created.
    pub(in super::super) vpc: String,
    /// See [`rds::keeps_extended_support`].
    pub(in super::super) keeps_extended_support: bool,
}

impl Deployed {
    /// Looks at everything that a plan compares. Refuses what this program must not take over.
    pub(in super::super) async fn find(aws: &Aws, declaration: &Declaration, wish: &Wish) -> anyhow::Result<Self> {
        let instance = rds::find_instance(aws, &declaration.identifier).await?;
        let mut keeps_extended_support = false;
        if let Some(instance) = &instance {
            rds::ensure_own(instance)?;
            rds::ensure_stays(instance)?;
            keeps_extended_support = rds::keeps_extended_support(aws, declaration, instance).await?;
        } else {
            rds::ensure_supported(aws, declaration).await?;
        }
        let parameter_group = find_parameter_group(aws, declaration, instance.as_ref(), wish).await?;
        let vpc = find_vpc(aws, declaration, instance.as_ref()).await?;
        let declared = &declaration.network.security_groups;
        let security_group = if declared.is_empty() {
            find_security_group(aws, declaration, instance.as_ref(), &vpc).await?
        } else {
            for group in ec2::require_security_groups(aws, declared).await? {
                ensure!(
                    group.vpc == vpc,
                    Problem::new(
                        format!("the security group {} is in {}, the DB instance in {vpc}", group.id, group.vpc),
                        "declare security groups and a subnet group of one VPC"
                    )
                );
            }
            None
        };
        Ok(Self { instance, parameter_group, security_group, vpc, keeps_extended_support })
    }
}

/// The parameter group of the version that is going to run.
async fn find_parameter_group(
    aws: &Aws,
    declaration: &Declaration,
    instance: Option<&DbInstance>,
    wish: &Wish,
) -> anyhow::Result<ParameterGroup> {
    let declared = declaration.major_version();
    if let Some(name) = &declaration.parameter_group {
        return rds::require_parameter_group(aws, name, &rds::family(declared)).await;
    }
    let current = instance.and_then(DbInstance::engine_version).map(major_version);
    let queued = instance.and_then(rds::queued_version).map(|version| major_version(&version));
    let is_upgraded = wish.major_upgrade.is_some() || queued == Some(declared);
    let major = current.filter(|current| !is_upgraded || *current > declared).unwrap_or(declared);
    let attached = instance.and_then(|instance| instance.db_parameter_groups().first());
    let attached = attached.and_then(|group| group.db_parameter_group_name());
    rds::find_own_parameter_group(aws, declaration, &rds::family(major), attached).await
}

async fn find_vpc(aws: &Aws, declaration: &Declaration, instance: Option<&DbInstance>) -> anyhow::Result<String> {
    let of_instance = instance.and_then(|instance| instance.db_subnet_group()).and_then(|group| group.vpc_id());
    let Some(vpc) = of_instance else { return ec2::find_vpc(aws, declaration).await };
    ensure!(
        declaration.network.vpc.as_deref().is_none_or(|declared| declared == vpc),
        Problem::new(
            format!("the DB instance {} is in {vpc}, and network.vpc is another VPC", declaration.identifier),
            "correct network.vpc in the declaration"
        )
    );
    Ok(vpc.to_owned())
}

/// The group with the instance's name. One that another program made is refused, unless it is attached already: it would
/// bring its rules along.
async fn find_security_group(
    aws: &Aws,
    declaration: &Declaration,
    instance: Option<&DbInstance>,
    vpc: &str,
) -> anyhow::Result<Option<ec2::SecurityGroup>> {
    let Some(group) = ec2::look_up_security_group(aws, declaration, vpc).await? else { return Ok(None) };
    let is_attached = instance.is_some_and(|instance| rds::attached_security_groups(instance).contains(&group.id));
    let name = ec2::security_group_name(declaration);
    let rules = if group.rules.is_empty() { "nothing".to_owned() } else { group.rules.join(", ") };
    ensure!(
        is_attached || group.is_own(declaration),
        Problem::new(
            format!("the security group {} ({name}) exists, and another program made it; it lets in {rules}", group.id),
            format!(
                "set network.security_groups = [\"{}\"] to use it with these rules, or choose another identifier",
                group.id
            ),
        )
    );
    Ok(Some(group))
}
