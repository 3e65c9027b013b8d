//! `provision db create`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use db::Error;
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;

use crate::target::{Found, Target};

/// The database that now is there.
#[derive(Debug, Serialize)]
pub(crate) struct Created {
    database: String,
    host: String,
    created: bool,
    /// Nobody was let in before: production's snapshot, restored, is such a database.
    opened: bool,
}

pub(crate) async fn create(target: &Target) -> anyhow::Result<Created> {
    let name = &target.login.dbname;
    let session = target.connect_outside().await?;
    let mut found = target.find(&session).await?;
    let (mut created, mut opened) = (false, false);
    if found.is_none() {
        // From template0: template1 may have another encoding.
        let statement = format!("create database {} encoding 'UTF8' template template0", escape_identifier(name));
        let answer = session.batch_execute(&statement).await.map_err(Error::from);
        created = answer.is_ok();
        found = target.find(&session).await?;
        if found.is_none() {
            answer?;
        }
        // Otherwise somebody else was quicker.
    }
    if let Some(Found { encoding, is_open, .. }) = found {
        ensure!(
            encoding == "UTF8",
            "the database {name} is there, but in {encoding}; save what is in it, drop it and create it again"
        );
        if !is_open {
            target.allow_connections(&session, true).await?;
            opened = true;
        }
    }
    session.close().await;
    Ok(Created { database: name.clone(), host: target.login.host.clone(), created, opened })
}

impl Display for Created {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, host, created, opened } = self;
        let what = match (created, opened) {
            (true, _) => "is created",
            (false, true) => "was there already, and lets everybody in again",
            (false, false) => "was there already",
        };
        write!(f, "the database {database} on {host} {what}")
    }
}
