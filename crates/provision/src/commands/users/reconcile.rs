//! `provision users reconcile`

mod comparison;
mod judgement;
mod link;
mod orphans;
mod pace;
mod report;
mod requests;

use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::Args;
use db::Error;
use db::reconcile::last_run;

use self::comparison::{Comparison, Options};
use self::link::{LinkBy, Links, ensure_linkable};
use self::report::{Report, Skipped};
use crate::aws::pool_users::{Pool, STATUSES};
use crate::cli::Context;
use crate::error::{self, Problem};
use crate::in_vpc::{Limit, Stop};
use crate::interrupt::unless_interrupted;
use crate::output::{Outcome, counted};
use crate::pool::PoolArgs;
use crate::prompt::{Consent, announce, progress};
use crate::target::{Session, Target};

/// The statuses that count on request.
const OTHERS: [&str; 4] = ["FORCE_CHANGE_PASSWORD", "ARCHIVED", "COMPROMISED", "UNKNOWN"];

/// Cognito waits 5 seconds for the trigger, and calls it three times at most: nothing is under way for longer than a day.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
const LONGEST_SETTLE: Duration = Duration::from_hours(24);

/// Give every user of the pool a row, with the right address
///
/// Lists the users of the pool, and compares each with its row. A user without a row gets one, and a row whose address
/// differs is updated, as if the trigger had been called. Sign-ups go on meanwhile, and nothing newer is overwritten. Rows
/// whose user the pool does not have are only reported.
///
/// Begin with --dry-run: it changes no row, says how many users have none and why, and ends with 3 if something differs.
///
/// A run that is killed goes on where it was, if the same command is run within a day. Until a run ends, the schema
/// `cognito` has tables with a copy of the pool's users.
///
/// AWS allows 30 requests a second for all pools of an account and region, and the application needs some of them: --rps
/// takes a part.
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    #[command(flatten)]
    pool: PoolArgs,

    /// Only report; changes no row
    #[arg(long)]
    dry_run: bool,

    /// Status that should have a row, may be repeated; without it CONFIRMED, EXTERNAL_PROVIDER and RESET_REQUIRED
    ///
    /// FORCE_CHANGE_PASSWORD, ARCHIVED, COMPROMISED and UNKNOWN count on request. UNCONFIRMED never does: nobody has
    /// confirmed that the address is theirs. With a single status, Cognito lists no other users, and rows without a user are
    /// not looked for.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<String>,

    /// Only users created at this time or later, such as 2026-11-25 or 2026-11-25T10:00:00Z; without it, all
    #[arg(long, value_name = "TIME", value_parser = time)]
    created_after: Option<SystemTime>,

    /// Link each seeded row (`seed-…`) to the user who has the same handle, or verified e-mail address, after a question;
    /// without it, such rows stay, and their users get others
    ///
    /// Only where the row fits one user alone, and that user has no row and fits no other row. Looks at all users before the
    /// first one gets a row. Not for a table of your own
    #[arg(long, value_name = "WHAT", value_enum)]
    link_by: Option<LinkBy>,

    /// ListUsers requests a second, each for 60 users; AdminGetUser requests may be four times as many
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = rate)]
    rps: f64,

    /// How long a sign-up may take until its row is there, such as 20s, at most a day: until then its user is not reported as missing
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = settle)]
    settle: Duration,

    /// How long the run may take at most, such as 30m; without it, there is no limit
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    /// Do nothing if a run with this option and the same choice of users has ended less than this time ago, such as 20h;
    /// without it, each run runs
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    at_most_every: Option<Duration>,

    /// Delete the rows whose user the pool does not have, after a question; never with a second pool on the same table
    #[arg(long, conflicts_with = "dry_run")]
    forget_orphans: bool,
}

