//! Restoring a DB instance from a snapshot, or from automated backups to a point in time.

use std::time::SystemTime;

use anyhow::ensure;
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::DbInstance;

use super::attributes::{kms_key, version_numbers};
use super::snapshots::{find_automated_backup, find_snapshot};
use super::tags::{read_tags, tag};
use super::{Aws, Explain, Wanted, attributes, find_instance, sdk_tags};
use crate::declaration::{Declaration, RESTORED_FROM, Storage, least_raise, major_version};
use crate::error::Problem;
use crate::prompt::Consent;

/// Whether the DB instance is being restored, or was, from this backup.
pub(crate) fn is_restored_from(instance: &DbInstance, backup: &str) -> bool {
    read_tags(instance.tag_list()).get(RESTORED_FROM).is_some_and(|found| *found == tag_value(backup))
}

/// At most 256 characters.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>
fn tag_value(backup: &str) -> String {
    backup.chars().take(256).collect()
}

/// What a DB instance is restored from, and what of it no restore changes.
#[derive(Debug)]
pub(crate) struct Origin {
    backup: Backup,
    engine: Option<String>,
    pub(crate) engine_version: Option<String>,
    master_user: Option<String>,
    /// Its first database. A snapshot does not tell.
    database: Option<String>,
    encrypted: Option<bool>,
    /// The ARN of the KMS key.
    key: Option<String>,
    /// GiB; a restored instance has at least as much.
    storage: Option<i32>,
}

#[derive(Debug)]
enum Backup {
    Snapshot(String),
    /// The automated backups of an instance, at a time, or as late as possible.
    Instance(String, Option<SystemTime>),
    /// The same of an instance that is deleted, by its `DbiResourceId`.
    Deleted(String, Option<SystemTime>),
}

impl Origin {
    /// The snapshot by this name.
    pub(crate) async fn snapshot(aws: &Aws, name: &str) -> anyhow::Result<Self> {
        let snapshot = find_snapshot(aws, name).await?.ok_or_else(|| {
            let problem = format!("there is no snapshot {name} in this region and account");
            Problem::new(problem, "list the snapshots with `provision instance snapshots`")
        })?;
        Ok(Self {
            backup: Backup::Snapshot(name.to_owned()),
            engine: snapshot.engine,
            engine_version: snapshot.engine_version,
            master_user: snapshot.master_username,
            database: None,
            encrypted: snapshot.encrypted,
            key: snapshot.kms_key_id,
            storage: snapshot.allocated_storage,
        })
    }

    /// The automated backups of the DB instance by this name, also of one that is deleted, at this time or the latest.
    pub(crate) async fn point_in_time(aws: &Aws, source: &str, time: Option<SystemTime>) -> anyhow::Result<Self> {
        if let Some(instance) = find_instance(aws, source).await? {
            return Ok(Self {
                backup: Backup::Instance(source.to_owned(), time),
                engine: instance.engine,
                engine_version: instance.engine_version,
                master_user: instance.master_username,
                database: instance.db_name,
                encrypted: instance.storage_encrypted,
                key: instance.kms_key_id,
                storage: instance.allocated_storage,
            });
        }
        let backup = find_automated_backup(aws, source).await?;
        let backup = backup.and_then(|backup| Some((backup.dbi_resource_id.clone()?, backup)));
        let (resource, backup) = backup.ok_or_else(|| {
            let problem = format!("there is neither a DB instance {source} nor an automated backup of one");
            Problem::new(problem, "restore a snapshot; `provision instance snapshots` lists them")
        })?;
        Ok(Self {
            backup: Backup::Deleted(resource, time),
            engine: backup.engine,
            engine_version: backup.engine_version,
            master_user: backup.master_username,
            database: None,
            encrypted: backup.encrypted,
            key: backup.kms_key_id,
            storage: backup.allocated_storage,
        })
    }

