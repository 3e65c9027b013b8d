//! `provision db create` and `provision db drop`

use std::process::Output;

use serde_json::json;
use testkit::{Postgres, TestDatabase};

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::terminal::Terminal;

/// Runs the command as this role, whose password is its name.
fn run_as(fixture: &Fixture, role: &str, arguments: &[&str]) -> Output {
    let TestDatabase { name, port, .. } = &fixture.database;
    fixture.checked(&mut fixture.command_at(&format!("postgres://{role}:{role}@localhost:{port}/{name}"), arguments))
}

/// A role that owns the database and may create others, with its name as its password.
async fn owner_of(fixture: &Fixture) -> String {
    let name = &fixture.database.name;
    let role = format!("owner_of_{name}");
    let statements =
        format!("create role {role} login createdb password '{role}'; alter database {name} owner to {role}");
    fixture.execute(&statements).await;
    fixture.wait_until_alone().await;
    role
}

#[tokio::test]
async fn create_makes_a_database_once() {
    let fixture = Fixture::missing().await;
    let name = &fixture.database.name;
    assert_eq!(fixture.stdout(&["db", "create"]), format!("the database {name} on localhost is created\n"));
    assert_eq!(fixture.stdout(&["db", "create"]), format!("the database {name} on localhost exists already\n"));
    assert_eq!(
        fixture.json(&["db", "create"]),
        json!({"database": name, "host": "localhost", "created": false, "opened": false})
    );
    let encoding = format!("select encoding::bigint from pg_database where datname = '{name}'");
    assert_eq!(fixture.count(&encoding).await, 6, "PostgreSQL's number for UTF8");
}

#[tokio::test]
async fn a_name_is_taken_as_it_is() {
    let mut fixture = Fixture::missing().await;
    fixture.database.name.push_str(r#" "; drop table x; -- "#);
    let url = fixture.database.url().replace(' ', "%20").replace('"', "%22").replace(';', "%3B");
    let output = fixture.checked(&mut fixture.command_at(&url, &["db", "create", "--output", "json"]));
    let created: serde_json::Value = serde_json::from_str(&stdout(output)).expect("JSON");
    assert_eq!(created["database"], fixture.database.name.as_str());
    let output = fixture.checked(&mut fixture.command_at(&url, &["db", "drop", "--yes", "--output", "json"]));
    let dropped: serde_json::Value = serde_json::from_str(&stdout(output)).expect("JSON");
    assert_eq!(dropped["dropped"], true);
}

#[tokio::test]
async fn a_database_in_another_encoding_is_reported() {
    let fixture = Fixture::missing().await;
    let other = Fixture::new().await;
    let name = &fixture.database.name;
    other.execute(&format!("create database {name} encoding 'SQL_ASCII' locale 'C' template template0")).await;
    fixture.assert_refused(
        &["db", "create"],
        "encoding SQL_ASCII, and UTF8 is needed\nhint: save its data, drop it and create it again",
    );
}

#[tokio::test]
async fn drop_asks_first_and_names_the_database() {
    let fixture = Fixture::new().await;
    let (name, port) = (&fixture.database.name, fixture.database.port);
    let question = format!(
        "error: cannot ask, because standard input is no terminal: This drops the database {name} on \
         localhost:{port} with all its data; no session is open\nhint: add --yes to confirm"
    );
    fixture.assert_refused(&["db", "drop"], &question);
    fixture.client().await;
}

#[tokio::test]
async fn drop_drops_a_database_once() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    assert_eq!(fixture.stdout(&["db", "drop", "--yes"]), format!("the database {name} on localhost is dropped\n"));
    assert_eq!(fixture.stdout(&["db", "drop", "--yes"]), format!("the database {name} on localhost did not exist\n"));
    let dropped = json!({"database": name, "host": "localhost", "dropped": false, "snapshot": null});
    assert_eq!(fixture.json(&["db", "drop"]), dropped);
}

#[tokio::test]
async fn open_sessions_prevent_a_drop_without_force() {
    let fixture = Fixture::new().await;
    let clients = [fixture.client().await, fixture.client().await];
    fixture.assert_refused(
        &["db", "drop", "--yes"],
        "2 sessions are open\nhint: list them with `provision db sessions`, and add --force to end them",
    );
    fixture.stdout(&["db", "drop", "--yes", "--force"]);
    for client in clients {
        client.query_one("select 1", &[]).await.expect_err("the session was ended");
    }
}

#[tokio::test]
async fn the_servers_own_databases_are_refused() {
    let mut fixture = Fixture::new().await;
    for name in ["postgres", "template0", "template1"] {
        fixture.database.name = name.to_owned();
        let commands: [&[&str]; 6] = [
            &["db", "drop", "--yes", "--force"],
            &["db", "setup", "--yes", "--force"],
            &["db", "create"],
            &["db", "load"],
            &["db", "seed"],
            &["db", "grant", "--iam"],
        ];
        for command in commands {
            let expected = format!("error: {name} is a database of the server itself\nhint: name the application's");
            fixture.assert_refused(command, &expected);
        }
    }
}

