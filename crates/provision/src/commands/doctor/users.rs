//! The guarantee itself: every confirmed user has a row.

use std::collections::HashSet;
use std::slice;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use db::row::Columns;
use humantime::format_rfc3339_seconds;
use tokio::time::sleep;
use tokio_postgres::types::Type;

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::pool_users::{Named, Page, Pool, PoolUser, STATUSES};
use crate::output::counted;
use crate::prompt::progress;
use crate::target::Session;

/// How many pages a bounded look reads. Cognito documents no order of them.
const PAGES: u32 = 50;

/// The pause between two pages: a third of the 30 requests a second that all pools of an account and region have.
const PAUSE: Duration = Duration::from_millis(100);

/// How many of those without a row are asked for by name. The count of more than these need not be exact.
const ASKED: u64 = 100;

pub(super) async fn missing(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let pool = Pool::new(deployment.aws().await?, &deployment.pool_id);
    let estimate = pool.estimate().await?.ok_or_else(|| pool.missing())?;
    let target = deployment.context.target().await?;
    target.with_session(async |session| Tally::of(deployment, session, &pool, estimate).await).await
}

#[derive(Default)]
struct Tally {
    confirmed: u64,
    missing: u64,
    oldest: Option<SystemTime>,
}

impl Tally {
    async fn of(deployment: &Deployment<'_>, session: &Session, pool: &Pool, estimate: u64) -> anyhow::Result<Seen> {
        let mut tally = Self::default();
        let mut token = None;
        let mut is_complete = false;
        for number in 1_u32.. {
            let Some(Page { users, token: next }) = pool.list_users(token.as_deref(), None).await? else {
                bail!("AWS does not accept the token of its own last page; run this again");
            };
            tally.add(deployment, session, pool, users).await?;
            is_complete = next.is_none();
            if is_complete || (!deployment.full && number == PAGES) {
                break;
            }
            if number % PAGES == 0 {
                progress(&format!("{} of about {estimate} users", tally.confirmed));
            }
            token = next;
            sleep(PAUSE).await;
        }
        Ok(tally.seen(deployment, estimate, is_complete))
    }

    async fn add(
        &mut self,
        deployment: &Deployment<'_>,
        session: &Session,
        pool: &Pool,
        users: Vec<PoolUser>,
    ) -> anyhow::Result<()> {
        let users: Vec<_> = users.into_iter().filter(|user| is_confirmed(deployment, user)).collect();
        self.confirmed += users.len() as u64;
        for user in without_row(session, &users).await? {
            // The list may be behind, and a row may have been made since: both are asked again, in this order.
            if self.missing < ASKED
                && (!is_still_confirmed(deployment, pool, user).await?
                    || without_row(session, slice::from_ref(user)).await?.is_empty())
            {
                continue;
            }
            self.missing += 1;
            self.oldest = self.oldest.into_iter().chain([user.modified_at]).min();
        }
        Ok(())
    }

    fn seen(&self, deployment: &Deployment<'_>, estimate: u64, is_complete: bool) -> Seen {
        let of = if is_complete { String::new() } else { format!(" of about {estimate}; --full looks at all") };
        let looked = counted(self.confirmed, "confirmed user", "confirmed users");
        let mut seen = Seen::new(format!("{looked} looked at{of}: {} without a row", self.missing));
        if let Some(oldest) = self.oldest {
            let reconcile =
                deployment.command(&format!("users reconcile --prod --pool {} --dry-run", deployment.pool_id));
            let who = counted(self.missing, "confirmed user has", "confirmed users have");
            seen.wrong(
                format!("{who} no row, the oldest since {}", format_rfc3339_seconds(oldest)),
                format!("{reconcile} says why; without --dry-run it makes their rows"),
            );
        }
        seen
    }
}

/// Those of the users that the table does not know.
async fn without_row<'a>(session: &Session, users: &'a [PoolUser]) -> anyhow::Result<Vec<&'a PoolUser>> {
    let subs: Vec<&str> = users.iter().filter_map(PoolUser::sub).collect();
    if subs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.query_typed(include_str!("users/known.sql"), &[(&subs, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(db::Error::from)?;
    let known: HashSet<String> = rows.iter().map(|row| row.column("sub")).collect::<Result<_, _>>()?;
    Ok(users.iter().filter(|user| user.sub().is_some_and(|sub| !known.contains(sub))).collect())
}

/// Whether the user should have a row by now.
fn is_confirmed(deployment: &Deployment<'_>, user: &PoolUser) -> bool {
    STATUSES.contains(&user.status.as_str())
        && SystemTime::now().duration_since(user.modified_at).is_ok_and(|age| age >= deployment.settle)
}

async fn is_still_confirmed(deployment: &Deployment<'_>, pool: &Pool, user: &PoolUser) -> anyhow::Result<bool> {
    Ok(match pool.find_user(&user.username).await? {
        Named::User(user) => is_confirmed(deployment, &user),
        Named::Nobody => false,
        Named::Refused => true,
    })
}
