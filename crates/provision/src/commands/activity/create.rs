//! `provision activity create`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use db::activities::{self, Activity, Author, Draft};
use db::schema::{Access, ensure_trusted};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Context;

/// Write an activity
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Author's handle; this or --user is required
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    handle: String,
    /// Author's users.uuid
    #[arg(long, value_name = "UUID", conflicts_with = "handle")]
    user: Option<Uuid>,
    /// Text of at most 280 characters; required
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    message: String,
    /// Time to live; required: 30-days, 7-days, 3-days, 1-day, 12-hours, 3-hours or 1-hour
    #[arg(long, default_value = "", hide_default_value = true)]
    ttl: String,
    /// Activity that this one replies to
    #[arg(long, value_name = "UUID")]
    reply_to: Option<Uuid>,
}

/// The new activity.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Created(Activity);

impl Create {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Created> {
        let Self { handle, user, message, ttl, reply_to } = self;
        let author = user.map_or(Author::Handle(handle), Author::Uuid);
        let draft = Draft { author, message, ttl, reply_to };
        let target = context.target().await?;
        target
            .with_session(async |session| {
                let transaction = session.transaction().await?;
                ensure_trusted(&transaction, Access::Write).await?;
                let activity = activities::create(&transaction, &draft).await?;
                transaction.commit().await.map_err(db::Error::from)?;
                Ok(Created(activity))
            })
            .await
    }
}

impl Display for Created {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        super::write(f, &self.0, 0)
    }
}
