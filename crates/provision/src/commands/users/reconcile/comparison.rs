//! The comparison of a pool with the rows: pages are listed, and judged as soon as they are there.

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use anyhow::bail;
use cognito::UserEvent;
use db::Database;
use db::reconcile::{Choice, Clock, Finding, Former, Kind, ListedUser, Opened, Position, Run, State};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::judgement::finding;
use super::link::LinkBy;
use super::requests::Requests;
use crate::aws::pool_users::{PAGE, Pool, PoolUser};
use crate::error::Problem;
use crate::output::counted;

/// The fewest and the most pages that are judged at once, but for the last ones: so a statement is worth its costs, and a
/// step is some hundred milliseconds.
const PAGES_AT_ONCE: (i32, i32) = (10, 20);

/// How often a token may be refused before this gives up: each time all pages are listed again.
const MOST_RESTARTS: u32 = 5;

/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// Changes with the meaning of the tables: a run of another release begins anew.
const LAYOUT: u32 = 3;

/// The users to compare, and how.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The statuses that should have a row.
    pub(super) statuses: Vec<String>,
    /// Only users that were created at this time or later.
    pub(super) created_after: Option<SystemTime>,
    /// Whether the database stays as it is.
    pub(super) is_dry_run: bool,
    /// Requests of ListUsers a second.
    pub(super) rate: f64,
    /// By what seeded rows are linked to their users, before users without a row get one.
    pub(super) link_by: Option<LinkBy>,
    /// How long a sign-up may take until its row is there: until then its user is not reported as missing.
    pub(super) settle: Duration,
}

/// What the findings depend on, see [`Choice::scope`].
#[derive(Serialize)]
struct Scope<'a> {
    layout: u32,
    pool: &'a str,
    statuses: &'a [String],
    created_after: Option<SystemTime>,
    is_dry_run: bool,
    link_by: Option<&'static str>,
}

/// A comparison that is under way.
pub(super) struct Comparison<'a> {
    pub(super) run: Box<Run>,
    pub(super) requests: Requests<'a>,
    pub(super) options: &'a Options,
    pub(super) clock: Clock,
    pub(super) first_as_of: Option<SystemTime>,
    /// Where the listing begins.
    position: RefCell<Position>,
    /// The last page that is in the database.
    page: Cell<i32>,
    estimate: u64,
    pub(super) progress: &'a dyn Fn(&str),
}

/// A page on its way to the database.
struct ListedPage {
    number: i32,
    at: SystemTime,
    /// The next page's.
    token: Option<String>,
    users: Vec<ListedUser>,
}

/// How a listing has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Complete,
    /// AWS refuses the token of the next page.
    Refused,
}

impl Options {
    /// The status that AWS itself can filter by: more than one it cannot.
    fn filter(&self) -> Option<&str> {
        match &self.statuses[..] {
            [status] => Some(status),
            _ => None,
        }
    }

    /// The users of this pool that a run is about.
    pub(super) fn choice(&self, pool: &str) -> anyhow::Result<Choice> {
        let mut statuses = self.statuses.clone();
        statuses.sort();
        let scope = Scope {
            layout: LAYOUT,
            pool,
            statuses: &statuses,
            created_after: self.created_after,
            is_dry_run: self.is_dry_run,
            link_by: self.link_by.map(|by| db::reconcile::LinkBy::from(by).as_str()),
        };
        let scope = serde_json::to_string(&scope)?;
        Ok(Choice { scope, statuses, created_after: self.created_after })
    }

    /// Whether every user of the pool is listed.
    pub(super) fn lists_all(&self) -> bool {
        self.filter().is_none()
    }

    pub(super) fn includes(&self, user: &PoolUser) -> bool {
        self.statuses.contains(&user.status) && self.created_after.is_none_or(|after| user.created_at >= after)
    }
}

