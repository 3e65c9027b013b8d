//! `provision activity show`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use db::activities::{self, Thread};
use db::schema::{Access, ensure_trusted};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Context;
use crate::error::Problem;

/// Show an activity with its replies
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Activity's uuid, as `activity home` shows it
    uuid: Uuid,
}

/// An activity with its replies.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Shown(Thread);

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Shown> {
        let target = context.target().await?;
        let thread = target
            .with_session(async |session| {
                let transaction = session.transaction().await?;
                ensure_trusted(&transaction, Access::Read).await?;
                Ok(activities::get(&transaction, self.uuid).await?)
            })
            .await?;
        thread.map(Shown).ok_or_else(|| {
            let problem = format!("there is no activity {}, or it has expired", self.uuid);
            Problem::new(problem, "list the activities with `provision activity home`").into()
        })
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        super::write(f, &self.0.activity, 0)?;
        for reply in &self.0.replies {
            writeln!(f)?;
            super::write(f, reply, 4)?;
        }
        Ok(())
    }
}
