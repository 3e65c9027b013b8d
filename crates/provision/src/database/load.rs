//! `provision db load`

use std::fmt::{self, Display, Formatter};

use db::{Session, schema};
use serde::Serialize;

/// What was loaded.
#[derive(Debug, Serialize)]
pub(crate) struct Loaded {
    applied: Vec<String>,
}

pub(crate) async fn run(session: &mut Session) -> anyhow::Result<Loaded> {
    Ok(Loaded { applied: schema::load(session).await? })
}

impl Display for Loaded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.applied.is_empty() {
            return write!(f, "the schema is up to date");
        }
        write!(f, "applied {}", self.applied.join(", "))
    }
}
