//! `provision db wait`

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use db::{Error, schema};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::cli::Context;
use crate::error::Problem;
use crate::prompt::progress;
use crate::target::Target;

/// The pause between two looks at the database.
const PAUSE: Duration = Duration::from_secs(1);

/// Wait until the schema is loaded
///
/// For scripts that start the application beside `provision db load`. A server that does not answer yet and a database
/// that does not exist yet are waited for as well.
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// How long to wait at most, such as 90s or 5m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// A database whose schema is loaded.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    database: String,
    host: String,
}

impl Wait {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Ready> {
        let target = context.target().await?;
        let deadline = Instant::now() + self.timeout;
        let mut reported = String::new();
        loop {
            let Some(missing) = missing(target).await? else {
                return Ok(Ready { database: target.login.dbname.clone(), host: target.login.host.clone() });
            };
            if Instant::now() + PAUSE > deadline {
                let time = humantime::format_duration(self.timeout);
                bail!(Problem::new(
                    format!("the schema of {} is not loaded after {time}: {missing}", target.name()),
                    "run `provision db load`, or wait longer with --timeout"
                ));
            }
            if missing != reported {
                progress(&format!("waiting for {}: {missing}", target.name()));
                reported = missing;
            }
            sleep(PAUSE).await;
        }
    }
}

/// What is missing still. Fails where no waiting helps, as with a refused password.
async fn missing(target: &Target) -> anyhow::Result<Option<String>> {
    let pending = target.with_session(async |session| Ok(schema::pending(session).await?)).await;
    match pending {
        Ok(pending) if pending.is_empty() => Ok(None),
        Ok(pending) => Ok(Some(format!("pending {}", pending.join(", ")))),
        Err(error) => {
            let may_pass = error.chain().any(|cause| {
                cause
                    .downcast_ref::<Error>()
                    .is_some_and(|error| error.is_transient() || matches!(error, Error::DatabaseMissing { .. }))
            });
            if may_pass { Ok(Some(format!("{error:#}"))) } else { Err(error) }
        }
    }
}

impl Display for Ready {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the schema of {} on {} is loaded", self.database, self.host)
    }
}
