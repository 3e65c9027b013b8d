//! When runs have ended, for those that are not to come too often.
//!
//! In a table of its own, `cognito.last_reconcile`, which stays: the tables of a run are dropped at its end.

use std::time::{Duration, SystemTime};

use tokio_postgres::types::Type;

use super::{Choice, LIMIT, Run, rows};
use crate::row::Columns;
use crate::{Budget, Database, Error, Session};

/// When a run for the same choice has ended, if it was within this time, and was remembered.
pub async fn ended_within(database: &Database, choice: &Choice, time: Duration) -> Result<Option<SystemTime>, Error> {
    let create = async |session: &Session| {
        Ok(session.batch_execute(include_str!("../../sql/reconcile/create_last_run.sql")).await?)
    };
    database.run(&Budget::new(LIMIT), create).await?;
    let sql = include_str!("../../sql/reconcile/last_run.sql");
    let found = rows(database, sql, &[(&choice.scope, Type::TEXT), (&time.as_secs_f64(), Type::FLOAT8)]).await?;
    database.close().await;
    found.first().map(|row| row.column("ended_at")).transpose()
}

impl Run {
    /// Remembers that this run ends now.
    pub async fn remember(&self) -> Result<(), Error> {
        self.execute(include_str!("../../sql/reconcile/create_last_run.sql")).await?;
        self.rows(include_str!("../../sql/reconcile/remember.sql"), &[(&self.choice.scope, Type::TEXT)]).await.map(drop)
    }
}
