//! The server's error answers, without anything that may quote a user's data.

use tokio_postgres::error::SqlState;

use crate::sqlstate::{self, Meaning};

/// An error answer of the PostgreSQL server, without anything that may quote a user's data.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {})", code.code())]
pub struct ServerError {
    code: SqlState,
    message: String,
}

impl ServerError {
    /// The server's part of `error`, if it has one.
    pub(crate) fn of(error: &tokio_postgres::Error) -> Option<Self> {
        let answer = error.as_db_error()?;
        let code = answer.code().clone();
        let message = match answer.constraint() {
            Some(constraint) => format!("the data violates {constraint}"),
            None if sqlstate::quotes_data(code.code()) => "the server refuses the data".to_owned(),
            None => answer.message().to_owned(),
        };
        Some(Self { code, message })
    }

    /// The five characters that name the error, see [`crate::sqlstate`].
    pub fn sqlstate(&self) -> &str {
        self.code.code()
    }

    /// The meaning of the SQLSTATE.
    pub fn meaning(&self) -> &'static Meaning {
        sqlstate::meaning(self.sqlstate())
    }
}
