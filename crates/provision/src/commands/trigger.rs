//! `provision trigger`: the function as a trigger of a user pool.

mod attach;
mod change;
mod detach;
mod show;

use clap::{Args, Subcommand};

use crate::aws::function::FunctionName;
use crate::cli::Context;
use crate::output::Outcome;
use crate::pool::PoolArgs;

/// Attach the function to a user pool of Amazon Cognito
#[derive(Debug, Args)]
pub(crate) struct Trigger {
    #[command(subcommand)]
    command: TriggerCommand,
}

#[derive(Debug, Subcommand)]
enum TriggerCommand {
    Show(show::Show),
    Attach(attach::Attach),
    Detach(detach::Detach),
}

/// The user pool and the function.
#[derive(Debug, Args)]
struct TriggerArgs {
    #[command(flatten)]
    pool: PoolArgs,
    /// Name of the function, NAME:ALIAS, or the ARN of either
    #[arg(long, value_name = "NAME")]
    function: FunctionName,
}

/// The command that finds the users whom the trigger has never reached.
fn find_missed(context: &Context, pool: &str) -> String {
    let command = context.command_line(&format!("users reconcile --prod --pool {pool} --dry-run"));
    format!("users who were confirmed earlier may have no row: `{command}` finds them")
}

impl Trigger {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        // Boxed: the SDK's futures are large.
        match self.command {
            TriggerCommand::Show(command) => context.show_lines(&Box::pin(command.run(context)).await?),
            TriggerCommand::Attach(command) => Box::pin(command.run(context)).await,
            TriggerCommand::Detach(command) => Box::pin(command.run(context)).await,
        }
    }
}
