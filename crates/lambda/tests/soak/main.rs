//! Sign-ups and new addresses by many functions at once while everything around them fails at random, sent as Cognito
//! sends them: an error is never sent again, and no answer in 5 s is, at most three times in all. Lambda throttles some
//! calls, and those that are spilled are replayed while things fail as well. Afterwards, in this order:
//!
//! 1. Each function serves a sign-up, and the rest of the queue is replayed: what the functions said agrees with the rows,
//!    nobody has two, and nothing that was spilled is without a row.
//! 2. A part of the users whose row is missing, or behind, signs in: the function heals it.
//! 3. The others never sign in again. One `provision users reconcile` repairs their rows, and then the table is the pool.
//!
//! Prints its figures. `SOAK_SIGN_UPS` is how many sign-ups there are (2,000), `SOAK_SEED` chooses the faults, the throttled
//! calls, and who signs in (1).

mod account;
mod event;
mod faults;
mod fixture;
#[path = "../function/log_schema.rs"]
mod log_schema;
mod pool;
mod reconcile;
mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use testkit::{Request, UserPool};

use crate::event::Event;
use crate::faults::freeze_at_random;
use crate::fixture::Fixture;
use crate::pool::{Call, Cognito, Pool, Reply, call};
use crate::reconcile::reconcile;
use crate::replay::Replay;

/// The people who do something at the same time.
const PEOPLE: u64 = 16;

/// One of so many sign-ups is followed by a new address of a user, who may be another one.
const NEW_ADDRESSES: u64 = 5;

/// Lambda throttles one of so many events.
const THROTTLED: u64 = 40;

/// How often a sign-up is sent when the faults are over. Only a slow machine makes the first one fail.
const TRIES: usize = 10;

/// The longest pause between two events of one person, in milliseconds.
const PAUSE: u64 = 160;

/// A person changes no address within the second in which the contract cannot tell whose row was just made.
const AFTER: Duration = Duration::from_secs(2);

/// The outcomes of a sign-in after which the row is right.
const HEALED: [&str; 4] = ["healed", "changed", "unchanged", "known"];

/// What is wrong is printed up to this many times.
const SHOWN: usize = 20;

#[expect(clippy::print_stdout, reason = "a test runner reads the list")]
fn main() {
    match Request::of("soak", std::env::args().skip(1)) {
        Request::Run => soak(),
        Request::List(list) => print!("{list}"),
        Request::Skip => {}
    }
}

/// What the seed has chosen for a user.
struct Course {
    is_throttled: bool,
    signs_in: bool,
}

/// The sign-ups that are still to come.
struct Progress {
    next: AtomicU64,
    courses: Vec<Course>,
    half: AtomicBool,
    done: AtomicBool,
}

impl Progress {
    fn new(sign_ups: u64, rng: &mut Rng) -> Self {
        let course = |_| Course { is_throttled: rng.u64(..THROTTLED) == 0, signs_in: rng.bool() };
        let courses = (0..sign_ups).map(course).collect();
        Self { next: AtomicU64::new(0), courses, half: AtomicBool::new(false), done: AtomicBool::new(false) }
    }

