//! The findings of a run.

use std::time::SystemTime;

use tokio_postgres::types::{ToSql, Type};

use super::{LAG, Run, RunError, each};
use crate::Error;
use crate::row::Columns;

/// The difference between the pool and the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A user without a row.
    Missing,
    /// A row whose address differs.
    Stale,
    /// A row whose user the pool does not have.
    Orphan,
}

/// The state of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// To be looked at again: what the pool or the application does with the user may be under way.
    Open,
    /// It is so.
    Found,
    /// The row is as it should be, or gone.
    Repaired,
    /// The database refuses the row.
    Failed,
}

/// A finding about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Cognito's id.
    pub sub: String,
    /// The name by which the pool finds the user, for an open one.
    pub username: Option<String>,
    /// The difference.
    pub kind: Kind,
    /// The state.
    pub state: State,
    /// A word for the reason why a user is missing.
    pub reason: Option<&'static str>,
    /// Of a failure: the SQLSTATE, if the server gave one, and the words.
    pub failure: Option<(Option<String>, String)>,
    /// When the user was last changed in the pool, for an open one.
    pub changed_at: Option<SystemTime>,
}

/// An open finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Cognito's id.
    pub sub: String,
    /// The name by which the pool finds the user.
    pub username: Option<String>,
    /// When the user was last changed in the pool.
    pub changed_at: Option<SystemTime>,
    /// Whether there is a row now.
    pub is_known: bool,
}

impl Kind {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Orphan => "orphan",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Missing, Self::Stale, Self::Orphan].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl State {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Found => "found",
            Self::Repaired => "repaired",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Open, Self::Found, Self::Repaired, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

impl Finding {
    fn sqlstate(&self) -> Option<&str> {
        self.failure.as_ref().and_then(|(code, _)| code.as_deref())
    }

    fn message(&self) -> Option<&str> {
        self.failure.as_ref().map(|(_, message)| message.as_str())
    }
}

impl Run {
    /// Writes findings. A later one about the same user replaces the former, unless that was repaired.
    pub async fn find(&self, findings: &[Finding]) -> Result<(), RunError> {
        if findings.is_empty() {
            return Ok(());
        }
        let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
            (&self.owner, Type::TEXT),
            (&each(findings, |finding| finding.sub.as_str()), Type::TEXT_ARRAY),
            (&each(findings, |finding| finding.username.as_deref()), Type::TEXT_ARRAY),
            (&each(findings, |finding| finding.kind.as_str()), Type::TEXT_ARRAY),
            (&each(findings, |finding| finding.state.as_str()), Type::TEXT_ARRAY),
            (&each(findings, |finding| finding.reason), Type::TEXT_ARRAY),
            (&each(findings, Finding::sqlstate), Type::TEXT_ARRAY),
            (&each(findings, Finding::message), Type::TEXT_ARRAY),
            (&each(findings, |finding| finding.changed_at), Type::TIMESTAMPTZ_ARRAY),
        ];
        self.ensure_ours(include_str!("../../sql/reconcile/find.sql"), &parameters).await
    }

    /// Takes back what is no finding after all.
    pub async fn take_back(&self, subs: &[String]) -> Result<(), Error> {
        if subs.is_empty() {
            return Ok(());
        }
        self.rows(include_str!("../../sql/reconcile/take_back.sql"), &[(&subs, Type::TEXT_ARRAY)]).await.map(drop)
    }

    /// Some findings that are open, those of the users first that were changed first.
    pub async fn open_findings(&self, kind: Kind, limit: i64) -> Result<Vec<Open>, Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&kind.as_str(), Type::TEXT), (&limit, Type::INT8)];
        let rows = self.rows(include_str!("../../sql/reconcile/open.sql"), &parameters).await?;
        let open = rows.iter().map(|row| {
            Ok(Open {
                sub: row.column("sub")?,
                username: row.column("username")?,
                changed_at: row.column("changed_at")?,
                is_known: row.column("is_known")?,
            })
        });
        open.collect()
    }

    /// Makes an open finding of each row whose user was not listed, after all were, unless the row is so young that the list
    /// may not have the user yet.
    pub async fn suspect_orphans(&self) -> Result<(), Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.owner, Type::TEXT), (&LAG.as_secs_f64(), Type::FLOAT8)];
        self.rows(include_str!("../../sql/reconcile/orphans.sql"), &parameters).await.map(drop)
    }

    /// Whether the contract can list all its users. One of an application's own may not.
    pub async fn knows_all(&self) -> Result<bool, Error> {
        let rows = self.rows(include_str!("../../sql/reconcile/knows_all.sql"), &[]).await?;
        rows.first().map_or(Ok(false), |row| row.column("knows_all"))
    }

    /// Makes open findings of the orphans that were found, since they may have been found long ago.
    pub async fn reopen_orphans(&self) -> Result<(), Error> {
        self.rows(include_str!("../../sql/reconcile/reopen_orphans.sql"), &[]).await.map(drop)
    }
}
