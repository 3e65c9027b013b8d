//! `provision db sessions`

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use serde_json::json;
use testkit::{Postgres, TestDatabase, tool};
use tokio_postgres::Client;

use crate::fixture::{Fixture, assert_refused, stdout};

async fn pid(client: &Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).await.expect("the session is open").get(0)
}

async fn is_open(client: &Client) -> bool {
    client.query_one("select 1", &[]).await.is_ok()
}

#[tokio::test]
async fn the_sessions_of_others_are_shown() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.json(&["db", "sessions"]), json!([]));
    fixture.wait_until_alone().await;
    let client = fixture.client().await;
    client.batch_execute("set application_name = 'their app'").await.expect("a name");
    let pid = pid(&client).await.to_string();
    client.batch_execute(&format!("begin;\n  select '{}'", "x".repeat(80))).await.expect("a transaction");
    let shown = fixture.json(&["db", "sessions"]);
    assert_eq!(shown[0]["pid"].to_string(), pid);
    assert_eq!(shown[0]["state"], "idle in transaction");
    fixture.wait_until_provision_is_gone().await;
    insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"), (pid.as_str(), "PID"), (" +", " ")]}, {
        assert_snapshot!(fixture.stdout(&["db", "sessions"]));
    });
}

#[tokio::test]
async fn one_session_is_ended_by_its_pid() {
    let fixture = Fixture::new().await;
    let (one, other) = (fixture.client().await, fixture.client().await);
    let pid = pid(&one).await.to_string();
    assert_eq!(fixture.stdout(&["db", "sessions", "--kill", &pid]), "ended 1 session\n");
    assert_eq!((is_open(&one).await, is_open(&other).await), (false, true));
}

#[tokio::test]
async fn a_pid_of_another_database_is_not_ended() {
    let fixture = Fixture::new().await;
    let TestDatabase { name, .. } = &fixture.database;
    let elsewhere = Fixture::new().await.client().await;
    let pid = pid(&elsewhere).await.to_string();
    fixture.assert_refused(&["db", "sessions", "--kill", &pid], &format!("there is no session {pid} on {name}"));
    assert!(is_open(&elsewhere).await);
}

#[tokio::test]
async fn idle_sessions_are_ended_and_busy_ones_stay() {
    let fixture = Fixture::new().await;
    let (idle, busy) = (fixture.client().await, fixture.client().await);
    let work = tokio::spawn(async move { busy.query_one("select pg_sleep(600)", &[]).await.is_ok() });
    fixture.wait_until("wait_event = 'PgSleep'").await;
    let idle_pid = pid(&idle).await;
    let killed = fixture.json(&["db", "sessions", "--kill", "idle"]);
    assert_eq!(killed, json!({"killed": [idle_pid], "refused": [], "hidden": []}));
    assert!(!is_open(&idle).await && !work.is_finished());
    fixture.wait_until_provision_is_gone().await;
    assert_eq!(fixture.stdout(&["db", "sessions", "--kill", "all-others"]), "ended 1 session\n");
    assert!(!work.await.expect("no panic"), "the busy one was ended too");
    fixture.wait_until_alone().await;
    assert_eq!(fixture.stdout(&["db", "sessions", "--kill", "all-others"]), "no session to end\n");
}

/// Runs `provision` as another role than the owner.
fn run_as(fixture: &Fixture, role: &str, arguments: &[&str]) -> Output {
    let TestDatabase { name, port, .. } = &fixture.database;
    let url = format!("postgres://{role}:hunter2@localhost:{port}/{name}");
    fixture.checked(&mut fixture.command_at(&url, arguments))
}

/// Fails unless the command ended with 1 and reported all of this, on either output.
#[track_caller]
fn assert_unfinished(output: &Output, stdout: &str, stderr: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(reported.contains(stderr), "expected {stderr:?} in {reported:?}");
}

