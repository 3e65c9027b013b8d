//! The comparison of the rows with the users of a pool, as the database keeps it: the users that are listed, the findings,
//! and how far a run has come. So a run that is killed goes on where it was, and needs no memory.
//!
//! The tables are made by [`Run::open`] and dropped by [`Run::finish`], in the schema `cognito`, whatever table of users is
//! behind the contract. Each change is one statement that can come twice: a broken connection is replaced, and the statement
//! sent again.

mod finding;
pub mod last_run;
mod link;
mod listed;
mod lock;
mod repair;
mod report;

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

pub use self::finding::{Finding, Kind, Open, State};
pub use self::link::{Link, LinkBy, LinkState, writes_public_users};
pub use self::listed::{Candidate, ListedUser};
pub use self::repair::{Changed, Repair};
pub use self::report::{Example, Group, StatusCount};

use self::lock::Lock;
use crate::row::Columns;
use crate::schema::Holder;
use crate::{Budget, Database, Error, Session};

/// The time limit for one statement with all its attempts: longer than a failover of RDS.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html>
const LIMIT: Duration = Duration::from_mins(5);

/// How long the pool's list may be behind the pool. AWS gives no number, only that it is eventually consistent; a row that
/// was written within this time is believed more than the list.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
const LAG: Duration = Duration::from_mins(10);

/// The users that a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// All that decides about the findings, in any form: a run with another scope begins anew.
    pub scope: String,
    /// The statuses that should have a row.
    pub statuses: Vec<String>,
    /// Only users that were created at this time or later.
    pub created_after: Option<SystemTime>,
}

/// One comparison, on three connections: one holds the lock, one writes the pages, one does everything else.
#[derive(Debug)]
pub struct Run {
    pages: Database,
    findings: Database,
    lock: Lock,
    owner: String,
    choice: Choice,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last page that was listed; 0 before the first one.
    pub page: i32,
    /// The token of the next page.
    pub token: Option<String>,
    /// Whether that was the last page of all.
    pub is_listed: bool,
    /// The last page whose users were judged.
    pub judged: i32,
    /// When the first row of all was written, as far as rows tell.
    pub first_as_of: Option<SystemTime>,
    /// The server's clock, and when it was read.
    pub clock: Clock,
}

/// The server's clock. The function's time is AWS's as well, which an operator's machine need not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    server: SystemTime,
    read_at: Instant,
}

/// The state of the run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// There was none, or it has ended in order.
    None,
    /// This one goes on with it.
    Continued,
    /// It was for another purpose, or is older than a day: its tables are gone, and this one begins anew.
    Dropped,
}

/// The outcome of [`Run::open`].
#[derive(Debug)]
pub enum Opened {
    /// The run may begin.
    Ready(Box<Run>, Position, Former),
    /// Another process reconciles this database.
    Busy(Vec<Holder>),
}

/// The run is another process's by now, or the server has crashed and emptied its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run's tables were emptied, or another process has taken them over")]
pub struct Lost;

/// An error of a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database's.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Clock {
    /// The server's time.
    pub fn now(&self) -> SystemTime {
        self.server + self.read_at.elapsed()
    }
}

impl Run {
    /// Begins a run, or goes on with one for the same purpose that was begun within a day. Only one process of all
    /// reconciles a database at a time.
    pub async fn open(database: impl Fn() -> Database, choice: Choice) -> Result<Opened, Error> {
        let lock = match Lock::take(&database(), &Budget::new(LIMIT)).await? {
            Ok(lock) => lock,
            Err(holders) => return Ok(Opened::Busy(holders)),
        };
        let run = Self { pages: database(), findings: database(), lock, owner: Uuid::new_v4().to_string(), choice };
        let former = run.prepare().await?;
        let sql = include_str!("../sql/reconcile/position.sql");
        let row = run.rows(sql, &[(&run.owner, Type::TEXT)]).await?.into_iter().next().ok_or(Error::ContractMissing)?;
        let position = Position {
            page: row.column("page")?,
            token: row.column("token")?,
            is_listed: row.column("is_listed")?,
            judged: row.column("judged")?,
            first_as_of: row.column("first_as_of")?,
            clock: Clock { server: row.column("now")?, read_at: Instant::now() },
        };
        Ok(Opened::Ready(Box::new(run), position, former))
    }

