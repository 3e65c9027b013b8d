//! `provision instance restore`

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use humantime::format_rfc3339_seconds;
use serde::Serialize;

use super::WaitArgs;
use super::apply::{self, Applied};
use super::plan::{Deployed, Plan, Wish};
use crate::aws::Aws;
use crate::aws::rds::{self, Origin};
use crate::cli::Context;
use crate::declaration::{Declaration, Password};
use crate::error::Problem;
use crate::prompt::progress;
use crate::terminal::harmless;

/// Restore the declared DB instance from a backup
///
/// Makes a new instance with the declared identifier and everything else that is declared. `provision instance snapshots`
/// lists what can be restored.
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    origin: OriginArgs,
    /// DB instance whose automated backups to use, also one that is deleted; without it, the declared one
    #[arg(long, value_name = "INSTANCE", conflicts_with = "snapshot")]
    source: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OriginArgs {
    /// Restore this snapshot
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// Restore the automated backups to this time, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339_weak)]
    to: Option<SystemTime>,
    /// Restore the automated backups to the latest possible time, about five minutes ago
    #[arg(long)]
    latest: bool,
}

/// A deployment whose data was restored.
#[derive(Debug, Serialize)]
pub(super) struct Restored {
    /// The backup; none if another run has begun the restore.
    from: Option<String>,
    #[serde(flatten)]
    deployment: Applied,
}

impl Restore {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Restored> {
        let declaration = context.declaration()?;
        let identifier = &declaration.identifier;
        let aws = context.aws().await?;
        let limit = self.wait.limit.start();
        let found = rds::find_instance(aws, identifier).await?;
        let mut from = None;
        let backup = self.backup(identifier);
        match found.as_ref().map(rds::status) {
            // An interrupted run has begun it.
            Some("creating") if found.as_ref().is_some_and(|instance| rds::is_restored_from(instance, &backup)) => {
                progress(&format!("{identifier} is being restored from {backup} already"));
            }
            Some("creating") => bail!(Problem::new(
                format!("{identifier} is being created already, and not by a restore from {backup}"),
                "wait for it with `provision instance wait`; to restore beside it, set another identifier in the \
                 declaration"
            )),
            Some("deleting") if self.wait.no_wait => {
                bail!(Problem::new(format!("{identifier} is being deleted"), "leave out --no-wait to wait for its end"))
            }
            Some("deleting") => {
                rds::wait_for_deletion(aws, identifier, limit).await?;
                from = self.begin(context, aws, declaration, backup).await?;
            }
            None => from = self.begin(context, aws, declaration, backup).await?,
            Some(status) => bail!(Problem::new(
                format!("the DB instance {identifier} exists, and is {status}"),
                "finish an interrupted restore with `provision instance apply`; to restore beside the instance, set \
                 another identifier in the declaration"
            )),
        }
        if declaration.master.password == Password::Given {
            progress(&format!(
                "{identifier}: the master user's password is that of the backup; `provision instance rotate-password \
                 --password-file FILE` replaces it"
            ));
        }
        let deployment = if self.wait.no_wait {
            progress("RDS takes some settings only afterwards: wait, then run `provision instance apply`");
            Applied::new(declaration, rds::require_instance(aws, identifier).await?, Vec::new())
        } else {
            rds::wait_until_modifiable(aws, identifier, limit).await?;
            // A restore does not take every setting.
            let wish = Wish { is_confirmed: from.is_some(), ..Wish::default() };
            let applied = Box::pin(apply::carry_out(context, &wish, self.wait)).await;
            applied.with_context(|| format!("{identifier} is restored, but not yet as declared"))?
        };
        Ok(Restored { from, deployment })
    }

    /// What the operator has named, such as "the snapshot kept".
    fn backup(&self, identifier: &str) -> String {
        let OriginArgs { snapshot, to, .. } = &self.origin;
        let source = self.source.as_deref().unwrap_or(identifier);
        match (snapshot, to) {
            // As RDS stores it.
            (Some(name), _) => format!("the snapshot {}", name.to_ascii_lowercase()),
            (None, Some(time)) => format!("the backups of {source} at {}", format_rfc3339_seconds(*time)),
            (None, None) => format!("the latest backups of {source}"),
        }
    }

    /// Begins the restore. Returns the backup's name, or none if another run was quicker.
    async fn begin(
        &self,
        context: &Context,
        aws: &Aws,
        declaration: &Declaration,
        from: String,
    ) -> anyhow::Result<Option<String>> {
        let identifier = &declaration.identifier;
        let origin = if let Some(name) = &self.origin.snapshot {
            Origin::snapshot(aws, name).await?
        } else {
            let source = self.source.as_ref().unwrap_or(identifier);
            Origin::point_in_time(aws, source, self.origin.to).await?
        };
        origin.ensure_fits(declaration)?;
        let wish = Wish::default();
        let deployed = Deployed::find(aws, declaration, &wish).await?;
        let mut plan = Plan::new(declaration, &deployed, &wish)?;
        let question = format!("This creates {identifier} ({}) from {from}.", aws.place().await?);
        let consent = context.confirm(&question, "yes")?;
        apply::change_groups(aws, declaration, &deployed, &mut plan).await?;
        if rds::restore_instance(aws, &plan.wanted, &origin, &from, consent).await? {
            progress(&format!("{identifier} is being created from {from}; that takes ten minutes or more"));
            return Ok(Some(from));
        }
        let found = rds::require_instance(aws, identifier).await?;
        ensure!(
            rds::is_restored_from(&found, &from),
            Problem::new(
                format!("{identifier} was created meanwhile, and not by a restore from {from}"),
                "set another identifier in the declaration to restore beside it"
            )
        );
        progress(&format!("{identifier} is being restored from {from} already"));
        Ok(None)
    }
}

impl Display for Restored {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(from) = &self.from {
            writeln!(f, "restored from {}", harmless(from))?;
        }
        self.deployment.fmt(f)
    }
}
