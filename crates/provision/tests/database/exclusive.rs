//! Loads at once: one waits for the other, and says for whom.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use testkit::{PgBouncer, Postgres, TestDatabase};
use tokio_postgres::Client;

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::load::{ALL, endless};

/// The lock that every release takes.
const LOCK: i64 = 0x6c6f_6164;

async fn hold(fixture: &Fixture) -> (Client, i32) {
    let client = fixture.client().await;
    client.batch_execute("set application_name = 'their loader'").await.expect("a name");
    let row = client.query_one("select pg_advisory_lock($1), pg_backend_pid()", &[&LOCK]).await.expect("the lock");
    (client, row.get(1))
}

/// Starts a load, and returns it with the first line that it reports.
fn start(fixture: &Fixture, more: &[&str]) -> (Child, String) {
    let mut command = fixture.command(&[&["db", "load"], more].concat());
    let mut load = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    let mut reported = String::new();
    BufReader::with_capacity(1, load.stderr.as_mut().expect("a pipe")).read_line(&mut reported).expect("UTF-8");
    (load, reported)
}

#[tokio::test]
async fn two_loads_at_once_apply_every_migration_once() {
    let fixture = Fixture::new().await;
    let start = || {
        let mut command = fixture.command(&["db", "load"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("provision starts")
    };
    let loads = [start(), start()].map(|load| stdout(load.wait_with_output().expect("it ends")));
    assert_once(&loads);
}

/// Fails unless the loads have applied each migration, and none twice.
#[track_caller]
fn assert_once(loads: &[String]) {
    let applied = loads.iter().filter_map(|load| load.trim_end().strip_prefix("applied "));
    let mut applied: Vec<&str> = applied.flat_map(|names| names.split(", ")).collect();
    applied.sort_unstable();
    assert_eq!(applied.join(", "), ALL, "{loads:?}");
}

#[tokio::test]
async fn loads_at_once_through_pgbouncer_apply_every_migration_once_and_leave_no_lock() {
    let postgres = Postgres::start().expect("a server");
    let database = postgres.database().await.expect("a database");
    let pgbouncer = PgBouncer::start(&postgres, &database, 3).expect("a pooler");
    let direct = Fixture { database };
    let mut pooled = Fixture { database: direct.database.clone() };
    pooled.database.port = pgbouncer.port();
    let start = |_| {
        let mut command = pooled.command(&["db", "load"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("provision starts")
    };
    let loads = [0; 6].map(start).map(|load| stdout(load.wait_with_output().expect("it ends")));
    assert_once(&loads);
    assert_eq!(direct.count("select count(*) from pg_locks where locktype = 'advisory'").await, 0);
    assert_eq!(direct.stdout(&["db", "load"]), "the schema is up to date\n");
}

#[tokio::test]
async fn nothing_of_a_command_stays_in_a_connection_that_a_pooler_gives_to_others() {
    let postgres = Postgres::start().expect("a server");
    let database = postgres.database().await.expect("a database");
    let pgbouncer = PgBouncer::start(&postgres, &database, 1).expect("a pooler");
    let mut pooled = Fixture { database };
    pooled.database.port = pgbouncer.port();
    for command in [
        &["db", "load"][..],
        &["db", "load", "--check"],
        &["db", "seed"],
        &["db", "grant", "--iam", "--check"],
        &["db", "sessions"],
        &["users", "list"],
        &["activity", "home"],
        &["activity", "create", "--handle", "bayko", "--message", "x", "--ttl", "1-day"],
    ] {
        let output = pooled.run(command);
        assert!(output.stderr.is_empty(), "{command:?}: {output:?}");
        assert_unset(&pooled, command).await;
    }
    let outside = Fixture { database: TestDatabase { name: "postgres".to_owned(), ..pooled.database.clone() } };
    pooled.database.name.push_str("_too");
    pooled.stdout(&["db", "create"]);
    assert_unset(&outside, &["db", "create"]).await;
}

/// Fails if the session's connection has a setting that the command has made.
async fn assert_unset(fixture: &Fixture, command: &[&str]) {
    let settings = "select count(*) from pg_settings where source = 'session' and setting <> reset_val";
    let ours = "name ~ 'timeout$' or name in ('search_path', 'quote_all_identifiers', 'row_security')";
    assert_eq!(fixture.count(&format!("{settings} and ({ours})")).await, 0, "{command:?}");
}

#[tokio::test]
async fn a_load_that_waits_says_for_whom_and_goes_on_when_that_one_ends() {
    let fixture = Fixture::new().await;
    let (other, pid) = hold(&fixture).await;
    let (load, reported) = start(&fixture, &[]);
    let expected =
        format!("waiting for another load to end: session {pid} of owner with their loader from 127.0.0.1 since 20");
    assert!(reported.starts_with(&expected), "expected {expected:?} in {reported:?}");
    other.execute("select pg_advisory_unlock($1)", &[&LOCK]).await.expect("the lock's end");
    assert_eq!(stdout(load.wait_with_output().expect("it ends")), format!("applied {ALL}\n"));
}

#[tokio::test]
async fn a_wait_ends_at_its_limit_and_the_hint_leads_on() {
    let fixture = Fixture::new().await;
    let (_other, pid) = hold(&fixture).await;
    let refused = fixture.run(&["db", "load", "--timeout", "0s"]);
    assert_refused(&refused, &format!("error: another load has not ended after 0s: session {pid} of owner"));
    assert_refused(&refused, &format!("end it with `provision db sessions --kill {pid}`"));
    fixture.stdout(&["db", "sessions", "--kill", &pid.to_string()]);
    fixture.wait_until_alone().await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
}

#[tokio::test]
async fn a_login_that_may_not_see_the_other_session_is_told_its_pid_and_role() {
    let fixture = Fixture::loaded().await;
    let name = &fixture.database.name;
    fixture.execute(&format!("create role blind_{name} login password 'hunter2'")).await;
    let (_other, pid) = hold(&fixture).await;
    let url = format!("postgres://blind_{name}:hunter2@localhost:{}/{name}", fixture.database.port);
    let refused = fixture.checked(&mut fixture.command_at(&url, &["db", "load", "--timeout", "0s"]));
    assert_refused(&refused, &format!("session {pid} of owner with their loader\n"));
}

#[tokio::test]
async fn ctrl_c_while_waiting_says_that_nothing_had_begun() {
    let fixture = Fixture::new().await;
    let (_other, _) = hold(&fixture).await;
    let (load, _) = start(&fixture, &[]);
    let interrupt = Command::new("sh").args(["-c", &format!("kill -s INT {}", load.id())]).status();
    assert!(interrupt.expect("a shell").success());
    let output = load.wait_with_output().expect("it ends");
    assert_refused(&output, "error: interrupted while waiting for another load: no migration had begun\nhint: run");
}

#[tokio::test]
async fn a_load_waits_for_one_that_is_at_work() {
    let fixture = Fixture::new().await;
    let mut first = endless(&fixture, &["db", "load"]).await;
    let (second, reported) = start(&fixture, &[]);
    assert!(reported.contains(" of owner with provision from 127.0.0.1 since "), "{reported}");
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    fixture.execute("drop event trigger sleep").await;
    fixture.execute("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()").await;
    let applied = "applied V3__upsert_user, V4__activities_expire, V5__ensure_user, V6__known_users, V7__forgotten\n";
    assert_eq!(stdout(second.wait_with_output().expect("it ends")), applied);
}
