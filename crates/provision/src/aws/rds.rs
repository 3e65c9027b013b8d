//! Amazon RDS: DB instances, their parameter groups and their snapshots.

mod attributes;
mod maintenance;
mod parameters;
mod pending;
mod reboot;
mod restore;
mod snapshots;
mod state;
mod tags;
mod upgrade;
mod wait;

use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::error::ProvideErrorMetadata;
#[cfg(feature = "instance")]
pub(crate) use aws_sdk_rds::types::DbSubnetGroup;
use aws_sdk_rds::types::SourceType;
pub(crate) use aws_sdk_rds::types::{DbInstance, DbSnapshot, Endpoint};
use humantime::format_rfc3339_seconds;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::attributes::{
    Attribute, Difference, Timing, Wanted, are_as_wanted, attached_security_groups, attributes, is_as_wanted,
    is_major_upgrade_queued, is_queued_unseen, version_numbers,
};
pub(crate) use self::maintenance::{
    Maintenance, Support, ensure_supported, keeps_extended_support, pending_maintenance, support,
};
pub(crate) use self::parameters::{
    Parameter, ParameterChange, ParameterGroup, change_parameters, create_parameter_group, family,
    find_own_parameter_group, require_parameter_group,
};
pub(crate) use self::pending::{IDENTIFIER, PendingChange, pending_changes, queued_version, renaming};
pub(crate) use self::reboot::{PENDING_REBOOT, parameter_status, reboot_instance};
pub(crate) use self::restore::{Origin, is_restored_from, is_set_by_restore, restore_instance};
pub(crate) use self::snapshots::{create_snapshot, find_automated_backup, find_snapshot, list_snapshots};
pub(crate) use self::state::{INCOMPATIBLE_PARAMETERS, STORAGE_FULL, State, status};
use self::tags::sdk_tags;
pub(crate) use self::tags::{change_tags, read_tags};
pub(crate) use self::upgrade::{UpgradeTarget, upgrade_targets};
pub(crate) use self::wait::{
    TimeLimit, ensure_passes, wait_for_change, wait_for_deletion, wait_for_next_change, wait_for_snapshot,
    wait_for_status, wait_until_modifiable,
};
use super::{Aws, Explain};
use crate::error::Problem;
use crate::prompt::Consent;

/// The configuration of a request whose failure is no error: without retries, which would hold the command up.
fn once() -> aws_sdk_rds::config::Builder {
    aws_sdk_rds::Config::builder().retry_config(RetryConfig::disabled())
}

/// The DB instance, if there is one by this name.
pub(crate) async fn find_instance(aws: &Aws, identifier: &str) -> anyhow::Result<Option<DbInstance>> {
    let answer = aws.rds.describe_db_instances().db_instance_identifier(identifier).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("DBInstanceNotFound")) {
        return Ok(None);
    }
    Ok(answer.explain("rds:DescribeDBInstances")?.db_instances().first().cloned())
}

/// The DB instance, or an error that says how to create it.
pub(crate) async fn require_instance(aws: &Aws, identifier: &str) -> anyhow::Result<DbInstance> {
    find_instance(aws, identifier).await?.ok_or_else(|| {
        let problem = format!("there is no DB instance {identifier} in this region and account");
        let remedy = "choose the right --profile, --region and --config; create it with `provision instance apply`, or \
                      restore its data with `provision instance restore`";
        Problem::new(problem, remedy).into()
    })
}

/// The DB instance that this program may change, or an error that says how to go on: see [`ensure_own`] and [`ensure_stays`].
pub(crate) async fn require_own_instance(aws: &Aws, identifier: &str) -> anyhow::Result<DbInstance> {
    let instance = require_instance(aws, identifier).await?;
    ensure_own(&instance)?;
    ensure_stays(&instance)?;
    Ok(instance)
}

/// The newest event's message. It only helps to understand a status, so its absence is no error.
pub(crate) async fn newest_event(aws: &Aws, identifier: &str) -> Option<String> {
    let request = aws.rds.describe_events().source_identifier(identifier).source_type(SourceType::DbInstance);
    let answer = request.duration(60).send().await.ok()?;
    let newest = answer.events().iter().max_by_key(|event| event.date.map(|date| date.as_nanos()));
    newest.and_then(|event| event.message.clone())
}

