//! `provision instance upgrade`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::WaitArgs;
use super::apply::carry_out;
use super::plan::{Deployed, Plan, Wish};
use crate::aws::rds::{self, DbInstance, UpgradeTarget};
use crate::cli::Context;
use crate::declaration::{Declaration, major_version};
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::progress;
use crate::terminal::harmless;

/// Upgrade the DB instance to the declared major version
///
/// The upgrade has a parameter group of its own, with the declared parameters. It takes minutes, and the database is not
/// available meanwhile. RDS makes a snapshot before it, unless backups are off. There is no way back but a restore.
#[derive(Debug, Args)]
pub(super) struct Upgrade {
    /// Show the plan and what is in the way, and change nothing; exit status 3 if something is in the way
    #[arg(long)]
    check: bool,
    /// Upgrade at once; without it, in the maintenance window
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// What an upgrade would do, and what is in its way.
#[derive(Debug, Serialize)]
struct Check {
    from: String,
    to: String,
    plan: Plan,
    /// Each with what to do about it.
    obstacles: Vec<String>,
    warnings: Vec<String>,
}

impl Upgrade {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let declaration = context.declaration()?;
        let aws = context.aws().await?;
        let instance = rds::require_own_instance(aws, &declaration.identifier).await?;
        let from = instance.engine_version().unwrap_or_default().to_owned();
        let queued = rds::queued_version(&instance);
        ensure!(
            declaration.major_version() >= major_version(&from),
            Problem::new(
                format!(
                    "{} runs {from}, and the older {} is declared",
                    declaration.identifier, declaration.engine_version
                ),
                "set engine_version to a newer major version in the declaration: RDS cannot go back to an older one"
            )
        );
        ensure!(
            declaration.major_version() > major_version(&from),
            Problem::new(
                format!("{} runs {from} already", declaration.identifier),
                "set engine_version to a newer major version in the declaration; `provision instance apply` does the rest"
            )
        );
        let targets = rds::upgrade_targets(aws, &from).await?;
        let target = target(declaration, &targets);
        let obstacles: Vec<String> = if target.is_none() { vec![no_target(&from, &targets)] } else { Vec::new() };
        let to = target.unwrap_or(&declaration.engine_version).to_owned();
        let wish = Wish { now: self.now, major_upgrade: Some(to.clone()), ..Wish::default() };
        let warnings = warnings(&instance);
        if self.check {
            let plan = Plan::new(declaration, &Deployed::find(aws, declaration, &wish).await?, &wish)?;
            let is_blocked = !obstacles.is_empty();
            let check = Check { from, to, plan, obstacles, warnings };
            return context.show_check(&check, is_blocked);
        }
        ensure!(
            obstacles.is_empty(),
            Problem::new(
                format!("{from} cannot be upgraded to {to}: {}", obstacles.join("; ")),
                "clear the way; `provision instance upgrade --check` shows what is left"
            )
        );
        for warning in &warnings {
            progress(&format!("warning: {warning}"));
        }
        if let Some(queued) = queued.filter(|_| !self.now) {
            let is_declared = major_version(&queued) == declaration.major_version();
            progress(&if is_declared {
                format!("the upgrade to {queued} is queued already; --now makes it at once")
            } else {
                format!("the upgrade to {queued} is queued, and the one to {} replaces it", declaration.engine_version)
            });
        }
        context.show(&Box::pin(carry_out(context, &wish, self.wait)).await?)
    }
}

/// The version that RDS can upgrade to, as it is declared: the newest of a major version, written in full, so that what is
/// sent is what AWS has listed.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html>
fn target<'a>(declaration: &Declaration, targets: &'a [UpgradeTarget]) -> Option<&'a str> {
    let declared = &declaration.engine_version;
    let is_declared = |version: &&str| {
        if declared.contains('.') { version == declared } else { major_version(version) == declaration.major_version() }
    };
    let versions = targets.iter().map(|target| target.version.as_str());
    versions.filter(is_declared).max_by_key(|version| rds::version_numbers(version))
}

/// What is in the way if RDS has no such upgrade.
fn no_target(from: &str, targets: &[UpgradeTarget]) -> String {
    let majors: Vec<&str> =
        targets.iter().filter(|target| target.is_major).map(|target| target.version.as_str()).collect();
    if majors.is_empty() {
        format!(
            "RDS has no major version for {from} yet; set engine_version to a newer minor version and apply it first"
        )
    } else {
        format!("RDS upgrades {from} to {}; set engine_version to one of them", majors.join(", "))
    }
}

/// What else the operator should know before it.
fn warnings(instance: &DbInstance) -> Vec<String> {
    let replicas = instance.read_replica_db_instance_identifiers();
    let has_replicas = !replicas.is_empty();
    let has_no_backups = instance.backup_retention_period == Some(0);
    [
        has_replicas.then(|| format!("RDS upgrades the read replicas with it: {}", replicas.join(", "))),
        has_no_backups.then(|| "backups are off, so RDS makes no snapshot before it: make one yourself".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { from, to, plan, obstacles, warnings } = self;
        let (from, to) = (harmless(from), harmless(to));
        write!(f, "{plan}\n\n")?;
        if obstacles.is_empty() {
            write!(f, "AWS reports nothing in the way from {from} to {to}.")?;
        } else {
            write!(f, "In the way from {from} to {to}:")?;
            obstacles.iter().try_for_each(|obstacle| write!(f, "\n  {}", harmless(obstacle)))?;
        }
        warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {}", harmless(warning)))?;
        f.write_str(
            "\n\nNot checked here: prepared transactions, logical replication slots, reg* columns and extensions in each \
             database. RDS checks them itself before it begins.",
        )
    }
}
