//! `provision db drop`

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use db::Error;
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;

use super::removal::Removal;
use super::{obstacles, snapshot};
use crate::cli::Context;
use crate::error::Problem;
use crate::interrupt::in_spite_of_interruption;
use crate::prompt::{Consent, confirm_by_name};
use crate::target::{MaintenanceArgs, Server, Session, Target};

/// Drop the database with all its data
///
/// Asks for the database's name first. In production it asks for the DB instance's name, or the host's if there is no
/// instance, then refuses connections and makes a snapshot. A server on Amazon RDS is production, with or without --prod.
#[derive(Debug, Args)]
pub(super) struct Drop {
    /// End the sessions that are open
    #[arg(long)]
    pub(super) force: bool,
    /// Confirm a drop in production beforehand, with the name that the question asks for; --yes is not enough there
    #[arg(long, value_name = "NAME")]
    pub(super) confirm: Option<String>,
    /// Make no snapshot of production first; without one all data is lost
    #[arg(long)]
    pub(super) skip_snapshot: bool,
    #[command(flatten)]
    pub(super) maintenance: MaintenanceArgs,
}

/// The result of a drop.
#[derive(Debug, Serialize)]
pub(super) struct Dropped {
    pub(super) database: String,
    #[serde(flatten)]
    pub(super) server: Server,
    pub(super) dropped: bool,
    pub(super) snapshot: Option<String>,
}

/// A database that this login can drop.
struct Droppable {
    /// The number of the database that is examined.
    oid: u32,
    is_half_dropped: bool,
    is_production: bool,
    is_on_rds: bool,
    /// What the drop ends and takes along, in words.
    consequences: String,
}

impl Drop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Dropped> {
        let target = context.target().await?;
        let database = target.login.dbname.clone();
        let server = target.server();
        let examine = async |session: &mut Session| self.examine(target, session).await;
        let Some(droppable) = target.with_outside_session(&self.maintenance, examine).await? else {
            return Ok(Dropped { database, server, dropped: false, snapshot: None });
        };
        // Half of a database is not worth a snapshot, and cannot be closed for one.
        let saved_by = if droppable.is_production && !droppable.is_half_dropped && !self.skip_snapshot {
            let instance = snapshot::instance_to_save(target, droppable.is_on_rds)?;
            let aws = context.aws().await?;
            snapshot::ensure_at_target(target, aws, instance).await?;
            Some((aws, instance))
        } else {
            None
        };
        let consent = self.ask(context, target, &droppable).await?;
        // The question may have waited for longer than a token is valid.
        let target = &target.renewed().await?;
        let snapshot = if let Some((aws, instance)) = saved_by {
            Some(snapshot::save_and_drop(target, aws, instance, &self, droppable.oid, &consent).await?)
        } else {
            let removal = Removal {
                target,
                maintenance: &self.maintenance,
                oid: droppable.oid,
                force: self.force,
                consent: &consent,
                snapshot: None,
                remains: Cell::default(),
            };
            in_spite_of_interruption(Box::pin(removal.run())).await.0?;
            None
        };
        Ok(Dropped { database, server, dropped: true, snapshot })
    }

    /// None if the database does not exist. Fails if it must not or cannot be dropped.
    async fn examine(&self, target: &Target, session: &Session) -> anyhow::Result<Option<Droppable>> {
        let Some(found) = target.find(session).await? else { return Ok(None) };
        ensure!(
            session.is_named_production || !session.is_on_rds,
            Problem::new(
                format!("{} is on Amazon RDS, and counts as production", target.name()),
                "put its URL into PROD_CONNECTION_URL, and add --prod"
            )
        );
        Ok(Some(Droppable {
            oid: found.oid,
            is_half_dropped: found.is_half_dropped,
            is_production: session.is_production(),
            is_on_rds: session.is_on_rds,
            consequences: obstacles::examine(target, session, self.force).await?,
        }))
    }

    async fn ask(&self, context: &Context, target: &Target, droppable: &Droppable) -> anyhow::Result<Consent> {
        let Droppable { is_production, is_half_dropped, consequences, .. } = droppable;
        // AWS is asked only for a question that somebody reads.
        let place = if *is_production && !is_half_dropped && !self.skip_snapshot && self.confirm.is_none() {
            format!(" ({})", context.aws().await?.place().await?)
        } else {
            String::new()
        };
        let question = question(target, &place, consequences);
        if *is_production {
            let expected = target.instance.as_deref().unwrap_or(&target.login.host);
            confirm_by_name(&question, expected, self.confirm.as_deref())
        } else {
            context.confirm(&question, &target.login.dbname)
        }
    }
}

/// The question before a drop; `place` is that of an AWS that takes part in it.
pub(super) fn question(target: &Target, place: &str, consequences: &str) -> String {
    format!("This drops the database {}{place} with all its data; {consequences}.", target.name())
}

/// Drops the database with this number, if it exists still. Fails if it has another name by now, and for another database of
/// the same name: the operator has confirmed neither.
pub(super) async fn drop_database(
    session: &Session,
    target: &Target,
    oid: u32,
    force: bool,
    _consent: &Consent,
) -> anyhow::Result<()> {
    ensure_same(session, target, oid).await?;
    let force = if force { " with (force)" } else { "" };
    let statement = format!("drop database if exists {}{force}", escape_identifier(&target.login.dbname));
    session.batch_execute(&statement).await.map_err(|error| {
        let error = Error::from(error);
        if error.sqlstate() == Some("55006") {
            // It was free when it was examined.
            let problem = format!("the database {} has come into use", target.name());
            anyhow::Error::from(Problem::new(problem, "run this again: it names what uses the database").because(error))
        } else {
            anyhow::Error::from(error)
        }
    })?;
    // The statement knows the name alone.
    ensure_not_renamed(session, target, oid).await
}

/// Fails for another database of the target's name than the one with this number, and if that one has another name by now.
pub(super) async fn ensure_same(session: &Session, target: &Target, oid: u32) -> anyhow::Result<()> {
    ensure_not_renamed(session, target, oid).await?;
    ensure!(
        target.find(session).await?.is_none_or(|found| found.oid == oid),
        Problem::new(
            format!("the database {} was dropped and created again meanwhile, so nothing was done", target.name()),
            "run this again if the new one is to be dropped as well"
        )
    );
    Ok(())
}

async fn ensure_not_renamed(session: &Session, target: &Target, oid: u32) -> anyhow::Result<()> {
    let renamed = target.name_of(session, oid).await?.filter(|name| *name != target.login.dbname);
    let Some(name) = renamed else { return Ok(()) };
    let problem = format!("the database {} was renamed to {name} meanwhile, so nothing was done", target.name());
    Err(Problem::new(problem, "run this again with that name where it is to be dropped all the same").into())
}

impl Display for Dropped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, server, dropped, snapshot } = self;
        let outcome = if *dropped { "is dropped" } else { "did not exist" };
        write!(f, "the database {database} on {server} {outcome}")?;
        match snapshot {
            Some(snapshot) => write!(
                f,
                "; its data is in the snapshot {snapshot}, and `provision db create` opens the restored database"
            ),
            None => Ok(()),
        }
    }
}
