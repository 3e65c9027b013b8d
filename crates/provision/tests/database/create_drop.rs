//! `provision db create` and `provision db drop`

use crate::fixture::{Fixture, stdout};
use crate::terminal::Terminal;
use serde_json::json;

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
    for name in ["postgres", "template1"] {
        fixture.database.name = name.to_owned();
        fixture.assert_refused(&["db", "drop", "--yes", "--force"], "is a database of the server itself");
        fixture.assert_refused(&["db", "create"], "name the application's database");
    }
}

#[tokio::test]
async fn a_server_on_rds_is_production_also_behind_a_tunnel() {
    // On a server of its own: others must not find the role.
    let postgres = testkit::Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    fixture.execute("create role rdsadmin").await;
    for command in ["drop", "setup"] {
        fixture.assert_refused(&["db", command, "--yes"], "is on Amazon RDS, and counts as production");
    }
    fixture.client().await;
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
