//! `provision db sessions`

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::{bail, ensure};
use clap::Args;
use db::Error;
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};

use crate::cli::Context;
use crate::error::Problem;
use crate::output::{Outcome, counted, table};
use crate::prompt::Consent;
use crate::target::{Session, Target};

/// List the sessions on the database, or end some
#[derive(Debug, Args)]
pub(super) struct Sessions {
    /// End sessions: one by its pid, the `idle` ones, or `all-others`; asks first in production
    ///
    /// A session that is idle in a transaction is idle as well, and its transaction is rolled back.
    #[arg(long, value_name = "PID|idle|all-others")]
    kill: Option<Kill>,
}

/// The other sessions on the database.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct SessionList(Vec<Row>);

#[derive(Debug, Serialize)]
struct Row {
    pid: i32,
    user: Option<String>,
    application: Option<String>,
    client: Option<String>,
    state: Option<String>,
    /// The time of its last change of state: UTC, RFC 3339.
    since: Option<String>,
    /// The pids of the sessions that hold a lock which this one waits for.
    waits_for: Vec<i32>,
    query: Option<String>,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kill {
    Pid(i32),
    /// Those that run no statement, in a transaction or not.
    Idle,
    AllOthers,
}

/// The sessions that were ended.
#[derive(Debug, Serialize)]
struct Killed {
    killed: Vec<i32>,
    /// Those that this login may not end, such as a superuser's.
    refused: Vec<i32>,
}

impl Sessions {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let target = context.target().await?;
        match self.kill {
            None => {
                context.show_lines(&target.with_session(async |session| Ok(SessionList(read(session).await?))).await?)
            }
            Some(kill) => {
                context.show(&target.with_session(async |session| kill.run(context, target, session).await).await?)
            }
        }
    }
}

impl Kill {
    async fn run(self, context: &Context, target: &Target, session: &Session) -> anyhow::Result<Killed> {
        let rows = read(session).await?;
        let pids: Vec<i32> = rows.iter().filter(|row| self.is_meant(row)).map(|row| row.pid).collect();
        if let Self::Pid(pid) = self {
            let problem = format!("there is no session {pid} on {}", target.name());
            ensure!(!pids.is_empty(), Problem::new(problem, "list them with `provision db sessions`"));
        }
        let question = format!("This ends {} on {}.", counted(pids.len(), "session", "sessions"), target.name());
        let needs_consent = session.is_production() && !pids.is_empty();
        let consent = context.confirm_if(needs_consent, &question, &target.login.dbname)?;
        let (mut killed, mut refused) = (Vec::new(), Vec::new());
        for pid in pids {
            match terminate(session, pid, self == Self::Idle, &consent).await {
                Ok(true) => killed.push(pid),
                // It has ended, or has started a statement, since the list was read.
                Ok(false) => {}
                Err(Error::NotAllowed { .. }) if !matches!(self, Self::Pid(_)) => refused.push(pid),
                Err(error @ Error::NotAllowed { .. }) => bail!(
                    Problem::new(format!("cannot end session {pid}"), "grant pg_signal_backend to this login")
                        .because(error)
                ),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Killed { killed, refused })
    }

    fn is_meant(self, row: &Row) -> bool {
        match self {
            Self::Pid(pid) => row.pid == pid,
            Self::Idle => row.state.as_deref().is_some_and(|state| state.starts_with("idle")),
            Self::AllOthers => true,
        }
    }
}

/// Ends the session, or with `only_idle` only one that runs no statement. Returns whether it was there to end.
async fn terminate(session: &Session, pid: i32, only_idle: bool, _consent: &Consent) -> Result<bool, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&pid, Type::INT4), (&only_idle, Type::BOOL)];
    Ok(!session.query_typed(include_str!("terminate_session.sql"), &parameters).await?.is_empty())
}

async fn read(session: &Session) -> Result<Vec<Row>, Error> {
    let rows = session.query_typed(include_str!("sessions.sql"), &[]).await?;
    let row = |row: &tokio_postgres::Row| Row {
        pid: row.get("pid"),
        user: row.get("user"),
        application: row.get("application"),
        client: row.get("client"),
        state: row.get("state"),
        since: row.get("since"),
        waits_for: row.get("waits_for"),
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
            pid => pid.parse().map(Self::Pid).map_err(|_| "use a session's pid, `idle` or `all-others`"),
        }
    }
}

impl Display for SessionList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = ["pid", "user", "application", "client", "state", "since", "waits for", "query"];
        let rows = self.0.iter().map(|row| {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let query = text(&row.query).split_whitespace().collect::<Vec<_>>().join(" ");
            let [user, application, client] = [&row.user, &row.application, &row.client].map(text);
            let waits_for = match row.waits_for.as_slice() {
                [] => "-".to_owned(),
                pids => pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            };
            [row.pid.to_string(), user, application, client, text(&row.state), text(&row.since), waits_for, query]
        });
        table(f, header, rows)
    }
}

impl Display for Killed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { killed, refused } = self;
        if killed.is_empty() && refused.is_empty() {
            return f.write_str("no session to end");
        }
        write!(f, "ended {}", counted(killed.len(), "session", "sessions"))?;
        if !refused.is_empty() {
            let pids: Vec<_> = refused.iter().map(ToString::to_string).collect();
            let session = if pids.len() == 1 { "session" } else { "sessions" };
            write!(f, "; cannot end {session} {}: grant pg_signal_backend to this login", pids.join(", "))?;
        }
        Ok(())
    }
}
