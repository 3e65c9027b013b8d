//! Sign-ups by many functions at once while everything around them fails at random: no sign-up is lost, and none has
//! two rows. Prints its figures. `SOAK_SIGN_UPS` is how many there are (2,000), `SOAK_SEED` chooses the faults (1).

#[path = "function/log_schema.rs"]
mod log_schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use testkit::{Answer, Fault, Function, Moto, Postgres, Proxy, Request, TestDatabase};

const FUNCTIONS: u64 = 8;

/// How often a sign-up that failed is sent when the faults are over. Only a slow machine makes the first one fail.
const TRIES: usize = 10;

/// The role that the functions use; its password changes all the time.
const ROLE: &str = "soak";

/// The longest pause between two sign-ups of one function, and between two faults, in milliseconds.
const SIGN_UP_PAUSE: u64 = 80;
const FAULT_PAUSE: u64 = 800;

/// The longest refusal, in milliseconds: more than an invocation may wait, so that some must fail.
const LONGEST_REFUSAL: u64 = 6000;

/// Everything that fails.
struct Fixture {
    postgres: Arc<Postgres>,
    database: TestDatabase,
    moto: Moto,
    proxy: Proxy,
}

/// How one sign-up ended.
struct Report {
    number: u64,
    time: Duration,
    error_type: Option<String>,
}

#[expect(clippy::print_stdout, reason = "a test runner reads the list")]
fn main() {
    match Request::of("soak", std::env::args().skip(1)) {
        Request::Run => soak(),
        Request::List(list) => print!("{list}"),
        Request::Skip => {}
    }
}

#[tokio::main]
async fn soak() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (sign_ups, seed) = (number("SOAK_SIGN_UPS", 2000), number("SOAK_SEED", 1));
    let started = Instant::now();
    let fixture = Fixture::start().await;
    let mut functions = Vec::new();
    for _ in 0..FUNCTIONS {
        functions.push(fixture.function().await);
    }

    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut rng = Rng::with_seed(seed);
    let mut workers: Vec<_> = functions.iter().map(|function| (function, rng.fork())).collect();
    let (faults, reports) = tokio::join!(fixture.fail_at_random(rng, &done), async {
        let work = workers.iter_mut().map(|(function, rng)| sign_up(function, &next, sign_ups, rng));
        let reports = futures::future::join_all(work).await;
        done.store(true, Ordering::Relaxed);
        reports.into_iter().flatten().collect::<Vec<Report>>()
    });

    let rows = fixture.rows().await;
    let lost: Vec<u64> = reports
        .iter()
        .filter(|report| report.error_type.is_none() && !rows.contains_key(&sub(report.number)))
        .map(|report| report.number)
        .collect();
    let failed: Vec<&Report> = reports.iter().filter(|report| report.error_type.is_some()).collect();
    for report in &failed {
        succeed(&functions[0], &event(report.number)).await;
    }
    let rows_at_last = fixture.rows().await;

    print_figures(seed, started.elapsed(), &faults, &reports);
    assert_eq!(u64::try_from(reports.len()), Ok(sign_ups), "every sign-up has an answer");
    assert!(lost.is_empty(), "succeeded, and have no row: {lost:?}");
    assert!(rows_at_last.values().all(|count| *count == 1), "every sign-up has one row");
    let expected: BTreeSet<String> = (0..sign_ups).map(sub).collect();
    assert_eq!(rows_at_last.into_keys().collect::<BTreeSet<_>>(), expected, "every sign-up has a row in the end");
}

/// Sends the event, now that nothing fails any more.
async fn succeed(function: &Function, event: &str) {
    let mut answers = Vec::new();
    for _ in 0..TRIES {
        match function.invoke(event).await.expect("an answer").answer {
            Answer::Response(_) => return,
            Answer::Error(error) => answers.push(error),
        }
    }
    panic!("with the faults gone: {answers:?}");
}

impl Fixture {
    async fn start() -> Self {
        let postgres = Arc::new(Postgres::start().expect("a server"));
        let database = postgres.database().await.expect("a database");
        let mut client = database.connect().await.expect("the database is up");
        db::schema::load(&mut client).await.expect("the migrations apply");
        let role = format!(
            "create role {ROLE} login password '0';
             grant usage on schema cognito to {ROLE}; grant execute on function cognito.ensure_user to {ROLE}"
        );
        client.batch_execute(&role).await.expect("a role");
        let moto = Moto::start().expect("a server");
        let proxy = Proxy::start(database.port).await.expect("a proxy");
        let fixture = Self { postgres, database, moto, proxy };
        fixture.moto.create_secret(ROLE, &fixture.secret("0")).await.expect("a secret");
        fixture
    }

    fn secret(&self, password: &str) -> Value {
        let mut secret = self.database.secret();
        secret["username"] = json!(ROLE);
        secret["password"] = json!(password);
        secret["port"] = json!(self.proxy.port());
        secret
    }

