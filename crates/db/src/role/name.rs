//! The names of roles for the function.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::Error;
use crate::row::{Columns, Lossy};

/// The name of the first releases' role, and the begin of any other one's usual name.
pub const NAME: &str = "post_confirmation";

/// The longest name of a role or a database, in bytes: the server cuts a longer one off.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>
pub const LONGEST_NAME: usize = 63;

/// The usual name of the role for this database: a role belongs to the whole server, and each database has one of its own.
pub fn usual_name(database: &str) -> String {
    format!("{NAME}_{database}")
}

/// A role that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRole {
    /// Its name.
    pub name: String,
    /// Whether it was granted the contract's function in this database, by name and not as `PUBLIC`.
    pub is_granted: bool,
}

/// Those of these roles that exist, in the same order.
pub async fn known(client: &impl GenericClient, names: &[&str]) -> Result<Vec<KnownRole>, Error> {
    let rows = client.query_typed(include_str!("../../sql/role/known.sql"), &[(&names, Type::TEXT_ARRAY)]).await?;
    let known = rows.iter().map(|row| {
        let Lossy(name) = row.column("role")?;
        Ok(KnownRole { name, is_granted: row.column("is_granted")? })
    });
    known.collect()
}
