//! `provision trigger detach`

use anyhow::ensure;
use clap::Args;

use super::TriggerArgs;
use super::change::{Change, ChangeArgs, Permission};
use crate::aws::function::{function_exists, read_statements, statement_id};
use crate::aws::user_pool::read_user_pool;
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;

/// Stop the user pool from calling the function
///
/// Sign-ups get no row from then on. Clears the triggers that `provision trigger attach` sets, where they call this
/// function, and removes the permission that it has added, unless another trigger of the pool still needs it.
#[derive(Debug, Args)]
pub(super) struct Detach {
    #[command(flatten)]
    target: TriggerArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Detach {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let deadline = self.change.deadline();
        let Self { target, change } = self;
        let aws = context.aws().await?;
        let pool = read_user_pool(aws, &target.pool.id(context)?).await?;
        pool.ensure_primary()?;
        let function = target.function;
        let arn = function.arn(&pool)?;
        let present = pool.triggers();
        let triggers = present.without(&arn);
        // A pool can call one that is deleted, or another account's: it is detached, and has no policy to clean.
        let exists = function.ensure_beside(&pool).is_ok() && function_exists(aws, &function).await?;
        let statements = if exists { read_statements(aws, &function).await? } else { Vec::new() };
        let own = statement_id(&pool);
        let is_own = statements.iter().any(|statement| statement.id == own);
        if triggers == present && !is_own {
            let named = format!(":function:{}", function.name);
            let calls = present.functions();
            let mut others = calls.iter().filter(|(_, other)| {
                other.split_once(&named).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with(':'))
            });
            let other = others.find(|(_, other)| *other != arn);
            ensure!(
                other.is_none(),
                Problem::new(
                    format!("the user pool {} does not call {arn}, but another version or alias of it", pool.id),
                    format!("name that one: --function {}", other.map(|(_, other)| *other).unwrap_or_default())
                )
            );
            ensure!(
                exists || present.call(&arn),
                Problem::new(
                    format!(
                        "there is no function {function} in {}, and the user pool calls none like it",
                        pool.place()?
                    ),
                    "look at what the pool calls with `provision trigger show`, and name that with --function"
                )
            );
        }
        let permission = if is_own && !triggers.call(&arn) { Permission::Removed } else { Permission::Unchanged };
        Change { pool, function, arn, triggers, permission, next: None }.run(context, &change, deadline).await
    }
}
