//! `provision db` and `provision users`, run as an operator runs them, with a real PostgreSQL over TLS.

use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Postgres, TestDatabase};

async fn database() -> TestDatabase {
    Postgres::shared().database().await.expect("a new database")
}

fn command(url: &str, database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.args(arguments).env_clear().env("CONNECTION_URL", url).env("PGSSLROOTCERT", &database.root_certificate);
    command
}

fn provision(database: &TestDatabase, arguments: &[&str]) -> Output {
    command(&database.url(), database, arguments).output().expect("provision starts")
}

#[track_caller]
fn stdout(output: &Output) -> &str {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    str::from_utf8(&output.stdout).expect("UTF-8")
}

/// Fails unless the command ended with 1, told the remedy, wrote no data, and no password anywhere.
#[track_caller]
fn assert_refused(output: &Output, database: &TestDatabase, remedy: &str) {
    let stderr = str::from_utf8(&output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(remedy), "expected {remedy:?} in {stderr:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for password in [database.password.as_str(), "hunter2"] {
        assert!(!stderr.contains(password), "the password stands in {stderr:?}");
    }
}

#[tokio::test]
async fn load_applies_every_migration_once() {
    let database = database().await;
    assert_eq!(stdout(&provision(&database, &["db", "load"])), "applied V1__users, V2__activities\n");
    assert_eq!(stdout(&provision(&database, &["db", "load"])), "the schema is up to date\n");
}

#[tokio::test]
async fn load_tells_programs_what_it_applied() {
    let database = database().await;
    let output = provision(&database, &["db", "load", "--output", "json"]);
    let loaded: Value = serde_json::from_str(stdout(&output)).expect("JSON and nothing else");
    assert_eq!(loaded, json!({"applied": ["V1__users", "V2__activities"]}));
}

#[tokio::test]
async fn two_loads_at_once_apply_every_migration_once() {
    let database = database().await;
    let start = || command(&database.url(), &database, &["db", "load"]).stdout(std::process::Stdio::piped()).spawn();
    let loads = [start().expect("provision starts"), start().expect("provision starts")];
    let mut answers =
        loads.map(|load| String::from_utf8(load.wait_with_output().expect("it ends").stdout).expect("UTF-8"));
    answers.sort();
    assert_eq!(answers, ["applied V1__users, V2__activities\n", "the schema is up to date\n"]);
}

#[tokio::test]
async fn a_changed_migration_is_told_and_nothing_is_applied() {
    let database = database().await;
    stdout(&provision(&database, &["db", "load"]));
    let client = database.connect().await.expect("the database is up");
    client.batch_execute("update refinery_schema_history set checksum = '1' where version = 1").await.expect("it can");
    assert_refused(&provision(&database, &["db", "load"]), &database, "use the release that wrote them");
}

#[tokio::test]
async fn the_schema_refuses_what_must_not_be() {
    let database = database().await;
    stdout(&provision(&database, &["db", "load"]));
    let client = database.connect().await.expect("the database is up");
    let one_user = "insert into users (display_name, handle, cognito_user_id) values ('Ada', 'ada', 'a')";
    client.batch_execute(one_user).await.expect("a good user");
    let too_long = format!("insert into activities (user_uuid, message) select uuid, repeat('é', {}) from users", 281);
    for (statement, sqlstate) in [
        ("insert into users (display_name, handle, cognito_user_id) values ('x', 'ADA', 'b')", "23505"),
        ("insert into users (display_name, handle, cognito_user_id) values ('x', 'b', 'a')", "23505"),
        ("insert into users (handle, cognito_user_id) values ('b', 'b')", "23502"),
        ("insert into activities (user_uuid, message) values (gen_random_uuid(), 'x')", "23503"),
        (&too_long, "23514"),
    ] {
        let error = client.batch_execute(statement).await.expect_err(statement);
        assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some(sqlstate), "{statement}");
    }
    let activity = "insert into activities (user_uuid, message) select uuid, repeat('é', 280) from users returning
                    replies_count + reposts_count + likes_count as counts";
    let row = client.query_one(activity, &[]).await.expect("a good activity");
    assert_eq!(row.get::<_, i32>("counts"), 0);
    client.batch_execute("delete from users").await.expect("a user can be deleted");
    let left = client.query_one("select count(*) from activities", &[]).await.expect("a count");
    assert_eq!(left.get::<_, i64>(0), 0, "a user's activities go with the user");
}

#[tokio::test]
async fn users_are_listed_for_people() {
    let database = database().await;
    stdout(&provision(&database, &["db", "load"]));
    let client = database.connect().await.expect("the database is up");
    let users = "insert into users (uuid, display_name, handle, email, cognito_user_id, created_at) values
        ('00000000-0000-4000-8000-000000000002', E'Evil \\x1b[31m\\nname', 'evil', null, 'b', '2026-01-02 03:04:05+01'),
        ('00000000-0000-4000-8000-000000000001', '李', 'ada', 'ada@example.com', 'a', '2026-01-01 00:00:00.5+00')";
    client.batch_execute(users).await.expect("good users");
    let expected = [
        " uuid                                  display_name     handle  email            cognito_user_id  created_at",
        " 00000000-0000-4000-8000-000000000001  李               ada     ada@example.com  a                2026-01-01T00:00:00.500000Z",
        " 00000000-0000-4000-8000-000000000002  Evil \u{fffd}[31m\u{fffd}name  evil    -                b                2026-01-02T02:04:05.000000Z",
        "",
    ]
    .join("\n");
    assert_eq!(stdout(&provision(&database, &["users", "list"])), expected);
}

#[tokio::test]
async fn users_are_listed_for_programs() {
    let database = database().await;
    stdout(&provision(&database, &["db", "load"]));
    let client = database.connect().await.expect("the database is up");
    let user = "insert into users (uuid, display_name, handle, cognito_user_id, created_at) values
        ('00000000-0000-4000-8000-000000000001', '李 \"x\"', 'ada', 'a', '2026-01-01 00:00:00+00')";
    client.batch_execute(user).await.expect("a good user");
    let output = provision(&database, &["--output", "json", "users", "list"]);
    let users: Value = serde_json::from_str(stdout(&output)).expect("JSON and nothing else");
    let expected = json!([{
        "uuid": "00000000-0000-4000-8000-000000000001",
        "display_name": "李 \"x\"",
        "handle": "ada",
        "email": null,
        "cognito_user_id": "a",
        "created_at": "2026-01-01T00:00:00.000000Z",
    }]);
    assert_eq!(users, expected);
}

#[tokio::test]
async fn a_list_of_an_empty_database_says_to_load_the_schema() {
    let database = database().await;
    assert_refused(&provision(&database, &["users", "list"]), &database, "run `provision db load`");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let database = database().await;
    let url = format!("postgres://owner:hunter2@localhost:{}/{}", database.port, database.name);
    let output = command(&url, &database, &["db", "load"]).output().expect("provision starts");
    assert_refused(&output, &database, "correct the user name and the password");
}

#[tokio::test]
async fn no_settings_at_all_are_told() {
    let database = database().await;
    let output = command("", &database, &["users", "list"]).output().expect("provision starts");
    assert_refused(&output, &database, "set DB_SECRET_ID");
}

#[test]
fn wrong_usage_ends_with_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_provision")).args(["db", "lod"]).output().expect("provision starts");
    assert_eq!(output.status.code(), Some(2));
}
