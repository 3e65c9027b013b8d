//! A change of a pool's triggers, and of the permission that goes with it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::aws::function::{FunctionName, add_permission, remove_permission, statement_id};
use crate::aws::user_pool::{FailedChange, TriggerChange, Triggers, UserPool, change_triggers, read_user_pool};
use crate::cli::Context;
use crate::error::{self, Problem};
use crate::interrupt::in_spite_of_interruption;
use crate::output::Outcome;
use crate::prompt::Consent;
use crate::terminal::harmless;

/// The options of a command that changes the pool.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// Show what would change, and change nothing; exit status 3 if something would
    #[arg(long)]
    dry_run: bool,
    /// How long to wait at most, such as 90s or 5m, while another change of the pool or the function is in progress
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl ChangeArgs {
    /// The end of all waiting; none for a time that is longer than the clock can count.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }
}

/// The permission of Cognito to invoke the function for the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Permission {
    Unchanged,
    Added,
    /// The own statement allowed something else.
    Replaced,
    Removed,
}

/// A change to make.
pub(super) struct Change {
    pub(super) pool: UserPool,
    pub(super) function: FunctionName,
    pub(super) arn: String,
    /// All triggers of the pool afterwards.
    pub(super) triggers: Triggers,
    pub(super) permission: Permission,
    /// The next step.
    pub(super) next: Option<String>,
}

/// The changes that were made, or would be.
#[derive(Debug, Serialize)]
struct Report {
    pool: String,
    name: String,
    function: String,
    dry_run: bool,
    triggers: Vec<TriggerChange>,
    permission: Permission,
    /// The statement of the function's policy that is added or removed.
    statement: Option<String>,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Change {
    pub(super) async fn run(
        self,
        context: &Context,
        arguments: &ChangeArgs,
        deadline: Option<Instant>,
    ) -> anyhow::Result<Outcome> {
        let report = self.report(arguments.dry_run);
        let differs = !report.is_empty();
        if arguments.dry_run || !differs {
            return context.show_check(&report, differs);
        }
        let question = format!("This changes {}: {}.", self.pool.in_full()?, report.parts().join("; "));
        let consent = context.confirm(&question, "yes")?;
        let work = Box::pin(self.carry_out(context.aws().await?, deadline, &consent));
        let (outcome, _) = in_spite_of_interruption(work).await;
        outcome?;
        context.show_lines(&report)
    }

    /// The permission is there whenever the trigger is: without it, Cognito refuses every sign-up.
    async fn carry_out(&self, aws: &Aws, deadline: Option<Instant>, consent: &Consent) -> anyhow::Result<()> {
        let Self { pool, function, arn, triggers, permission, .. } = self;
        let own = statement_id(pool);
        if *permission == Permission::Replaced {
            remove_permission(aws, function, &own, consent).await?;
        }
        let is_added = matches!(permission, Permission::Added | Permission::Replaced);
        if is_added {
            add_permission(aws, function, pool, deadline, consent).await?;
        }
        if pool.triggers() != *triggers
            && let Err(FailedChange { error, is_open }) = change_triggers(aws, pool, triggers, deadline, consent).await
        {
            if is_added && is_open {
                let problem = format!("the user pool may call the function soon, so the permission {own} was left");
                let remedy = "run this again in a minute; to give it up instead, run `provision trigger detach` then, \
                              which removes the permission";
                return Err(Problem::new(problem, remedy).because(error).into());
            }
            // Only where it is known that nothing needs it. The first error is the one to report.
            if is_added && read_user_pool(aws, &pool.id).await.is_ok_and(|pool| !pool.triggers().call(arn)) {
                let _ = remove_permission(aws, function, &own, consent).await;
            }
            return Err(error);
        }
        if *permission == Permission::Removed
            && let Err(error) = remove_permission(aws, function, &own, consent).await
        {
            let first = error::first(&error);
            let problem = format!("the user pool no longer calls the function, and only the permission {own} is left");
            return Err(Problem::new(problem, format!("{first}run this again: it removes the permission"))
                .because(error)
                .into());
        }
        Ok(())
    }

    fn report(&self, dry_run: bool) -> Report {
        let Self { pool, arn, triggers, permission, next, .. } = self;
        Report {
            pool: pool.id.clone(),
            name: pool.name.clone(),
            function: arn.clone(),
            dry_run,
            triggers: pool.triggers().changes_to(triggers),
            permission: *permission,
            statement: (*permission != Permission::Unchanged).then(|| statement_id(pool)),
            next: next.clone().filter(|_| !dry_run),
        }
    }
}

impl Report {
    fn is_empty(&self) -> bool {
        self.triggers.is_empty() && self.permission == Permission::Unchanged
    }

    /// Each change in one line.
    fn parts(&self) -> Vec<String> {
        let none = "none";
        let triggers = self.triggers.iter().map(|TriggerChange { trigger, from, to }| {
            let [from, to] = [from, to].map(|function| function.as_deref().unwrap_or(none));
            format!("{trigger}: {from} → {to}")
        });
        let change = match self.permission {
            Permission::Unchanged => None,
            Permission::Added => Some("none → "),
            Permission::Replaced => Some("another one → "),
            Permission::Removed => Some("none, without "),
        };
        let statement = self.statement.as_deref().unwrap_or_default();
        triggers.chain(change.map(|change| format!("permission to invoke it: {change}{statement}"))).collect()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pool, name, function, dry_run, .. } = self;
        let pool = harmless(format!("the user pool {name} ({pool})"));
        if self.is_empty() {
            return write!(f, "nothing to change in {pool} for {}", harmless(function));
        }
        write!(f, "{} {pool}:", if *dry_run { "this would change" } else { "changed" })?;
        self.parts().iter().try_for_each(|part| write!(f, "\n  {}", harmless(part)))?;
        self.next.as_ref().map_or(Ok(()), |next| write!(f, "\nnext: {}", harmless(next)))
    }
}
