//! A reconciliation, with disturbances and without, and what it must lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use testkit::UserPool;
use testkit::user_pool::{Failure, Lag, Stage, User};

use super::checker::{self, Row, Rows, Told, counts};
use super::history::{Climate, Disturbed, Incident, Trouble};
use super::world::World;
use crate::aws::Aws;
use crate::aws::pool_users::Pool;
use crate::commands::users::reconcile::STATUSES;
use crate::commands::users::reconcile::comparison::{Comparison, Options};
use crate::commands::users::reconcile::report::Report;
use crate::prompt;

/// A row that is younger may be of a user whom the list does not have yet.
const YOUNG: Duration = Duration::from_mins(10);

/// Processes of one run before it counts as one that never ends.
const MOST_PROCESSES: usize = 10;

/// What is to happen at the requests of a run.
#[derive(Default)]
struct Script {
    requests: usize,
    incidents: Vec<Incident>,
    problem: Option<String>,
}

/// The findings of a report, as kind and `sub`.
type Findings = BTreeSet<(String, String)>;

/// Runs it while things happen. Nothing newer may be overwritten, and nothing be reported that is not so.
pub(super) async fn disturbed(world: &Arc<World>, disturbed: &Disturbed) -> Result<(), String> {
    let before = world.table.rows().await;
    world.begin_disturbance().await;
    let script = Script { incidents: disturbed.incidents.clone(), ..Script::default() };
    let script = Arc::new(Mutex::new(script));
    let client = world.pool.http_client_with({
        let (world, script) = (Arc::clone(world), Arc::clone(&script));
        move |stage, _| meanwhile(Arc::clone(&world), Arc::clone(&script), stage)
    });
    let report =
        run(&Aws::with_user_pool(client), world, disturbed.is_dry_run, disturbed.forgets, &disturbed.kills).await?;
    world.pool.fail_no_more();
    if let Some(problem) = script.lock().expect("no panic").problem.take() {
        return Err(problem);
    }
    let rows = world.table.rows().await;
    let users = users_by_sub(&world.pool);
    let (right, untouched) = world.right().await;
    for user in right.iter().filter_map(|sub| users.get(sub)) {
        if let Some(fault) = checker::fault(&rows, user) {
            return Err(format!("the present state was told, and overwritten: {fault}"));
        }
    }
    let renamed = before.iter().find(|(sub, row)| rows.get(*sub).is_some_and(|after| after.handle != row.handle));
    if let Some((sub, row)) = renamed {
        return Err(format!("the handle of {sub} was {}", row.handle));
    }
    if let Some(sub) = before.keys().find(|sub| users.contains_key(*sub) && !rows.contains_key(*sub)) {
        return Err(format!("the row of {sub} is deleted, and the pool has the user"));
    }
    for (kind, sub) in findings(&report) {
        let is_false = match kind.as_str() {
            "missing" => before.contains_key(&sub),
            "orphan" => users.contains_key(&sub) || !before.contains_key(&sub),
            _ => untouched.contains(&sub),
        };
        if is_false {
            return Err(format!("{sub} is called {kind}, and is not"));
        }
    }
    Ok(())
}

/// What happens at one moment of one request.
async fn meanwhile(world: Arc<World>, script: Arc<Mutex<Script>>, stage: Stage) {
    let now = {
        let mut script = script.lock().expect("no panic");
        if stage == Stage::Asked {
            script.requests += 1;
        }
        let requests = script.requests;
        let is_now =
            |incident: &mut Incident| incident.request <= requests && incident.is_after == (stage == Stage::Answered);
        script.incidents.extract_if(.., is_now).collect::<Vec<_>>()
    };
    for incident in now {
        match incident.trouble {
            Trouble::Steps(steps) => {
                for step in steps {
                    if let Err(problem) = world.perform(&step).await {
                        script.lock().expect("no panic").problem = Some(format!("{step:?}: {problem}"));
                    }
                }
            }
            Trouble::TokensExpire => world.pool.expire_tokens(),
            Trouble::Throttled(times) => world.pool.fail_next("*", Failure::Throttled, times),
            Trouble::Fails(times) => world.pool.fail_next("*", Failure::Internal, times),
            Trouble::CredentialsExpire => world.pool.fail_next("*", Failure::ExpiredCredentials, 1),
        }
    }
}

