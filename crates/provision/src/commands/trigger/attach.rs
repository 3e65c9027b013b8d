//! `provision trigger attach`

use anyhow::{anyhow, bail, ensure};
use clap::Args;

use super::change::{Change, ChangeArgs, Permission};
use super::{TriggerArgs, find_missed};
use crate::aws::function::{function_exists, read_statements, statement_id};
use crate::aws::user_pool::{Conflict, Heal, POST_CONFIRMATION, read_user_pool};
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::progress;

/// Let the user pool call the function for each sign-up
///
/// Sets the trigger PostConfirmation and allows Cognito to invoke the function for this pool. Every other setting of the
/// pool stays as it is, or the change is undone. A function that is attached already is left as it is.
#[derive(Debug, Args)]
pub(super) struct Attach {
    #[command(flatten)]
    target: TriggerArgs,
    /// Also call the function where it can make the row of a user whom a trigger missed: before each token, or after
    /// sign-ins; `none` ends that; without it, that stays as it is
    #[arg(long, value_name = "WHEN", value_enum)]
    heal: Option<Heal>,
    /// Replace another function; without it, one in the way is an error
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Attach {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let deadline = self.change.deadline();
        let Self { target, heal, replace, change } = self;
        let id = target.pool.id(context)?;
        let aws = context.aws().await?;
        let pool = read_user_pool(aws, &id).await?;
        pool.ensure_primary()?;
        let function = target.function;
        function.ensure_beside(&pool)?;
        ensure!(
            function_exists(aws, &function).await?,
            Problem::new(
                format!("there is no function {function} in {}", pool.place()?),
                "correct --function (`aws lambda list-functions` lists the names), or create the function first"
            )
        );
        if function.is_version() {
            progress(&format!("warning: {function} is one version, so sign-ups get no newer code; an alias can move"));
        }
        let arn = function.arn(&pool)?;
        let triggers = pool.triggers().with(&arn, heal, replace).map_err(|Conflict { trigger, function }| {
            anyhow!(Problem::new(
                format!("the trigger {trigger} of the user pool {id} calls another function: {function}"),
                "add --replace to replace it; to keep both, let one function call the other"
            ))
        })?;
        let statements = read_statements(aws, &function).await?;
        if let Some(denial) = statements.iter().find(|statement| statement.denies(&pool)) {
            bail!(Problem::new(
                format!(
                    "the policy of the function {function} denies that Cognito invokes it for this pool, in its statement {}",
                    denial.id
                ),
                "remove that statement from the function's policy: no other one can allow what it denies"
            ));
        }
        let own = statement_id(&pool);
        let permission = if statements.iter().any(|statement| statement.permits(&pool)) {
            Permission::Unchanged
        } else if statements.iter().any(|statement| statement.id == own) {
            Permission::Replaced
        } else {
            Permission::Added
        };
        let is_new = pool.triggers().function(POST_CONFIRMATION) != Some(&arn);
        let next = is_new.then(|| find_missed(context, &pool.id));
        Change { pool, function, arn, triggers, permission, next }.run(context, &change, deadline).await
    }
}
