//! A user pool and its table, in which people sign up, change and leave while `provision users reconcile` runs and is
//! killed. For the benchmark and for the test.

mod traffic;
mod truth;

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use testkit::user_pool::{Lag, Rules};
use testkit::{Postgres, TestDatabase, UserPool};
use tokio::time::sleep;
use tokio_postgres::Client;

use self::traffic::Traffic;
use self::truth::Truth;

/// Users on a page, on an average: the stand-in's short and empty pages count.
const USERS_A_PAGE: f64 = 55.0;

/// How a run goes.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// The program.
    pub(crate) program: String,
    /// Users of the pool at the begin. Of a hundred, one has no row and one has a row with another address.
    pub(crate) users: usize,
    /// How often the process is killed.
    pub(crate) kills: usize,
    /// Whether AWS refuses the token that the first killed process has left.
    pub(crate) lets_token_expire: bool,
    /// Decides about everything that is chosen at random, but the moments of other processes.
    pub(crate) seed: u64,
    /// By how much everything is quicker than at AWS: rates, people, and the time that a sign-up may take.
    pub(crate) speed: f64,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Value,
    /// Pages of the list, each once.
    pub(crate) pages: u64,
    /// Pages that were asked for once more, after each kill.
    pub(crate) repeated: Vec<i64>,
    /// From the first start to the end.
    pub(crate) time: Duration,
    /// The most memory that one of the processes had, in KiB.
    pub(crate) peak_kib: u64,
    /// Sign-ups, changes and deletions meanwhile.
    pub(crate) people: [u64; 3],
    /// Where report, rows and pool disagree.
    pub(crate) faults: Vec<String>,
}

/// The pool and its table.
pub(crate) struct BusyPool {
    course: Course,
    pool: UserPool,
    environment: [(&'static str, String); 4],
    pub(crate) database: TestDatabase,
    client: Client,
    truth: Truth,
}

impl BusyPool {
    pub(crate) async fn fill(postgres: &Postgres, course: Course) -> Self {
        let database = postgres.database().await.expect("a new database");
        let mut client = database.connect().await.expect("the database is up");
        db::schema::load(&mut client).await.expect("the migrations apply");
        let pool = UserPool::new(course.seed);
        pool.fill(course.users);
        pool.change_rules(|rules| {
            let lag = Duration::from_secs(3).div_f64(course.speed);
            *rules = Rules { speed: course.speed, lag: Lag::Time(lag), ..Rules::default() };
        });
        let truth = Truth::plant(&pool, &client, &mut Rng::with_seed(course.seed)).await;
        client.batch_execute("vacuum analyze public.users").await.expect("it is analysed");
        let environment = pool.serve().expect("a server");
        Self { course, pool, environment, database, client, truth }
    }

    /// Runs the command until it ends by itself, with as many kills before, and compares its report with the truth.
    pub(crate) async fn reconcile(self) -> Outcome {
        let Course { kills, seed, users, lets_token_expire, speed, .. } = self.course.clone();
        let mut random = Rng::with_seed(seed);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let pages = users as f64 / USERS_A_PAGE;
        let traffic = Traffic::start(&self.pool, &self.database, speed, random.fork(), self.truth.clone());
        let begun = Instant::now();
        let (mut repeated, mut peak_kib, mut before) = (Vec::new(), 0, 0);
        let (status, [stdout, stderr]) = loop {
            let kill = repeated.len();
            #[expect(clippy::cast_precision_loss, reason = "a few")]
            let part = (kill as f64 + 0.1 + 0.7 * random.f64()) / kills as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of pages")]
            let end = (kill < kills).then_some(before + (pages * part) as u64);
            // A pipe would be full before the report ends.
            let mut output = [tempfile::tempfile(), tempfile::tempfile()].map(|file| file.expect("a file"));
            let mut child = self.start(&output);
            while child.try_wait().expect("its status").is_none() {
                peak_kib = peak_kib.max(peak_memory_kib(&child));
                if end.is_some_and(|end| self.list_requests() >= end) {
                    sleep(Duration::from_micros(random.u64(..10_000))).await;
                    break;
                }
                sleep(Duration::from_millis(1)).await;
            }
            if end.is_none() || child.try_wait().expect("its status").is_some() {
                let status = child.wait().expect("its status");
                break (status, output.each_mut().map(text_of));
            }
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            let page = self.page().await;
            let requests = self.list_requests();
            repeated.push(i64::try_from(requests - before).expect("a few") - page);
            if lets_token_expire && kill == 0 {
                self.pool.expire_tokens();
                // With the one that is refused.
                before = requests + 1;
                // None of the pages that are listed now was listed before.
                repeated[0] = 0;
            }
        };
        let time = begun.elapsed();
        assert_eq!(status.code(), Some(0), "{stderr}");
        let report: Value = serde_json::from_str(&stdout).expect("JSON and nothing else");
        let (truth, people) = traffic.stop();
        let searches = report["orphans"]["found"].as_u64().expect("a number");
        let again = repeated.last().copied().unwrap_or_default().unsigned_abs();
        let pages = self.list_requests() - before - searches - again;
        let faults = truth.compare(&report, &self.pool, &self.client).await;
        Outcome { report, pages, repeated, time, peak_kib, people, faults }
    }

    fn start(&self, output: &[File; 2]) -> Child {
        let Course { program, speed, .. } = &self.course;
        let settle = format!("{}ms", Duration::from_secs(20).div_f64(*speed).as_millis());
        let mut command = Command::new(program);
        command.args(["users", "reconcile", "--output", "json", "--rps", &(10.0 * speed).to_string()]);
        command.args(["--settle", &settle]).env_clear().envs(self.environment.clone());
        command.env("USER_POOL_ID", self.pool.id()).env("CONNECTION_URL", self.database.url());
        command.env("PGSSLROOTCERT", &self.database.root_certificate).stdin(Stdio::null());
        let [stdout, stderr] = output.each_ref().map(|file| file.try_clone().expect("another handle"));
        command.stdout(stdout).stderr(stderr).spawn().expect("provision starts")
    }

    fn list_requests(&self) -> u64 {
        let requests = self.pool.requests();
        requests.iter().filter(|((action, _), _)| action == "ListUsers").map(|(_, count)| count).sum()
    }

    /// The last page in the database, once the server has noticed that the process is gone.
    async fn page(&self) -> i64 {
        let sessions = "select count(*) from pg_stat_activity
                        where application_name = 'provision' and datname = current_database()";
        while self.client.query_one(sessions, &[]).await.expect(sessions).get::<_, i64>(0) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let page = "select page::int8 from cognito.reconcile_run";
        self.client.query_one(page, &[]).await.expect(page).get(0)
    }
}

fn text_of(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("the file has text");
    text
}

/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn peak_memory_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
