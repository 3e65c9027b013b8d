//! A command's session, and what its server says of itself.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use anyhow::{Context, ensure};
use db::row::{Columns, Lossy};
use db::{Canceller, Error, Step};
use postgres_protocol::escape::escape_identifier;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::{CONNECT_LIMIT, Target};
use crate::error::Problem;

/// The time limit for the last message of a session.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The settings of each transaction.
const SETTINGS: &str = include_str!("local.sql");

/// An open session; use it as the [`Client`] it holds.
#[derive(Debug)]
pub(crate) struct Session {
    session: db::Session,
    /// Whether the server is on Amazon RDS, under whatever name it was reached.
    pub(crate) is_on_rds: bool,
    /// Whether the operator has named the database as one of production.
    pub(crate) is_named_production: bool,
    encoding: String,
    /// The statements that begin each transaction.
    settings: String,
}

impl Session {
    /// Asks the server what it is.
    pub(super) async fn new(session: db::Session, target: &Target) -> anyhow::Result<Self> {
        // A pooler accepts the login before it has a connection to the server.
        let rows = timeout(CONNECT_LIMIT, query(&session, SETTINGS, include_str!("open.sql"), &[]));
        let silent = |_| {
            let problem = format!("{} has accepted the login and does not answer", target.name());
            let remedy = "check that the database exists on the server behind the pooler, and that this server runs";
            Problem::new(problem, remedy).because(Error::BudgetExceeded { step: Step::Query })
        };
        let rows = rows.await.map_err(silent)?.map_err(Error::from)?;
        let row = rows.first().context("the server does not know the database of this session")?;
        let (is_on_rds, encoding) = (row.column("is_on_rds")?, row.column("encoding")?);
        Ok(Self {
            session,
            is_on_rds,
            is_named_production: target.is_production,
            encoding,
            settings: SETTINGS.to_owned(),
        })
    }

    /// Whether this is production: the operator says so, or the server does.
    pub(crate) fn is_production(&self) -> bool {
        self.is_named_production || self.is_on_rds
    }

    /// Fails for a database in which the data of users cannot be written as they are.
    pub(super) fn ensure_utf8(&self, target: &Target) -> anyhow::Result<()> {
        let problem = format!("{} has the encoding {}, and UTF8 is needed", target.name(), self.encoding);
        ensure!(
            self.encoding == "UTF8",
            Problem::new(problem, "save its data, drop it and create it again with `provision db create`")
        );
        Ok(())
    }

    /// Runs a statement with the settings of local.sql, in a transaction of its own and in one round trip.
    pub(crate) async fn query_typed(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        query(&self.session, &self.settings, statement, parameters).await
    }

    /// Runs statements that set what outlasts their transaction.
    pub(super) async fn set(&self, statements: &str) -> Result<(), Error> {
        Ok(self.session.batch_execute(&format!("{SETTINGS}{statements}")).await?)
    }

    /// Begins a transaction with the settings of local.sql. Each of its statements sees what was committed before it, also
    /// if the role has another level.
    pub(crate) async fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        let transaction =
            self.session.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
        transaction.batch_execute(&self.settings).await?;
        Ok(transaction)
    }

    /// The role that the session acts as: the login, or the one that a setting of the login or the database names.
    pub(crate) async fn role(&self) -> Result<String, Error> {
        let rows = self.query_typed("select current_user::text as role", &[]).await?;
        let Lossy(role) = rows.first().expect("there is always one row").column("role")?;
        Ok(role)
    }

    /// Makes each of the later transactions act as this role. Nothing of it stays in the connection, which a pooler gives to
    /// other clients in between.
    pub(crate) fn act_as(&mut self, role: &str) {
        self.settings = format!("{SETTINGS}set local role {};", escape_identifier(role));
    }

    /// Makes a canceller of this session's statements.
    pub(crate) fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Does the work, and closes the session however it ends.
    pub(super) async fn closing<T>(
        mut self,
        work: impl AsyncFnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let outcome = work(&mut self).await;
        // Past the limit the session is dropped, which cuts the connection.
        let _ = timeout(CLOSE_LIMIT, self.session.close()).await;
        outcome
    }
}

async fn query(
    client: &Client,
    settings: &str,
    statement: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let opening = format!("begin; {settings}");
    // Sent in this order, and at once.
    let (begun, rows, ended) = tokio::join!(
        client.batch_execute(&opening),
        client.query_typed(statement, parameters),
        client.batch_execute("commit")
    );
    begun?;
    let rows = rows?;
    ended?;
    Ok(rows)
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.session
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.session
    }
}
