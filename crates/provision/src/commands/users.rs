//! `provision users`: the rows of `users`.

mod list;
mod reason;
mod reconcile;
mod why;

use clap::{Args, Subcommand};

use crate::cli::{Context, TargetArgs};
use crate::output::Outcome;

/// List the users, and compare them with the user pool
#[derive(Debug, Args)]
pub(crate) struct Users {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    List(list::List),
    // Boxed: these have many options.
    Reconcile(Box<reconcile::Reconcile>),
    Why(Box<why::Why>),
}

impl Users {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.command {
            UsersCommand::List(command) => context.show_lines(&command.run(context).await?),
            UsersCommand::Reconcile(command) => Box::pin(command.run(context)).await,
            UsersCommand::Why(command) => Box::pin(command.run(context, self.target.prod)).await,
        }
    }
}
