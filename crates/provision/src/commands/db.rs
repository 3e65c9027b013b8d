//! `provision db`: the database, for development and for production.

mod client;
mod connect;
mod create;
mod drop;
mod grant;
mod load;
mod load_obstacles;
mod obstacles;
mod properties;
mod removal;
mod replacement;
mod seed;
mod sessions;
mod setup;
mod snapshot;
#[cfg(feature = "instance")]
mod tunnel;
mod url;
mod wait;

use clap::{Args, Subcommand};

use crate::cli::{Context, TargetArgs};
use crate::output::Outcome;

/// Create, load, drop and inspect the database
#[derive(Debug, Args)]
pub(crate) struct Db {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    Create(create::Create),
    Drop(drop::Drop),
    Load(load::Load),
    Seed(seed::Seed),
    Setup(setup::Setup),
    Wait(wait::Wait),
    Sessions(sessions::Sessions),
    Connect(connect::Connect),
    #[cfg(feature = "instance")]
    Tunnel(tunnel::Tunnel),
    #[cfg(not(feature = "instance"))]
    #[command(hide = true)]
    Tunnel(super::Missing),
    Url(url::Url),
    Grant(grant::Grant),
}

impl Db {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.command {
            DbCommand::Create(command) => context.show(&command.run(context).await?),
            DbCommand::Drop(command) => context.show(&command.run(context).await?),
            DbCommand::Load(command) => command.run(context).await,
            DbCommand::Seed(command) => context.show(&command.run(context).await?),
            DbCommand::Setup(command) => context.show_lines(&command.run(context).await?),
            DbCommand::Wait(command) => context.show(&command.run(context).await?),
            DbCommand::Sessions(command) => command.run(context).await,
            DbCommand::Connect(command) => match command.run(context).await? {},
            #[cfg(feature = "instance")]
            DbCommand::Tunnel(command) => Box::pin(command.run(context)).await,
            #[cfg(not(feature = "instance"))]
            DbCommand::Tunnel(_) => super::Missing::run(),
            DbCommand::Url(command) => context.show(&command.run(context).await?),
            DbCommand::Grant(command) => command.run(context).await,
        }
    }
}
