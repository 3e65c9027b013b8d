//! `provision activity`

use std::fmt::{self, Display, Formatter};

use anyhow::anyhow;
use db::activities::{self, Activity, Cursor, Draft, Page, Thread};
use serde::Serialize;
use uuid::Uuid;

use crate::output::{counted, harmless};
use crate::target::Target;

/// One activity.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Written(Activity);

/// An activity with its replies.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Shown(Thread);

/// A page of the home feed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Feed(Page);

pub(crate) async fn create(target: &Target, draft: &Draft) -> anyhow::Result<Written> {
    let session = target.connect().await?;
    let activity = activities::create(&session, draft).await?;
    session.close().await;
    Ok(Written(activity))
}

pub(crate) async fn show(target: &Target, uuid: Uuid) -> anyhow::Result<Shown> {
    let session = target.connect().await?;
    let thread = activities::get(&session, uuid).await?;
    session.close().await;
    thread.map(Shown).ok_or_else(|| {
        anyhow!("there is no activity {uuid}, or it has expired; `provision activity home` shows those there are")
    })
}

pub(crate) async fn home(target: &Target, limit: u16, before: Option<&Cursor>) -> anyhow::Result<Feed> {
    let session = target.connect().await?;
    let page = activities::home(&session, limit, before).await?;
    session.close().await;
    Ok(Feed(page))
}

/// An activity for people, each line after so many spaces.
fn write(f: &mut Formatter<'_>, activity: &Activity, indent: usize) -> fmt::Result {
    let Activity { uuid, display_name, handle, message, replies_count, created_at, expires_at, .. } = activity;
    let (name, handle) = (harmless(display_name), harmless(handle));
    write!(f, "{:indent$}{name} @{handle}, {created_at}, until {expires_at}, {uuid}", "")?;
    for line in message.lines() {
        write!(f, "\n{:indent$}  {}", "", harmless(line))?;
    }
    match *replies_count {
        0 => Ok(()),
        count => write!(f, "\n{:indent$}  ({})", "", counted(count, "reply", "replies")),
    }
}

impl Display for Written {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(f, &self.0, 0)
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(f, &self.0.activity, 0)?;
        for reply in &self.0.replies {
            writeln!(f)?;
            write(f, reply, 4)?;
        }
        Ok(())
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
            write(f, activity, 0)?;
        }
        match &self.0.next {
            Some(next) => write!(f, "\nfor the next page: --before {next}"),
            None => Ok(()),
        }
    }
}
