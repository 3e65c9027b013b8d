//! `provision db wait`

use std::process::Stdio;

use serde_json::json;

use crate::fixture::{Fixture, assert_refused};

#[tokio::test]
async fn a_loaded_database_is_ready_at_once() {
    let fixture = Fixture::loaded().await;
    let name = &fixture.database.name;
    assert_eq!(fixture.stdout(&["db", "wait"]), format!("the schema of {name} on localhost is loaded\n"));
    assert_eq!(fixture.json(&["db", "wait"]), json!({"database": name, "host": "localhost"}));
}

#[tokio::test]
async fn wait_ends_when_the_database_exists_and_its_schema_is_loaded() {
    let fixture = Fixture::missing().await;
    let mut command = fixture.command(&["db", "wait", "--timeout", "1h"]);
    let mut wait = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    fixture.stdout(&["db", "create"]);
    assert_eq!(wait.try_wait().expect("its state is known"), None, "an empty database is not ready");
    fixture.stdout(&["db", "load"]);
    let output = wait.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("is loaded\n"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("waiting for "), "{output:?}");
}

#[tokio::test]
async fn a_wait_that_is_too_long_reports_what_is_pending() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&["db", "wait", "--timeout", "0s"]);
    for expected in ["is not loaded after 0s: pending V1__users", "hint: run `provision db load`, or wait longer"] {
        assert_refused(&output, expected);
    }
}

#[tokio::test]
async fn a_refused_password_is_not_waited_for() {
    let fixture = Fixture::new().await;
    let url = format!("postgres://owner:hunter2@localhost:{}/app", fixture.database.port);
    let output = fixture.checked(&mut fixture.command_at(&url, &["db", "wait", "--timeout", "1h"]));
    assert_refused(&output, "(SQLSTATE 28P01)");
}
