//! Rows that were seeded get the ids of the users whose they are.

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::ValueEnum;
use cognito::UserEvent;
use db::reconcile::{Link, LinkState, writes_public_users};
use serde::Serialize;

use super::comparison::{Comparison, Options};
use crate::error::Problem;
use crate::output::counted;
use crate::prompt::Consent;
use crate::target::Target;
use crate::terminal::harmless;

/// The attribute that a row and a user must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LinkBy {
    /// The handle, as the database compares handles; the user who has chosen it gets the row
    Handle,
    /// The address, which Cognito must have verified, exactly as it is written
    Email,
}

/// The links that were found.
#[derive(Debug, Serialize)]
pub(super) struct Links {
    by: &'static str,
    /// The links that fit, whatever became of them.
    found: usize,
    linked: usize,
    /// Given up, because the user has another row by now, or the user or the row has changed.
    dropped: usize,
    /// Never linked, because another row or another user fits as well.
    ambiguous: usize,
    links: Vec<Linked>,
}

#[derive(Debug, Serialize)]
struct Linked {
    /// The row's key.
    uuid: String,
    handle: String,
    sub: String,
    state: &'static str,
}

impl From<LinkBy> for db::reconcile::LinkBy {
    fn from(by: LinkBy) -> Self {
        match by {
            LinkBy::Handle => Self::Handle,
            LinkBy::Email => Self::Email,
        }
    }
}

/// Fails where it cannot be told whose a row is.
pub(super) async fn ensure_linkable(options: &Options, target: &Target) -> anyhow::Result<()> {
    ensure!(
        options.lists_all(),
        Problem::new(
            "with one --status, Cognito lists no other users, and a row may be one of theirs",
            "leave --status out, or name a second one"
        )
    );
    let is_linkable = target.with_session(async |session| Ok(writes_public_users(&**session).await?)).await?;
    let problem = format!("the users of {} are in a table of an application's own", target.name());
    ensure!(
        is_linkable,
        Problem::new(problem, "link its rows as docs/own-table.md says, then run this without --link-by")
    );
    Ok(())
}

impl Comparison<'_> {
    /// Finds the links, after all users were listed. Each user is asked for once more.
    pub(super) async fn find_links(&self, by: LinkBy) -> anyhow::Result<Links> {
        self.run.propose_links(by.into()).await?;
        for link in self.fitting().await? {
            if self.current(by, &link).await?.is_none() {
                self.run.drop_link(&link).await?;
            }
        }
        self.links(by).await
    }

    /// Gives the rows their ids, and the rows then what they have of Cognito.
    pub(super) async fn link(&self, by: LinkBy, _consent: &Consent) -> anyhow::Result<()> {
        for link in self.fitting().await? {
            let Some(event) = self.current(by, &link).await? else {
                self.run.drop_link(&link).await?;
                continue;
            };
            if self.run.link(&link).await? {
                // A row that the database refuses to change is compared, and reported, with all others.
                self.run.ensure(&[event]).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn links(&self, by: LinkBy) -> anyhow::Result<Links> {
        Ok(Links::new(by, self.run.links().await?))
    }

    async fn fitting(&self) -> anyhow::Result<Vec<Link>> {
        let links = self.run.links().await?.into_iter();
        Ok(links.filter(|link| link.state == LinkState::Fits).collect())
    }

    /// The user as the pool has it now, if the link fits still: the list of users can be behind.
    async fn current(&self, by: LinkBy, link: &Link) -> anyhow::Result<Option<UserEvent>> {
        let at = self.clock.now();
        let Some(user) = self.requests.find_user(&link.username, &link.sub).await? else { return Ok(None) };
        if user.sub() != Some(&link.sub) || !self.options.includes(&user) {
            return Ok(None);
        }
        let event = UserEvent::of_pool_user(&self.requests.pool.id, &user.username, user.attributes, at).ok();
        Ok(event.filter(|event| match by {
            LinkBy::Handle => event.handle() == link.user_handle.as_deref(),
            LinkBy::Email => matches!(event.address(), (email @ Some(_), true) if email == link.email.as_deref()),
        }))
    }
}

impl Links {
    fn new(by: LinkBy, links: Vec<Link>) -> Self {
        let count = |state| links.iter().filter(|link| link.state == state).count();
        let (linked, dropped) = (count(LinkState::Linked), count(LinkState::Dropped));
        Self {
            by: db::reconcile::LinkBy::from(by).as_str(),
            found: count(LinkState::Fits) + linked + dropped,
            linked,
            dropped,
            ambiguous: count(LinkState::Ambiguous),
            links: links.into_iter().map(Linked::from).collect(),
        }
    }

    /// The links that are left to make.
    pub(super) fn left(&self) -> usize {
        self.found - self.linked - self.dropped
    }
}

impl From<Link> for Linked {
    fn from(link: Link) -> Self {
        let Link { uuid, handle, sub, state, .. } = link;
        Self { uuid, handle, sub, state: state.as_str() }
    }
}

impl Display for Links {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { by, found, linked, dropped, ambiguous, links } = self;
        let rows = counted(*found, "seeded row fits a user", "seeded rows fit one user each");
        write!(f, "{rows}, by {by}")?;
        let outcomes = [(linked, "linked"), (dropped, "dropped: the user has another row, or something has changed")];
        for (separator, (count, outcome)) in [": ", ", "].into_iter().zip(outcomes.into_iter().filter(|(n, _)| **n > 0))
        {
            write!(f, "{separator}{count} {outcome}")?;
        }
        if *ambiguous > 0 {
            let pairs = counted(*ambiguous, "pair is", "pairs are");
            write!(f, "; {pairs} ambiguous and not linked, as another row or user fits as well")?;
        }
        for Linked { uuid, handle, sub, state } in links {
            let state = if *state == LinkState::Fits.as_str() { String::new() } else { format!(" ({state})") };
            write!(f, "\n  {uuid} {} ↔ {}{state}", harmless(handle), harmless(sub))?;
        }
        Ok(())
    }
}
