//! `provision instance snapshot`

use std::fmt::{self, Display, Formatter};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::WaitArgs;
use crate::aws::rds::{self, State};
use crate::cli::Context;
use crate::error::Problem;
use crate::prompt::progress;

/// Create a snapshot of the DB instance
///
/// `provision instance snapshots` lists them, `provision instance restore` makes an instance of one.
#[derive(Debug, Args)]
pub(super) struct Snapshot {
    /// The snapshot's name; without it, the instance's name with the time
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A snapshot that can be restored, or is being created.
#[derive(Debug, Serialize)]
pub(super) struct Created {
    identifier: String,
    snapshot: String,
    /// `available`; `creating` with --no-wait.
    status: &'static str,
}

impl Snapshot {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Created> {
        let identifier = context.declaration()?.identifier.clone();
        let aws = context.aws().await?;
        let limit = self.wait.limit.start();
        let instance = rds::require_own_instance(aws, &identifier).await?;
        let existing = match &self.name {
            Some(name) => rds::find_snapshot(aws, name).await?,
            None => None,
        };
        let snapshot = self.name.map_or_else(|| rds::dated_name(&identifier), Ok)?;
        let other = existing.as_ref().and_then(|found| found.db_instance_identifier()).filter(|of| *of != identifier);
        if let Some(other) = other {
            bail!(Problem::new(
                format!("there is a snapshot {snapshot} already, of the DB instance {other}"),
                "choose another name with --name"
            ));
        }
        match existing {
            // An interrupted run has begun it.
            Some(existing) if existing.status() == Some("creating") => {
                progress(&format!("the snapshot {snapshot} is being created already"));
            }
            Some(_) => bail!(Problem::new(
                format!("there is a snapshot {snapshot} already"),
                "choose another name with --name"
            )),
            None => {
                // RDS makes one backup at a time.
                if State::of(rds::status(&instance)).is_passing() {
                    self.wait.until_modifiable(aws, &identifier, limit).await?;
                }
                rds::create_snapshot(aws, &identifier, &snapshot).await?;
            }
        }
        if !self.wait.no_wait {
            rds::wait_for_snapshot(aws, &snapshot, limit).await?;
        }
        Ok(Created { identifier, snapshot, status: if self.wait.no_wait { "creating" } else { "available" } })
    }
}

/// Reads a snapshot's name.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html>
fn parse_name(text: &str) -> Result<String, String> {
    let is_valid = (1..=255).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !text.contains("--")
        && !text.ends_with('-');
    if is_valid {
        // As RDS stores it.
        Ok(text.to_ascii_lowercase())
    } else {
        Err("use 1 to 255 letters, digits and single hyphens, a letter first and no hyphen last".to_owned())
    }
}

impl Display for Created {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the snapshot {} of {} is {}", self.snapshot, self.identifier, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_rds_would_refuse_is_refused_before_the_request() {
        for name in ["before-release", "A1", "x"] {
            assert_eq!(parse_name(name), Ok(name.to_lowercase()), "{name}");
        }
        for name in ["", "1st", "-x", "x-", "x--y", "x_y", "rds:users-db-2026", "ä", &"x".repeat(256)] {
            assert!(parse_name(name).is_err(), "{name:?}");
        }
    }
}
