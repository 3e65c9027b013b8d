//! `provision instance snapshot`

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use anyhow::Context;
use aws_sdk_rds::primitives::{DateTime, DateTimeFormat};
use serde::Serialize;

use super::deployed::require_instance;
use crate::aws::{Aws, Explain};

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
