//! `provision activity`

use clap::Subcommand;
use db::activities::{Author, Cursor, Draft};
use uuid::Uuid;

use super::{Place, Surroundings};
use crate::activity;

#[derive(Debug, Subcommand)]
pub(super) enum ActivityCommand {
    /// Write an activity
    Create {
        /// Who writes, by handle; this or --user
        #[arg(long, default_value = "", hide_default_value = true)]
        handle: String,
        /// Who writes, by users.uuid
        #[arg(long, value_name = "UUID", conflicts_with = "handle")]
        user: Option<Uuid>,
        /// What, in at most 280 characters; required
        #[arg(long, default_value = "", hide_default_value = true)]
        message: String,
        /// How long it lives; required: 30-days, 7-days, 3-days, 1-day, 12-hours, 3-hours or 1-hour
        #[arg(long, default_value = "", hide_default_value = true)]
        ttl: String,
        /// The activity that it replies to
        #[arg(long, value_name = "UUID")]
        reply_to: Option<Uuid>,
    },
    /// Show an activity with its replies
    Show {
        /// The activity's uuid, as `activity home` shows it
        uuid: Uuid,
    },
    /// Show the newest activities
    Home {
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// The next page: those before the place that the page before named
        #[arg(long, value_name = "PLACE")]
        before: Option<Cursor>,
    },
}

impl ActivityCommand {
    pub(super) async fn run(self, surroundings: &Surroundings, place: Place) -> anyhow::Result<()> {
        let output = surroundings.output;
        let target = surroundings.target(place).await?;
        match self {
            Self::Create { handle, user, message, ttl, reply_to } => {
                let author = user.map_or(Author::Handle(handle), Author::Uuid);
                output.show(&activity::create(&target, &Draft { author, message, ttl, reply_to }).await?)
            }
            Self::Show { uuid } => output.show(&activity::show(&target, uuid).await?),
            Self::Home { limit, before } => output.show(&activity::home(&target, limit, before.as_ref()).await?),
        }
    }
}
