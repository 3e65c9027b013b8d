//! What is in store for the DB instance: pending maintenance, and the end of support of its PostgreSQL.

use std::time::SystemTime;

use anyhow::bail;
use aws_sdk_rds::operation::describe_db_major_engine_versions::DescribeDbMajorEngineVersionsOutput;
use aws_sdk_rds::operation::describe_db_major_engine_versions::builders::DescribeDBMajorEngineVersionsFluentBuilder;
use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::{DbMajorEngineVersion, Filter, LifecycleSupportName, ResourcePendingMaintenanceActions};
use serde::Serialize;

use super::attributes::EXTENDED_SUPPORT;
use super::{Aws, DbInstance, Explain, once};
use crate::declaration::{Declaration, major_version};
use crate::error::Problem;

/// An action that RDS will take, or waits for the operator to take.
#[derive(Debug, Serialize)]
pub(crate) struct Maintenance {
    /// Such as `system-update` or `db-upgrade`.
    pub(crate) action: String,
    pub(crate) description: Option<String>,
    /// The maintenance window in which it is taken: UTC, RFC 3339. None if that is the operator's choice.
    pub(crate) applied_at: Option<String>,
}

/// The end of support of a major version.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html>
#[derive(Debug, Default, Serialize)]
pub(crate) struct Support {
    /// After it, RDS charges for Extended Support, or upgrades by itself. UTC, RFC 3339.
    pub(crate) standard_until: Option<String>,
    pub(crate) extended_until: Option<String>,
}

/// The pending maintenance of the DB instance.
pub(crate) async fn pending_maintenance(aws: &Aws, instance: &DbInstance) -> anyhow::Result<Vec<Maintenance>> {
    let identifier = instance.db_instance_identifier().unwrap_or_default();
    let of_instance = Filter::builder().name("db-instance-id").values(identifier).build();
    let request = aws.rds.describe_pending_maintenance_actions().filters(of_instance);
    let answer = request.send().await.explain("rds:DescribePendingMaintenanceActions")?;
    let actions = answer
        .pending_maintenance_actions()
        .iter()
        .flat_map(ResourcePendingMaintenanceActions::pending_maintenance_action_details);
    Ok(actions
        .map(|action| Maintenance {
            action: action.action().unwrap_or("unknown").to_owned(),
            description: action.description.clone(),
            applied_at: action.current_apply_date.map(|time| time.to_string()),
        })
        .collect())
}

/// The end of support of the DB instance's major version.
pub(crate) async fn support(aws: &Aws, instance: &DbInstance) -> anyhow::Result<Support> {
    let major = major_version(instance.engine_version().unwrap_or_default());
    let answer = describe_major_version(aws, major).send().await.explain("rds:DescribeDBMajorEngineVersions")?;
    let end = |name| end(&answer, &name).map(|time| time.to_string());
    Ok(Support {
        standard_until: end(LifecycleSupportName::OpenSourceRdsStandardSupport),
        extended_until: end(LifecycleSupportName::OpenSourceRdsExtendedSupport),
    })
}

/// Refuses a version whose standard support is over, where Extended Support is not declared: RDS creates no such instance,
/// and upgrades one that it restores.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
///
/// The dates only help to find that before anything is created, so their absence is no error.
pub(crate) async fn ensure_supported(aws: &Aws, declaration: &Declaration) -> anyhow::Result<()> {
    if declaration.extended_support {
        return Ok(());
    }
    let major = declaration.major_version();
    let request = describe_major_version(aws, major).customize().config_override(once());
    let Ok(answer) = request.send().await else { return Ok(()) };
    let Some(end) = standard_end(&answer).filter(|end| is_over(*end)) else { return Ok(()) };
    bail!(Problem::new(
        format!("RDS supports PostgreSQL {major} without Extended Support only until {end}"),
        "declare extended_support = true, which AWS charges for; for a new instance, rather a newer engine_version"
    ))
}

/// Whether the DB instance keeps Extended Support, although it is not declared: the standard support of the version that it
/// runs is over, and RDS would upgrade it.
pub(crate) async fn keeps_extended_support(
    aws: &Aws,
    declaration: &Declaration,
    instance: &DbInstance,
) -> anyhow::Result<bool> {
    if declaration.extended_support || instance.engine_lifecycle_support() != Some(EXTENDED_SUPPORT) {
        return Ok(false);
    }
    let major = major_version(instance.engine_version().unwrap_or_default());
    let answer = describe_major_version(aws, major).send().await.explain("rds:DescribeDBMajorEngineVersions")?;
    Ok(standard_end(&answer).is_some_and(is_over))
}

fn standard_end(answer: &DescribeDbMajorEngineVersionsOutput) -> Option<DateTime> {
    end(answer, &LifecycleSupportName::OpenSourceRdsStandardSupport)
}

fn is_over(end: DateTime) -> bool {
    end < DateTime::from(SystemTime::now())
}

fn describe_major_version(aws: &Aws, major: u32) -> DescribeDBMajorEngineVersionsFluentBuilder {
    aws.rds.describe_db_major_engine_versions().engine("postgres").major_engine_version(major.to_string())
}

fn end(answer: &DescribeDbMajorEngineVersionsOutput, name: &LifecycleSupportName) -> Option<DateTime> {
    let versions = answer.db_major_engine_versions().iter();
    let mut lifecycles = versions.flat_map(DbMajorEngineVersion::supported_engine_lifecycles);
    lifecycles.find(|lifecycle| lifecycle.lifecycle_support_name() == Some(name))?.lifecycle_support_end_date
}
