//! The lock of a load, and who holds it.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};

use crate::Error;
use crate::row::{Columns, Lossy};

/// The advisory lock. Any number does, as long as every release locks the same one.
const LOCK: i64 = 0x6c6f_6164;

/// A session that holds the lock of a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its process at the server.
    pub pid: i32,
    /// Its role.
    pub user: Option<String>,
    /// The name of its program.
    pub application: Option<String>,
    /// The address of its client. None if this login may not see it.
    pub client: Option<String>,
    /// The begin of its transaction, or the end of its last statement: UTC, RFC 3339. None if this login may not see it.
    pub since: Option<String>,
}

/// Takes the lock until the end of the transaction. Returns false at once if another session has it.
pub(super) async fn take(transaction: &Transaction<'_>) -> Result<bool, Error> {
    let lock = "select pg_catalog.pg_try_advisory_xact_lock($1) as is_taken";
    let rows = transaction.query_typed(lock, &[(&LOCK, Type::INT8)]).await?;
    rows.first().expect("there is always one row").column("is_taken")
}

/// The other sessions that hold the lock of a load in this database.
pub async fn holders(client: &impl GenericClient) -> Result<Vec<Holder>, Error> {
    holders_of(client, LOCK).await
}

/// The other sessions that hold this lock in this database.
pub(crate) async fn holders_of(client: &impl GenericClient, lock: i64) -> Result<Vec<Holder>, Error> {
    let holders = include_str!("../../sql/schema/holders.sql");
    let rows = client.query_typed(holders, &[(&lock, Type::INT8)]).await?;
    let holders = rows.iter().map(|row| {
        let name = |column| Ok::<_, Error>(row.column::<Option<Lossy>>(column)?.map(|Lossy(name)| name));
        Ok(Holder {
            pid: row.column("pid")?,
            user: name("user")?,
            application: name("application")?.filter(|name| !name.is_empty()),
            client: row.column("client")?,
            since: row.column("since")?,
        })
    });
    holders.collect()
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pid, user, application, client, since } = self;
        write!(f, "session {pid}")?;
        for (word, text) in [("of", user), ("with", application), ("from", client), ("since", since)] {
            if let Some(text) = text {
                write!(f, " {word} {text}")?;
            }
        }
        Ok(())
    }
}
