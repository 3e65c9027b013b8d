//! `provision activity home`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use db::activities::{self, Cursor, Page};
use db::schema::{Access, ensure_trusted};
use serde::Serialize;

use crate::cli::Context;

/// Show the newest activities
#[derive(Debug, Args)]
pub(super) struct Home {
    /// Number of activities at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Show the next page: the activities before this place, which the page before has named
    #[arg(long, value_name = "PLACE")]
    before: Option<Cursor>,
}

/// A page of the home feed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Feed(Page);

impl Home {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Feed> {
        let Self { limit, before } = self;
        let target = context.target().await?;
        target
            .with_session(async |session| {
                let transaction = session.transaction().await?;
                ensure_trusted(&transaction, Access::Read).await?;
                Ok(Feed(activities::home(&transaction, limit, before.as_ref()).await?))
            })
            .await
    }
}

impl Display for Feed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.activities.is_empty() {
            return f.write_str("there are no activities");
        }
        for (index, activity) in self.0.activities.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            super::write(f, activity, 0)?;
        }
        match &self.0.next {
            Some(next) => write!(f, "\nfor the next page: --before {next}"),
            None => Ok(()),
        }
    }
}
