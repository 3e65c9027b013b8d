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
async fn a_server_that_is_reached_by_an_address_is_named_with_it() {
    let fixture = Fixture::new().await;
    let (name, port) = (&fixture.database.name, fixture.database.port);
    let run = |arguments: &[&str]| fixture.checked(fixture.command(arguments).env("PGHOSTADDR", "127.0.0.1"));
    let question = format!("This drops the database {name} on localhost:{port} (address 127.0.0.1) with all its data");
    assert_refused(&run(&["db", "drop"]), &question);
    let dropped = format!("the database {name} on localhost (address 127.0.0.1) is dropped\n");
    assert_eq!(stdout(run(&["db", "drop", "--yes"])), dropped);
    let created: serde_json::Value =
        serde_json::from_str(&stdout(run(&["db", "create", "--output", "json"]))).expect("JSON");
    let expected =
        json!({"database": name, "host": "localhost", "host_address": "127.0.0.1", "created": true, "opened": false});
    assert_eq!(created, expected);
    let mut nobody = fixture.command_at("postgres://ada:pw@localhost:1/app?hostaddr=127.0.0.1", &["db", "drop"]);
    let unreachable = "cannot reach the database server localhost:1 (address 127.0.0.1)";
    assert_refused(&fixture.checked(&mut nobody), unreachable);
}

#[tokio::test]
async fn an_address_without_a_host_is_the_host() {
    let fixture = Fixture::new().await;
    let mut of_variable = fixture.command(&["db", "url"]);
    of_variable.env_remove("CONNECTION_URL").env("PGDATABASE", "app").env("PGUSER", "ada");
    let shown = stdout(fixture.checked(of_variable.env("PGHOSTADDR", "127.0.0.3")));
    assert!(shown.starts_with("postgres://ada@127.0.0.3:5432/app?"), "{shown}");
    let mut of_url = fixture.command_at("postgres:///app?user=ada&hostaddr=127.0.0.3", &["db", "url"]);
    let shown = stdout(fixture.checked(of_url.env("PGHOSTADDR", "127.0.0.4")));
    assert!(shown.starts_with("postgres://ada@127.0.0.3:5432/app?"), "{shown}");
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
    let (postgres, fixture) = Fixture::alone().await;
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
    let (_postgres, fixture) = Fixture::alone().await;
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
    let (_postgres, mut fixture) = Fixture::alone().await;
    fixture.execute("create role nobody login password 'nobody'").await;
    let existing = TestDatabase { ..fixture.database.clone() };
    fixture.database.name.push_str("_missing");
    let output = run_as(&fixture, "nobody", &["db", "create"]);
    assert_refused(&output, &format!("error: nobody may not create the database {}", fixture.database.name));
    assert_refused(&output, "or have one grant it: alter role \"nobody\" createdb\n");
    Fixture { database: existing }.execute("alter role \"nobody\" createdb").await;
    stdout(run_as(&fixture, "nobody", &["db", "create"]));
}

#[tokio::test]
async fn the_role_that_may_not_create_a_database_is_the_one_that_the_login_acts_as() {
    let (_postgres, mut fixture) = Fixture::alone().await;
    let statements = "create role team; create role ada login createdb password 'ada' in role team;
                      alter role ada set role = 'team'";
    fixture.execute(statements).await;
    let existing = TestDatabase { ..fixture.database.clone() };
    fixture.database.name.push_str("_missing");
    let output = run_as(&fixture, "ada", &["db", "create"]);
    assert_refused(&output, "error: team may not create the database ");
    assert_refused(&output, "or have one grant it: alter role \"team\" createdb\n");
    Fixture { database: existing }.execute("alter role \"team\" createdb").await;
    stdout(run_as(&fixture, "ada", &["db", "create"]));
}

#[tokio::test]
async fn a_login_that_does_not_own_the_database_is_told_so_before_the_question() {
    let (_postgres, fixture) = Fixture::alone().await;
    let owner = owner_of(&fixture).await;
    let other = format!("other_than_{owner}");
    fixture.execute(&format!("create role {other} login createdb password '{other}'")).await;
    fixture.wait_until_alone().await;
    for command in ["drop", "setup"] {
        let output = run_as(&fixture, &other, &["db", command]);
        assert_refused(
            &output,
            &format!(", which {owner} owns\nhint: log in as {owner}, or have an administrator run: "),
        );
    }
    fixture.execute(&format!("grant \"{owner}\" to \"{other}\"")).await;
    fixture.wait_until_alone().await;
    stdout(run_as(&fixture, &other, &["db", "drop", "--yes"]));
}