/// Refuses an instance that this program must not change: another engine, a member of a cluster, or a read replica.
pub(crate) fn ensure_own(instance: &DbInstance) -> anyhow::Result<()> {
    let identifier = instance.db_instance_identifier().unwrap_or_default();
    let engine = instance.engine().unwrap_or_default();
    let other = "set another identifier in the declaration";
    ensure!(
        !engine.is_empty(),
        Problem::new(
            format!("AWS does not name the engine of the DB instance {identifier}"),
            "check AWS_ENDPOINT_URL and the proxy, then try again: every DB instance of Amazon RDS has an engine"
        )
    );
    ensure!(
        engine == "postgres",
        Problem::new(format!("the DB instance {identifier} runs {engine}, not postgres"), other)
    );
    if let Some(cluster) = instance.db_cluster_identifier() {
        bail!(Problem::new(format!("the DB instance {identifier} belongs to the cluster {cluster}"), other));
    }
    if let Some(source) = instance.read_replica_source_db_instance_identifier() {
        bail!(Problem::new(format!("the DB instance {identifier} is a read replica of {source}"), other));
    }
    Ok(())
}

/// Refuses an instance that is being deleted.
pub(crate) fn ensure_stays(instance: &DbInstance) -> anyhow::Result<()> {
    let identifier = instance.db_instance_identifier().unwrap_or_default();
    ensure!(
        status(instance) != "deleting",
        Problem::new(
            format!("the DB instance {identifier} is being deleted"),
            "wait for the end with `provision instance delete`; then create it with `provision instance apply`, or restore \
             it with `provision instance restore`"
        )
    );
    Ok(())
}

/// Creates the DB instance. Returns false if another run was quicker.
pub(crate) async fn create_instance(aws: &Aws, wanted: &Wanted) -> anyhow::Result<bool> {
    let request =
        aws.rds.create_db_instance().db_instance_identifier(&wanted.declaration.identifier).engine("postgres");
    let request = request.set_tags(sdk_tags(&wanted.declaration));
    let request = attributes().fold(request, |request, attribute| (attribute.create)(request, wanted));
    match request.send().await {
        Err(error) if error.code() == Some("DBInstanceAlreadyExists") => Ok(false),
        answer => Ok(answer.explain("rds:CreateDBInstance").map(|_| true)?),
    }
}

/// Changes these attributes in one request. With `immediately`, RDS also makes the changes that are queued. Returns false if
/// RDS is at work, which it may report some seconds later than it refuses changes.
pub(crate) async fn modify_instance(
    aws: &Aws,
    wanted: &Wanted,
    instance: &DbInstance,
    changed: &[&'static Attribute],
    immediately: bool,
) -> anyhow::Result<bool> {
    let request = aws.rds.modify_db_instance().db_instance_identifier(&wanted.declaration.identifier);
    let request = changed.iter().fold(request.apply_immediately(immediately), |request, attribute| {
        (attribute.modify)(request, wanted, instance)
    });
    match request.send().await {
        Err(error) if error.code() == Some("InvalidDBInstanceState") && is_busy(error.message()) => Ok(false),
        // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html
        Err(error) if error.message().is_some_and(|message| message.contains("previous storage change")) => {
            let identifier = &wanted.declaration.identifier;
            let remedy = "wait for the end of storage-optimization, at least six hours after the last change of the storage; \
                          then run `provision instance apply` again";
            Err(Problem::new(format!("the storage of {identifier} is still being optimized by RDS"), remedy).into())
        }
        answer => Ok(answer.explain("rds:ModifyDBInstance").map(|_| true)?),
    }
}

/// Whether a refusal is about the status, and not about a storage that is optimised for hours.
fn is_busy(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("available state"))
}

/// Has RDS replace the managed password of the master user.
pub(crate) async fn rotate_password(aws: &Aws, identifier: &str) -> anyhow::Result<()> {
    let request = aws.rds.modify_db_instance().db_instance_identifier(identifier).rotate_master_user_password(true);
    request.apply_immediately(true).send().await.explain("rds:ModifyDBInstance")?;
    Ok(())
}