    async fn function(&self) -> Function {
        let root = self.database.root_certificate.to_string_lossy().into_owned();
        let mut variables = vec![("DB_SECRET_ID", ROLE.to_owned()), ("PGSSLROOTCERT", root)];
        variables.extend(self.moto.environment());
        let function = Function::start(env!("CARGO_BIN_EXE_post-confirmation"), &variables).await;
        function.expect("the function starts").inspected_by(log_schema::check)
    }

    /// Makes something fail, now and then, until all is done; returns how often each fault occurred.
    async fn fail_at_random(&self, mut rng: Rng, done: &AtomicBool) -> BTreeMap<&'static str, u32> {
        let mut faults = BTreeMap::new();
        while !done.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(rng.u64(..FAULT_PAUSE))).await;
            let fault = match rng.u8(..8) {
                0 => {
                    self.proxy.cut();
                    "connections cut"
                }
                1 => {
                    self.proxy.stall();
                    "connections stalled"
                }
                2 => {
                    self.proxy.fail_next([Fault::Cut]);
                    "statements cut"
                }
                3 => {
                    self.proxy.fail_next([Fault::Stall]);
                    "statements stalled"
                }
                4 => {
                    self.proxy.refuse(true);
                    self.proxy.cut();
                    tokio::time::sleep(Duration::from_millis(rng.u64(..LONGEST_REFUSAL))).await;
                    self.proxy.refuse(false);
                    "refusals"
                }
                5 => self.restart("fast", "restarts").await,
                6 => self.restart("immediate", "crashes").await,
                _ => {
                    self.rotate(&mut rng).await;
                    "rotations"
                }
            };
            *faults.entry(fault).or_default() += 1;
        }
        faults
    }

    async fn restart(&self, mode: &'static str, name: &'static str) -> &'static str {
        let postgres = Arc::clone(&self.postgres);
        let restart = tokio::task::spawn_blocking(move || {
            postgres.stop(mode).expect("the server stops");
            postgres.start_again().expect("the server starts");
        });
        restart.await.expect("it restarts");
        name
    }

    /// In the order of AWS's rotation functions: the pending version, the database, the current version.
    async fn rotate(&self, rng: &mut Rng) {
        let password = rng.u64(..).to_string();
        let secret = self.secret(&password);
        self.moto.put_secret(ROLE, "AWSPENDING", &secret).await.expect("a pending version");
        let client = self.database.connect().await.expect("the database is up");
        client.batch_execute(&format!("alter role {ROLE} password '{password}'")).await.expect("a new password");
        self.proxy.cut();
        tokio::time::sleep(Duration::from_millis(rng.u64(..FAULT_PAUSE))).await;
        self.moto.put_secret(ROLE, "AWSCURRENT", &secret).await.expect("a current version");
    }

    /// How many rows each user has.
    async fn rows(&self) -> BTreeMap<String, i64> {
        let client = self.database.connect().await.expect("the database is up");
        let rows = client.query("select cognito_user_id, count(*) from users group by 1", &[]).await;
        rows.expect("`users` is readable").iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// Sends sign-ups one after the other until none is left.
async fn sign_up(function: &Function, next: &AtomicU64, sign_ups: u64, rng: &mut Rng) -> Vec<Report> {
    let mut reports = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= sign_ups {
            return reports;
        }
        let invoked = Instant::now();
        let error_type = match function.invoke(&event(number)).await.expect("an answer").answer {
            Answer::Response(_) => None,
            Answer::Error(error) => Some(error.error_type),
        };
        reports.push(Report { number, time: invoked.elapsed(), error_type });
        tokio::time::sleep(Duration::from_millis(rng.u64(..SIGN_UP_PAUSE))).await;
    }
}

fn sub(number: u64) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// A sign-up; every tenth asks for the same handle.
fn event(number: u64) -> String {
    let handle = if number.is_multiple_of(10) { "ada".to_owned() } else { format!("user{number}") };
    json!({
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "userName": sub(number),
        "request": {"userAttributes": {"sub": sub(number), "preferred_username": handle}},
        "response": {},
    })
    .to_string()
}

#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
fn print_figures(seed: u64, time: Duration, faults: &BTreeMap<&str, u32>, reports: &[Report]) {
    let mut errors = BTreeMap::<&str, u32>::new();
    for error_type in reports.iter().filter_map(|report| report.error_type.as_deref()) {
        *errors.entry(error_type).or_default() += 1;
    }
    let mut times: Vec<Duration> = reports.iter().map(|report| report.time).collect();
    times.sort();
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("soak: {} sign-ups by {FUNCTIONS} functions in {time:.1?}, seed {seed}", reports.len());
    println!("soak: faults {faults:?}");
    println!("soak: errors {errors:?}, all of them successful when sent again");
    println!("soak: answers p50 {:.1?}, p99 {:.1?}, slowest {:.1?}", percentile(50), percentile(99), percentile(100));
}
