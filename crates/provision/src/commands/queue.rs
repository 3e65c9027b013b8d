//! `provision queue`: the events that wait for the database, and those that were given up.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod drop;
mod replay;
mod show;
mod summary;

use clap::{Args, Subcommand};

use crate::cli::Context;
use crate::output::Outcome;

/// Inspect and empty the queue of events that wait
///
/// With the database away, the function sends an event to a queue of Amazon SQS, and its row is made later. An event that
/// fails again and again becomes a dead letter: it goes to the queue that the first one's redrive policy names.
#[derive(Debug, Args)]
pub(crate) struct Queue {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    Show(show::Show),
    Replay(replay::Replay),
    Drop(drop::Drop),
}

impl Queue {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        // Boxed: the SDK's futures are large.
        match self.command {
            QueueCommand::Show(command) => Box::pin(command.run(context)).await,
            QueueCommand::Replay(command) => Box::pin(command.run(context)).await,
            QueueCommand::Drop(command) => Box::pin(command.run(context)).await,
        }
    }
}
