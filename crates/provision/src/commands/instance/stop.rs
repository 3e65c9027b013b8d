//! `provision instance stop`

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use clap::Args;
use humantime::format_rfc3339_seconds;
use serde::Serialize;

use super::{WaitArgs, in_full};
use crate::aws::rds::{self, State};
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
    status: String,
    /// The time at which AWS starts it again: UTC, RFC 3339.
    starts_again_at: Option<String>,
}

impl Stop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Stopped> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_own_instance(aws, identifier).await?;
        let limit = self.wait.limit.start();
        let mut restart = rds::automatic_restart(&instance);
        let status = rds::status(&instance);
        if ["stopping", "stopped"].contains(&status) {
            progress(&format!("{identifier} is {status} already"));
        } else {
            let question =
                format!("This stops {}: nobody can sign up until it runs again.", in_full(aws, &instance).await?);
            let consent = context.confirm(&question, identifier)?;
            if !State::of(status).is_modifiable {
                self.wait.until_modifiable(aws, identifier, limit).await?;
            }
            rds::stop_instance(aws, identifier, consent).await?;
            restart = restart.or_else(|| Some(SystemTime::now() + STOP_LIMIT));
        }
        let instance = if self.wait.no_wait {
            rds::require_instance(aws, identifier).await?
        } else {
            rds::wait_for_change(aws, identifier, "stopped", limit, |_| true).await?
        };
        Ok(Stopped {
            identifier: identifier.clone(),
            status: rds::status(&instance).to_owned(),
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
