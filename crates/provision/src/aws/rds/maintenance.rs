//! What is in store for the DB instance: pending maintenance, and the end of support of its PostgreSQL.

use aws_sdk_rds::types::{DbMajorEngineVersion, Filter, LifecycleSupportName, ResourcePendingMaintenanceActions};
use serde::Serialize;

use super::{Aws, DbInstance, Explain};

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
    let major = instance.engine_version().and_then(|version| version.split('.').next()).unwrap_or_default();
    let request = aws.rds.describe_db_major_engine_versions().engine("postgres").major_engine_version(major);
    let answer = request.send().await.explain("rds:DescribeDBMajorEngineVersions")?;
    let lifecycles =
        answer.db_major_engine_versions().iter().flat_map(DbMajorEngineVersion::supported_engine_lifecycles);
    let mut support = Support::default();
    for lifecycle in lifecycles {
        let end = lifecycle.lifecycle_support_end_date.map(|time| time.to_string());
        match lifecycle.lifecycle_support_name() {
            Some(LifecycleSupportName::OpenSourceRdsStandardSupport) => support.standard_until = end,
            Some(LifecycleSupportName::OpenSourceRdsExtendedSupport) => support.extended_until = end,
            _ => {}
        }
    }
    Ok(support)
}
