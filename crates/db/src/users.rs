//! The contract with the database: one function in the schema `cognito`, whatever tables are behind it.

use cognito::UserEvent;
use futures::future::{join_all, join3};
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Row};

use crate::Error;
use crate::statement::UNIQUE_ATTEMPTS;

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
/// it, and no lock is held longer than for one sign-up.
///
/// Fails as a whole only where the connection does. The same events may then come again.
pub async fn ensure_each(client: &Client, events: &[UserEvent]) -> Result<Vec<Result<Ensured, Error>>, Error> {
    each(events, async |event| ensure(client, event).await).await
}

/// Does so with any statement that ensures one.
pub(crate) async fn each<T>(
    events: &[T],
    ensure: impl AsyncFn(&T) -> Result<Ensured, Error>,
) -> Result<Vec<Result<Ensured, Error>>, Error> {
    let mut answers = whole(join_all(events.iter().map(|event| ensure(event))).await)?;
    for _ in 1..UNIQUE_ATTEMPTS {
        let failed: Vec<usize> = (0..events.len()).filter(|place| may_succeed_again(&answers[*place])).collect();
        if failed.is_empty() {
            break;
        }
        let again = whole(join_all(failed.iter().map(|place| ensure(&events[*place]))).await)?;
        for (place, answer) in failed.into_iter().zip(again) {
            answers[place] = answer;
        }
    }
    Ok(answers)
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

/// The answers, unless one of them is that the connection broke, or that the server ended the session.
fn whole(answers: Vec<Result<Ensured, Error>>) -> Result<Vec<Result<Ensured, Error>>, Error> {
    let is_about_session = |error: &Error| error.sqlstate().is_none() && error.is_transient() || error.is_fatal();
    match answers.iter().position(|answer| answer.as_ref().is_err_and(is_about_session)) {
        Some(place) => Err(answers.into_iter().nth(place).and_then(Result::err).expect("it is an error")),
        None => Ok(answers),
    }
}

fn may_succeed_again(answer: &Result<Ensured, Error>) -> bool {
    answer.as_ref().is_err_and(|error| error.is_unique_violation() || error.is_transient())
}