    /// Fails where the restored instance could never be as declared: a restore changes none of this.
    pub(crate) fn ensure_fits(&self, declaration: &Declaration) -> anyhow::Result<()> {
        let held = self.engine_version.as_deref().map(major_version);
        let declared = declaration.major_version();
        let is_newer = |held: &&String| {
            declaration.engine_version.contains('.')
                && !declaration.auto_minor_version_upgrade
                && version_numbers(held) > version_numbers(&declaration.engine_version)
        };
        let declared_key = kms_key(declaration.encryption.kms_key.as_ref(), self.key.as_deref());
        let problem = if self.engine.as_deref().is_some_and(|engine| engine != "postgres") {
            let engine = self.engine.as_deref().unwrap_or_default();
            Problem::new(format!("this backup is of {engine}, not of PostgreSQL"), "restore another one")
        } else if let Some(held) = held.filter(|held| *held != declared) {
            Problem::new(
                format!("this backup is of PostgreSQL {held}, and {declared} is declared"),
                format!("set engine_version = \"{held}\" in the declaration, and upgrade after the restore"),
            )
        } else if let Some(held) = self.engine_version.as_ref().filter(is_newer) {
            Problem::new(
                format!(
                    "this backup is of PostgreSQL {held}, and the older {} is declared",
                    declaration.engine_version
                ),
                format!("set engine_version = \"{held}\" in the declaration"),
            )
        } else if let Some(database) = self.database.as_ref().filter(|name| **name != declaration.database) {
            Problem::new(
                format!("the database of this backup is {database}, and {} is declared", declaration.database),
                format!("set database = \"{database}\" in the declaration"),
            )
        } else if let Some(user) = self.master_user.as_ref().filter(|user| **user != declaration.master.user) {
            Problem::new(
                format!("the master user of this backup is {user}, and {} is declared", declaration.master.user),
                format!("set user = \"{user}\" below [master] in the declaration"),
            )
        } else if self.key.is_some() && declared_key.is_some() && self.key != declared_key {
            Problem::new(
                "this backup is encrypted with another KMS key than the declared one",
                "copy the snapshot with that key (`aws rds copy-db-snapshot --kms-key-id`) and restore the copy",
            )
        } else if self.encrypted == Some(false) && declaration.encryption.enabled {
            Problem::new(
                "this backup is not encrypted, and encryption is declared",
                "copy the snapshot with a key (`aws rds copy-db-snapshot --kms-key-id`) and restore the copy",
            )
        } else if self.encrypted == Some(true) && !declaration.encryption.enabled {
            Problem::new(
                "this backup is encrypted, and no encryption is declared",
                "set enabled = true below [encryption] in the declaration",
            )
        } else {
            return self.ensure_storage_fits(&declaration.storage);
        };
        Err(problem.into())
    }

    /// A restored instance has as much storage as the backup, and RDS wants a tenth more for a limit of its growth.
    fn ensure_storage_fits(&self, declared: &Storage) -> anyhow::Result<()> {
        let held = self.storage.unwrap_or(0);
        let least_limit = least_raise(held);
        ensure!(
            declared.growth_limit > 0 || held <= declared.size,
            Problem::new(
                format!("this backup has {held} GiB of storage, and {} GiB are declared", declared.size),
                format!("set size = {held} below [storage] in the declaration")
            )
        );
        ensure!(
            declared.growth_limit == 0 || declared.growth_limit >= least_limit,
            Problem::new(
                format!("this backup has {held} GiB of storage, too much for growth_limit = {}", declared.growth_limit),
                format!("set growth_limit = {least_limit} or more below [storage] in the declaration")
            )
        );
        Ok(())
    }
}

/// Whether a restored DB instance has this attribute as declared, where one that exists cannot be changed.
pub(crate) fn is_set_by_restore(key: &str) -> bool {
    matches!(key, "availability_zone" | "network.subnet_group" | "performance_insights.kms_key")
}

