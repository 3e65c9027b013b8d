//! `provision instance start`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::WaitArgs;
use crate::aws::rds::{self, State};
use crate::cli::Context;
use crate::error::Problem;
use crate::prompt::progress;

/// Start the stopped DB instance
///
/// Also an instance that could not reach its KMS key or its network, once the cause is mended.
#[derive(Debug, Args)]
pub(super) struct Start {
    #[command(flatten)]
    wait: WaitArgs,
}

/// A DB instance that runs or starts.
#[derive(Debug, Serialize)]
pub(super) struct Started {
    identifier: String,
    status: String,
    /// Always none. The result of `stop` has a time here.
    starts_again_at: Option<String>,
}

impl Start {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Started> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let limit = self.wait.limit.start();
        let mut instance = rds::require_own_instance(aws, identifier).await?;
        if rds::status(&instance) == "stopping" {
            ensure!(
                !self.wait.no_wait,
                Problem::new(
                    format!("{identifier} is stopping, and can be started once it is stopped"),
                    "leave out --no-wait"
                )
            );
            instance = rds::wait_for_status(aws, identifier, "stopped", limit).await?;
        }
        let is_startable = State::of(rds::status(&instance)).is_startable;
        if is_startable {
            rds::start_instance(aws, identifier).await?;
        } else {
            rds::ensure_passes(&instance, identifier)?;
            progress(&format!("{identifier} is not stopped; its status is {}", rds::status(&instance)));
        }
        let instance = match (self.wait.no_wait, is_startable) {
            (true, _) => rds::require_instance(aws, identifier).await?,
            (false, true) => rds::wait_for_change(aws, identifier, "available", limit, |_| true).await?,
            (false, false) => rds::wait_for_status(aws, identifier, "available", limit).await?,
        };
        Ok(Started { identifier: identifier.clone(), status: rds::status(&instance).to_owned(), starts_again_at: None })
    }
}

impl Display for Started {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.identifier, self.status)
    }
}
