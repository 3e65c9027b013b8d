//! `provision db sessions`

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::{bail, ensure};
use clap::Args;
use db::Error;
use db::row::{Columns, Lossy};
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};

use crate::cli::Context;
use crate::error::Problem;
use crate::output::{Outcome, counted, table};
use crate::prompt::{Consent, progress};
use crate::target::{Session, Target};

/// List the sessions on the database, or end some
#[derive(Debug, Args)]
pub(super) struct Sessions {
    /// End sessions: one by its pid, the `idle` ones, or `all-others`; asks first in production
    ///
    /// A session that is idle in a transaction is idle as well, and its transaction is rolled back. Exit status 1 if one
    /// of these sessions was not ended.
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
    /// Whether this login may not see its client, state and query.
    is_hidden: bool,
    #[serde(skip)]
    is_superusers: bool,
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
#[derive(Debug, Default, Serialize)]
struct Killed {
    killed: Vec<i32>,
    /// Those that this login may not end, such as a superuser's.
    refused: Vec<i32>,
    /// Those of which this login may not see whether they are idle.
    hidden: Vec<i32>,
}

impl Sessions {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let target = context.target().await?;
        let Some(kill) = self.kill else {
            return context
                .show_lines(&target.with_session(async |session| Ok(SessionList(read(session).await?))).await?);
        };
        let work = async |session: &mut Session| kill.run(context, target, session).await;
        let (killed, obstacle) = target.with_session(work).await?;
        let outcome = context.show(&killed)?;
        obstacle.map_or(Ok(outcome), |obstacle| Err(obstacle.into()))
    }
}

impl Kill {
    /// Ends the sessions. The problem is of those that are meant and not ended.
    async fn run(
        self,
        context: &Context,
        target: &Target,
        session: &Session,
    ) -> anyhow::Result<(Killed, Option<Problem>)> {
        let mut rows = read(session).await?;
        let count = rows.iter().filter(|row| self.is_meant(row)).count();
        let needs_consent = session.is_production() && count > 0;
        if needs_consent && !context.yes() && context.can_ask() && !matches!(self, Self::Pid(_)) {
            progress(&format!("{} to end now", counted(count, "session", "sessions")));
        }
        let consent = context.confirm_if(needs_consent, &self.question(target), &target.login.dbname)?;
        if needs_consent {
            // The answer may have taken a while.
            rows = read(session).await?;
        }
        let meant: Vec<&Row> = rows.iter().filter(|row| self.is_meant(row)).collect();
        if let Self::Pid(pid) = self {
            ensure!(!meant.is_empty(), missing(pid, target));
        }
        let mut killed = Killed::default();
        let mut obstacle = None;
        let role = escape_identifier(&session.role().await?);
        for row in rows.iter().filter(|row| self == Self::Idle && row.is_hidden) {
            killed.hidden.push(row.pid);
            obstacle.get_or_insert_with(|| row.unseen(&role));
        }
        for row in meant {
            match terminate(session, row.pid, self == Self::Idle, &consent).await {
                Ok(true) => killed.killed.push(row.pid),
                // It has ended, or has started a statement, since the list was read.
                Ok(false) => ensure!(!matches!(self, Self::Pid(_)), missing(row.pid, target)),
                Err(error @ Error::NotAllowed { .. }) => {
                    let problem = row.refused(&role).because(error);
                    if let Self::Pid(_) = self {
                        bail!(problem);
                    }
                    killed.refused.push(row.pid);
                    obstacle.get_or_insert(problem);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((killed, obstacle))
    }

    /// The rule and not a count, because sessions begin and end before the answer.
    fn question(self, target: &Target) -> String {
        let name = target.name();
        match self {
            Self::Pid(pid) => format!("This ends the session {pid} on {name}."),
            Self::Idle => format!("This ends every session that is idle then on {name}."),
            Self::AllOthers => format!("This ends every other session on {name}."),
        }
    }

    fn is_meant(self, row: &Row) -> bool {
        match self {
            Self::Pid(pid) => row.pid == pid,
            Self::Idle => row.state.as_deref().is_some_and(|state| state.starts_with("idle")),
            Self::AllOthers => true,
        }
    }
}

fn missing(pid: i32, target: &Target) -> Problem {
    let problem = format!("there is no session {pid} on {}", target.name());
    Problem::new(problem, "list them with `provision db sessions`")
}

impl Row {
    /// The way out for this login if it may not end the session.
    fn refused(&self, login: &str) -> Problem {
        let Self { pid, user, is_superusers, .. } = self;
        let user = user.as_deref().unwrap_or_default();
        if *is_superusers {
            let problem = format!("cannot end session {pid} of the superuser {user}");
            return Problem::new(problem, "log in as a superuser; on RDS leave it, because only RDS itself has one");
        }
        Problem::new(
            format!("cannot end session {pid} of {user}"),
            format!("log in as {user}, or have an administrator run `grant pg_signal_backend to {login}`"),
        )
    }

    /// The same if it may not see whether the session is idle.
    fn unseen(&self, login: &str) -> Problem {
        let Self { pid, user, .. } = self;
        Problem::new(
            format!("cannot see whether session {pid} of {} is idle", user.as_deref().unwrap_or_default()),
            format!("have an administrator run `grant pg_read_all_stats to {login}`, or end it by its pid"),
        )
    }
}

/// Ends the session, or with `only_idle` only one that runs no statement. Returns whether it was there to end.
async fn terminate(session: &Session, pid: i32, only_idle: bool, _consent: &Consent) -> Result<bool, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&pid, Type::INT4), (&only_idle, Type::BOOL)];
    let rows = session.query_typed(include_str!("terminate_session.sql"), &parameters).await?;
    rows.first().map_or(Ok(false), |row| row.column("is_ended"))
}

async fn read(session: &Session) -> Result<Vec<Row>, Error> {
    let rows = session.query_typed(include_str!("sessions.sql"), &[]).await?;
    let row = |row: &tokio_postgres::Row| {
        let text = |column| Ok::<_, Error>(row.column::<Option<Lossy>>(column)?.map(|Lossy(text)| text));
        let is_hidden: bool = row.column("is_hidden")?;
        Ok(Row {
            pid: row.column("pid")?,
            user: text("user")?,
            application: text("application")?,
            client: row.column("client")?,
            state: row.column("state")?,
            since: row.column("since")?,
            waits_for: row.column("waits_for")?,
            query: text("query")?.filter(|_| !is_hidden),
            is_hidden,
            is_superusers: row.column("is_superusers")?,
        })
    };
    rows.iter().map(row).collect()
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
            let state = if row.is_hidden { "hidden".to_owned() } else { text(&row.state) };
            [row.pid.to_string(), user, application, client, state, text(&row.since), waits_for, query]
        });
        table(f, header, rows)
    }
}

impl Display for Killed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { killed, refused, hidden } = self;
        if [killed, refused, hidden].iter().all(|pids| pids.is_empty()) {
            return f.write_str("no session to end");
        }
        write!(f, "ended {}", counted(killed.len(), "session", "sessions"))?;
        for (pids, word) in [(refused, "not ended"), (hidden, "hidden")] {
            if !pids.is_empty() {
                let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
                write!(f, "; {word}: {}", pids.join(", "))?;
            }
        }
        Ok(())
    }
}
