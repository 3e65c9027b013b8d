//! `provision instance snapshots`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use crate::aws::rds::{self, DbSnapshot};
use crate::cli::Context;
use crate::output;
use crate::prompt::progress;
use crate::terminal::harmless;

/// List what the DB instance can be restored from
///
/// Its snapshots, also those of an instance that is deleted, and the time to which its automated backups reach.
#[derive(Debug, Args)]
pub(super) struct Snapshots {
    /// DB instance whose snapshots to list; without it, the declared one
    #[arg(long, value_name = "INSTANCE")]
    source: Option<String>,
}

/// What a DB instance can be restored from.
#[derive(Debug, Serialize)]
pub(super) struct RestorePoints {
    identifier: String,
    /// The oldest first.
    snapshots: Vec<Snapshot>,
    /// For a point in time; none if there are no automated backups, or if AWS does not allow to look.
    restorable_from: Option<String>,
    restorable_until: Option<String>,
}

#[derive(Debug, Serialize)]
struct Snapshot {
    snapshot: String,
    /// UTC, RFC 3339.
    created_at: Option<String>,
    status: Option<String>,
    /// `manual`, `automated` or `awsbackup`.
    #[serde(rename = "type")]
    kind: Option<String>,
    storage_gib: Option<i32>,
    engine_version: Option<String>,
    encrypted: Option<bool>,
}

impl Snapshots {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<RestorePoints> {
        let identifier = match self.source {
            Some(source) => source,
            None => context.declaration()?.identifier.clone(),
        };
        let aws = context.aws().await?;
        let snapshots = rds::list_snapshots(aws, &identifier).await?;
        // A permission of its own, without which the snapshots are as useful.
        let backup = rds::find_automated_backup(aws, &identifier).await.unwrap_or_else(|error| {
            progress(&format!("the automated backups are not known: {error:#}"));
            None
        });
        let window = backup.and_then(|backup| backup.restore_window);
        Ok(RestorePoints {
            identifier,
            snapshots: snapshots.into_iter().map(Snapshot::from).collect(),
            restorable_from: window.as_ref().and_then(|window| window.earliest_time).map(|time| time.to_string()),
            restorable_until: window.and_then(|window| window.latest_time).map(|time| time.to_string()),
        })
    }
}

impl From<DbSnapshot> for Snapshot {
    fn from(snapshot: DbSnapshot) -> Self {
        Self {
            snapshot: snapshot.db_snapshot_identifier.unwrap_or_default(),
            created_at: snapshot.snapshot_create_time.map(|time| time.to_string()),
            status: snapshot.status,
            kind: snapshot.snapshot_type,
            storage_gib: snapshot.allocated_storage,
            engine_version: snapshot.engine_version,
            encrypted: snapshot.encrypted,
        }
    }
}

impl Display for RestorePoints {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.snapshots.is_empty() {
            write!(f, "there is no snapshot of {}", self.identifier)?;
        } else {
            let header = ["SNAPSHOT", "CREATED", "STATUS", "TYPE", "GIB", "VERSION", "ENCRYPTED"];
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let rows = self.snapshots.iter().map(|snapshot| {
                [
                    snapshot.snapshot.clone(),
                    text(&snapshot.created_at),
                    text(&snapshot.status),
                    text(&snapshot.kind),
                    text(&snapshot.storage_gib.map(|size| size.to_string())),
                    text(&snapshot.engine_version),
                    text(&snapshot.encrypted.map(|is| if is { "yes" } else { "no" }.to_owned())),
                ]
            });
            output::table(f, header, rows)?;
        }
        match (&self.restorable_from, &self.restorable_until) {
            (Some(from), Some(until)) => write!(
                f,
                "\n\nAny time from {from} until {until} can be restored.",
                from = harmless(from),
                until = harmless(until)
            ),
            _ => Ok(()),
        }
    }
}
