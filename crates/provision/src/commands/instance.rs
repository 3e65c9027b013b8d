//! `provision instance`: the DB instance, as the declaration in `infra/rds.toml` describes it.

mod apply;
mod delete;
mod password_file;
mod plan;
mod reboot;
mod restore;
mod rotate_password;
mod snapshot;
mod snapshots;
mod start;
mod status;
mod stop;
mod upgrade;
mod wait;

#[cfg(test)]
mod stories;

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::aws::Aws;
use crate::aws::rds::{self, DbInstance, State, TimeLimit};
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;

/// Create and operate the DB instance on Amazon RDS
#[derive(Debug, Args)]
pub(crate) struct Instance {
    #[command(subcommand)]
    command: InstanceCommand,
}

#[derive(Debug, Subcommand)]
enum InstanceCommand {
    Plan(plan::PlanCommand),
    Apply(apply::Apply),
    Status(status::Status),
    Wait(wait::Wait),
    Start(start::Start),
    Stop(stop::Stop),
    Reboot(reboot::Reboot),
    Snapshot(snapshot::Snapshot),
    Snapshots(snapshots::Snapshots),
    Restore(restore::Restore),
    Upgrade(upgrade::Upgrade),
    RotatePassword(rotate_password::RotatePassword),
    Delete(delete::Delete),
}

/// Whether to wait for the end of what AWS has begun.
#[derive(Clone, Copy, Debug, Args)]
struct WaitArgs {
    /// Return as soon as AWS has accepted the request
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
    #[command(flatten)]
    limit: LimitArgs,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, Args)]
struct LimitArgs {
    /// How long to wait at most, such as 90s or 2h; AWS goes on with what it has begun
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// The DB instance with its endpoint, account and region, for questions: the wrong one is the commonest mistake.
async fn in_full(aws: &Aws, instance: &DbInstance) -> anyhow::Result<String> {
    let identifier = instance.db_instance_identifier().unwrap_or_default();
    let host = instance.endpoint().and_then(|endpoint| endpoint.address()).unwrap_or("no endpoint yet");
    Ok(format!("the DB instance {identifier} ({host}; {})", aws.place_of(instance.db_instance_arn()).await?))
}

impl WaitArgs {
    /// The DB instance once RDS accepts a modification of it. With --no-wait, fails if it does not accept one now.
    async fn until_modifiable(self, aws: &Aws, identifier: &str, limit: TimeLimit) -> anyhow::Result<DbInstance> {
        if !self.no_wait {
            return rds::wait_until_modifiable(aws, identifier, limit).await;
        }
        let instance = rds::require_own_instance(aws, identifier).await?;
        let status = rds::status(&instance);
        if !State::of(status).is_modifiable {
            rds::ensure_passes(&instance, identifier)?;
            bail!(Problem::new(
                format!("{identifier} is {status}, and RDS accepts no change until that ends"),
                "leave out --no-wait"
            ));
        }
        Ok(instance)
    }
}

impl LimitArgs {
    /// The limit from now on.
    fn start(self) -> TimeLimit {
        TimeLimit::new(self.timeout)
    }
}

impl Instance {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        // Boxed: the SDK's futures are large.
        match self.command {
            InstanceCommand::Plan(command) => command.run(context).await,
            InstanceCommand::Apply(command) => context.show_lines(&Box::pin(command.run(context)).await?),
            InstanceCommand::Status(command) => context.show_lines(&Box::pin(command.run(context)).await?),
            InstanceCommand::Wait(command) => context.show_lines(&command.run(context).await?),
            InstanceCommand::Start(command) => context.show(&command.run(context).await?),
            InstanceCommand::Stop(command) => context.show(&command.run(context).await?),
            InstanceCommand::Reboot(command) => context.show(&command.run(context).await?),
            InstanceCommand::Snapshot(command) => context.show(&command.run(context).await?),
            InstanceCommand::Snapshots(command) => context.show_lines(&command.run(context).await?),
            InstanceCommand::Restore(command) => context.show_lines(&Box::pin(command.run(context)).await?),
            InstanceCommand::Upgrade(command) => command.run(context).await,
            InstanceCommand::RotatePassword(command) => context.show(&command.run(context).await?),
            InstanceCommand::Delete(command) => context.show_lines(&Box::pin(command.run(context)).await?),
        }
    }
}

#[cfg(test)]
mod tests;
