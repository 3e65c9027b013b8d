//! `provision db create`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use db::{Error, Session};
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use tokio_postgres::types::Type;

use super::target::Target;

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
    let encoding = encoding(&session, name).await?;
    if let Some(encoding) = &encoding {
        ensure!(
            encoding == "UTF8",
            "the database {name} is there, but in {encoding}; save what is in it, drop it and create it again"
        );
    } else {
        // From template0: template1 may have another encoding.
        let statement = format!("create database {} encoding 'UTF8' template template0", escape_identifier(name));
        session.batch_execute(&statement).await.map_err(Error::from)?;
    }
    session.close().await;
    Ok(Created { database: name.clone(), host: target.login.host.clone(), created: encoding.is_none() })
}

/// The database's encoding, if there is such a database.
pub(super) async fn encoding(session: &Session, database: &str) -> Result<Option<String>, Error> {
    let rows = session.query_typed(include_str!("../../sql/encoding.sql"), &[(&database, Type::TEXT)]).await?;
    Ok(rows.first().map(|row| row.get("encoding")))
}

impl Display for Created {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, host, created } = self;
        let what = if *created { "is created" } else { "was there already" };
        write!(f, "the database {database} on {host} {what}")
    }
}
