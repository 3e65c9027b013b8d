//! The contract with the database: one function in the schema `cognito`, whatever tables are behind it.

use cognito::UserEvent;
use futures::future::{join_all, join3};
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Row};

use crate::Error;
use crate::batch::{each, whole};

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

impl Ensured {
    /// The contract's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Ensures the user's row, in one round trip. The same event may come any number of times, even at once.
///
/// Fails with [`Error::ContractBroken`] if the function answers with something else than one of its words.
pub async fn ensure(client: &Client, event: &UserEvent) -> Result<Ensured, Error> {
    answer(&client.query_typed(include_str!("../sql/users/ensure.sql"), &[(&Json(event), Type::JSONB)]).await?)
}

/// The answer in the first column.
pub(crate) fn answer(rows: &[Row]) -> Result<Ensured, Error> {
    match rows.first().and_then(|row| row.try_get(0).ok()) {
        Some("created") => Ok(Ensured::Created),
        Some("changed") => Ok(Ensured::Changed),
        Some("unchanged") => Ok(Ensured::Unchanged),
        _ => Err(Error::ContractBroken),
    }
}

/// Ensures the rows of many users in one round trip, each in a transaction of its own: one that fails takes no other with
/// it, and no lock is held longer than for one sign-up. [`crate::Database::run_each`] runs it.
///
/// Fails as a whole only where the connection does. The same events may then come again.
pub async fn ensure_each(client: &Client, events: &[UserEvent]) -> Result<Vec<Result<Ensured, Error>>, Error> {
    each(events, async |event| ensure(client, event).await).await
}

/// Asks what [`ensure_each`] would answer, and writes nothing: each transaction is rolled back.
pub async fn try_each(client: &Client, events: &[UserEvent]) -> Result<Vec<Result<Ensured, Error>>, Error> {
    // Each future sends when it is first polled, in this order.
    let attempts = events
        .iter()
        .map(|event| join3(client.batch_execute("begin"), ensure(client, event), client.batch_execute("rollback")));
    let mut answers = Vec::with_capacity(events.len());
    for (begun, answer, ended) in join_all(attempts).await {
        begun?;
        ended?;
        answers.push(answer);
    }
    whole(answers)
}
