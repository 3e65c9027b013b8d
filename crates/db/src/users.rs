//! The contract with the database: one function in the schema `cognito`, whatever tables are behind it.

use cognito::UserEvent;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use crate::Error;

/// The answer of the contract to [`ensure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// The user had no row before this event.
    Created,
    /// The row differed from what Cognito reports, and no longer does.
    Changed,
    /// The row was there already, and nothing was written.
    Unchanged,
}

/// Ensures the user's row, in one round trip. The same event may come any number of times, even at once.
///
/// Fails with [`Error::ContractBroken`] if the function answers with something else than one of its words.
pub async fn ensure(client: &Client, event: &UserEvent) -> Result<Ensured, Error> {
    let rows = client.query_typed(include_str!("../sql/users/ensure.sql"), &[(&Json(event), Type::JSONB)]).await?;
    match rows.first().and_then(|row| row.try_get(0).ok()) {
        Some("created") => Ok(Ensured::Created),
        Some("changed") => Ok(Ensured::Changed),
        Some("unchanged") => Ok(Ensured::Unchanged),
        _ => Err(Error::ContractBroken),
    }
}
