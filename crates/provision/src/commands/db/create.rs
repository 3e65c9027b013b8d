//! `provision db create`

use std::fmt::{self, Display, Formatter};

use anyhow::{Context as _, ensure};
use clap::Args;
use db::row::Columns;
use db::{Error, Kind};
use serde::Serialize;
use tokio_postgres::types::Type;

use super::obstacles::createdb_remedy;
use crate::cli::Context;
use crate::error::Problem;
use crate::target::{Found, MaintenanceArgs, Server, Session, Target};

/// Create the database, or open one that refuses connections
#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    pub(super) maintenance: MaintenanceArgs,
}

/// The database that exists now.
#[derive(Debug, Serialize)]
pub(super) struct Created {
    database: String,
    #[serde(flatten)]
    server: Server,
    created: bool,
    /// It refused connections before, as one does that was restored from the snapshot of a drop.
    opened: bool,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Created> {
        let target = context.target().await?;
        let create = async |session: &mut Session| create(target, session, &statement(target, session).await?).await;
        target.with_outside_session(&self.maintenance, create).await
    }
}

/// Makes the statement that creates a database that nobody has described otherwise.
pub(super) async fn statement(target: &Target, session: &Session) -> anyhow::Result<String> {
    let parameters = [(&target.login.dbname as _, Type::TEXT)];
    let rows = session.query_typed(include_str!("create.sql"), &parameters).await.map_err(Error::from)?;
    Ok(rows.first().context("the server has no template0")?.column("statement")?)
}

/// Creates the database with this statement, unless it exists.
pub(super) async fn create(target: &Target, session: &Session, statement: &str) -> anyhow::Result<Created> {
    let name = &target.login.dbname;
    let mut found = target.find(session).await?;
    let (mut created, mut opened) = (false, false);
    if found.is_none() {
        let answer = session.batch_execute(statement).await.map_err(Error::from);
        created = answer.is_ok();
        found = target.find(session).await?;
        // A database that exists in spite of the error is another run's.
        if let (None, Err(error)) = (&found, answer) {
            return Err(explain(target, session, error).await);
        }
    }
    if let Some(Found { oid, encoding, is_open, is_half_dropped }) = found {
        ensure!(
            !is_half_dropped,
            Problem::new(
                format!("the database {} is half dropped: a drop of it was interrupted", target.name()),
                "run `provision db drop`, then this again"
            )
        );
        ensure!(
            encoding == "UTF8",
            Problem::new(
                format!("the database {name} exists with the encoding {encoding}, and UTF8 is needed"),
                "save its data, drop it and create it again"
            )
        );
        if !is_open {
            target.allow_connections(session, oid, true).await?;
            opened = true;
        }
    }
    Ok(Created { database: name.clone(), server: target.server(), created, opened })
}

/// The error of a creation, by the role that lacks CREATEDB.
async fn explain(target: &Target, session: &Session, error: Error) -> anyhow::Error {
    if error.kind() != Kind::NotAllowed {
        return error.into();
    }
    let Ok(role) = session.role().await else { return error.into() };
    Problem::new(format!("{role} may not create the database {}", target.name()), createdb_remedy(&role))
        .because(error)
        .into()
}

impl Display for Created {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, server, created, opened } = self;
        let outcome = match (created, opened) {
            (true, _) => "is created",
            (false, true) => "exists already, and accepts connections again",
            (false, false) => "exists already",
        };
        write!(f, "the database {database} on {server} {outcome}")
    }
}
