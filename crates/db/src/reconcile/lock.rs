//! The lock that lets one process at a time reconcile a database.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use crate::row::Columns;
use crate::schema::{Access, Holder, ensure_trusted, holders_of};
use crate::{Budget, Database, Error, Session};

/// Any number does, as long as every release locks the same one.
const LOCK: i64 = 0x7265_636f;

/// How long the lock's connection may be silent. Networks forget silent ones after some minutes: a NAT gateway after 350 s.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html>
const SILENCE: Duration = Duration::from_mins(1);

/// The attempts to take the lock, and the pause after each: the server takes a moment to see that a process is gone.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// The lock, held by an open transaction of a session of its own: so it ends with the process, also behind a pooler. It saves
/// the other process its time; what keeps two apart is the owner in the statements that record progress.
#[derive(Debug)]
pub(super) struct Lock {
    session: Session,
    last_used: Mutex<Instant>,
}

impl Lock {
    /// Takes the lock, or returns who has it. Fails with [`Error::OwnerForeign`] as [`ensure_trusted`] does.
    pub(super) async fn take(database: &Database, budget: &Budget) -> Result<Result<Self, Vec<Holder>>, Error> {
        let session = database.connect(budget).await?;
        session.batch_execute("begin isolation level read committed").await?;
        let sql = include_str!("../../sql/reconcile/lock.sql");
        for _ in 0..ATTEMPTS {
            let rows = session.query_typed(sql, &[(&LOCK, Type::INT8)]).await?;
            if rows.first().expect("there is always one row").column("is_taken")? {
                ensure_trusted(&*session, Access::Contract).await?;
                // The unnamed portal keeps its snapshot until there is another one or the transaction ends. With it, no row of
                // the whole database that is replaced during the run could be removed.
                session.batch_execute("select").await?;
                return Ok(Ok(Self { session, last_used: Mutex::new(Instant::now()) }));
            }
            sleep(PAUSE).await;
        }
        let holders = holders_of(&*session, LOCK).await?;
        session.close().await;
        Ok(Err(holders))
    }

    /// Uses the connection, if it was silent for long.
    pub(super) async fn keep_alive(&self) {
        let mut last_used = self.last_used.lock().await;
        if last_used.elapsed() >= SILENCE {
            *last_used = Instant::now();
            // A lost lock costs nothing but the other process's time.
            let _ = self.session.batch_execute("").await;
        }
    }

    pub(super) async fn release(self) {
        self.session.close().await;
    }
}
