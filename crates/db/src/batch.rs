//! Many statements in one round trip, each in a transaction of its own: the answer to each, and what all of them say about
//! the session.

use std::sync::Mutex;

use futures::future::join_all;

use crate::statement::UNIQUE_ATTEMPTS;
use crate::{Budget, Database, Error, Kind, Session};

/// The answer to each statement.
type Answers<T> = Vec<Result<T, Error>>;

impl Database {
    /// Runs an `operation` that has an answer to each of many statements, as [`Self::run`] does one that has a single one.
    ///
    /// A session whose answers may be its own fault is replaced, and the new one is asked for all of them: it only reads,
    /// or nothing succeeded and the data does not explain all of it. So `operation` must be idempotent. What the last
    /// session has answered counts.
    ///
    /// Fails as a whole where the connection does.
    pub async fn run_each<T>(
        &self,
        budget: &Budget,
        operation: impl AsyncFn(&Session) -> Result<Answers<T>, Error>,
    ) -> Result<Answers<T>, Error> {
        // The answers that were doubted last, without the error that stands for them, and its place.
        let doubted = Mutex::new(None);
        let answer = self.run(budget, async |session: &Session| {
            let mut answers = operation(session).await?;
            let Some(place) = doubtful(&answers) else { return Ok(answers) };
            let error = answers.remove(place).err().expect("only an error is doubtful");
            *doubted.lock().expect("no panic while it is locked") = Some((place, answers));
            Err(error)
        });
        let answer = answer.await;
        match (answer, doubted.into_inner().expect("no panic while it is locked")) {
            (Err(error), Some((place, mut answers))) if is_answer(&error) => {
                answers.insert(place, Err(error));
                Ok(answers)
            }
            (answer, _) => answer,
        }
    }
}

/// Sends a statement for each of the items, in their order, and again where another transaction has won a race. Fails as a
/// whole where the connection does.
pub(crate) async fn each<I, T>(
    items: &[I],
    statement: impl AsyncFn(&I) -> Result<T, Error>,
) -> Result<Answers<T>, Error> {
    let mut answers = whole(join_all(items.iter().map(|item| statement(item))).await)?;
    for _ in 1..UNIQUE_ATTEMPTS {
        let lost = |answer: &Result<T, Error>| answer.as_ref().is_err_and(has_lost_a_race);
        let lost: Vec<usize> = (0..items.len()).filter(|place| lost(&answers[*place])).collect();
        if lost.is_empty() {
            break;
        }
        let again = whole(join_all(lost.iter().map(|place| statement(&items[*place]))).await)?;
        for (place, answer) in lost.into_iter().zip(again) {
            answers[place] = answer;
        }
    }
    Ok(answers)
}

/// The answers, unless one of them is that the connection broke, or that the server ended the session.
pub(crate) fn whole<T>(mut answers: Answers<T>) -> Result<Answers<T>, Error> {
    let is_about_connection = |error: &Error| error.sqlstate().is_none() && error.is_transient() || error.is_fatal();
    match answers.iter().position(|answer| answer.as_ref().is_err_and(is_about_connection)) {
        Some(place) => Err(answers.swap_remove(place).err().expect("it is an error")),
        None => Ok(answers),
    }
}

/// The place of the error that puts the session in doubt, if one does. One event's error says nothing about the session as
/// long as another event succeeds on it, unless it is that the session only reads.
fn doubtful<T>(answers: &[Result<T, Error>]) -> Option<usize> {
    let place = |is: fn(&Error) -> bool| answers.iter().position(|answer| answer.as_ref().is_err_and(is));
    let only_reads = place(|error| error.kind() == Kind::DatabaseReadOnly);
    let has_failed = answers.iter().all(Result::is_err);
    only_reads.or_else(|| place(|error| !error.is_about_the_data()).filter(|_| has_failed))
}

/// Whether a server has answered so to a statement, and not to the login.
fn is_answer(error: &Error) -> bool {
    error.sqlstate().is_some() && !error.is_fatal()
}

/// Whether the same statement may succeed at once: the winner's row is there. One that waited for a lock in vain, or was
/// cancelled, would only wait again, and the statements behind it as well.
fn has_lost_a_race(error: &Error) -> bool {
    error.is_unique_violation() || matches!(error.sqlstate(), Some("40001" | "40P01"))
}
