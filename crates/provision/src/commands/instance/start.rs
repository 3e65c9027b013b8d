//! `provision instance start`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use super::WaitArgs;
use crate::aws::rds;
use crate::cli::Context;
use crate::prompt::progress;

/// Start the stopped DB instance
#[derive(Debug, Args)]
pub(super) struct Start {
    #[command(flatten)]
    wait: WaitArgs,
}

/// A DB instance that runs or starts.
#[derive(Debug, Serialize)]
pub(super) struct Started {
    identifier: String,
    status: &'static str,
    /// Always none. The result of `stop` has a time here.
    starts_again_at: Option<String>,
}

impl Start {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Started> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_instance(aws, identifier).await?;
        match instance.db_instance_status().unwrap_or("unknown") {
            "stopped" => rds::start_instance(aws, identifier).await?,
            status => progress(&format!("{identifier} is not stopped; its status is {status}")),
        }
        if !self.wait.no_wait {
            rds::wait_for_status(aws, identifier, "available", self.wait.limit.start()).await?;
        }
        let status = if self.wait.no_wait { "starting" } else { "available" };
        Ok(Started { identifier: identifier.clone(), status, starts_again_at: None })
    }
}

impl Display for Started {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.identifier, self.status)
    }
}