/// Replaces the master password. RDS does so at once, and makes no queued change with it.
pub(crate) async fn replace_password(aws: &Aws, identifier: &str, password: &SecretString) -> anyhow::Result<()> {
    let request = aws.rds.modify_db_instance().db_instance_identifier(identifier);
    let request = request.master_user_password(password.expose_secret()).apply_immediately(false);
    request.send().await.explain("rds:ModifyDBInstance")?;
    Ok(())
}

/// The VPC of the subnet group, or an error if there is none by this name.
pub(crate) async fn vpc_of_subnet_group(aws: &Aws, name: &str) -> anyhow::Result<String> {
    let answer = aws.rds.describe_db_subnet_groups().db_subnet_group_name(name).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("DBSubnetGroupNotFoundFault")) {
        bail!(Problem::new(
            format!("there is no subnet group {name}"),
            "correct network.subnet_group in the declaration"
        ));
    }
    let groups = answer.explain("rds:DescribeDBSubnetGroups")?.db_subnet_groups.unwrap_or_default();
    groups.into_iter().next().and_then(|group| group.vpc_id).context("AWS returned no VPC of the subnet group")
}

/// Turns deletion protection off.
pub(crate) async fn unprotect_instance(aws: &Aws, identifier: &str, _consent: &Consent) -> anyhow::Result<()> {
    set_deletion_protection(aws, identifier, false).await
}

/// Turns deletion protection on.
pub(crate) async fn protect_instance(aws: &Aws, identifier: &str) -> anyhow::Result<()> {
    set_deletion_protection(aws, identifier, true).await
}

/// Takes effect at once, and so needs no `ApplyImmediately`, which would make every pending change as well.
async fn set_deletion_protection(aws: &Aws, identifier: &str, is_on: bool) -> anyhow::Result<()> {
    let request = aws.rds.modify_db_instance().db_instance_identifier(identifier).deletion_protection(is_on);
    request.send().await.explain("rds:ModifyDBInstance")?;
    Ok(())
}

/// Deletes the DB instance, after a final snapshot by this name if there is one.
pub(crate) async fn delete_instance(
    aws: &Aws,
    identifier: &str,
    final_snapshot: Option<&str>,
    delete_automated_backups: bool,
    _consent: Consent,
) -> anyhow::Result<()> {
    let request = aws.rds.delete_db_instance().db_instance_identifier(identifier);
    let request = request.delete_automated_backups(delete_automated_backups);
    let request = request.skip_final_snapshot(final_snapshot.is_none());
    let request = request.set_final_db_snapshot_identifier(final_snapshot.map(str::to_owned));
    request.send().await.explain("rds:DeleteDBInstance")?;
    Ok(())
}

/// Starts the stopped DB instance.
pub(crate) async fn start_instance(aws: &Aws, identifier: &str) -> anyhow::Result<()> {
    aws.rds.start_db_instance().db_instance_identifier(identifier).send().await.explain("rds:StartDBInstance")?;
    Ok(())
}

/// Stops the DB instance.
pub(crate) async fn stop_instance(aws: &Aws, identifier: &str, _consent: Consent) -> anyhow::Result<()> {
    aws.rds.stop_db_instance().db_instance_identifier(identifier).send().await.explain("rds:StopDBInstance")?;
    Ok(())
}

/// The time at which AWS starts the stopped DB instance again, if AWS reports it.
pub(crate) fn automatic_restart(instance: &DbInstance) -> Option<SystemTime> {
    instance.automatic_restart_time.and_then(|time| time.try_into().ok())
}

/// A snapshot's name with the time in it, such as `users-db-20260102t030405-9f2c`: AWS allows it, and it sorts by time. The
/// random end tells apart those of one second.
pub(crate) fn dated_name(identifier: &str) -> anyhow::Result<String> {
    let now = format_rfc3339_seconds(SystemTime::now()).to_string();
    let date: String = now.trim_end_matches('Z').to_lowercase().split(['-', ':']).collect();
    let mut random = [0; 2];
    getrandom::fill(&mut random).context("the system has no random numbers")?;
    Ok(format!("{identifier}-{date}-{}", hex::encode(random)))
}

#[cfg(test)]
mod tests;
