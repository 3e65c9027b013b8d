//! The target's database as its server knows it, for a session outside it.

use db::Error;
use db::row::Columns;
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::Type;

use super::{Session, Target};

/// A database as its server knows it.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its number, which no database of the same name has again.
    pub(crate) oid: u32,
    pub(crate) encoding: String,
    /// Whether it accepts connections.
    pub(crate) is_open: bool,
    /// Whether a drop of it was interrupted. Nothing but another drop is possible then.
    pub(crate) is_half_dropped: bool,
}

impl Target {
    /// The database as its server knows it, if it exists; for a session outside it.
    pub(crate) async fn find(&self, session: &Session) -> Result<Option<Found>, Error> {
        let database = include_str!("database.sql");
        let rows = session.query_typed(database, &[(&self.login.dbname, Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Found {
            oid: row.column("oid")?,
            encoding: row.column("encoding")?,
            is_open: row.column("is_open")?,
            is_half_dropped: row.column("is_half_dropped")?,
        }))
    }

    /// Makes the database with this number accept connections, or refuse them, under whatever name it is; for a session
    /// outside it. Does nothing if it does not exist.
    pub(crate) async fn allow_connections(&self, session: &Session, oid: u32, allow: bool) -> Result<(), Error> {
        let Some(name) = self.name_of(session, oid).await? else { return Ok(()) };
        let name = escape_identifier(&name);
        Ok(session.batch_execute(&format!("alter database {name} allow_connections {allow}")).await?)
    }

    /// The name of the database with this number, if it exists: it may be renamed at any moment.
    pub(crate) async fn name_of(&self, session: &Session, oid: u32) -> Result<Option<String>, Error> {
        let name = "select datname::text as name from pg_database where oid = $1";
        let rows = session.query_typed(name, &[(&oid, Type::OID)]).await?;
        rows.first().map(|row| row.column("name")).transpose()
    }
}
