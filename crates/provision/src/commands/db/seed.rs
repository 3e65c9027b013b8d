//! `provision db seed`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use db::Error;
use db::row::Columns;
use db::schema::{Access, ensure_trusted};
use serde::Serialize;

use crate::cli::Context;
use crate::error::Problem;
use crate::output::counted;
use crate::target::{Session, Target};

/// Write the sample users and their first activity
///
/// The users are andrewbrown and bayko. A second run adds nothing. In production it needs --yes.
#[derive(Debug, Args)]
pub(super) struct Seed {}

/// The samples that were missing.
#[derive(Debug, Serialize)]
pub(super) struct Seeded {
    users: usize,
    activities: i64,
    /// Handles of samples that other users have.
    taken: Vec<String>,
}

impl Seed {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Seeded> {
        seed(context, context.target().await?).await?.ok_or_else(|| {
            Problem::new(
                "interrupted: the samples may be missing",
                "run `provision db seed` again: it adds what is missing",
            )
            .into()
        })
    }
}

/// Writes the samples that are missing, or returns `None` if it is interrupted.
pub(super) async fn seed(context: &Context, target: &Target) -> anyhow::Result<Option<Seeded>> {
    target
        .with_interruptible_session(async |session| {
            ensure!(
                !session.is_production() || context.yes(),
                Problem::new(
                    format!("{} is in production, and sample users do not belong there", target.name()),
                    "add --yes to seed it all the same"
                )
            );
            Ok(write(session).await?)
        })
        .await
}

async fn write(session: &mut Session) -> Result<Seeded, Error> {
    let transaction = session.transaction().await?;
    ensure_trusted(&transaction, Access::Write).await?;
    let users = transaction.query_typed(include_str!("seed_users.sql"), &[]).await?.len();
    let rows = transaction.query_typed(include_str!("seed_activities.sql"), &[]).await?;
    let row = rows.first().expect("there is always one row");
    let seeded = Seeded { users, activities: row.column("activities")?, taken: row.column("taken")? };
    transaction.commit().await?;
    Ok(seeded)
}

impl Display for Seeded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { users, activities, taken } = self;
        if (users, activities) == (&0, &0) && taken.is_empty() {
            return f.write_str("the samples exist already");
        }
        let users = counted(*users, "user", "users");
        write!(f, "seeded {users} and {}", counted(*activities, "activity", "activities"))?;
        match taken.as_slice() {
            [] => Ok(()),
            handles => write!(f, "; left out {}: other users have these handles", handles.join(" and ")),
        }
    }
}
