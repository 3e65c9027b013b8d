//! `provision instance delete`

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use db::AwsError;
use serde::Serialize;

use super::{WaitArgs, in_full};
use crate::aws::Aws;
use crate::aws::rds::{self, DbInstance, State};
use crate::cli::Context;
use crate::error::Problem;
use crate::interrupt::unless_interrupted;
use crate::prompt::{Consent, progress};
use crate::terminal::harmless;

/// RDS deletes a DB instance with one of these statuses only without a final snapshot.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>
const WITHOUT_SNAPSHOT: [&str; 3] = ["failed", "incompatible-network", "incompatible-restore"];

/// Delete the DB instance, after a final snapshot
///
/// With its automated backups, unless `backups.delete_automated` is false. Its snapshots, its security group and its
/// parameter group stay.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Create no final snapshot; without one all data is lost
    #[arg(long)]
    skip_snapshot: bool,
    /// Turn deletion protection off first
    #[arg(long)]
    unprotect: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// The result of a deletion.
#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    identifier: String,
    /// `deleted`; `deleting` with --no-wait.
    status: &'static str,
    /// None if there is none, or if another run has begun the deletion.
    final_snapshot: Option<String>,
    /// Restores the final snapshot.
    restore: Option<String>,
    /// What is not deleted, and used again by an instance of the same name.
    security_groups: Vec<String>,
    parameter_groups: Vec<String>,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Deleted> {
        let declaration = context.declaration()?;
        let identifier = &declaration.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_instance(aws, identifier).await?;
        rds::ensure_own(&instance)?;
        let mut final_snapshot = None;
        if rds::status(&instance) == "deleting" {
            progress(&format!("{identifier} is being deleted already"));
            self.wait_for_end(aws, identifier).await?;
        } else {
            self.ensure_possible(&instance, identifier)?;
            final_snapshot = (!self.skip_snapshot).then(|| rds::dated_name(identifier)).transpose()?;
            let kept = match &final_snapshot {
                Some(name) => format!("Its data is kept in the snapshot {name}"),
                None => "NOTHING of its data is kept".to_owned(),
            };
            let shown = in_full(aws, &instance).await?;
            let deletes_backups = declaration.backups.delete_automated;
            let backups = if deletes_backups { "are deleted" } else { "are kept until they expire" };
            let question = format!("This deletes {shown}. {kept}; its automated backups {backups}.");
            let consent = context.confirm(&question, identifier)?;
            // Boxed: the SDK's futures are large.
            Box::pin(self.delete(aws, &instance, final_snapshot.as_deref(), deletes_backups, consent)).await?;
        }
        let restore = |name| context.command_line(&format!("instance restore --snapshot {name}"));
        let (security_groups, parameter_groups) = remaining(&instance);
        Ok(Deleted {
            identifier: identifier.clone(),
            status: if self.wait.no_wait { "deleting" } else { "deleted" },
            restore: final_snapshot.as_ref().map(restore),
            final_snapshot,
            security_groups,
            parameter_groups,
        })
    }

    fn ensure_possible(&self, instance: &DbInstance, identifier: &str) -> anyhow::Result<()> {
        let status = rds::status(instance);
        if !self.skip_snapshot && WITHOUT_SNAPSHOT.contains(&status) {
            let problem = format!("RDS makes no final snapshot of a DB instance that is {status}");
            let remedy = State::of(status).remedy(identifier, instance.allocated_storage).unwrap_or_default();
            let remedy = match status {
                "failed" => format!(
                    "{remedy}; set the identifier back to {identifier} before you delete this one with --skip-snapshot"
                ),
                "incompatible-network" => format!("{remedy}; then delete it, with the final snapshot"),
                _ => remedy,
            };
            return Err(Problem::new(problem, remedy).into());
        }
        ensure!(
            instance.deletion_protection != Some(true) || self.unprotect,
            Problem::new(
                format!("{identifier} is protected from deletion"),
                "add --unprotect to turn the protection off first"
            )
        );
        ensure!(
            instance.deletion_protection != Some(true) || !["stopping", "stopped"].contains(&status),
            Problem::new(
                format!("{identifier} is protected from deletion, and RDS changes nothing while it is {status}"),
                "start it with `provision instance start`, then delete it"
            )
        );
        Ok(())
    }

    /// Deletes the DB instance. If that fails, it is protected again.
    async fn delete(
        &self,
        aws: &Aws,
        instance: &DbInstance,
        final_snapshot: Option<&str>,
        deletes_backups: bool,
        consent: Consent,
    ) -> anyhow::Result<()> {
        let identifier = instance.db_instance_identifier().unwrap_or_default();
        let is_protected = instance.deletion_protection == Some(true);
        let is_unprotected = Cell::new(false);
        let deletion = async {
            if is_protected {
                if State::of(rds::status(instance)).is_passing() {
                    self.wait.until_modifiable(aws, identifier, self.wait.limit.start()).await?;
                }
                let unprotected = rds::unprotect_instance(aws, identifier, &consent).await;
                unprotected.map_err(|error| stays_protected(instance, error))?;
                is_unprotected.set(true);
                progress(&format!("{identifier} is no longer protected from deletion"));
            }
            rds::delete_instance(aws, identifier, final_snapshot, deletes_backups, consent).await?;
            self.wait_for_end(aws, identifier).await
        };
        let deleted = unless_interrupted(Box::pin(deletion)).await.unwrap_or_else(|| {
            Err(Problem::new("interrupted", "look whether AWS goes on with it: `provision instance status`").into())
        });
        match deleted {
            Err(error) if is_protected => Err(protect_again(aws, identifier, is_unprotected.get(), error).await),
            deleted => deleted,
        }
    }

    async fn wait_for_end(&self, aws: &Aws, identifier: &str) -> anyhow::Result<()> {
        if self.wait.no_wait {
            return Ok(());
        }
        rds::wait_for_deletion(aws, identifier, self.wait.limit.start()).await
    }
}

