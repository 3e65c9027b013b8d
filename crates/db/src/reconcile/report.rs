//! The figures of a run.

use tokio_postgres::types::{ToSql, Type};

use super::{Kind, Run, State, word};
use crate::Error;
use crate::row::{Columns, Lossy};

/// The listed users of one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCount {
    /// Such as `CONFIRMED`.
    pub status: String,
    /// How many there are.
    pub users: i64,
    /// How many of them should have a row.
    pub considered: i64,
    /// How many of these may not sign in.
    pub disabled: i64,
}

/// The findings that have all this in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The difference.
    pub kind: Kind,
    /// The state.
    pub state: State,
    /// The reason why a user is missing.
    pub reason: Option<String>,
    /// Of a failure.
    pub sqlstate: Option<String>,
    /// Of a failure.
    pub message: Option<String>,
    /// How many there are.
    pub users: i64,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Cognito's id of the user.
    pub sub: String,
    /// The difference.
    pub kind: Kind,
    /// The state.
    pub state: State,
    /// The reason why a user is missing.
    pub reason: Option<String>,
}

impl Run {
    /// Counts the listed users by status.
    pub async fn count_users(&self) -> Result<Vec<StatusCount>, Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.choice.statuses, Type::TEXT_ARRAY), (&self.choice.created_after, Type::TIMESTAMPTZ)];
        let rows = self.rows(include_str!("../../sql/reconcile/tally.sql"), &parameters).await?;
        let counts = rows.iter().map(|row| {
            Ok(StatusCount {
                status: row.column("status")?,
                users: row.column("users")?,
                disabled: row.column("disabled")?,
                considered: row.column("considered")?,
            })
        });
        counts.collect()
    }

    /// Counts the findings.
    pub async fn count_findings(&self) -> Result<Vec<Group>, Error> {
        let rows = self.rows(include_str!("../../sql/reconcile/found.sql"), &[]).await?;
        let groups = rows.iter().map(|row| {
            Ok(Group {
                kind: word(row, "kind", Kind::of)?,
                state: word(row, "state", State::of)?,
                reason: row.column("reason")?,
                sqlstate: row.column("sqlstate")?,
                message: row.column::<Option<Lossy>>("message")?.map(|Lossy(message)| message),
                users: row.column("users")?,
            })
        });
        groups.collect()
    }

    /// How many seconds ago the user was created who is left without a row for longest.
    pub async fn oldest_missing(&self) -> Result<Option<i64>, Error> {
        let rows = self.rows(include_str!("../../sql/reconcile/oldest.sql"), &[]).await?;
        rows.first().map_or(Ok(None), |row| row.column("seconds"))
    }

    /// Lists at most so many findings of each kind and state.
    pub async fn examples(&self, limit: i64) -> Result<Vec<Example>, Error> {
        let rows = self.rows(include_str!("../../sql/reconcile/examples.sql"), &[(&limit, Type::INT8)]).await?;
        let examples = rows.iter().map(|row| {
            Ok(Example {
                sub: row.column("sub")?,
                kind: word(row, "kind", Kind::of)?,
                state: word(row, "state", State::of)?,
                reason: row.column("reason")?,
            })
        });
        examples.collect()
    }
}