    fn course(&self, user: u64) -> Option<&Course> {
        self.courses.get(usize::try_from(user).expect("memory for them"))
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
async fn soak() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (sign_ups, seed) = (number("SOAK_SIGN_UPS", 2000), number("SOAK_SEED", 1));
    let started = Instant::now();
    let fixture = Arc::new(Fixture::start(seed).await);
    let user_pool = &fixture.user_pool;
    let pool = Pool::new(Arc::clone(&fixture));
    let mut replay = Replay::new(&fixture).await;

    let mut rng = Rng::with_seed(seed);
    let progress = Progress::new(sign_ups, &mut rng);
    let people: Vec<_> = (0..PEOPLE).map(|_| (Cognito::new(Arc::clone(&pool)), rng.fork())).collect();
    let (of_faults, of_freezes, of_replays) = (rng.fork(), rng.fork(), rng.fork());
    let (faults, freezes, (), mut calls) = tokio::join!(
        fixture.fail_at_random(of_faults, &progress.half, &progress.done),
        freeze_at_random(&pool, of_freezes, &progress.done),
        replay.replay_at_random(of_replays, &progress.done),
        async {
            let work = people.into_iter().map(|(cognito, rng)| sign_up(cognito, rng, &progress));
            let calls: Vec<Call> = futures::future::join_all(work).await.into_iter().flatten().collect();
            progress.done.store(true, Ordering::Relaxed);
            calls
        },
    );
    println!("soak: {sign_ups} sign-ups in {:.1?}, seed {seed}", started.elapsed());
    println!("soak: faults {faults:?}, {freezes} freezes; {:?} meanwhile", replay.figures);

    let [old, new] = fixture.targets();
    calls.extend(serve(&pool, sign_ups).await);
    let held = replay.replay_all().await;
    let replayed = new.rows().await;
    account::print_figures(&calls, &replayed);
    let wrong = account::contradictions(&calls, &replayed, user_pool);
    assert!(wrong.is_empty(), "{} contradictions: {:#?}", wrong.len(), &wrong[..wrong.len().min(SHOWN)]);
    assert_eq!(held, 0, "with the database well, the replay holds nothing back");
    assert_eq!(fixture.queue.dead().await.expect("SQS is up"), [], "no event is given up");

    let behind = account::behind(0..sign_ups, &replayed, user_pool);
    let returning = |user: &&u64| progress.course(**user).is_some_and(|course| course.signs_in);
    let returned: Vec<u64> = behind.iter().filter(returning).copied().collect();
    sign_in(&pool, &returned, user_pool).await;
    let healed = new.rows().await;
    let left = account::behind(0..sign_ups, &healed, user_pool);
    println!("soak: {} users were behind; {} signed in, and {} never do", behind.len(), returned.len(), left.len());
    assert!(left.iter().all(|user| !returned.contains(user)), "whoever signs in has a row");

    let report = reconcile(user_pool, &new.database).await;
    println!("soak: one reconciliation: missing {}, stale {}", report["missing"], report["stale"]);
    let rows = new.rows().await;
    let repaired =
        [&report["missing"], &report["stale"]].map(|difference| difference["repaired"].as_u64().expect("it"));
    assert_eq!(repaired.iter().sum::<u64>(), left.len() as u64, "it repairs those who never sign in, and nobody else");
    assert_eq!(account::behind(0..sign_ups, &rows, user_pool), [0; 0], "each confirmed user has a row that is right");
    assert!(rows.values().all(|(count, _)| *count == 1), "nobody has two rows");
    assert_eq!(rows.len(), user_pool.user_count(), "no row is too many");
    new.execute(&format!("alter database {} allow_connections true", old.database.name)).await;
    let left_behind = old.rows().await.into_keys().filter(|sub| !rows.contains_key(sub)).count();
    assert_eq!(left_behind, 0, "no row is written to the database that was moved away from");
    println!("soak: {} users, {} rows, {:.1?}", user_pool.user_count(), rows.len(), started.elapsed());
}

/// Signs people up one after the other until none is left, and gives some a new address; returns the calls.
async fn sign_up(mut cognito: Cognito, mut rng: Rng, progress: &Progress) -> Vec<Call> {
    let mut newest = Vec::<(Event, Instant)>::new();
    loop {
        let user = progress.next.fetch_add(1, Ordering::Relaxed);
        let Some(course) = progress.course(user) else { return cognito.calls().await };
        if user >= progress.courses.len() as u64 / 2 {
            progress.half.store(true, Ordering::Relaxed);
        }
        let event = Event::sign_up(user);
        if course.is_throttled {
            cognito.throttle(event);
        } else {
            cognito.send(event).await;
        }
        newest.push((event, Instant::now()));
        if rng.u64(..NEW_ADDRESSES) == 0 {
            // A person changes one thing after the other.
            cognito.settle().await;
            let chosen = rng.choice(&mut newest).filter(|(_, sent)| sent.elapsed() > AFTER);
            if let Some((event, sent)) = chosen {
                event.number += 1;
                if rng.u64(..THROTTLED) == 0 {
                    cognito.throttle(*event);
                } else {
                    cognito.send(*event).await;
                }
                *sent = Instant::now();
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(..PAUSE))).await;
    }
}

/// Lets these users sign in until their rows are right.
async fn sign_in(pool: &Pool, users: &[u64], user_pool: &UserPool) {
    let functions = pool.idle();
    for user in users {
        let event = event::sign_in(*user, user_pool);
        let mut reports = Vec::new();
        // By one function after the other: one that has failed three times asks no more for a while.
        for function in functions.iter().cycle().take(TRIES) {
            let invocation = function.invoke(&event).await.expect("an answer");
            let report = function.log_line("requestId", &invocation.request_id).await.expect("a report");
            if HEALED.contains(&report["outcome"].as_str().expect("each report has an outcome")) {
                reports.clear();
                break;
            }
            reports.push(report);
        }
        assert!(reports.is_empty(), "with the faults gone, a sign-in heals: {reports:#?}");
    }
}

/// Insists that each function serves a sign-up, now that nothing fails any more; returns the calls.
async fn serve(pool: &Pool, first_user: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    for (user, function) in (first_user..).zip(pool.idle()) {
        let event = Event::sign_up(user);
        let json = event.occur(pool.user_pool());
        let mut errors = Vec::new();
        loop {
            let call = call(Arc::clone(&function), event, json.clone()).await;
            let report = call.report.as_ref().map(|report| report["error"].to_string());
            let is_success = call.reply == Reply::Success;
            calls.push(call);
            if is_success {
                break;
            }
            errors.extend(report);
            assert!(errors.len() < TRIES, "with the faults gone, a function fails: {errors:#?}");
        }
    }
    calls
}