#[tokio::test]
async fn sessions_that_the_login_may_not_end_are_reported_with_what_it_can_do() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    let (helper, app, weak) = (format!("helper_{name}"), format!("app_{name}"), format!("weak_{name}"));
    let roles = format!(
        "create role {helper} login password 'hunter2' in role pg_signal_backend;
         create role {app} login password 'hunter2'; create role {weak} login password 'hunter2'"
    );
    fixture.execute(&roles).await;
    fixture.wait_until_alone().await;
    let connect = async || fixture.database.connect_as(&app, "hunter2").await.expect("it is accepted");
    let (superuser, client) = (fixture.client().await, connect().await);
    let (superuser_pid, app_pid) = (pid(&superuser).await, pid(&client).await);

    let of_app = format!("log in as {app}, or have an administrator run `grant pg_signal_backend to \"{weak}\"`");
    let refused = run_as(&fixture, &weak, &["db", "sessions", "--kill", &app_pid.to_string()]);
    assert_refused(&refused, &format!("error: cannot end session {app_pid} of {app}: "));
    assert_refused(&refused, &format!("hint: {of_app}\n"));
    let both = format!("ended 0 sessions; not ended: {superuser_pid}, {app_pid}\n");
    assert_unfinished(&run_as(&fixture, &weak, &["db", "sessions", "--kill", "all-others"]), &both, "superuser owner");

    let one = format!("ended 1 session; not ended: {superuser_pid}\n");
    let output = run_as(&fixture, &helper, &["db", "sessions", "--kill", "all-others"]);
    let hint = "hint: log in as a superuser; on RDS leave it, because only RDS itself has one";
    assert_unfinished(&output, &one, hint);
    assert!(is_open(&superuser).await && !is_open(&client).await, "{app_pid} was to be ended, and {superuser_pid} not");
    assert_refused(&run_as(&fixture, &helper, &["db", "sessions", "--kill", &superuser_pid.to_string()]), hint);
}

#[tokio::test]
async fn hidden_sessions_are_shown_as_such_and_are_not_taken_for_busy_ones() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    let weak = format!("weak_{name}");
    fixture.execute(&format!("create role {weak} login password 'hunter2'")).await;
    fixture.wait_until_alone().await;
    let client = fixture.client().await;
    let pid = pid(&client).await;
    let shown = stdout(run_as(&fixture, &weak, &["db", "sessions"]));
    assert!(shown.contains(" hidden ") && !shown.contains("insufficient privilege"), "{shown}");
    let listed = stdout(run_as(&fixture, &weak, &["db", "sessions", "--output", "json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!((&listed[0]["is_hidden"], &listed[0]["state"]), (&json!(true), &json!(null)));
    let output = run_as(&fixture, &weak, &["db", "sessions", "--kill", "idle"]);
    let hint = format!("hint: have an administrator run `grant pg_read_all_stats to \"{weak}\"`, or end it by its pid");
    assert_unfinished(&output, &format!("ended 0 sessions; hidden: {pid}\n"), &hint);
    assert!(is_open(&client).await);
    // As the hint says.
    client.batch_execute(&format!("grant pg_read_all_stats to {weak}")).await.expect("a superuser");
    let output = run_as(&fixture, &weak, &["db", "sessions", "--kill", "idle"]);
    assert_unfinished(&output, &format!("ended 0 sessions; not ended: {pid}\n"), "of the superuser owner");
}

#[tokio::test]
async fn names_and_queries_that_are_not_utf_8_are_shown_with_replacements() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let administration = Fixture { database: postgres.database().await.expect("a database") };
    let encodings = "create database latin encoding 'LATIN1' locale 'C' template template0";
    administration.execute(encodings).await;
    administration.execute("create database raw encoding 'SQL_ASCII' locale 'C' template template0").await;
    let of =
        |name: &str| Fixture { database: TestDatabase { name: name.to_owned(), ..administration.database.clone() } };
    // The role gets the bytes of LATIN1, which are no UTF-8.
    of("latin").execute("create role \"j\u{fc}rgen\" login superuser password 'hunter2'").await;
    let user = OsStr::from_bytes(b"j\xfcrgen");
    for name in [administration.database.name.as_str(), "latin", "raw"] {
        let fixture = of(name);
        let TestDatabase { port, root_certificate, .. } = &fixture.database;
        let mut psql = Command::new(tool("postgresql/bin/psql").expect("psql"));
        psql.args(["-X", "-h", "localhost", "-p", &port.to_string(), "-d", name, "-U"]).arg(user);
        psql.env("PGPASSWORD", "hunter2").env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", root_certificate);
        psql.env("PGAPPNAME", "back\\slash").args(["-c", "select pg_sleep(600)"]);
        let mut psql = psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql starts");
        fixture.wait_until("wait_event = 'PgSleep'").await;
        let shown = fixture.json(&["db", "sessions"]);
        assert_eq!(shown[0]["user"], "j\u{fffd}rgen", "{name}");
        assert_eq!(shown[0]["application"], "back\\slash", "{name}");
        for arguments in [&["db", "load"][..], &["db", "grant", "--iam", "--role", "granted"], &["users", "list"]] {
            assert_ne!(fixture.run(arguments).status.code(), Some(101), "{arguments:?} panicked in {name}");
        }
        let killed = fixture.json(&["db", "sessions", "--kill", "all-others"]);
        assert_eq!(killed["killed"].as_array().map(Vec::len), Some(1), "{name}");
        psql.wait().expect("it ends");
    }
}

#[tokio::test]
async fn an_unknown_value_of_kill_is_wrong_usage() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&["db", "sessions", "--kill", "everybody"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`idle` or `all-others`"), "{output:?}");
}