/// The error with the way out of a status in which RDS does not even turn deletion protection off.
fn stays_protected(instance: &DbInstance, error: anyhow::Error) -> anyhow::Error {
    let is_of_state = |error: &AwsError| error.code() == Some("InvalidDBInstanceState");
    if !error.downcast_ref().is_some_and(is_of_state) {
        return error;
    }
    let (identifier, status) = (instance.db_instance_identifier().unwrap_or_default(), rds::status(instance));
    let state = State::of(status);
    let remedy = match state.remedy(identifier, instance.allocated_storage) {
        None => "run this again once `provision instance status` shows another status".to_owned(),
        Some(_) if state.is_lost() => format!(
            "ask AWS Support to turn the deletion protection of {identifier} off: in this status, no request can; then run \
             this again"
        ),
        Some(remedy) => format!("{remedy}; then delete it"),
    };
    let problem = format!("{identifier} is protected from deletion, and RDS does not change that while it is {status}");
    Problem::new(problem, remedy).because(error).into()
}

/// Turns deletion protection on again, unless it was never off or the instance is going. Returns the error with the outcome.
async fn protect_again(aws: &Aws, identifier: &str, is_unprotected: bool, error: anyhow::Error) -> anyhow::Error {
    let is_going = |instance: &DbInstance| ["delete-precheck", "deleting"].contains(&rds::status(instance));
    // An interrupted or unanswered request may have turned it off all the same.
    let is_off = |instance: &DbInstance| is_unprotected || instance.deletion_protection == Some(false);
    match rds::find_instance(aws, identifier).await {
        Ok(found) if !found.as_ref().is_some_and(|instance| !is_going(instance) && is_off(instance)) => return error,
        Err(_) if !is_unprotected => return error,
        // The request below finds out.
        _ => {}
    }
    if rds::protect_instance(aws, identifier).await.is_err() {
        let problem = format!("{identifier} is not deleted, and NO LONGER PROTECTED from deletion");
        return Problem::new(problem, "protect it with `provision instance apply`").because(error).into();
    }
    error.context(format!("{identifier} is not deleted, and protected from deletion again"))
}

/// The security groups and the parameter groups that stay.
fn remaining(instance: &DbInstance) -> (Vec<String>, Vec<String>) {
    let security = instance.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id.clone());
    let parameters = instance.db_parameter_groups().iter().filter_map(|group| group.db_parameter_group_name.clone());
    // Those of AWS itself stay in any case.
    (security.collect(), parameters.filter(|name| !name.starts_with("default.")).collect())
}

impl Display for Deleted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { identifier, status, final_snapshot, restore, security_groups, parameter_groups } = self;
        let status = if *status == "deleted" { "is deleted" } else { "is being deleted" };
        write!(f, "{identifier} {status}")?;
        match (final_snapshot, restore) {
            (Some(snapshot), Some(restore)) => {
                write!(
                    f,
                    "; its data is in the snapshot {}\nrestore it with: {}",
                    harmless(snapshot),
                    harmless(restore)
                )?;
            }
            _ => write!(f, "; `provision instance snapshots` lists what is left of its data")?,
        }
        let security = security_groups.iter().map(|id| format!("security group {id}"));
        let parameters = parameter_groups.iter().map(|name| format!("parameter group {name}"));
        let left: Vec<String> = security.chain(parameters).collect();
        if left.is_empty() { Ok(()) } else { write!(f, "\nwhat stays: {}", harmless(left.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_sdk_rds::operation::modify_db_instance::ModifyDBInstanceError;
    use aws_sdk_rds::types::error::InvalidDbInstanceStateFault;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;
    use crate::error::shown;

    #[tokio::test]
    async fn an_instance_that_cannot_be_protected_again_is_reported_with_the_way_on() {
        let found = mock!(Client::describe_db_instances).then_output(|| {
            let instance = DbInstance::builder().db_instance_status("available").build();
            DescribeDbInstancesOutput::builder().db_instances(instance).build()
        });
        let refused = mock!(Client::modify_db_instance).then_error(|| {
            ModifyDBInstanceError::InvalidDbInstanceStateFault(InvalidDbInstanceStateFault::builder().build())
        });
        let aws = Aws::with_rds(mock_client!(aws_sdk_rds, RuleMode::MatchAny, [&found, &refused]));
        let error = shown(&protect_again(&aws, "db", true, anyhow!("no more snapshots")).await);
        let expected = "error: db is not deleted, and NO LONGER PROTECTED from deletion: no more snapshots\n\
                        hint: protect it with `provision instance apply`\n";
        assert_eq!(error, expected);
    }
}
