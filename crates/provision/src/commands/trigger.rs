//! `provision trigger`: the function as a trigger of a user pool.

mod attach;
mod change;
mod detach;
mod show;

use clap::{Args, Subcommand};

use crate::aws::function::FunctionName;
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;

/// The variable that names the pool where --pool does not.
const POOL_VARIABLE: &str = "USER_POOL_ID";

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
struct PoolArgs {
    /// Id of the user pool, such as eu-central-1_AbCdEfGhI; without it, the one in USER_POOL_ID
    #[arg(long, value_name = "ID", value_parser = parse_pool_id)]
    pool: Option<String>,
    /// Name of the function, NAME:ALIAS, or the ARN of either
    #[arg(long, value_name = "NAME")]
    function: FunctionName,
}

impl PoolArgs {
    /// The id of the pool.
    fn id(&self, context: &Context) -> anyhow::Result<String> {
        if let Some(id) = &self.pool {
            return Ok(id.clone());
        }
        let unnamed =
            || Problem::new("no user pool is named", format!("add --pool with its id, or set {POOL_VARIABLE}"));
        let id = context.variable(POOL_VARIABLE)?.ok_or_else(unnamed)?;
        let wrong =
            |problem| Problem::new(format!("{POOL_VARIABLE}: {problem}"), "correct it, or name the pool with --pool");
        Ok(parse_pool_id(id.trim()).map_err(wrong)?)
    }
}

/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_DescribeUserPool.html>
fn parse_pool_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.split_once('_').is_some_and(|(region, id)| {
        let is_word = |word: &str, also: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        };
        text.len() <= 55 && is_word(region, "-") && is_word(id, "")
    });
    if is_id { Ok(text.to_owned()) } else { Err("expected the id of a user pool, such as eu-central-1_AbCdEfGhI") }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_an_id_is_sent_to_aws() {
        for (text, expected) in [
            ("eu-central-1_AbCdEfGhI", true),
            ("us-gov-west-1_1", true),
            ("eu-central-1", false),
            ("_AbC", false),
            ("eu-central-1_", false),
            ("eu-central-1_Ab/C", false),
            ("arn:aws:cognito-idp:eu-central-1:1:userpool/eu-central-1_AbC", false),
        ] {
            assert_eq!(parse_pool_id(text).is_ok(), expected, "{text}");
        }
        assert!(parse_pool_id(&format!("eu-central-1_{}", "a".repeat(43))).is_err(), "longer than AWS allows");
    }
}
