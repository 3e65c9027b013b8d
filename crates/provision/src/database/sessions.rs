//! `provision db sessions`

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::bail;
use db::{Error, Session};
use serde::Serialize;
use tokio_postgres::types::Type;

use super::target::Target;
use crate::output::table;
use crate::talk::confirm;

/// How much of a query a table has room for.
const QUERY_WIDTH: usize = 60;

/// The sessions of others on the database.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Sessions(Vec<Row>);

#[derive(Debug, Serialize)]
struct Row {
    pid: i32,
    user: Option<String>,
    application: Option<String>,
    client: Option<String>,
    state: Option<String>,
    /// Since when it is in this state: UTC.
    since: Option<String>,
    query: Option<String>,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    Pid(i32),
    /// Those that do nothing, in a transaction or not.
    Idle,
    AllOthers,
}

/// The sessions that were ended.
#[derive(Debug, Serialize)]
pub(crate) struct Killed {
    killed: Vec<i32>,
}

pub(crate) async fn sessions(target: &Target) -> anyhow::Result<Sessions> {
    let session = target.connect().await?;
    let rows = read(&session).await?;
    session.close().await;
    Ok(Sessions(rows))
}

pub(crate) async fn kill(target: &Target, which: Kill, agreed: bool) -> anyhow::Result<Killed> {
    let session = target.connect().await?;
    let mut pids = Vec::new();
    for row in read(&session).await? {
        if match which {
            Kill::Pid(pid) => row.pid == pid,
            Kill::Idle => row.state.is_some_and(|state| state.starts_with("idle")),
            Kill::AllOthers => true,
        } {
            pids.push(row.pid);
        }
    }
    if let (Kill::Pid(pid), []) = (which, pids.as_slice()) {
        bail!("there is no session {pid} on {}; see `provision db sessions`", target.name());
    }
    if target.is_production && !pids.is_empty() {
        let question = format!("This ends {} of the sessions on {}.", pids.len(), target.name());
        confirm(&question, &target.login.dbname, agreed)?;
    }
    let terminate = "select pid from unnest($1) as pid where pg_terminate_backend(pid)";
    let rows = session.query_typed(terminate, &[(&pids, Type::INT4_ARRAY)]).await.map_err(Error::from)?;
    session.close().await;
    Ok(Killed { killed: rows.iter().map(|row| row.get("pid")).collect() })
}

async fn read(session: &Session) -> Result<Vec<Row>, Error> {
    let rows = session.query_typed(include_str!("../../sql/sessions.sql"), &[]).await?;
    let row = |row: &tokio_postgres::Row| Row {
        pid: row.get("pid"),
        user: row.get("user"),
        application: row.get("application"),
        client: row.get("client"),
        state: row.get("state"),
        since: row.get("since"),
        query: row.get("query"),
    };
    Ok(rows.iter().map(row).collect())
}

impl FromStr for Kill {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "idle" => Ok(Self::Idle),
            "all-others" => Ok(Self::AllOthers),
            pid => pid.parse().map(Self::Pid).map_err(|_| "write a session's pid, `idle` or `all-others`"),
        }
    }
}

impl Display for Sessions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = ["pid", "user", "application", "client", "state", "since", "query"];
        let rows = self.0.iter().map(|row| {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let mut query = text(&row.query).split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some((end, _)) = query.char_indices().nth(QUERY_WIDTH) {
                query.truncate(end);
                query.push('…');
            }
            let [user, application, client] = [&row.user, &row.application, &row.client].map(text);
            [row.pid.to_string(), user, application, client, text(&row.state), text(&row.since), query]
        });
        table(f, header, rows)
    }
}

impl Display for Killed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.killed.len() {
            0 => f.write_str("there was no session to end"),
            1 => f.write_str("ended 1 session"),
            count => write!(f, "ended {count} sessions"),
        }
    }
}
