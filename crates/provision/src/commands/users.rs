//! `provision users`: the rows of `users`.

mod list;

use clap::{Args, Subcommand};

use crate::cli::{Context, TargetArgs};
use crate::output::Outcome;

/// Inspect the users
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
}

impl Users {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.command {
            UsersCommand::List(command) => context.show_lines(&command.run(context).await?),
        }
    }
}
