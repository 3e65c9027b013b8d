//! The table `users`: one row for every confirmed sign-up.

use cognito::User;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::{Error, sqlstate};

/// The result of [`upsert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// The user had no row, and has one now.
    Created,
    /// The row had another e-mail address, and has this one now.
    EmailChanged,
    /// The row was there already.
    Unchanged,
}

/// Ensures the user's row, in one round trip.
///
/// A second call, even a simultaneous one, leaves one row. If another user has the handle, this one gets the next of
/// [`User::handles`]. On an existing row only the e-mail address changes.
pub async fn upsert(client: &Client, user: &User) -> Result<Upserted, Error> {
    let handles = user.handles();
    // On each conflict, a simultaneous sign-up has written this user's row, which the next attempt finds, or has taken
    // a handle, so that there is one fewer to choose from.
    let mut attempts = 1 + handles.len();
    let created: Option<bool> = loop {
        let answer = client
            .query_typed(
                include_str!("../sql/users/upsert.sql"),
                &[
                    (&user.cognito_user_id(), Type::TEXT),
                    (&user.display_name(), Type::TEXT),
                    (&handles, Type::TEXT_ARRAY),
                    (&user.email(), Type::TEXT),
                ],
            )
            .await;
        attempts -= 1;
        match answer {
            Err(error) if attempts > 0 && error.code().map(SqlState::code) == Some(sqlstate::UNIQUE_VIOLATION) => {}
            answer => break answer?.first().and_then(|row| row.get("created")),
        }
    };
    Ok(match created {
        Some(true) => Upserted::Created,
        Some(false) => Upserted::EmailChanged,
        None => Upserted::Unchanged,
    })
}
