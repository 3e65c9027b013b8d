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

#[cfg(test)]
mod tests {
    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::create_db_snapshot::CreateDbSnapshotOutput;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput;
    use aws_sdk_rds::types::DbInstance;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use tokio::time::Instant;

    use super::*;

    /// Makes a snapshot that goes through these states, and waits for it.
    async fn wait_through(states: &'static [(&'static str, i32)]) -> anyhow::Result<String> {
        let instance = mock!(Client::describe_db_instances)
            .then_output(|| DescribeDbInstancesOutput::builder().db_instances(DbInstance::builder().build()).build());
        let creation = mock!(Client::create_db_snapshot).then_output(|| CreateDbSnapshotOutput::builder().build());
        let looks = states.iter().fold(mock!(Client::describe_db_snapshots).sequence(), |looks, (status, percent)| {
            looks.output(|| {
                let snapshot = DbSnapshot::builder().status(*status).percent_progress(*percent).build();
                DescribeDbSnapshotsOutput::builder().db_snapshots(snapshot).build()
            })
        });
        let looks = looks.build();
        let rds = mock_client!(aws_sdk_rds, RuleMode::MatchAny, [&instance, &creation, &looks]);
        let waited = snapshot_and_wait(&Aws::with_rds(rds), "db").await;
        assert_eq!((creation.num_calls(), looks.num_calls()), (1, states.len()));
        waited
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_waited_for_until_it_can_be_restored() {
        let started = Instant::now();
        let name = wait_through(&[("creating", 0), ("creating", 60), ("creating", 100), ("available", 100)]).await;
        assert!(name.expect("it becomes available").starts_with("db-20"));
        assert_eq!(started.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_that_fails_is_told() {
        let error = wait_through(&[("creating", 0), ("failed", 0)]).await.expect_err("there is none");
        assert!(error.to_string().contains("look at the events with `provision instance status`"), "{error}");
    }
}