#[tokio::test]
async fn a_name_that_the_server_would_cut_is_refused() {
    let mut fixture = Fixture::new().await;
    fixture.database.name = "d".repeat(64);
    for command in ["create", "drop", "setup", "load"] {
        fixture.assert_refused(&["db", command], "has 64 bytes, and a name in PostgreSQL at most 63");
    }
}

#[tokio::test]
async fn any_database_of_the_server_serves_to_create_and_drop_another() {
    // On a server of its own: its databases are renamed and closed to others.
    let postgres = Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let name = &fixture.database.name;
    let role = owner_of(&fixture).await;
    let run = |arguments: &[&str]| run_as(&fixture, &role, arguments);
    let server = postgres.database().await.expect("a database").connect().await.expect("it is accepted");
    let execute = async |statements: &str| server.batch_execute(statements).await.expect(statements);

    execute("alter database postgres rename to other").await;
    stdout(run(&["db", "drop", "--yes"]));
    stdout(run(&["db", "create"]));

    execute("revoke connect on database template1, other from public").await;
    for command in [&["db", "create"][..], &["db", "drop", "--yes"], &["db", "setup", "--yes"]] {
        let output = run(command);
        assert_refused(&output, &format!("error: no database to connect to while {name} on localhost:"));
        assert_refused(
            &output,
            "template1: the database role lacks a privilege: permission denied for database \"template1\"",
        );
        assert_refused(&output, "hint: name one that this login may connect to with --maintenance-db");
        let output = run(&[command, &["--maintenance-db", "other"]].concat());
        assert_refused(&output, "error: cannot connect to the maintenance database other: ");
        assert_refused(&output, "hint: name another one with --maintenance-db");
        let output = run(&[command, &["--maintenance-db", name]].concat());
        assert_refused(&output, "error: --maintenance-db is the database to create or drop itself");
    }
    execute("create database ours").await;
    stdout(run(&["db", "drop", "--yes", "--maintenance-db", "ours"]));
    stdout(run(&["db", "create", "--maintenance-db", "ours"]));

    execute("alter database ours rename to defaultdb").await;
    stdout(run(&["db", "drop", "--yes"]));
}

#[tokio::test]
async fn a_server_that_lets_the_login_into_its_own_database_alone_asks_for_another_one() {
    let postgres = Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let name = &fixture.database.name;
    fixture.execute("create database other").await;
    let other = Fixture { database: TestDatabase { name: "other".to_owned(), ..fixture.database.clone() } };
    let client = other.client().await;
    let file: String = client.query_one("show hba_file", &[]).await.expect("its path").get(0);
    let lines = format!("copy (select 'hostssl {name},other all 127.0.0.1/32 scram-sha-256') to '{file}'");
    client.batch_execute(&lines).await.expect("pg_hba.conf is written");
    fixture.wait_until_alone().await;
    client.execute("select pg_reload_conf()", &[]).await.expect("it is read");
    fixture.assert_refused(
        &["db", "drop", "--yes"],
        "template1: the database server localhost refused the user owner: no pg_hba.conf entry",
    );
    fixture.assert_refused(&["db", "drop"], "hint: name one that this login may connect to with --maintenance-db");
    fixture.stdout(&["db", "drop", "--yes", "--maintenance-db", "other"]);
}

#[tokio::test]
async fn without_createdb_the_way_to_create_a_database_is_named() {
    let fixture = Fixture::missing().await;
    let role = format!("nobody_of_{}", fixture.database.name);
    Fixture::new().await.execute(&format!("create role {role} login password '{role}'")).await;
    let output = run_as(&fixture, &role, &["db", "create"]);
    assert_refused(&output, &format!("error: {role} may not create the database {}", fixture.database.name));
    assert_refused(&output, &format!("or have one grant it: alter role \"{role}\" createdb\n"));
    Fixture::new().await.execute(&format!("alter role \"{role}\" createdb")).await;
    stdout(run_as(&fixture, &role, &["db", "create"]));
}

#[tokio::test]
async fn drop_accepts_only_the_typed_name_as_an_answer() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    for answer in ["", "yes", "postgres"] {
        let mut terminal = Terminal::start(&fixture.command(&["db", "drop"]));
        let question = terminal.question();
        assert!(question.ends_with(&format!("Type `{name}` to confirm: ")), "{question}");
        let seen = terminal.answer(answer);
        assert!(seen.contains("error: not confirmed, so nothing was done"), "{seen}");
    }
    fixture.client().await;
    fixture.wait_until_alone().await;
    let mut terminal = Terminal::start(&fixture.command(&["db", "drop"]));
    terminal.question();
    let seen = terminal.answer(name);
    assert!(seen.contains(&format!("the database {name} on localhost is dropped")), "{seen}");
}

