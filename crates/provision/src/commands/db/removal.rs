//! The drop of a database, which goes on in a new session if the connection breaks.

use std::cell::Cell;
use std::time::Duration;

use anyhow::ensure;
use db::Error;
use tokio::time::{Instant, sleep};

use super::drop::drop_database;
use crate::error::Problem;
use crate::prompt::{Consent, progress};
use crate::target::{MaintenanceArgs, Session, Target};

/// How long new connections are tried after one broke: a server restarts within this time.
const RECONNECT_LIMIT: Duration = Duration::from_secs(30);

/// The pause before a new connection.
const PAUSE: Duration = Duration::from_millis(500);

/// Repeats work whose connection broke in new ones, as long as the error may pass and the time is not over.
pub(super) async fn reconnecting<T>(
    mut outcome: anyhow::Result<T>,
    may_pass: impl Fn(&anyhow::Error) -> bool,
    again: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + RECONNECT_LIMIT;
    while outcome.as_ref().is_err_and(&may_pass) && Instant::now() < deadline {
        progress("the connection broke: going on in a new one");
        sleep(PAUSE).await;
        outcome = again().await;
    }
    outcome
}

/// A database that is dropped.
pub(super) struct Removal<'a> {
    pub(super) target: &'a Target,
    pub(super) maintenance: &'a MaintenanceArgs,
    /// The number of the database that was confirmed.
    pub(super) oid: u32,
    pub(super) force: bool,
    pub(super) consent: &'a Consent,
    /// The snapshot that holds all its data as long as the database refuses connections.
    pub(super) snapshot: Option<&'a str>,
    pub(super) remains: Cell<Remains>,
}

/// What is left of the database, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Remains {
    #[default]
    All,
    /// The server has begun to drop it: it accepts no connection and no change.
    Half,
    /// The connection broke after the drop was sent.
    Unknown,
}

impl Removal<'_> {
    /// Drops the database, unless it is gone. If it is not certain whether it exists, the error says so.
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let may_pass = |error: &anyhow::Error| self.remains.get() == Remains::Unknown && may_pass(error);
        let outcome = reconnecting(self.attempt().await, may_pass, async || self.attempt().await).await;
        outcome.map_err(|error| self.explain(error))
    }

    async fn attempt(&self) -> anyhow::Result<()> {
        let target = self.target.renewed().await?;
        target.with_outside_session(self.maintenance, async |session| self.go_on(&target, session).await).await
    }

    async fn go_on(&self, target: &Target, session: &Session) -> anyhow::Result<()> {
        let was_sent = self.remains.get() != Remains::All;
        if was_sent && target.name_of(session, self.oid).await?.is_none() {
            return Ok(());
        }
        let found = target.find(session).await?.filter(|found| found.oid == self.oid);
        ensure!(
            self.snapshot.is_none() || found.as_ref().is_none_or(|found| !found.is_open),
            Problem::new(
                "it was opened meanwhile, and the snapshot lacks what was written since",
                "find out who opened it, and drop it again"
            )
        );
        let is_half = found.is_some_and(|found| found.is_half_dropped);
        let dropped = drop_database(session, target, self.oid, self.force, self.consent).await;
        self.remains.set(match &dropped {
            // The former session may hold the lock that this one has waited for.
            Err(error) if is_lost(error) || was_sent && may_pass(error) => Remains::Unknown,
            _ if is_half => Remains::Half,
            _ => Remains::All,
        });
        dropped
    }

    /// Returns the error, with what is left of the database.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let Self { target, snapshot, .. } = self;
        let name = target.name();
        let saved = saved(*snapshot);
        match (self.remains.get(), snapshot) {
            (Remains::All, None) => error,
            (Remains::All, Some(snapshot)) => {
                error.context(format!("the snapshot {snapshot} is made, but the database is not dropped"))
            }
            (Remains::Half, _) => Problem::new(
                format!("the database {name} is half dropped{saved}"),
                "correct the cause, and run `provision db drop` again",
            )
            .because(error)
            .into(),
            (Remains::Unknown, _) => Problem::new(
                format!("the connection broke while {name} was dropped, and it may be gone{saved}"),
                "run `provision db drop` again when the server answers: it finds whether the database exists",
            )
            .because(error)
            .into(),
        }
    }
}

/// Where the data of a database is that was saved, as the rest of a sentence.
pub(super) fn saved(snapshot: Option<&str>) -> String {
    snapshot.map(|snapshot| format!("; its data is in the snapshot {snapshot}")).unwrap_or_default()
}

/// Whether the connection broke, so that nobody knows whether the server has done the last statement. A pooler reports that
/// of its own connection with a code of class 08.
pub(super) fn is_lost(error: &anyhow::Error) -> bool {
    causes(error).any(|error| {
        matches!(error, Error::ConnectionLost { .. })
            || error.sqlstate().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
    })
}

/// Whether the same may succeed in a new session.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    is_lost(error) || causes(error).any(Error::is_transient)
}

fn causes(error: &anyhow::Error) -> impl Iterator<Item = &Error> {
    error.chain().filter_map(|cause| cause.downcast_ref())
}