impl<'a> Comparison<'a> {
    /// Begins, or goes on where a process was killed.
    pub(super) async fn begin(
        pool: &'a Pool,
        database: impl Fn() -> Database,
        options: &'a Options,
        progress: &'a dyn Fn(&str),
    ) -> anyhow::Result<Self> {
        let requests = Requests::new(pool, options.rate, progress);
        let Some(estimate) = requests.estimate().await? else {
            bail!(pool.missing());
        };
        let choice = options.choice(&pool.id)?;
        let (run, position) = match Run::open(database, choice).await? {
            Opened::Ready(run, position, former) => {
                match former {
                    Former::Continued if position.page == 0 => {}
                    Former::Continued => progress(&format!("going on after page {}", position.page)),
                    Former::Dropped => {
                        progress("beginning anew: the run before was for other options, or is a day old");
                    }
                    Former::None => {}
                }
                (run, position)
            }
            Opened::Busy(holders) => {
                let holders: Vec<String> = holders.iter().map(ToString::to_string).collect();
                let problem = format!("another process reconciles this database: {}", holders.join(", "));
                bail!(Problem::new(
                    problem,
                    "wait until it has ended, or end it with `provision db sessions --kill PID`"
                ));
            }
        };
        Ok(Self {
            run,
            requests,
            options,
            clock: position.clock,
            first_as_of: position.first_as_of,
            page: Cell::new(position.page),
            position: RefCell::new(position),
            estimate,
            progress,
        })
    }

    /// The last page that is in the database, for whoever goes on.
    pub(super) fn page(&self) -> i32 {
        self.page.get()
    }

    /// Compares every user with its row, and repairs the rows unless this is a dry run.
    pub(super) async fn compare(&self) -> anyhow::Result<()> {
        // Boxed, as the SDK's futures are large.
        Box::pin(self.list_all(async |judged, listed| self.judge_pages(judged, listed).await)).await?;
        self.settle().await
    }

    /// Lists all users before any is compared.
    pub(super) async fn list_first(&self) -> anyhow::Result<()> {
        self.list_all(async |_, _| Ok(())).await?;
        let mut position = self.position.borrow_mut();
        (position.page, position.token, position.is_listed) = (self.page(), None, true);
        Ok(())
    }

