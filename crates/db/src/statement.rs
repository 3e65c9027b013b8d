//! One operation on one session: until its answer, or until the server has given it up.

use std::pin::pin;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::budget::Step;
use crate::{Budget, Error, Session};

/// The longest that the cancellation of a statement may take. It is a connection, a handshake and a message, so some
/// milliseconds. Of a short budget it gets no more than a third.
const CANCEL_LIMIT: Duration = Duration::from_millis(250);

/// Attempts of a statement that loses a race for a unique value: the winner is there by the next one.
pub(crate) const UNIQUE_ATTEMPTS: u32 = 4;

/// Runs it on this session, and cancels it at the end of the budget. Returns also whether the session is free: after a
/// request to cancel it is only if that has met this very statement, because the server may else obey when the next one
/// runs.
pub(crate) async fn answer<T>(
    session: &Session,
    budget: &Budget,
    operation: &impl AsyncFn(&Session) -> Result<T, Error>,
) -> (Result<T, Error>, bool) {
    let mut answer = pin!(repeat(session, operation));
    let reserve = CANCEL_LIMIT.min(budget.remaining() / 3);
    let error = match budget.without(reserve).spend(Step::Query, &mut answer).await {
        Ok(answer) => return (answer, true),
        Err(error) => error,
    };
    let (last, canceller) = (budget.last(CANCEL_LIMIT), session.canceller());
    if budget.is_stopped() {
        // A server that cannot be reached for this cannot be told.
        let _ = canceller.cancel(&last).await;
        return (Err(error), false);
    }
    // The statement may be done before it is cancelled: then the user has a row, and should hear so.
    match tokio::join!(last.spend(Step::Query, answer), canceller.cancel(&last)) {
        (Ok(Ok(value)), _) => (Ok(value), false),
        // The server has dealt with the request, and with nothing else since.
        (Ok(Err(refused)), Ok(())) => (Err(error), refused.sqlstate() == Some(SqlState::QUERY_CANCELED.code())),
        _ => (Err(error), false),
    }
}

/// Runs it, and again where another transaction took a unique value at the same moment.
async fn repeat<T>(session: &Session, operation: &impl AsyncFn(&Session) -> Result<T, Error>) -> Result<T, Error> {
    let mut attempts = 1;
    loop {
        match operation(session).await {
            Err(error) if error.is_unique_violation() && attempts < UNIQUE_ATTEMPTS => {
                attempts += 1;
            }
            answer => return answer,
        }
    }
}
