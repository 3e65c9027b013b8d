//! A conversation with the server may break at any of its bytes: whichever connection breaks, in whichever direction and
//! way, the answer comes in time and is no success without a row, a second delivery leaves one row, and the function
//! heals. One broken connection costs no sign-up, unless a new one stalls.
//!
//! `BYTE_CASES` is about how many cases are tried (270), or `all` of them; `BYTE_SEED` chooses them (1); `BYTE_CASE` is the only
//! one to try, as a failure names it.

mod case;
mod fixture;
#[path = "../function/log_schema.rs"]
mod log_schema;
mod trial;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use testkit::{Ending, Request};
use tokio::task::JoinSet;

use crate::case::{Case, Selection, Start, cases};
use crate::fixture::Fixture;
use crate::trial::{Bench, Defeat, Survival};

/// The cases that are tried unless `BYTE_CASES` says otherwise.
const CASES: usize = 270;

/// Cases at the same time: a stall mostly waits, a connection costs the processor, and retries do both.
const STALLS_AT_ONCE: usize = 64;
const RETRIES_AT_ONCE: usize = 8;
const CONNECTIONS_AT_ONCE: usize = 3;

/// Cases that are worth the start of a function.
const CASES_OF_A_FUNCTION: usize = 4;

/// How often a case is tried, alone, before a slow machine is no excuse.
const TRIES: u32 = 5;

/// The failures that are enough: a defect has hundreds of cases, and each is tried again and again.
const FAILURES: usize = 10;

#[expect(clippy::print_stdout, reason = "a test runner reads the list")]
fn main() {
    match Request::of("every_byte", std::env::args().skip(1)) {
        Request::Run => every_byte(),
        Request::List(list) => print!("{list}"),
        Request::Skip => {}
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
async fn every_byte() {
    let variable = |name: &str| std::env::var(name).ok();
    let selection = match variable("BYTE_CASES").as_deref() {
        None => Selection::Sample(CASES),
        Some("all") => Selection::Every,
        Some(count) => Selection::Sample(count.parse().expect("BYTE_CASES is a number or `all`")),
    };
    let seed = variable("BYTE_SEED").map_or(1, |seed| seed.parse().expect("BYTE_SEED is a number"));
    let only: Option<Case> = variable("BYTE_CASE").map(|case| case.parse().expect("a case, as a failure names it"));

    let begun = Instant::now();
    let fixture = Arc::new(Fixture::start().await.expect("the servers start"));
    let mut bench = Bench::new(Arc::clone(&fixture));
    let cases = if let Some(case) = only {
        vec![case]
    } else {
        let (warm, cold) = bench.measure().await.expect("the function answers");
        println!("every_byte: a warm conversation has {warm}, a cold one {cold}");
        cases(warm, cold, selection, &mut Rng::with_seed(seed))
    };
    let count = cases.len();
    let results = all_at_once(&fixture, cases).await;
    println!("every_byte: {count} cases in {:.1?}, seed {seed}", begun.elapsed());
    print_figures(&results);
    // Together first: a busy minute leaves hundreds.
    let (doubtful, settled): (Results, Results) =
        results.into_iter().partition(|(_, result)| matches!(result, Err(Defeat::Doubtful(_))));
    let mut again = all_at_once(&fixture, doubtful.into_iter().map(|(case, _)| case).collect()).await;
    again.extend(settled.into_iter().filter(|(_, result)| result.is_err()));
    let failures = alone(&mut bench, &mut again).await;
    for (case, problems) in &failures {
        println!("every_byte: FAILED, again with BYTE_CASE='{case}':\n    {}", problems.join("\n    "));
    }
    assert!(failures.is_empty(), "{} cases or more of {count} failed", failures.len());
}

type Results = Vec<(Case, Result<Survival, Defeat>)>;

/// Tries the cases, many at the same time.
async fn all_at_once(fixture: &Arc<Fixture>, cases: Vec<Case>) -> Results {
    let lane = |case: &Case| match (case.start, case.at.ending) {
        (Start::Process, _) => ("processes", CONNECTIONS_AT_ONCE),
        (Start::Each, _) => ("retries", RETRIES_AT_ONCE),
        (_, Ending::Stall) => ("stalls", STALLS_AT_ONCE),
        _ => ("connections", CONNECTIONS_AT_ONCE),
    };
    let mut lanes = BTreeMap::<_, Vec<Case>>::new();
    for case in cases {
        lanes.entry(lane(&case)).or_default().push(case);
    }
    let mut benches = JoinSet::new();
    let (tried, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for ((_, at_once), cases) in lanes {
        let at_once = cases.len().div_ceil(CASES_OF_A_FUNCTION).min(at_once);
        let queue = Arc::new(Mutex::new(cases));
        for _ in 0..at_once {
            let (mut bench, queue) = (Bench::new(Arc::clone(fixture)), Arc::clone(&queue));
            let (tried, failed) = (Arc::clone(&tried), Arc::clone(&failed));
            benches.spawn(async move {
                let mut results = Results::new();
                let next = || queue.lock().expect("no panic while it is locked").pop();
                while failed.load(Ordering::Relaxed) < FAILURES
                    && let Some(case) = next()
                {
                    let result = bench.run(case).await;
                    failed.fetch_add(matches!(result, Err(Defeat::Certain(_))).into(), Ordering::Relaxed);
                    results.push((case, result));
                    print_progress(tried.fetch_add(1, Ordering::Relaxed) + 1);
                }
                results
            });
        }
    }
    benches.join_all().await.into_iter().flatten().collect()
}

/// Tries each case again that a slow machine may have disturbed; returns those that fail each time.
async fn alone(bench: &mut Bench, results: &mut Results) -> Vec<(Case, Vec<String>)> {
    let mut failures = Vec::new();
    for (case, result) in results {
        if failures.len() == FAILURES {
            break;
        }
        let mut problems = Vec::new();
        for _ in 0..TRIES {
            match result {
                Ok(_) => break,
                Err(Defeat::Certain(problem)) => {
                    problems.push(problem.clone());
                    break;
                }
                Err(Defeat::Doubtful(problem)) => problems.push(problem.clone()),
            }
            *result = bench.run(*case).await;
        }
        if result.is_err() {
            failures.push((*case, problems));
        }
    }
    failures
}

/// Every byte takes minutes.
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
fn print_progress(tried: usize) {
    if tried.is_multiple_of(1000) {
        println!("every_byte: {tried} cases were tried");
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
fn print_figures(results: &Results) {
    let (mut outcomes, mut beyond, mut slowest) = (BTreeMap::<_, usize>::new(), 0, Duration::ZERO);
    for (case, survival) in results.iter().filter_map(|(case, result)| Some((case, result.as_ref().ok()?))) {
        *outcomes.entry((case.kind(), survival.outcome.as_str())).or_default() += 1;
        beyond += usize::from(!survival.has_broken);
        slowest = slowest.max(survival.time);
    }
    for ((kind, outcome), count) in outcomes {
        println!("every_byte: {kind}: {outcome}: {count}");
    }
    println!("every_byte: {beyond} conversations ended before the byte, slowest answer {slowest:.1?}");
    let again: Vec<String> =
        results.iter().filter(|(_, result)| result.is_err()).map(|(case, _)| case.to_string()).collect();
    if !again.is_empty() {
        let shown = &again[..again.len().min(FAILURES)];
        println!("every_byte: {} cases are tried again, such as {shown:?}", again.len());
    }
}
