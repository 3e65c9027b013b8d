//! How long a sign-in takes while the database is well, and while it is not. `make bench` runs it on release builds.

use std::time::{Duration, Instant};

use testkit::{Answer, Function, Moto, Postgres, Proxy, TestDatabase};

const USERS: usize = 5_000;

/// What sign-ins meet, and how many there are of them.
const CASES: [(&str, usize); 4] = [
    ("asked, right", USERS),
    ("known", 2 * USERS),
    ("database stalls, asked", 100),
    ("database stalls, skipped", 5_000),
];

/// Failures in a row after which the database is not asked.
const FAILURES: usize = 3;

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
    let users = format!(
        "insert into users (cognito_user_id, display_name, handle)
         select 'sub-' || number, 'x', 'user' || number from generate_series(0, {USERS} - 1) as number"
    );
    client.batch_execute(&users).await.expect("the users are new");
    Moto::shared().create_secret("bench", &database.secret()).await.expect("a secret");

    let proxy = Proxy::start(database.port).await.expect("a proxy");
    let function = function(&database, &proxy).await;
    let mut times = vec![
        measure(&function, USERS, |number| number).await,
        measure(&function, 2 * USERS, |number| number % USERS).await,
    ];
    proxy.silence(true);
    proxy.stall();
    let mut asked = Vec::new();
    let mut skipped = Vec::new();
    while asked.len() < CASES[2].1 {
        // Each with a breaker of its own.
        let function = self::function(&database, &proxy).await;
        asked.extend(measure(&function, FAILURES, |number| USERS + number).await);
        if skipped.is_empty() {
            skipped = measure(&function, CASES[3].1, |number| USERS + number).await;
        }
    }
    times.extend([asked, skipped]);

    println!("{:<28} {:>8} {:>10} {:>10} {:>10} {:>10}", "", "number", "p50", "p99", "p99.9", "longest");
    for ((name, _), mut times) in CASES.into_iter().zip(times) {
        times.sort();
        let at = |per_mille: usize| times[(times.len() * per_mille / 1000).min(times.len() - 1)];
        let [p50, p99, p999, longest] =
            [at(500), at(990), at(999), at(1000)].map(|time| format!("{:.2} ms", time.as_secs_f64() * 1000.0));
        println!("{name:<28} {:>8} {p50:>10} {p99:>10} {p999:>10} {longest:>10}", times.len());
    }
}

/// A function that is ready, behind the proxy.
async fn function(database: &TestDatabase, proxy: &Proxy) -> Function {
    let root = database.root_certificate.to_string_lossy().into_owned();
    let port = proxy.port().to_string();
    let mut variables = vec![("DB_SECRET_ID", "bench".to_owned()), ("PGSSLROOTCERT", root), ("PGPORT", port)];
    // Nobody waits for its start.
    variables.push(("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency".to_owned()));
    variables.extend(Moto::shared().environment());
    let function = Function::start(env!("CARGO_BIN_EXE_post-confirmation"), &variables).await;
    let function = function.expect("the function starts");
    function.until_ready().await.expect("it starts");
    function
}

/// The times of this many sign-ins, of the users with these numbers.
async fn measure(function: &Function, count: usize, user: impl Fn(usize) -> usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 0..count {
        let event = format!(
            r#"{{"triggerSource":"TokenGeneration_RefreshTokens","request":{{"userAttributes":{{"sub":"sub-{}"}}}}}}"#,
            user(number)
        );
        let invoked = Instant::now();
        let answer = function.invoke(&event).await.expect("an answer").answer;
        times.push(invoked.elapsed());
        assert_eq!(answer, Answer::Response(event));
    }
    times
}
