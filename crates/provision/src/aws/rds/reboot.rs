//! A reboot of the DB instance, and whether its parameters wait for one.

use super::{Aws, DbInstance, Explain};
use crate::prompt::Consent;

/// The `ParameterApplyStatus` of a parameter that a reboot puts in force.
pub(crate) const PENDING_REBOOT: &str = "pending-reboot";

/// Reboots the DB instance, with `failover` onto its standby.
pub(crate) async fn reboot_instance(
    aws: &Aws,
    identifier: &str,
    failover: bool,
    _consent: Consent,
) -> anyhow::Result<()> {
    let request = aws.rds.reboot_db_instance().db_instance_identifier(identifier);
    // RDS refuses `false` nowhere, and `true` without a standby.
    request.set_force_failover(failover.then_some(true)).send().await.explain("rds:RebootDBInstance")?;
    Ok(())
}

/// Whether the parameters are in force: `in-sync`, `pending-reboot`, `applying`, …
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBParameterGroupStatus.html>
pub(crate) fn parameter_status(instance: &DbInstance) -> Option<&str> {
    instance.db_parameter_groups().first().and_then(|group| group.parameter_apply_status())
}
