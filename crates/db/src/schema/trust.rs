//! Whose code runs with the rights of a login that uses the tables or the contract.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::Error;
use crate::row::{Columns, Lossy};

const FOREIGN: &str =
    concat!(include_str!("../../sql/schema/trusted.sql"), include_str!("../../sql/schema/foreign.sql"));

/// No name leads to another role's object while this is decided.
const PATH: &str = "set local search_path = pg_catalog, pg_temp";

/// The use that a transaction is about to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It calls the functions of the contract, whatever tables are behind it.
    Contract,
    /// It reads `public.users` and `public.activities`.
    Read,
    /// It writes them, or changes their definition. No other session can add a trigger until the transaction ends.
    Write,
}

/// Ensures, in one round trip, that no role which this login does not trust has put code in the way: as the owner of the
/// schema, of a table or of a function, or with a trigger. Call it in the transaction that then uses them; it sets the
/// `search_path` to PostgreSQL's own schema until the transaction's end.
///
/// Trusted are the roles that can become the login, as superusers can (up to PostgreSQL 15 also those with CREATEROLE, unless
/// the login is a superuser), the owner of the database, and the roles whose rights the login inherits.
///
/// Fails with [`Error::OwnerForeign`]. A table that is missing is no fault here.
pub async fn ensure_trusted(client: &impl GenericClient, access: Access) -> Result<(), Error> {
    let uses_tables = access != Access::Contract;
    let parameters = [(&uses_tables as _, Type::BOOL)];
    let lock = if access == Access::Write { include_str!("../../sql/schema/lock.sql") } else { "" };
    // Sent in this order, and at once.
    let (set, locked, rows) =
        tokio::join!(client.batch_execute(PATH), client.batch_execute(lock), client.query_typed(FOREIGN, &parameters));
    set?;
    locked?;
    let rows = rows?;
    rows.first().map_or(Ok(()), |row| {
        let (Lossy(object), Lossy(owner)) = (row.column("object")?, row.column("owner")?);
        Err(Error::OwnerForeign { object, owner })
    })
}
