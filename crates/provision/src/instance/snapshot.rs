//! `provision instance snapshot`

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use anyhow::{Context, bail};
use aws_sdk_rds::primitives::{DateTime, DateTimeFormat};
use aws_sdk_rds::types::DbSnapshot;
use serde::Serialize;
use tokio::time::sleep;

use super::deployed::require_instance;
use super::wait::POLL_INTERVAL;
use crate::aws::{Aws, Explain};
use crate::talk::say;

/// A snapshot that was begun.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    identifier: String,
    snapshot: String,
}

/// Begins a snapshot, by a dated name unless another is given.
pub(crate) async fn snapshot(aws: &Aws, identifier: &str, name: Option<String>) -> anyhow::Result<Snapshot> {
    require_instance(aws, identifier).await?;
    let name = match name {
        Some(name) => name,
        None => dated_name(identifier)?,
    };
    let request = aws.rds.create_db_snapshot().db_instance_identifier(identifier).db_snapshot_identifier(&name);
    request.send().await.explain("rds:CreateDBSnapshot")?;
    Ok(Snapshot { identifier: identifier.to_owned(), snapshot: name })
}

/// Makes a snapshot by a dated name, waits until it can be restored, and returns its name.
pub(crate) async fn snapshot_and_wait(aws: &Aws, identifier: &str) -> anyhow::Result<String> {
    let Snapshot { snapshot, .. } = snapshot(aws, identifier, None).await?;
    let mut progress = None;
    loop {
        let request = aws.rds.describe_db_snapshots().db_snapshot_identifier(&snapshot);
        let answer = request.send().await.explain("rds:DescribeDBSnapshots")?;
        let found = answer.db_snapshots().first();
        let status = found.and_then(DbSnapshot::status).unwrap_or("unknown");
        let percent = found.and_then(DbSnapshot::percent_progress).unwrap_or(0);
        if progress != Some(percent) {
            say(&format!("snapshot {snapshot}: {status} ({percent} %)"));
            progress = Some(percent);
        }
        match status {
            "available" => return Ok(snapshot),
            "failed" => bail!("the snapshot {snapshot} failed; look at the events with `provision instance status`"),
            _ => sleep(POLL_INTERVAL).await,
        }
    }
}

/// Such as `users-db-20260102t030405`: what AWS allows in a name, and sorts by time.
pub(super) fn dated_name(identifier: &str) -> anyhow::Result<String> {
    let now = DateTime::from_secs(DateTime::from(SystemTime::now()).secs()).fmt(DateTimeFormat::DateTime)?;
    let date: String = now.trim_end_matches('Z').to_lowercase().split(['-', ':']).collect();
    (!date.is_empty()).then(|| format!("{identifier}-{date}")).context("the clock is not set")
}

impl Display for Snapshot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {} of {} is being made", self.snapshot, self.identifier)
    }
}
