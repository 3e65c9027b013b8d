//! `provision db sessions`

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::bail;
use db::{Error, Session};
use serde::Serialize;
use tokio_postgres::types::Type;

use crate::output::{counted, table};
use crate::talk::confirm;
use crate::target::Target;

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
    /// Those that this login may not end, such as the server's own.
    refused: Vec<i32>,
}

pub(crate) async fn sessions(target: &Target) -> anyhow::Result<Sessions> {
    let session = target.connect().await?;
    let rows = read(&session).await?;
    session.close().await;
    Ok(Sessions(rows))
}

pub(crate) async fn kill(target: &Target, which: Kill, agreed: bool) -> anyhow::Result<Killed> {
    let session = target.connect().await?;
    let rows = read(&session).await?;
    let pids: Vec<i32> = rows.iter().filter(|row| which.is_meant(row)).map(|row| row.pid).collect();
    if let (Kill::Pid(pid), []) = (which, pids.as_slice()) {
        bail!("there is no session {pid} on {}; see `provision db sessions`", target.name());
    }
    if target.is_production && !pids.is_empty() {
        let question = format!("This ends {} of the sessions on {}.", pids.len(), target.name());
        confirm(&question, &target.login.dbname, agreed)?;
    }
    let terminate = include_str!("../../sql/terminate_session.sql");
    let (mut killed, mut refused) = (Vec::new(), Vec::new());
    for pid in pids {
        let only_idle = which == Kill::Idle;
        match session.query_typed(terminate, &[(&pid, Type::INT4), (&only_idle, Type::BOOL)]).await.map_err(Error::from)
        {
            // It may have gone or begun to work since.
            Ok(rows) => killed.extend(rows.first().map(|_| pid)),
            Err(Error::NotAllowed { .. }) if !matches!(which, Kill::Pid(_)) => refused.push(pid),
            Err(error) => return Err(error.into()),
        }
    }
    session.close().await;
    Ok(Killed { killed, refused })
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

impl Kill {
    fn is_meant(self, row: &Row) -> bool {
        match self {
            Self::Pid(pid) => row.pid == pid,
            Self::Idle => row.state.as_deref().is_some_and(|state| state.starts_with("idle")),
            Self::AllOthers => true,
        }
    }
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
        let Self { killed, refused } = self;
        if killed.is_empty() && refused.is_empty() {
            return f.write_str("there was no session to end");
        }
        write!(f, "ended {}", counted(killed.len(), "session", "sessions"))?;
        if !refused.is_empty() {
            let pids: Vec<_> = refused.iter().map(ToString::to_string).collect();
            write!(f, "; this login may not end {}: pg_signal_backend is for that", pids.join(", "))?;
        }
        Ok(())
    }
}
