//! `provision instance wait`

use clap::Args;

use super::LimitArgs;
use super::status::{CurrentStatus, Status};
use crate::aws::rds;
use crate::cli::Context;

/// Wait until the DB instance is available
#[derive(Debug, Args)]
pub(super) struct Wait {
    #[command(flatten)]
    limit: LimitArgs,
}

impl Wait {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<CurrentStatus> {
        let identifier = &context.declaration()?.identifier;
        rds::wait_for_status(context.aws().await?, identifier, "available", self.limit.start()).await?;
        // Boxed: the SDK's futures are large.
        Box::pin(Status {}.run(context)).await
    }
}