#[tokio::test]
async fn sessions_that_the_login_may_not_end_are_named_before_the_question() {
    let (_postgres, fixture) = Fixture::alone().await;
    let owner = owner_of(&fixture).await;
    let superuser = fixture.client().await;
    let pid: i32 = superuser.query_one("select pg_backend_pid()", &[]).await.expect("an answer").get(0);
    for command in [&["db", "drop", "--force"][..], &["db", "setup", "--force"], &["db", "drop"]] {
        let output = run_as(&fixture, &owner, command);
        assert_refused(
            &output,
            &format!("{owner} may not end the session {pid} of a superuser\nhint: close it at its"),
        );
    }
    drop(superuser);
    fixture.wait_until_alone().await;

    let other = format!("other_than_{owner}");
    fixture.execute(&format!("create role {other} login password '{other}'")).await;
    let _open = fixture.database.connect_as(&other, &other).await.expect("it is accepted");
    fixture.wait_until("usename like 'other%'").await;
    let server = Fixture { database: TestDatabase { name: "postgres".to_owned(), ..fixture.database.clone() } };
    fixture.wait_until_gone("usename = 'owner'").await;
    let output = run_as(&fixture, &owner, &["db", "drop", "--force", "--yes"]);
    assert_refused(
        &output,
        "of another role\nhint: close it at its client, or have an administrator run: grant pg_signal",
    );
    server.execute(&format!("grant pg_signal_backend to \"{owner}\"")).await;
    stdout(run_as(&fixture, &owner, &["db", "drop", "--force", "--yes"]));
}

#[tokio::test]
async fn what_force_cannot_end_is_named_with_its_way_out() {
    let settings = "max_prepared_transactions = 1\nwal_level = logical";
    let postgres = Postgres::start_with(settings).expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let name = &fixture.database.name;
    let server = Fixture { database: TestDatabase { name: "postgres".to_owned(), ..fixture.database.clone() } };
    let assert_stopped = async |expected: &str, way_out: &str| {
        fixture.wait_until_alone().await;
        for command in [&["db", "drop", "--force"][..], &["db", "setup"], &["db", "drop", "--yes"]] {
            fixture.assert_refused(command, expected);
        }
        fixture.execute(way_out).await;
    };
    fixture.execute("begin; create table t (); prepare transaction 'it''s'").await;
    assert_stopped(
        "hint: run as owner in that database: rollback prepared 'it''s'; or: commit prepared 'it''s'\n",
        "rollback prepared 'it''s'",
    )
    .await;
    fixture.execute("begin; create table t (); prepare transaction 'closed'").await;
    server.execute(&format!("alter database {name} allow_connections false")).await;
    fixture.assert_refused(
        &["db", "drop"],
        "hint: open it with `provision db create`, then run as owner in that database: roll",
    );
    fixture.stdout(&["db", "create"]);
    fixture.execute("rollback prepared 'closed'").await;
    fixture.execute(&format!("alter database {name} is_template true")).await;
    let way_out = format!("alter database \"{name}\" is_template false");
    assert_stopped(&format!("is a template for new databases\nhint: run: {way_out}\n"), &way_out).await;

    let subscribed = "create subscription s connection 'dbname=app' publication p with (connect = false)";
    fixture.execute(subscribed).await;
    fixture.execute("alter subscription s set (slot_name = none)").await;
    let way_out = "drop subscription \"s\"";
    assert_stopped(&format!("has the subscription s\nhint: run as owner in that database: {way_out}"), way_out).await;

    fixture.execute("select pg_create_logical_replication_slot('idle', 'pgoutput')").await;
    fixture.wait_until_alone().await;
    fixture.assert_refused(&["db", "drop"], "no session is open; dropped with it: the replication slot idle\n");
    stdout(fixture.run(&["db", "drop", "--yes"]));
}

#[tokio::test]
async fn a_subscriber_of_the_database_stops_a_drop() {
    let postgres = Postgres::start_with("wal_level = logical").expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let subscriber = Fixture { database: postgres.database().await.expect("a database") };
    let TestDatabase { name, port, password, .. } = &fixture.database;
    fixture.execute("create publication p").await;
    fixture.execute("select pg_create_logical_replication_slot('feed', 'pgoutput')").await;
    let subscribe = format!(
        "create subscription s connection 'host=localhost port={port} dbname={name} user=owner password={password} \
         sslmode=require sslcert=none' publication p with (create_slot = false, slot_name = 'feed')"
    );
    subscriber.execute(&subscribe).await;
    fixture.wait_until("exists (select from pg_replication_slots where active)").await;
    for command in [&["db", "drop", "--force", "--yes"][..], &["db", "drop"]] {
        fixture.assert_refused(
            command,
            "through the replication slot feed\nhint: stop the subscriber, then run: select pg_d",
        );
    }
    subscriber.execute("drop subscription s").await;
    fixture.wait_until_alone().await;
    stdout(fixture.run(&["db", "drop", "--yes"]));
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
    let ended = terminal.answer("\x04");
    assert!(
        ended.contains("\nerror: not confirmed, so nothing was done"),
        "Ctrl-D ends the question's line: {ended:?}"
    );

    let mut terminal = Terminal::start(&fixture.command(&["db", "drop"]));
    terminal.question();
    let seen = terminal.answer(name);
    assert!(seen.contains(&format!("the database {name} on localhost is dropped")), "{seen}");
}

#[tokio::test]
async fn a_name_that_ends_with_a_space_is_typed_as_it_is() {
    let fixture = Fixture::new().await;
    let name = format!("{} ", fixture.database.name);
    fixture.execute(&format!("create database \"{name}\"")).await;
    let url = format!("{}%20", fixture.database.url());
    let mut terminal = Terminal::start(&fixture.command_at(&url, &["db", "drop"]));
    terminal.question();
    let seen = terminal.answer(&name);
    assert!(seen.contains(&format!("the database {name} on localhost is dropped")), "{seen}");
    fixture.client().await;
}
