//! `provision db load`

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::bail;
use db::{Budget, schema};
use serde::Serialize;

use crate::interrupt::unless_interrupted;
use crate::talk::say;
use crate::target::Target;

/// How long the server may take to hear that it shall stop.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// The migrations that were applied.
#[derive(Debug, Serialize)]
pub(crate) struct Loaded {
    applied: Vec<String>,
}

/// The migrations that the database does not have yet.
#[derive(Debug, Serialize)]
pub(crate) struct Pending {
    pending: Vec<String>,
}

/// Applies what is pending. Ctrl-C ends it at once, with what was under way undone.
pub(crate) async fn load(target: &Target) -> anyhow::Result<Loaded> {
    let mut session = target.connect().await?;
    let canceller = session.canceller();
    if schema::is_being_loaded(&session).await? {
        say("somebody else is loading the schema; waiting for that to end");
    }
    let Some(applied) = unless_interrupted(schema::load(&mut session)).await else {
        // The server would otherwise finish the statement first, and only then see that we are gone.
        canceller.cancel(&Budget::new(CANCEL_LIMIT)).await?;
        bail!("interrupted: the migration under way was undone; run `provision db load` again to go on");
    };
    session.close().await;
    Ok(Loaded { applied: applied? })
}

pub(crate) async fn pending(target: &Target) -> anyhow::Result<Pending> {
    let mut session = target.connect().await?;
    let pending = schema::pending(&mut session).await?;
    session.close().await;
    Ok(Pending { pending })
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

const UP_TO_DATE: &str = "the schema is up to date";

impl Display for Loaded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.applied.as_slice() {
            [] => f.write_str(UP_TO_DATE),
            applied => write!(f, "applied {}", applied.join(", ")),
        }
    }
}

impl Display for Pending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.pending.as_slice() {
            [] => f.write_str(UP_TO_DATE),
            pending => write!(f, "pending: {}", pending.join(", ")),
        }
    }
}
