//! `provision db create`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use db::Error;
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;

use crate::target::Target;

/// The database that now is there.
#[derive(Debug, Serialize)]
pub(crate) struct Created {
    database: String,
    host: String,
    created: bool,
}

pub(crate) async fn create(target: &Target) -> anyhow::Result<Created> {
    let name = &target.login.dbname;
    let session = target.connect_outside().await?;
    let mut found = target.encoding(&session).await?;
    let mut created = false;
    if found.is_none() {
        // From template0: template1 may have another encoding.
        let statement = format!("create database {} encoding 'UTF8' template template0", escape_identifier(name));
        let answer = session.batch_execute(&statement).await.map_err(Error::from);
        created = answer.is_ok();
        found = target.encoding(&session).await?;
        if found.is_none() {
            answer?;
        }
        // Otherwise somebody else was quicker.
    }
    session.close().await;
    let encoding = found.unwrap_or_default();
    ensure!(
        encoding == "UTF8",
        "the database {name} is there, but in {encoding}; save what is in it, drop it and create it again"
    );
    Ok(Created { database: name.clone(), host: target.login.host.clone(), created })
}

impl Display for Created {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, host, created } = self;
        let what = if *created { "is created" } else { "was there already" };
        write!(f, "the database {database} on {host} {what}")
    }
}