/// Runs it while nothing else happens: afterwards the table is the pool.
pub(super) async fn quiet(world: &Arc<World>, climate: &Climate, is_late: bool) -> Result<(), String> {
    world.calm_down().await?;
    world.pool.change_rules(|rules| rules.lag = Lag::None);
    if is_late {
        world.pass_hour().await?;
    }
    let aws = Aws::with_user_pool(world.pool.http_client());
    let pool = Pool::new(&aws, world.pool.id());
    for _ in 0..=climate.lag {
        // What the list does not show yet is there after so many requests.
        pool.list_users(None, None).await.map_err(|error| error.to_string())?;
    }
    let now = SystemTime::now();
    let before = world.table.rows().await;
    let users = world.pool.users();
    let is_forgettable = |row: &Row| row.as_of + YOUNG < now;
    let expected = checker::mirrored(&before, &users, now, is_forgettable);
    let found = found(&before, &expected);
    if climate.seed.is_multiple_of(2) {
        let report = run(&aws, world, true, false, &[]).await?;
        compare_findings("a dry run", &found, &findings(&report))?;
        if world.table.rows().await != before {
            return Err("a dry run writes".to_owned());
        }
    }
    let report = run(&aws, world, false, true, &[]).await?;
    compare_findings("a run", &found, &findings(&report))?;
    let rows = world.table.rows().await;
    let users = users_by_sub(&world.pool);
    let fits = |sub: &str, _: &Row, row: &Row| match before.get(sub) {
        Some(before) => before.handle == row.handle,
        None => Told::by_pool(&users[sub]).may_have(&row.handle),
    };
    if let Some(difference) = checker::difference(&expected, &rows, fits) {
        return Err(format!("the table is not the pool:\n{difference}"));
    }
    for user in users.values().filter(|user| counts(user)) {
        checker::fault(&rows, user).map_or(Ok(()), Err)?;
    }
    if world.table.has_run().await { Err("the run has left its tables".to_owned()) } else { Ok(()) }
}

/// What a run must find that leads from these rows to those.
fn found(before: &Rows, after: &Rows) -> Findings {
    let subs: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let kind = |sub: &String| match (before.get(sub), after.get(sub)) {
        (None, Some(_)) => Some("missing"),
        (Some(_), None) => Some("orphan"),
        (Some(before), Some(after)) if before != after => Some("stale"),
        _ => None,
    };
    subs.into_iter().filter_map(|sub| Some((kind(sub)?.to_owned(), sub.clone()))).collect()
}

fn compare_findings(run: &str, expected: &Findings, found: &Findings) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let not = expected.difference(found).collect::<Vec<_>>();
    Err(format!("{run} does not find {not:?}, and finds {:?}", found.difference(expected).collect::<Vec<_>>()))
}

/// Runs it to the end, in as many processes as that takes.
async fn run(aws: &Aws, world: &World, is_dry_run: bool, forgets: bool, kills: &[usize]) -> Result<Value, String> {
    let options = Options {
        statuses: STATUSES.map(str::to_owned).to_vec(),
        created_after: None,
        link_by: None,
        is_dry_run,
        rate: 1e6,
        settle: Duration::ZERO,
    };
    let mut kills = kills.iter();
    for _ in 0..MOST_PROCESSES {
        // Boxed, as the SDK's futures are large.
        let work = Box::pin(process(aws, world, &options, forgets));
        match until_killed(work, kills.next().copied()).await {
            Some(Ok(report)) => return Ok(report),
            Some(Err(error)) if format!("{error:#}").contains("expired") => {}
            Some(Err(error)) => return Err(format!("the run fails: {error:#}")),
            None => {}
        }
    }
    Err("the run does not end".to_owned())
}

async fn process(aws: &Aws, world: &World, options: &Options, forgets: bool) -> anyhow::Result<Value> {
    let (pool, target) = (Pool::new(aws, world.pool.id()), &world.table.target);
    let comparison = Comparison::begin(&pool, || target.database(), options, &|_| {}).await?;
    comparison.compare().await?;
    let not_looked_for = comparison.find_orphans().await?;
    if forgets {
        comparison.forget_orphans(&prompt::confirm("", "", true)?).await?;
    }
    let report = Report::of(&comparison, target, not_looked_for).await?;
    comparison.run.finish().await?;
    Ok(serde_json::to_value(report)?)
}

/// Drops the future after so many polls, as a process ends that is killed.
async fn until_killed<T>(work: impl Future<Output = T>, polls: Option<usize>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(move |context| match &mut left {
        Some(0) => Poll::Ready(None),
        Some(polls) => {
            *polls -= 1;
            work.as_mut().poll(context).map(Some)
        }
        None => work.as_mut().poll(context).map(Some),
    })
    .await
}

fn findings(report: &Value) -> Findings {
    let findings = report["findings"].as_array().expect("a list").iter();
    let word = |finding: &Value, field: &str| finding[field].as_str().expect("a word").to_owned();
    findings.map(|finding| (word(finding, "kind"), word(finding, "sub"))).collect()
}

fn users_by_sub(pool: &UserPool) -> BTreeMap<String, User> {
    pool.users().into_iter().map(|user| (user.sub.clone(), user)).collect()
}
