//! How long the function takes, cold and warm, beside one that does nothing. `make bench` runs it on release builds.
//!
//! A cold start is the time from the process' start to its first answer; Lambda's own part of it is not in here.

use std::time::{Duration, Instant};

use testkit::{Answer, Function, Moto, Postgres, TestDatabase, samples};

const COLD_STARTS: usize = 40;
const WARM_INVOCATIONS: usize = 3000;

/// Medians of one function.
struct Figures {
    cold: Duration,
    warm: Duration,
    warm_p99: Duration,
    peak_kibibytes: u64,
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
async fn main() {
    // `cargo test --benches` asks only whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let database = Postgres::shared().database().await.expect("a database");
    let mut client = database.connect().await.expect("the database is up");
    db::schema::load(&mut client).await.expect("the migrations apply");
    Moto::shared().create_secret("bench", &database.secret()).await.expect("a secret");

    let no_op = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/examples/no_op");
    // One after the other and again, so that what else the machine does falls on both.
    let mut rows = Vec::new();
    for round in 1..=2 {
        rows.push((
            format!("post-confirmation, round {round}"),
            measure(env!("CARGO_BIN_EXE_post-confirmation"), &database).await,
        ));
        rows.push((format!("no-op, round {round}"), measure(no_op, &database).await));
    }
    println!("{:<28} {:>10} {:>10} {:>10} {:>10}", "", "cold p50", "warm p50", "warm p99", "peak KiB");
    for (name, Figures { cold, warm, warm_p99, peak_kibibytes }) in rows {
        let [cold, warm, warm_p99] =
            [cold, warm, warm_p99].map(|time| format!("{:.2} ms", time.as_secs_f64() * 1000.0));
        println!("{name:<28} {cold:>10} {warm:>10} {warm_p99:>10} {peak_kibibytes:>10}");
    }
}

async fn measure(binary: &str, database: &TestDatabase) -> Figures {
    let root = database.root_certificate.to_string_lossy().into_owned();
    let mut variables = vec![("DB_SECRET_ID", "bench".to_owned()), ("PGSSLROOTCERT", root)];
    variables.extend(Moto::shared().environment());
    let event = samples().expect("the samples").swap_remove(0).event;
    let invoke = async |function: &Function| {
        let answer = function.invoke(&event).await.expect("an answer").answer;
        assert!(matches!(answer, Answer::Response(_)), "{answer:?}");
    };

    let mut cold = Vec::new();
    for _ in 0..COLD_STARTS {
        let started = Instant::now();
        let function = Function::start(binary, &variables).await.expect("the function starts");
        invoke(&function).await;
        cold.push(started.elapsed());
    }
    let function = Function::start(binary, &variables).await.expect("the function starts");
    let mut warm = Vec::new();
    for _ in 0..WARM_INVOCATIONS {
        let invoked = Instant::now();
        invoke(&function).await;
        warm.push(invoked.elapsed());
    }
    cold.sort();
    warm.sort();
    Figures {
        cold: cold[COLD_STARTS / 2],
        warm: warm[WARM_INVOCATIONS / 2],
        warm_p99: warm[WARM_INVOCATIONS * 99 / 100],
        peak_kibibytes: function.peak_kibibytes().expect("the system reports a process' peak memory"),
    }
}
