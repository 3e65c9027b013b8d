//! `provision instance snapshot`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use crate::aws::rds;
use crate::cli::Context;

/// Create a snapshot of the DB instance
#[derive(Debug, Args)]
pub(super) struct Snapshot {
    /// The snapshot's name; without it, the instance's name with the time
    #[arg(long)]
    name: Option<String>,
}

/// A snapshot that was begun.
#[derive(Debug, Serialize)]
pub(super) struct Begun {
    identifier: String,
    snapshot: String,
}

impl Snapshot {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Begun> {
        let identifier = context.declaration()?.identifier.clone();
        let aws = context.aws().await?;
        rds::require_instance(aws, &identifier).await?;
        let snapshot = self.name.unwrap_or_else(|| rds::dated_name(&identifier));
        rds::create_snapshot(aws, &identifier, &snapshot).await?;
        Ok(Begun { identifier, snapshot })
    }
}

impl Display for Begun {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {} of {} is being created", self.snapshot, self.identifier)
    }
}