/// Copies the declared attributes that a restore accepts from the request that creates an instance, so that both make the
/// same one.
macro_rules! with_declared {
    ($request:expr, $creation:expr) => {
        $request
            .set_tags($creation.get_tags().clone())
            .set_copy_tags_to_snapshot(*$creation.get_copy_tags_to_snapshot())
            .set_db_instance_class($creation.get_db_instance_class().clone())
            .set_port(*$creation.get_port())
            .set_publicly_accessible(*$creation.get_publicly_accessible())
            .set_multi_az(*$creation.get_multi_az())
            .set_availability_zone($creation.get_availability_zone().clone())
            .set_deletion_protection(*$creation.get_deletion_protection())
            .set_enable_iam_database_authentication(*$creation.get_enable_iam_database_authentication())
            .set_ca_certificate_identifier($creation.get_ca_certificate_identifier().clone())
            .set_auto_minor_version_upgrade(*$creation.get_auto_minor_version_upgrade())
            .set_engine_lifecycle_support($creation.get_engine_lifecycle_support().clone())
            .set_enable_cloudwatch_logs_exports($creation.get_enable_cloudwatch_logs_exports().clone())
            .set_storage_type($creation.get_storage_type().clone())
            .set_iops(*$creation.get_iops())
            .set_storage_throughput(*$creation.get_storage_throughput())
            .set_dedicated_log_volume(*$creation.get_dedicated_log_volume())
            .set_vpc_security_group_ids($creation.get_vpc_security_group_ids().clone())
            .set_db_subnet_group_name($creation.get_db_subnet_group_name().clone())
            .set_network_type($creation.get_network_type().clone())
            .set_backup_retention_period(*$creation.get_backup_retention_period())
            .set_preferred_backup_window($creation.get_preferred_backup_window().clone())
            .set_db_parameter_group_name($creation.get_db_parameter_group_name().clone())
    };
}

/// Begins the restore into the declared DB instance, with a tag that names the backup. Returns false if another run was
/// quicker.
pub(crate) async fn restore_instance(
    aws: &Aws,
    wanted: &Wanted,
    origin: &Origin,
    backup: &str,
    _consent: Consent,
) -> anyhow::Result<bool> {
    let identifier = &wanted.declaration.identifier;
    let creation = aws.rds.create_db_instance().set_tags(sdk_tags(&wanted.declaration));
    let creation = creation.tags(tag(RESTORED_FROM, &tag_value(backup)));
    let creation = attributes().fold(creation, |request, attribute| (attribute.create)(request, wanted));
    // RDS refuses less than the backup has, and would do with more what a later change does.
    let size = creation.get_allocated_storage().filter(|size| origin.storage.is_none_or(|has| *size > has));
    let (source, resource, time) = match &origin.backup {
        Backup::Snapshot(name) => {
            let request = aws.rds.restore_db_instance_from_db_snapshot().db_snapshot_identifier(name);
            let request = request.db_instance_identifier(identifier).set_allocated_storage(size);
            let request = with_declared!(request, creation);
            return begun(request.send().await, "rds:RestoreDBInstanceFromDBSnapshot");
        }
        Backup::Instance(source, time) => (Some(source.clone()), None, *time),
        Backup::Deleted(resource, time) => (None, Some(resource.clone()), *time),
    };
    let request = aws.rds.restore_db_instance_to_point_in_time();
    let request = request.set_source_db_instance_identifier(source).set_source_dbi_resource_id(resource);
    let request = request.target_db_instance_identifier(identifier);
    let request = request.set_restore_time(time.map(Into::into)).set_use_latest_restorable_time(match time {
        Some(_) => None,
        None => Some(true),
    });
    let request = request.set_allocated_storage(size).set_max_allocated_storage(*creation.get_max_allocated_storage());
    let request = with_declared!(request, creation);
    begun(request.send().await, "rds:RestoreDBInstanceToPointInTime")
}

fn begun<T, E>(answer: Result<T, aws_sdk_rds::error::SdkError<E>>, action: &str) -> anyhow::Result<bool>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Err(error) if error.code() == Some("DBInstanceAlreadyExists") => Ok(false),
        answer => Ok(answer.explain(action).map(|_| true)?),
    }
}

#[cfg(test)]
mod tests;
