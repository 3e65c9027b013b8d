//! `provision queue`: the events that wait for the database, and those that were given up.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod cause;
mod dead_letters;
mod drop;
mod replay;
mod show;
mod summary;

use anyhow::ensure;
use clap::{Args, Subcommand};

use crate::aws::queue::{Queue as SqsQueue, QueueName, find_queue};
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;

/// The variable that names the queue where --queue does not. The function has the same.
const VARIABLE: &str = "SPILL_QUEUE_URL";

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

/// The queue, and that of its dead letters.
#[derive(Debug, Args)]
struct QueueArgs {
    /// Name, URL or ARN of the queue; without it, the one in SPILL_QUEUE_URL
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Name, URL or ARN of the queue of its dead letters; without it, the one that its redrive policy names
    #[arg(long, value_name = "QUEUE")]
    dead_letters: Option<QueueName>,
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

impl QueueArgs {
    fn name(&self, context: &Context) -> anyhow::Result<QueueName> {
        if let Some(name) = &self.queue {
            return Ok(name.clone());
        }
        let unnamed = || Problem::new("no queue is named", format!("add --queue with its name, or set {VARIABLE}"));
        let name = context.variable(VARIABLE)?.ok_or_else(unnamed)?;
        let wrong = |problem| {
            let remedy = "correct it, or name the queue with --queue";
            Problem::new(format!("{VARIABLE}: {problem}"), remedy)
        };
        Ok(name.parse().map_err(wrong)?)
    }

    /// The queue that events wait in.
    async fn find(&self, context: &Context) -> anyhow::Result<SqsQueue> {
        existing(context, &self.name(context)?).await
    }

    /// The name of the queue of its dead letters, if there is one.
    fn dead_letters_of(&self, queue: &SqsQueue) -> Option<QueueName> {
        let of_policy = || queue.redrive.as_ref().map(|redrive| redrive.dead_letters.clone());
        self.dead_letters.clone().or_else(of_policy)
    }

    /// The queue of its dead letters.
    async fn find_dead_letters(&self, context: &Context, queue: &SqsQueue) -> anyhow::Result<SqsQueue> {
        let unknown = || {
            let problem =
                format!("the queue {} has no redrive policy, which would name that of its dead letters", queue.name);
            Problem::new(problem, "name the queue of the dead letters with --dead-letters, or set a redrive policy")
        };
        let letters = existing(context, &self.dead_letters_of(queue).ok_or_else(unknown)?).await?;
        ensure!(
            letters.arn != queue.arn,
            Problem::new(
                format!("{} would be the queue of its own dead letters", queue.name),
                "name another one with --dead-letters, or leave it out to use that of the redrive policy"
            )
        );
        Ok(letters)
    }

    /// This command line with another command of the group, such as `replay`, and the same queues.
    fn command_line(&self, context: &Context, queue: &SqsQueue, command: &str) -> String {
        let dead_letters = self.dead_letters.as_ref().map(|name| format!(" --dead-letters {name}")).unwrap_or_default();
        context.command_line(&format!("queue {command} --queue {}{dead_letters}", queue.name))
    }
}

async fn existing(context: &Context, name: &QueueName) -> anyhow::Result<SqsQueue> {
    let aws = context.aws().await?;
    let found = find_queue(aws, name).await?;
    Ok(found.ok_or_else(|| name.missing(aws.region().as_deref()))?)
}
