//! `provision access`: who may reach the DB instance, as rules of its security group.

mod allow;
mod list;
mod revoke;

use clap::{Args, Subcommand};

use crate::cli::Context;
use crate::output::Outcome;

/// Control which networks reach the DB instance
#[derive(Debug, Args)]
pub(crate) struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    Allow(allow::Allow),
    Revoke(revoke::Revoke),
    List(list::List),
}

/// The operator whose rules are meant.
#[derive(Clone, Debug, Args)]
struct UserArgs {
    /// Owner of the rule, kept in its description; without it, the name in USER, else `operator`
    #[arg(long)]
    user: Option<String>,
}

impl UserArgs {
    fn name(&self, context: &Context) -> anyhow::Result<String> {
        let name = self.user.clone().map_or_else(|| context.variable("USER"), |name| Ok(Some(name)))?;
        Ok(name.unwrap_or_else(|| "operator".to_owned()))
    }
}

impl Access {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.command {
            AccessCommand::Allow(command) => context.show(&command.run(context).await?),
            AccessCommand::Revoke(command) => context.show(&command.run(context).await?),
            AccessCommand::List(command) => context.show_lines(&command.run(context).await?),
        }
    }
}
