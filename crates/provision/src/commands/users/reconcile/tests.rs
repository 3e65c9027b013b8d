//! A property of the function and of `provision users reconcile`: the pool and the table agree.
//!
//! A history is a row of steps: people and administrators change the pool, and some of the trigger's calls are lost, come
//! twice, late or to nothing. After each call that tells the present state of a user, the row is right. After one
//! reconciliation the table is the pool. While things happen during one, it overwrites nothing newer and reports nothing
//! that is not so, and the next one makes the table the pool.
//!
//! The pool is the stand-in in this process; the database, the events and the statements are real.
//!
//! `MIRROR_HISTORIES` is how many there are (200), `MIRROR_SEED` the first one's seed (1). A failure says its seed.

mod checker;
mod history;
mod run;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use testkit::user_pool::TokenSource;

use self::history::{Call, Climate, Disturbed, History, Incident, Origin, Profile, Step, Trouble, any_history};
use self::world::{Table, World};

const HISTORIES: u64 = 200;

/// Histories that are told at once. They mostly wait for the database.
const AT_ONCE: usize = 4;

#[test]
fn after_any_history_one_reconciliation_makes_the_table_the_pool() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let first = number("MIRROR_SEED", 1);
    let seeds = first..first + number("MIRROR_HISTORIES", HISTORIES);
    let next = AtomicU64::new(seeds.start);
    let failures: Vec<String> = thread::scope(|scope| {
        let tell = || tell_all(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed)));
        let tellers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(tell)).collect();
        tellers.into_iter().filter_map(|teller| teller.join().expect("no panic").err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test]
async fn who_goes_back_to_a_former_address_after_the_answer_keeps_it() {
    go_back(None).await;
}

#[tokio::test]
async fn who_goes_back_to_a_former_address_keeps_it_although_the_run_ends_and_goes_on() {
    go_back(Some(Trouble::CredentialsExpire)).await;
}

/// The third request asks for the user, after the list, and the fourth once more. `trouble` is what that one meets.
async fn go_back(trouble: Option<Trouble>) {
    let profile = Profile { address: Some(0), is_verified: true, handle: None };
    let back =
        vec![Step::Moves(0, 0), Step::Verifies(0), Step::GetsToken(0, TokenSource::RefreshTokens, Call::Answered)];
    let mut incidents = vec![Incident { request: 3, is_after: true, trouble: Trouble::Steps(back) }];
    incidents.extend(trouble.map(|trouble| Incident { request: 4, is_after: false, trouble }));
    let history = History {
        climate: Climate {
            seed: 1,
            has_address_names: false,
            filled: 0,
            short_pages: 0,
            lag: 0,
            sub_finds_local_users: false,
            table: 0,
        },
        steps: vec![
            Step::Begins(0, Origin::SignUp, profile, Call::Lost),
            Step::Confirms(0, Call::Answered),
            Step::Moves(0, 1),
            Step::Verifies(0),
        ],
        disturbed: Some(Disturbed { is_dry_run: false, forgets: false, incidents, kills: Vec::new() }),
        is_late: false,
    };
    let tables = [Table::own().await, Table::members().await];
    Box::pin(tell(&tables, &history)).await.expect("the present address stays");
}

/// Tells the history of each seed, until one fails.
fn tell_all(next: impl Fn() -> Option<u64>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tables = runtime.block_on(async { [Table::own().await, Table::members().await] });
    let tell = |history: &History| runtime.block_on(Box::pin(tell(&tables, history)));
    while let Some(seed) = next() {
        let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let told = runner.run(&any_history(), |history| tell(&history).map_err(TestCaseError::fail));
        match told {
            Ok(()) => {}
            Err(TestError::Fail(reason, history)) => {
                return Err(format!("MIRROR_SEED={seed} MIRROR_HISTORIES=1\n{history:#?}\n{reason}"));
            }
            Err(TestError::Abort(reason)) => return Err(format!("MIRROR_SEED={seed}: {reason}")),
        }
    }
    Ok(())
}

async fn tell(tables: &[Arc<Table>; 2], history: &History) -> Result<(), String> {
    let History { climate, steps, disturbed, is_late } = history;
    let world = Arc::new(World::new(climate, &tables[climate.table]).await);
    for (number, step) in steps.iter().enumerate() {
        world.perform(step).await.map_err(|error| format!("step {}, {step:?}: {error}", number + 1))?;
    }
    world.check_rows().await?;
    if let Some(disturbed) = disturbed {
        run::disturbed(&world, disturbed).await.map_err(|error| format!("the disturbed run: {error}"))?;
    }
    run::quiet(&world, climate, *is_late).await.map_err(|error| format!("the run: {error}"))
}
