//! The queue of events that wait, which a command works on, and its dead letters.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod cause;
pub(crate) mod dead_letters;

use anyhow::ensure;
use clap::Args;

pub(crate) use self::cause::Cause;
use crate::aws::queue::{Queue, QueueName, find_queue};
use crate::cli::Context;
use crate::error::Problem;

/// The variable that names the queue where --queue does not. The function has the same.
const VARIABLE: &str = "SPILL_QUEUE_URL";

/// The queue, and that of its dead letters.
#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// Name, URL or ARN of the queue; without it, the one in SPILL_QUEUE_URL
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Name, URL or ARN of the queue of its dead letters; without it, the one that its redrive policy names
    #[arg(long, value_name = "QUEUE")]
    dead_letters: Option<QueueName>,
}

impl QueueArgs {
    /// Whether a queue is named, here or in the environment.
    pub(crate) fn is_named(&self, context: &Context) -> anyhow::Result<bool> {
        Ok(self.queue.is_some() || self.dead_letters.is_some() || context.variable(VARIABLE)?.is_some())
    }

    /// The options that name the same queues in another command line.
    pub(crate) fn options(&self, queue: &Queue) -> String {
        let dead_letters = self.dead_letters.as_ref().map(|name| format!(" --dead-letters {name}")).unwrap_or_default();
        format!(" --queue {}{dead_letters}", queue.name)
    }

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
    pub(crate) async fn find(&self, context: &Context) -> anyhow::Result<Queue> {
        existing(context, &self.name(context)?).await
    }

    /// The name of the queue of its dead letters, if there is one.
    pub(crate) fn dead_letters_of(&self, queue: &Queue) -> Option<QueueName> {
        let of_policy = || queue.redrive.as_ref().map(|redrive| redrive.dead_letters.clone());
        self.dead_letters.clone().or_else(of_policy)
    }

    /// The queue of its dead letters.
    pub(crate) async fn find_dead_letters(&self, context: &Context, queue: &Queue) -> anyhow::Result<Queue> {
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
    pub(crate) fn command_line(&self, context: &Context, queue: &Queue, command: &str) -> String {
        context.command_line(&format!("queue {command}{}", self.options(queue)))
    }
}

async fn existing(context: &Context, name: &QueueName) -> anyhow::Result<Queue> {
    let aws = context.aws().await?;
    let found = find_queue(aws, name).await?;
    Ok(found.ok_or_else(|| name.missing(aws.region().as_deref()))?)
}
