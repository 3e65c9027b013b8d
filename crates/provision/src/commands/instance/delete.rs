//! `provision instance delete`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::WaitArgs;
use crate::aws::rds;
use crate::cli::Context;
use crate::error::Problem;
use crate::prompt::progress;

/// Delete the DB instance, after a final snapshot
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Create no final snapshot; without one all data is lost
    #[arg(long)]
    skip_snapshot: bool,
    /// Turn deletion protection off first
    #[arg(long)]
    unprotect: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// The result of a deletion.
#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    identifier: String,
    final_snapshot: Option<String>,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Deleted> {
        let declaration = context.declaration()?;
        let (identifier, delete_automated) = (&declaration.identifier, declaration.backups.delete_automated);
        let aws = context.aws().await?;
        let instance = rds::require_instance(aws, identifier).await?;
        let is_protected = instance.deletion_protection == Some(true);
        ensure!(
            !is_protected || self.unprotect,
            Problem::new(
                format!("{identifier} is protected from deletion"),
                "add --unprotect to turn the protection off first"
            )
        );

        let final_snapshot = (!self.skip_snapshot).then(|| rds::dated_name(identifier));
        let kept = match &final_snapshot {
            Some(name) => format!("Its data is kept in the snapshot {name}."),
            None => "NOTHING of its data is kept.".to_owned(),
        };
        let host = instance.endpoint().and_then(|endpoint| endpoint.address()).unwrap_or("no endpoint yet");
        let place = aws.place().await?;
        let question = format!("This deletes the DB instance {identifier} ({host}; {place}). {kept}");
        let consent = context.confirm(&question, identifier)?;

        if is_protected {
            rds::unprotect_instance(aws, identifier, &consent).await?;
            progress(&format!("{identifier} is no longer protected from deletion"));
        }
        rds::delete_instance(aws, identifier, final_snapshot.as_deref(), delete_automated, consent).await?;
        if !self.wait.no_wait {
            rds::wait_for_deletion(aws, identifier, self.wait.limit.start()).await?;
        }
        Ok(Deleted { identifier: identifier.clone(), final_snapshot })
    }
}

impl Display for Deleted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is deleted", self.identifier)?;
        match &self.final_snapshot {
            Some(name) => write!(
                f,
                "; restore it with: aws rds restore-db-instance-from-db-snapshot --db-instance-identifier {} \
                 --db-snapshot-identifier {name}",
                self.identifier
            ),
            None => write!(f, ", and nothing of its data is kept"),
        }
    }
}
