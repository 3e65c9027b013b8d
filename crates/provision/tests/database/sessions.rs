//! `provision db sessions`

use insta::assert_snapshot;
use serde_json::json;
use testkit::TestDatabase;
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
    assert_eq!(killed, json!({"killed": [idle_pid], "refused": []}));
    assert!(!is_open(&idle).await && !work.is_finished());
    fixture.wait_until_provision_is_gone().await;
    assert_eq!(fixture.stdout(&["db", "sessions", "--kill", "all-others"]), "ended 1 session\n");
    assert!(!work.await.expect("no panic"), "the busy one was ended too");
    fixture.wait_until_alone().await;
    assert_eq!(fixture.stdout(&["db", "sessions", "--kill", "all-others"]), "no session to end\n");
}

#[tokio::test]
async fn sessions_that_the_login_may_not_end_are_reported() {
    let fixture = Fixture::new().await;
    let (name, port) = (&fixture.database.name, fixture.database.port);
    fixture.execute(&format!("create role helper_{name} login password 'hunter2' in role pg_signal_backend")).await;
    fixture.execute(&format!("create role app_{name} login password 'hunter2'")).await;
    fixture.wait_until_alone().await;
    let (superuser, app) = (
        fixture.client().await,
        fixture.database.connect_as(&format!("app_{name}"), "hunter2").await.expect("it is accepted"),
    );
    let (superuser_pid, app_pid) = (pid(&superuser).await, pid(&app).await);
    let url = format!("postgres://helper_{name}:hunter2@localhost:{port}/{name}");
    let run = |kill: &str| fixture.checked(&mut fixture.command_at(&url, &["db", "sessions", "--kill", kill]));
    let reported =
        format!("ended 1 session; cannot end session {superuser_pid}: grant pg_signal_backend to this login\n");
    assert_eq!(stdout(run("all-others")), reported);
    assert!(is_open(&superuser).await && !is_open(&app).await, "{app_pid} was to be ended, and {superuser_pid} not");
    assert_refused(&run(&superuser_pid.to_string()), "(SQLSTATE 42501)");
}

#[tokio::test]
async fn an_unknown_value_of_kill_is_wrong_usage() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&["db", "sessions", "--kill", "everybody"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`idle` or `all-others`"), "{output:?}");
}
