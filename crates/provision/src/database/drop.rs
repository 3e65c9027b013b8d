//! `provision db drop`

use std::fmt::{self, Display, Formatter};

use anyhow::{Context, ensure};
use db::Error;
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use tokio_postgres::types::Type;

use super::create::encoding;
use super::target::Target;
use crate::aws::Aws;
use crate::instance;
use crate::talk::{confirm, confirm_by_name};

/// How to drop.
#[derive(Debug)]
pub(crate) struct Drop<'a> {
    /// End the sessions that are open.
    pub(crate) force: bool,
    /// The operator has agreed beforehand; in production that is not enough.
    pub(crate) agreed: bool,
    /// The DB instance's name as the operator gave it beforehand.
    pub(crate) named: Option<&'a str>,
    /// Who makes the snapshot that production gets first, unless it was refused.
    pub(crate) snapshot: Option<&'a Aws>,
}

/// What is left of a database.
#[derive(Debug, Serialize)]
pub(crate) struct Dropped {
    database: String,
    host: String,
    dropped: bool,
    snapshot: Option<String>,
}

pub(crate) async fn drop(target: &Target, how: Drop<'_>) -> anyhow::Result<Dropped> {
    let name = &target.login.dbname;
    let session = target.connect_outside().await?;
    let mut snapshot = None;
    let dropped = encoding(&session, name).await?.is_some();
    if dropped {
        let count = include_str!("../../sql/count_sessions.sql");
        let row = session.query_typed(count, &[(name, Type::TEXT)]).await.map_err(Error::from)?;
        let open: i64 = row.first().map_or(0, |row| row.get("open"));
        let sessions = match open {
            0 => "nobody is connected to it".to_owned(),
            1 => "1 session is open".to_owned(),
            _ => format!("{open} sessions are open"),
        };
        ensure!(
            open == 0 || how.force,
            "the database {} is in use: {sessions}; add --force to end them, see `provision db sessions`",
            target.name()
        );
        let question = format!("This drops the database {} with all that is in it; {sessions}.", target.name());
        if target.is_production {
            let expected = target.instance.as_deref().unwrap_or(&target.login.host);
            confirm_by_name(&question, expected, how.named)?;
            if let Some(aws) = how.snapshot {
                let instance = target.instance.as_deref().context(
                    "the host is no DB instance's endpoint, so that no snapshot can be made; add --skip-snapshot to do without",
                )?;
                snapshot = Some(instance::snapshot_and_wait(aws, instance).await?);
            }
        } else {
            confirm(&question, name, how.agreed)?;
        }
        let force = if how.force { " with (force)" } else { "" };
        let statement = format!("drop database if exists {}{force}", escape_identifier(name));
        session.batch_execute(&statement).await.map_err(Error::from)?;
    }
    session.close().await;
    Ok(Dropped { database: name.clone(), host: target.login.host.clone(), dropped, snapshot })
}

impl Display for Dropped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, host, dropped, snapshot } = self;
        let what = if *dropped { "is dropped" } else { "was not there" };
        write!(f, "the database {database} on {host} {what}")?;
        match snapshot {
            Some(snapshot) => write!(f, "; the snapshot {snapshot} holds what was in it"),
            None => Ok(()),
        }
    }
}
