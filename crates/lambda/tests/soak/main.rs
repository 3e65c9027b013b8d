//! Sign-ups and new addresses by many functions at once while everything around them fails at random, sent as Cognito
//! sends them: an error is never sent again, and no answer in 5 s is, at most three times in all. What the functions
//! said agrees with the rows, nobody has two, and every function serves again. In the end each confirmed user has a row: the
//! replay has what was spilled, and whom no call reached signs in.
//!
//! Prints its figures; one is how many confirmed users had no row before they signed in. `SOAK_SIGN_UPS` is how many sign-ups there
//! are (2,000), `SOAK_SEED` chooses the faults (1).

mod account;
mod faults;
mod fixture;
#[path = "../function/log_schema.rs"]
mod log_schema;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use testkit::Request;

use crate::faults::freeze_at_random;
use crate::fixture::Fixture;
use crate::pool::{Call, Cognito, Event, Pool, Reply, call};

/// The people who do something at the same time.
const PEOPLE: u64 = 8;

/// One of so many sign-ups is followed by a new address of a user, who may be another one.
const NEW_ADDRESSES: u64 = 5;

/// How often a sign-up is sent when the faults are over. Only a slow machine makes the first one fail.
const TRIES: usize = 10;

/// The longest pause between two events of one person, in milliseconds.
const PAUSE: u64 = 80;

/// A person changes no address within the second in which the contract cannot tell whose row was just made.
const AFTER: Duration = Duration::from_secs(2);

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

/// The sign-ups that are still to come.
struct Progress {
    next: AtomicU64,
    sign_ups: u64,
    half: AtomicBool,
    done: AtomicBool,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
async fn soak() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (sign_ups, seed) = (number("SOAK_SIGN_UPS", 2000), number("SOAK_SEED", 1));
    let started = Instant::now();
    let fixture = Arc::new(Fixture::start().await);
    let pool = Pool::new(Arc::clone(&fixture));
    let progress =
        Progress { next: AtomicU64::new(0), sign_ups, half: AtomicBool::new(false), done: AtomicBool::new(false) };

    let mut rng = Rng::with_seed(seed);
    let people: Vec<_> = (0..PEOPLE).map(|_| (Cognito::new(Arc::clone(&pool)), rng.fork())).collect();
    let (of_faults, of_freezes) = (rng.fork(), rng.fork());
    let (faults, freezes, mut calls) = tokio::join!(
        fixture.fail_at_random(of_faults, &progress.half, &progress.done),
        freeze_at_random(&pool, of_freezes, &progress.done),
        async {
            let work = people.into_iter().map(|(cognito, rng)| sign_up(cognito, rng, &progress));
            let calls: Vec<Call> = futures::future::join_all(work).await.into_iter().flatten().collect();
            progress.done.store(true, Ordering::Relaxed);
            calls
        },
    );
    calls.extend(heal(&pool, sign_ups).await);

    let [old, new] = fixture.targets();
    let before = new.rows().await.len();
    let held = fixture.replay().await;
    let replayed = new.rows().await;
    let without: Vec<u64> =
        (0..sign_ups).filter(|user| !replayed.contains_key(&Event { user: *user, number: 0 }.sub())).collect();
    sign_in(&pool, &without).await;
    let rows = new.rows().await;
    new.execute(&format!("alter database {} allow_connections true", old.database.name)).await;
    let left_behind = old.rows().await.into_keys().filter(|sub| !rows.contains_key(sub)).count();
    println!("soak: {sign_ups} sign-ups in {:.1?}, seed {seed}", started.elapsed());
    println!("soak: faults {faults:?}, {freezes} freezes");
    account::print_figures(&calls, &rows);
    let landed = replayed.len() - before;
    println!(
        "soak: {landed} rows landed by the replay, {} confirmed users had none until they signed in",
        without.len()
    );
    let wrong = account::contradictions(&calls, &rows);
    assert!(wrong.is_empty(), "{} contradictions: {:#?}", wrong.len(), &wrong[..wrong.len().min(SHOWN)]);
    assert_eq!(held, 0, "with the database well, the replay holds nothing back");
    let lost = (0..sign_ups).filter(|user| !rows.contains_key(&Event { user: *user, number: 0 }.sub())).count();
    assert_eq!(lost, 0, "each confirmed user has a row in the end");
    assert_eq!(left_behind, 0, "no row is written to the database that was moved away from");
}

/// Signs people up one after the other until none is left, and gives some a new address; returns the calls.
async fn sign_up(mut cognito: Cognito, mut rng: Rng, progress: &Progress) -> Vec<Call> {
    let mut newest = Vec::<(Event, Instant)>::new();
    loop {
        let user = progress.next.fetch_add(1, Ordering::Relaxed);
        if user >= progress.sign_ups {
            return cognito.calls().await;
        }
        if user >= progress.sign_ups / 2 {
            progress.half.store(true, Ordering::Relaxed);
        }
        let event = Event { user, number: 0 };
        cognito.send(event).await;
        newest.push((event, Instant::now()));
        if rng.u64(..NEW_ADDRESSES) == 0 {
            // A person changes one thing after the other.
            cognito.settle().await;
            let chosen = rng.choice(&mut newest).filter(|(_, sent)| sent.elapsed() > AFTER);
            if let Some((event, sent)) = chosen {
                event.number += 1;
                cognito.send(*event).await;
                *sent = Instant::now();
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(..PAUSE))).await;
    }
}

/// Lets these users sign in until they have a row.
async fn sign_in(pool: &Pool, users: &[u64]) {
    let function = pool.idle().pop().expect("a function is idle");
    for user in users {
        let event = Event { user: *user, number: 0 }.sign_in();
        for number in 1.. {
            let invocation = function.invoke(&event).await.expect("an answer");
            let report = function.log_line("requestId", &invocation.request_id).await.expect("a report");
            if report["outcome"] == "healed" {
                break;
            }
            assert!(number < TRIES, "with the faults gone, a sign-in heals: {report}");
        }
    }
}

/// Insists that each function serves a sign-up, now that nothing fails any more; returns the calls.
async fn heal(pool: &Pool, first_user: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    for (user, function) in (first_user..).zip(pool.idle()) {
        let mut errors = Vec::new();
        loop {
            let call = call(Arc::clone(&function), Event { user, number: 0 }).await;
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
