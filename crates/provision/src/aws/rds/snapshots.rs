//! The snapshots of the DB instance, and its automated backups: what it can be restored from.

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{DbInstanceAutomatedBackup, DbSnapshot, Filter};

use super::{Aws, Explain};

/// Begins a snapshot by this name.
pub(crate) async fn create_snapshot(aws: &Aws, identifier: &str, snapshot: &str) -> anyhow::Result<()> {
    let request = aws.rds.create_db_snapshot().db_instance_identifier(identifier).db_snapshot_identifier(snapshot);
    request.send().await.explain("rds:CreateDBSnapshot")?;
    Ok(())
}

/// The snapshot by this name, if there is one.
pub(crate) async fn find_snapshot(aws: &Aws, snapshot: &str) -> anyhow::Result<Option<DbSnapshot>> {
    // AWS wants to be told the type of one that it has made by itself; its name begins with it.
    let kind = [("rds:", "automated"), ("awsbackup:", "awsbackup")];
    let kind = kind.iter().find(|(prefix, _)| snapshot.starts_with(prefix)).map(|(_, kind)| (*kind).to_owned());
    let request = aws.rds.describe_db_snapshots().db_snapshot_identifier(snapshot).set_snapshot_type(kind);
    let answer = request.send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("DBSnapshotNotFound")) {
        return Ok(None);
    }
    Ok(answer.explain("rds:DescribeDBSnapshots")?.db_snapshots().first().cloned())
}

/// All snapshots of the DB instance by this name, also of one that is deleted; the oldest first.
pub(crate) async fn list_snapshots(aws: &Aws, identifier: &str) -> anyhow::Result<Vec<DbSnapshot>> {
    // As a parameter, the name must be that of an existing instance.
    let of_instance = Filter::builder().name("db-instance-id").values(identifier).build();
    let request = aws.rds.describe_db_snapshots().filters(of_instance);
    let mut pages = request.into_paginator().items().send();
    let mut snapshots = Vec::new();
    while let Some(snapshot) = pages.next().await {
        snapshots.push(snapshot.explain("rds:DescribeDBSnapshots")?);
    }
    // The one that is being created has no time yet.
    snapshots.sort_by_key(|snapshot| snapshot.snapshot_create_time.map_or(i128::MAX, |time| time.as_nanos()));
    Ok(snapshots)
}

/// The newest automated backups of the DB instance by this name, also of one that is deleted.
pub(crate) async fn find_automated_backup(
    aws: &Aws,
    identifier: &str,
) -> anyhow::Result<Option<DbInstanceAutomatedBackup>> {
    // As a parameter, the name must be that of an existing instance.
    let of_instance = Filter::builder().name("db-instance-id").values(identifier).build();
    let request = aws.rds.describe_db_instance_automated_backups().filters(of_instance);
    let answer = request.send().await.explain("rds:DescribeDBInstanceAutomatedBackups")?;
    let backups = answer.db_instance_automated_backups().iter();
    Ok(backups.max_by_key(|backup| backup.instance_create_time.map(|time| time.as_nanos())).cloned())
}
