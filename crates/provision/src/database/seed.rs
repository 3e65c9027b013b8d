//! `provision db seed`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use db::Error;
use serde::Serialize;

use crate::output::counted;
use crate::target::Target;

/// What was not there yet.
#[derive(Debug, Serialize)]
pub(crate) struct Seeded {
    users: i64,
    activities: i64,
    /// Handles of samples that somebody else has.
    taken: Vec<String>,
}

pub(crate) async fn seed(target: &Target, agreed: bool) -> anyhow::Result<Seeded> {
    ensure!(
        !target.is_production || agreed,
        "{} is in production, where sample users have no place; add --yes to seed it all the same",
        target.name()
    );
    let session = target.connect().await?;
    let rows = session.query_typed(include_str!("../../sql/seed.sql"), &[]).await.map_err(Error::from)?;
    session.close().await;
    let row = rows.first().expect("there is always one row");
    Ok(Seeded { users: row.get("users"), activities: row.get("activities"), taken: row.get("taken") })
}

impl Display for Seeded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { users, activities, taken } = self;
        if (users, activities) == (&0, &0) && taken.is_empty() {
            return f.write_str("the samples are there already");
        }
        let users = counted(*users, "user", "users");
        write!(f, "seeded {users} and {}", counted(*activities, "activity", "activities"))?;
        match taken.as_slice() {
            [] => Ok(()),
            handles => write!(f, "; left out {}: other users have these handles", handles.join(" and ")),
        }
    }
}
