//! `provision instance stop`

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use clap::Args;
use humantime::format_rfc3339_seconds;
use serde::Serialize;

use super::WaitArgs;
use crate::aws::rds;
use crate::cli::Context;
use crate::prompt::progress;

/// RDS starts a stopped instance again after this time, so that it misses no maintenance.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
const STOP_LIMIT: Duration = Duration::from_hours(7 * 24);

/// Stop the DB instance; AWS starts it again after 7 days
#[derive(Debug, Args)]
pub(super) struct Stop {
    #[command(flatten)]
    wait: WaitArgs,
}

/// A DB instance that is stopped or stopping.
#[derive(Debug, Serialize)]
pub(super) struct Stopped {
    identifier: String,
    status: &'static str,
    /// The time at which AWS starts it again: UTC, RFC 3339.
    starts_again_at: Option<String>,
}

impl Stop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Stopped> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_instance(aws, identifier).await?;
        let mut restart = rds::automatic_restart(&instance);
        if instance.db_instance_status() == Some("stopped") {
            progress(&format!("{identifier} is stopped already"));
        } else {
            rds::stop_instance(aws, identifier).await?;
            restart = restart.or_else(|| Some(SystemTime::now() + STOP_LIMIT));
            if !self.wait.no_wait {
                rds::wait_for_status(aws, identifier, "stopped", self.wait.limit.start()).await?;
            }
        }
        Ok(Stopped {
            identifier: identifier.clone(),
            status: if self.wait.no_wait { "stopping" } else { "stopped" },
            starts_again_at: restart.map(|time| format_rfc3339_seconds(time).to_string()),
        })
    }
}

impl Display for Stopped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.identifier, self.status)?;
        match &self.starts_again_at {
            Some(time) => write!(f, "; AWS starts it again after 7 days, at {time}"),
            None => Ok(()),
        }
    }
}
