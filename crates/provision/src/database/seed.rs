//! `provision db seed`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use db::Error;
use serde::Serialize;

use super::target::Target;

/// What was not there yet.
#[derive(Debug, Serialize)]
pub(crate) struct Seeded {
    users: i64,
    activities: i64,
}

pub(crate) async fn seed(target: &Target, agreed: bool) -> anyhow::Result<Seeded> {
    ensure!(
        !target.is_production || agreed,
        "{} is in production, where sample users have no place; add --yes to seed it all the same",
        target.name()
    );
    let session = target.connect().await?;
    let rows = session.query_typed(include_str!("../../sql/seed.sql"), &[]).await.map_err(Error::from)?;
    let count = |column| rows.first().map_or(0, |row| row.get(column));
    let seeded = Seeded { users: count("users"), activities: count("activities") };
    session.close().await;
    Ok(seeded)
}

impl Display for Seeded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self { users: 0, activities: 0 } => f.write_str("the samples are there already"),
            Self { users, activities } => write!(f, "seeded {users} users and {activities} activities"),
        }
    }
}