impl Reconcile {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let pool = self.pool.id(context)?;
        let target = context.target().await?;
        // Where the database cannot be used, the target knows best why.
        target.with_writing_session(async |session| ensure_all_visible(session).await).await?;
        let options = self.options();
        if options.link_by.is_some() {
            ensure_linkable(&options, target).await?;
        }
        let pool = Pool::new(context.aws().await?, &pool);
        let limit = context.limit(self.timeout);
        let database = || target.database();
        if let Some(interval) = self.at_most_every {
            let choice = options.choice(&pool.id)?;
            if let Some(ended_at) = last_run::ended_within(&database(), &choice, interval).await? {
                return context.show(&Skipped::new(ended_at));
            }
        }
        let begin = Box::pin(Comparison::begin(&pool, database, &options, &progress));
        let comparison = limit.within(|| 0, begin).await?;
        if let Some(by) = self.link_by {
            let find = Box::pin(async {
                comparison.list_first().await?;
                comparison.find_links(by).await
            });
            let links = resumable(&comparison, limit, find).await?;
            if links.left() > 0 && !self.dry_run {
                match confirm_links(&links, &comparison, context, target) {
                    Ok(consent) => resumable(&comparison, limit, Box::pin(comparison.link(by, &consent))).await?,
                    // The next invocation goes on with this run.
                    Err(error) if Stop::of(&error).is_some() => return Err(error),
                    // Without the links, each of these users would get a second row.
                    Err(error) => {
                        comparison.run.finish().await?;
                        return Err(error);
                    }
                }
            }
        }
        // Boxed, as the SDK's futures are large.
        let work = Box::pin(async {
            comparison.compare().await?;
            comparison.find_orphans().await
        });
        let not_looked_for = resumable(&comparison, limit, work).await?;
        let mut report = Report::of(&comparison, target, not_looked_for).await?;
        let mut refused = None;
        if self.forget_orphans && report.orphans_left() > 0 {
            match confirm_forgetting(report.orphans_left(), &comparison, context, target) {
                Ok(consent) => {
                    let forgotten = resumable(&comparison, limit, Box::pin(comparison.forget_orphans(&consent))).await;
                    report = Report::of(&comparison, target, not_looked_for).await?;
                    if let Err(error) = forgotten {
                        if Stop::of(&error).is_some() {
                            return Err(error);
                        }
                        // Whatever stopped it, users were repaired and rows deleted before.
                        context.show_check(&report, true)?;
                        return Err(error);
                    }
                }
                Err(error) if Stop::of(&error).is_some() => return Err(error),
                Err(error) => refused = Some(error),
            }
        }
        if self.at_most_every.is_some() {
            comparison.run.remember().await?;
        }
        comparison.run.finish().await?;
        let shown = context.show_check(&report, report.differs())?;
        refused.map_or(Ok(shown), Err)
    }

    fn options(&self) -> Options {
        let statuses = if self.status.is_empty() { STATUSES.map(str::to_owned).to_vec() } else { self.status.clone() };
        Options {
            statuses,
            created_after: self.created_after,
            is_dry_run: self.dry_run,
            link_by: self.link_by,
            rate: self.rps,
            settle: self.settle,
        }
    }
}

/// Works until it is interrupted or the time is over. Whatever ends it early, the next run goes on from there.
async fn resumable<T>(
    comparison: &Comparison<'_>,
    limit: Limit,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let work = limit.within(|| comparison.page(), work);
    let outcome = unless_interrupted(work).await.unwrap_or_else(|| Err(anyhow!("interrupted")));
    outcome.map_err(|error| {
        if Stop::of(&error).is_some() {
            return error;
        }
        let problem = format!("stopped after page {}", comparison.page());
        let first = error::first(&error);
        Problem::new(problem, format!("{first}run the same command again: it goes on from there")).because(error).into()
    })
}

/// Fails where row-level security may hide rows: their users would be called missing.
async fn ensure_all_visible(session: &mut Session) -> anyhow::Result<()> {
    match session.query_typed("select from cognito.known_users('{}')", &[]).await.map_err(Error::from) {
        Err(error) if error.routine() == Some("check_enable_rls") => {
            let remedy = "log in as the owner of the table, or, if that one is refused too, as a role with BYPASSRLS";
            Err(Problem::new("row-level security may hide rows of users from this login", remedy).because(error).into())
        }
        // The comparison finds every other error.
        _ => Ok(()),
    }
}

/// Shows the links, and asks whether to make them.
fn confirm_links(
    links: &Links,
    comparison: &Comparison<'_>,
    context: &Context,
    target: &Target,
) -> anyhow::Result<Consent> {
    announce(links);
    let (left, pool) = (links.left(), &comparison.requests.pool.id);
    let rows = counted(left, "seeded row the id of a user", "seeded rows the ids of users");
    let question = format!("This gives {rows} of the pool {pool}, in {}.", target.name());
    context.confirm(&question, &format!("{left} {pool}"))
}

fn confirm_forgetting(
    orphans: i64,
    comparison: &Comparison<'_>,
    context: &Context,
    target: &Target,
) -> anyhow::Result<Consent> {
    let pool = &comparison.requests.pool.id;
    let rows = counted(orphans, "row whose user", "rows whose users");
    let question = format!("This deletes {rows} the pool {pool} does not have, in {}.", target.name());
    context.confirm(&question, &format!("{orphans} {pool}"))
}

fn status(word: &str) -> Result<String, String> {
    let word = word.to_ascii_uppercase();
    if word == "UNCONFIRMED" {
        return Err("an unconfirmed user gets no row: nobody has confirmed that the address is theirs".to_owned());
    }
    if STATUSES.iter().chain(&OTHERS).any(|status| *status == word) {
        return Ok(word);
    }
    Err(format!("no status; those of Cognito are {}", [&STATUSES[..], &OTHERS[..]].concat().join(", ")))
}

fn time(text: &str) -> Result<SystemTime, String> {
    let whole = if text.len() == "2026-11-25".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339(&whole).map_err(|_| "no date and no time in UTC as RFC 3339 has it".to_owned())
}

fn settle(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > LONGEST_SETTLE { Err("longer than a day".to_owned()) } else { Ok(time) }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("no number from 0.01 to 10000".to_owned()),
    }
}

#[cfg(test)]
mod tests;
