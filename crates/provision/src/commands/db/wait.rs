//! `provision db wait`

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use db::{Error, Kind, schema};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::cli::Context;
use crate::error::{self, Problem};
use crate::prompt::progress;
use crate::target::{Server, Target};

/// The pause between two looks at the database.
const PAUSE: Duration = Duration::from_secs(1);

/// Wait until the schema is loaded
///
/// For scripts that start the application beside `provision db load`. A server that does not answer yet and a database
/// that does not exist yet are waited for as well.
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// How long to wait at most, such as 90s or 5m; the last attempt to connect may take 30 s more
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// A database whose schema is loaded.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    database: String,
    #[serde(flatten)]
    server: Server,
}

/// The reason why a database is not ready yet.
struct Missing {
    reason: String,
    remedy: String,
}

impl Wait {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Ready> {
        let target = context.target().await?;
        // None for a time that is longer than the clock can count.
        let deadline = Instant::now().checked_add(self.timeout);
        let mut reported = String::new();
        loop {
            let Some(Missing { reason, remedy }) = missing(target).await? else {
                return Ok(Ready { database: target.login.dbname.clone(), server: target.server() });
            };
            if deadline.is_some_and(|deadline| Instant::now() + PAUSE > deadline) {
                let time = humantime::format_duration(self.timeout);
                let problem = format!("the schema of {} is not loaded after {time}: {reason}", target.name());
                bail!(Problem::new(problem, format!("{remedy}, or wait longer with --timeout")));
            }
            if reason != reported {
                progress(&format!("waiting for {}: {reason}", target.name()));
                reported = reason;
            }
            sleep(PAUSE).await;
        }
    }
}

/// What is missing still. Fails if waiting cannot help, as with a refused password.
async fn missing(target: &Target) -> anyhow::Result<Option<Missing>> {
    let pending = async {
        // A wait may outlast a token.
        target
            .renewed()
            .await?
            .with_session(async |session| Ok(schema::pending(&session.transaction().await?).await?))
            .await
    };
    match pending.await {
        Ok(pending) if pending.is_empty() => Ok(None),
        Ok(pending) => {
            let remedy = "run `provision db load`".to_owned();
            Ok(Some(Missing { reason: format!("pending {}", pending.join(", ")), remedy }))
        }
        Err(error) if error.chain().filter_map(|cause| cause.downcast_ref()).any(may_pass) => {
            let remedy = error::remedy(&error).unwrap_or_default();
            Ok(Some(Missing { reason: format!("{error:#}"), remedy }))
        }
        Err(error) => Err(error),
    }
}

fn may_pass(error: &Error) -> bool {
    // 55000: `provision db drop` has closed the database, or its snapshot was restored.
    let is_closed = error.sqlstate() == Some("55000") && !error::is_half_dropped(error);
    error.is_transient() || error.kind() == Kind::DatabaseMissing || is_closed
}

impl Display for Ready {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the schema of {} on {} is loaded", self.database, self.server)
    }
}
