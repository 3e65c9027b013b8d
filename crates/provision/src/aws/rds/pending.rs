//! The changes of a DB instance that RDS has accepted and not made yet.

use aws_sdk_rds::types::{DbInstance, PendingCloudwatchLogsExports, PendingModifiedValues};
use serde::Serialize;

use super::attributes::queued_domain;
use crate::error::Problem;

/// A change that waits for its turn, or for the maintenance window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PendingChange {
    /// The key in `rds.toml`, or AWS's name of what cannot be declared.
    pub(crate) attribute: &'static str,
    pub(crate) to: String,
}

/// AWS's name of what no declaration changes: the name of the DB instance.
pub(crate) const IDENTIFIER: &str = "identifier";

/// The problem with a rename that is queued, for a command that would carry it out and then look for the old name.
pub(crate) fn renaming(identifier: &str, name: &str) -> Problem {
    Problem::new(
        format!("the DB instance {identifier} is about to be renamed to {name}"),
        format!("after its maintenance window, set identifier = \"{name}\" in the declaration, and run this again"),
    )
}

/// All pending changes of the DB instance.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PendingModifiedValues.html>
pub(crate) fn pending_changes(instance: &DbInstance) -> Vec<PendingChange> {
    fn shown<T: ToString>(value: Option<&T>) -> Option<String> {
        value.map(ToString::to_string)
    }
    let none = PendingModifiedValues::builder().build();
    let pending = instance.pending_modified_values.as_ref().unwrap_or(&none);
    let PendingModifiedValues {
        db_instance_class,
        allocated_storage,
        // Never its value.
        master_user_password,
        port,
        backup_retention_period,
        multi_az,
        engine_version,
        iops,
        storage_throughput,
        db_instance_identifier,
        storage_type,
        ca_certificate_identifier,
        db_subnet_group_name,
        pending_cloudwatch_logs_exports,
        iam_database_authentication_enabled,
        dedicated_log_volume,
        ..
    } = pending;
    [
        (IDENTIFIER, shown(db_instance_identifier.as_ref())),
        ("engine_version", shown(engine_version.as_ref())),
        ("class", shown(db_instance_class.as_ref())),
        ("port", shown(port.as_ref())),
        ("multi_az", shown(multi_az.as_ref())),
        ("iam_authentication", shown(iam_database_authentication_enabled.as_ref())),
        ("ca", shown(ca_certificate_identifier.as_ref())),
        ("master.password", master_user_password.as_ref().map(|_| "a new one".to_owned())),
        ("storage.type", shown(storage_type.as_ref())),
        ("storage.size", shown(allocated_storage.as_ref())),
        ("storage.iops", shown(iops.as_ref())),
        ("storage.throughput", shown(storage_throughput.as_ref())),
        ("domain", queued_domain(instance)),
        ("network.subnet_group", shown(db_subnet_group_name.as_ref())),
        ("backups.days", shown(backup_retention_period.as_ref())),
        ("log exports", pending_cloudwatch_logs_exports.as_ref().and_then(log_exports)),
        ("storage.dedicated_log_volume", shown(dedicated_log_volume.as_ref())),
    ]
    .into_iter()
    .filter_map(|(attribute, to)| Some(PendingChange { attribute, to: to? }))
    .collect()
}

/// The version that is queued.
pub(crate) fn queued_version(instance: &DbInstance) -> Option<String> {
    instance.pending_modified_values.as_ref()?.engine_version.clone()
}

/// Such as `+postgresql -upgrade`.
fn log_exports(exports: &PendingCloudwatchLogsExports) -> Option<String> {
    let signed = |sign: char, logs: &[String]| logs.iter().map(|log| format!("{sign}{log}")).collect::<Vec<_>>();
    let all = [signed('+', exports.log_types_to_enable()), signed('-', exports.log_types_to_disable())].concat();
    (!all.is_empty()).then(|| all.join(" "))
}