    /// Lists all users, and has them judged as soon as their pages are there.
    async fn list_all(
        &self,
        judge: impl AsyncFn(i32, watch::Receiver<(i32, bool)>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut position = self.position.borrow().clone();
        let mut restarts = 0;
        loop {
            let (listed, received) = watch::channel((position.page, false));
            // Boxed, as the SDK's futures are large.
            let list = Box::pin(self.list(&position, listed));
            let (listing, ()) = tokio::try_join!(list, judge(position.judged, received))?;
            if listing == Listing::Complete {
                return Ok(());
            }
            restarts += 1;
            if restarts > MOST_RESTARTS {
                let problem = "Cognito refuses the page tokens again and again before the last page";
                bail!(Problem::new(problem, "raise --rps, so that a token is used before it expires"));
            }
            (self.progress)("Cognito no longer accepts the next page's token: listing again from the first page");
            self.run.restart(self.page.get()).await?;
            self.page.set(0);
            position = Position { page: 0, token: None, is_listed: false, judged: 0, ..position };
        }
    }

    /// Lists page after page into the database, and tells the other side of each.
    async fn list(&self, position: &Position, listed: watch::Sender<(i32, bool)>) -> anyhow::Result<Listing> {
        let Position { mut page, mut token, mut is_listed, .. } = position.clone();
        let begun = Instant::now();
        let (mut reported, first) = (begun, page);
        let mut before = None;
        let mut listing = Listing::Complete;
        while !is_listed {
            let at = self.clock.now();
            // First the page before: so if this process is killed, only the page that it asks for now is asked for again. The
            // rate leaves the time, and pages are judged meanwhile.
            self.write(before.take(), &listed).await?;
            let answer = self.requests.list_users(token.as_deref(), self.options.filter()).await;
            let Some(answer) = answer? else {
                listing = Listing::Refused;
                break;
            };
            page += 1;
            let users = answer.users.into_iter().map(|user| self.listed_user(user, at)).collect();
            token = answer.token;
            is_listed = token.is_none();
            before = Some(ListedPage { number: page, at, token: token.clone(), users });
            if reported.elapsed() >= PROGRESS {
                reported = Instant::now();
                self.report_progress(page, f64::from(page - first) / begun.elapsed().as_secs_f64());
            }
        }
        self.write(before, &listed).await?;
        let _ = listed.send((page, true));
        Ok(listing)
    }

    /// Writes the page, if there is one.
    async fn write(&self, page: Option<ListedPage>, listed: &watch::Sender<(i32, bool)>) -> anyhow::Result<()> {
        let Some(ListedPage { number, at, token, users }) = page else { return Ok(()) };
        self.run.add_page(number, at, token.as_deref(), &users).await?;
        self.page.set(number);
        // Without a receiver the other side has failed, and its error ends this one.
        let _ = listed.send((number, false));
        Ok(())
    }

    fn report_progress(&self, page: i32, rate: f64) {
        let listed = u64::from(page.unsigned_abs()) * u64::from(PAGE.unsigned_abs());
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let left = self.estimate.saturating_sub(listed) as f64 / f64::from(PAGE) / rate;
        let left = humantime::format_duration(Duration::from_secs(Duration::from_secs_f64(left).as_secs()));
        let counted = counted(page, "page", "pages");
        (self.progress)(&format!(
            "{counted}, about {listed} of {} users, {rate:.1} pages/s, {left} left",
            self.estimate
        ));
    }

    fn listed_user(&self, user: PoolUser, at: SystemTime) -> ListedUser {
        let sub = user.sub().unwrap_or(&user.username).to_owned();
        let (email, email_verified) = UserEvent::address_of(&user.attributes);
        // Costs far more than the rest, because names are normalised.
        let handle = self.options.link_by.and_then(|_| {
            let event = UserEvent::of_pool_user(&self.requests.pool.id, &user.username, user.attributes.clone(), at);
            event.ok()?.handle().map(str::to_owned)
        });
        ListedUser {
            sub: without_nul(sub),
            email,
            email_verified,
            handle,
            username: without_nul(user.username),
            status: user.status,
            enabled: user.enabled,
            created_at: user.created_at,
            modified_at: user.modified_at,
            attributes: user.attributes,
        }
    }

    /// Judges the pages that are in the database, until the last one is.
    async fn judge_pages(&self, mut judged: i32, mut listed: watch::Receiver<(i32, bool)>) -> anyhow::Result<()> {
        loop {
            let (page, is_last) = *listed.borrow_and_update();
            let (fewest, most) = PAGES_AT_ONCE;
            if judged + fewest <= page || is_last && judged < page {
                let last = page.min(judged + most);
                self.judge(judged + 1, last).await?;
                self.run.judged(last).await?;
                judged = last;
            } else if is_last {
                return Ok(());
            } else if listed.changed().await.is_err() {
                // The listing has failed, and its error ends this.
                return Ok(());
            }
        }
    }

    async fn judge(&self, first: i32, last: i32) -> anyhow::Result<()> {
        let candidates = self.run.candidates(first, last).await?;
        let (mut events, mut doubtful, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for candidate in candidates {
            // Nothing is listed before it happens, whatever its date says: it is not waited for longer than for the others.
            let modified_at = candidate.modified_at.min(candidate.at);
            let is_under_way = modified_at + self.options.settle > candidate.at;
            if candidate.is_missing && is_under_way {
                let (username, changed_at) = (Some(candidate.username), Some(modified_at));
                open.push(Finding { username, changed_at, ..finding(candidate.sub, Kind::Missing, State::Open, None) });
            } else if candidate.is_missing || candidate.is_recent {
                let kind = if candidate.is_missing { Kind::Missing } else { Kind::Stale };
                doubtful.push((kind, candidate.sub, candidate.username));
            } else {
                let pool = &self.requests.pool.id;
                let event = UserEvent::of_pool_user(pool, &candidate.username, candidate.attributes, candidate.at);
                events.extend(event);
            }
        }
        self.run.find(&open).await?;
        self.refresh(events).await?;
        self.confirm(doubtful).await
    }
}

/// PostgreSQL's text holds none.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}