    async fn prepare(&self) -> Result<Former, Error> {
        let create = include_str!("../sql/reconcile/create.sql");
        self.execute(create).await?;
        let leftover = include_str!("../sql/reconcile/leftover.sql");
        let rows = self.rows(leftover, &[(&self.choice.scope, Type::TEXT)]).await?;
        let former = match rows.first() {
            None => Former::None,
            Some(row) if row.column("is_same")? && !row.column::<bool>("is_old")? => return Ok(Former::Continued),
            Some(_) => Former::Dropped,
        };
        self.execute(include_str!("../sql/reconcile/drop.sql")).await?;
        self.execute(create).await?;
        let begin = include_str!("../sql/reconcile/begin.sql");
        self.rows(begin, &[(&self.choice.scope, Type::TEXT), (&self.owner, Type::TEXT)]).await?;
        Ok(former)
    }

    /// Has the pages listed again from the first one, since the token after this page was refused.
    pub async fn restart(&self, page: i32) -> Result<(), RunError> {
        let sql = include_str!("../sql/reconcile/restart.sql");
        self.ensure_ours(sql, &[(&self.owner, Type::TEXT), (&page, Type::INT4)]).await
    }

    /// The users of these pages that have no row, and those whose row seems to differ.
    pub async fn candidates(&self, first: i32, last: i32) -> Result<Vec<Candidate>, Error> {
        let sql = include_str!("../sql/reconcile/candidates.sql");
        let Choice { statuses, created_after, .. } = &self.choice;
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&first, Type::INT4),
            (&last, Type::INT4),
            (statuses, Type::TEXT_ARRAY),
            (created_after, Type::TIMESTAMPTZ),
            (&LAG.as_secs_f64(), Type::FLOAT8),
        ];
        self.rows(sql, &parameters).await?.iter().map(Candidate::of).collect()
    }

    /// Remembers that all pages up to this one are judged.
    pub async fn judged(&self, page: i32) -> Result<(), RunError> {
        self.lock.keep_alive().await;
        let sql = include_str!("../sql/reconcile/judged.sql");
        self.ensure_ours(sql, &[(&self.owner, Type::TEXT), (&page, Type::INT4)]).await
    }

    /// Deletes the user's row. Its findings stay.
    pub async fn forget(&self, sub: &str) -> Result<(), Error> {
        self.rows(include_str!("../sql/reconcile/forget.sql"), &[(&sub, Type::TEXT)]).await.map(drop)
    }

    /// Ends the run: its tables are dropped.
    pub async fn finish(self) -> Result<(), Error> {
        self.execute(include_str!("../sql/reconcile/drop.sql")).await?;
        self.lock.release().await;
        self.findings.close().await;
        self.pages.close().await;
        Ok(())
    }

    async fn execute(&self, statements: &str) -> Result<(), Error> {
        let execute = async |session: &Session| Ok(session.batch_execute(statements).await?);
        self.findings.run(&Budget::new(LIMIT), execute).await
    }

    async fn rows(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        rows(&self.findings, sql, parameters).await
    }

    /// Runs a statement that answers whether the run is still this process's.
    async fn ensure_ours(&self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<(), RunError> {
        ours(&rows(&self.findings, sql, parameters).await?)
    }
}

async fn rows(
    database: &Database,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<tokio_postgres::Row>, Error> {
    let query = async |session: &Session| Ok(session.query_typed(sql, parameters).await?);
    database.run(&Budget::new(LIMIT), query).await
}

/// The column's value, of which the tables have only words that are known here.
fn word<T>(row: &tokio_postgres::Row, column: &'static str, of: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    of(row.column(column)?).ok_or_else(|| Error::AnswerUnreadable { column, source: "an unknown word".into() })
}

/// A column of a parameter that has one value for each item.
fn each<'a, I, T>(items: &'a [I], value: impl Fn(&'a I) -> T) -> Vec<T> {
    items.iter().map(value).collect()
}

fn ours(rows: &[tokio_postgres::Row]) -> Result<(), RunError> {
    let is_ours = rows.first().map(|row| row.column("is_ours")).transpose()?;
    if is_ours == Some(true) { Ok(()) } else { Err(Lost.into()) }
}
