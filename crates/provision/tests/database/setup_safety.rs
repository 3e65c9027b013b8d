//! `provision db setup` loses nothing: it looks before it drops, and goes on to the end of the step.

use std::process::{Child, Command, Output, Stdio};

use testkit::{Postgres, Proxy, TestDatabase};

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::terminal::Terminal;

/// Another database of the same server.
pub(crate) fn server(fixture: &Fixture) -> Fixture {
    Fixture { database: TestDatabase { name: "postgres".to_owned(), ..fixture.database.clone() } }
}

/// The command as this role, whose password is its name.
pub(crate) fn command_as(fixture: &Fixture, role: &str, arguments: &[&str]) -> Command {
    let TestDatabase { name, port, .. } = &fixture.database;
    fixture.command_at(&format!("postgres://{role}:{role}@localhost:{port}/{name}"), arguments)
}

pub(crate) fn run_as(fixture: &Fixture, role: &str, arguments: &[&str]) -> Output {
    fixture.checked(&mut command_as(fixture, role, arguments))
}

/// A server with a database of the role `eve`, which may create databases and roles.
pub(crate) async fn of_eve() -> (Postgres, Fixture) {
    let (postgres, fixture) = Fixture::alone().await;
    let name = &fixture.database.name;
    let statements =
        format!("create role eve login createdb createrole password 'eve'; alter database {name} owner to eve");
    fixture.execute(&statements).await;
    fixture.wait_until_alone().await;
    (postgres, fixture)
}

#[tokio::test]
async fn a_setup_that_is_interrupted_creates_the_database_again_with_all_it_had() {
    let (_postgres, fixture) = of_eve().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    // Her own limits do not end the wait either.
    let settings = format!(
        "alter database {name} set timezone = 'Europe/Vienna'; alter database {name} set application_name = 'mine';
         alter role eve set lock_timeout = '1ms'; alter role eve set statement_timeout = '300ms'"
    );
    server.execute(&settings).await;
    for signal in ["INT", "TERM", "HUP"] {
        let holder = server.client().await;
        holder.batch_execute(&format!("begin; comment on database {name} is null")).await.expect("a lock");
        let mut setup = command_as(&fixture, "eve", &["db", "setup", "--yes"]);
        let setup = setup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
        server.wait_until("query like 'drop database %' and wait_event_type = 'Lock'").await;
        send(&setup, signal);
        server.wait_until("query like 'drop database %' and clock_timestamp() - query_start > interval '400 ms'").await;
        holder.batch_execute("rollback").await.expect("the lock's end");
        let output = setup.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let expected = format!(
            "\ninterrupted: this step ends first, because half of it would be a loss; interrupt again to stop it\n\
             error: interrupted: the database {name} on localhost is dropped and created, but not loaded\n\
             hint: run `provision db load` and `provision db seed`\n"
        );
        assert!(stderr.ends_with(&expected), "{stderr}");
        assert!(stderr.contains(&format!("; alter database {name} set \"TimeZone\" = 'Europe/Vienna'")), "{stderr}");
        let settings = "select cardinality(setconfig)::bigint from pg_db_role_setting where setdatabase = (
            select oid from pg_database where datname = current_database())";
        assert_eq!(fixture.count(settings).await, 2);
        fixture.wait_until_alone().await;
    }
    stdout(run_as(&fixture, "eve", &["db", "load"]));
}

pub(crate) fn send(program: &Child, signal: &str) {
    let kill = Command::new("sh").args(["-c", &format!("kill -s {signal} {}", program.id())]).status();
    assert!(kill.expect("a shell").success());
}

/// Sends the program this signal, and returns how it ended.
fn interrupted(program: Child, signal: &str) -> Output {
    send(&program, signal);
    program.wait_with_output().expect("it ends")
}

// The proxy works while this waits for the program.
#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_after_the_drop_says_what_is_done_and_what_is_left() {
    let (_postgres, fixture) = of_eve().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    let holder = server.client().await;
    for signal in ["INT", "TERM"] {
        let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
        let url = format!("postgres://eve:eve@localhost:{}/{name}", proxy.port());
        let start = || {
            let mut setup = fixture.command_at(&url, &["db", "setup", "--yes"]);
            setup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts")
        };
        // The fifth migration creates a role.
        let hold = "begin; drop role if exists cognito_writer; commit; begin; lock table pg_authid in share mode";
        let is_loading = "application_name = 'provision' and wait_event_type = 'Lock'";

        holder.batch_execute(hold).await.expect("a lock");
        let setup = start();
        fixture.wait_until(is_loading).await;
        let output = interrupted(setup, signal);
        assert_refused(
            &Output { stderr: last_lines(&output.stderr, 2), ..output },
            &format!(
                "error: interrupted: the database {name} on localhost is dropped and created, but not loaded\n\
                 hint: run `provision db load` and `provision db seed`\n"
            ),
        );
        fixture.wait_until_alone().await;
        holder.batch_execute("rollback").await.expect("the lock's end");

        holder.batch_execute(hold).await.expect("a lock");
        let setup = start();
        fixture.wait_until(is_loading).await;
        // The session that seeds is never opened.
        let opened = proxy.connections();
        proxy.silence(true);
        holder.batch_execute("rollback").await.expect("the lock's end");
        proxy.until_connections(opened + 1).await.expect("another connection");
        let output = interrupted(setup, signal);
        assert_refused(
            &Output { stderr: last_lines(&output.stderr, 2), ..output },
            &format!(
                "error: interrupted: the database {name} on localhost is dropped and created and loaded, but not seeded\n\
                 hint: run `provision db seed`\n"
            ),
        );
        fixture.wait_until_alone().await;
        assert_eq!(stdout(run_as(&fixture, "eve", &["db", "seed"])), "seeded 2 users and 1 activity\n");
        fixture.wait_until_alone().await;
        fixture.execute("drop owned by cognito_writer").await;
        fixture.wait_until_alone().await;
    }
}

#[tokio::test]
async fn an_interrupted_seed_leaves_no_statement_behind() {
    let fixture = Fixture::loaded().await;
    let holder = fixture.client().await;
    holder.batch_execute("begin; lock table users").await.expect("a lock");
    let mut seed = fixture.command(&["db", "seed"]);
    let seed = seed.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    fixture.wait_until("application_name = 'provision' and wait_event_type = 'Lock'").await;
    let output = interrupted(seed, "INT");
    assert_refused(&output, "error: interrupted: the samples may be missing\nhint: run `provision db seed` again");
    fixture.wait_until_provision_is_gone().await;
    holder.batch_execute("rollback").await.expect("the lock's end");
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 2 users and 1 activity\n");
}

/// The last lines of this output.
fn last_lines(output: &[u8], count: usize) -> Vec<u8> {
    let lines: Vec<_> = output.split_inclusive(|byte| *byte == b'\n').collect();
    lines[lines.len().saturating_sub(count)..].concat()
}

#[tokio::test]
async fn what_would_stop_the_load_is_named_before_the_drop() {
    let (_postgres, fixture) = of_eve().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    fixture.execute("create role other; create table precious ()").await;
    fixture.wait_until_alone().await;
    for (statement, problem, remedy) in [
        (
            format!("alter database {name} set default_transaction_read_only = on"),
            "its sessions only read (default_transaction_read_only)",
            format!("alter database {name} reset default_transaction_read_only"),
        ),
        (
            format!("alter role eve in database {name} set default_transaction_read_only = on"),
            "its sessions only read (default_transaction_read_only)",
            format!("alter role eve in database {name} reset default_transaction_read_only"),
        ),
        (
            format!("alter database {name} connection limit 0"),
            "its connection limit is 0",
            format!("alter database \"{name}\" connection limit -1"),
        ),
        (
            format!("revoke connect on database {name} from public, eve"),
            "eve may not connect to it",
            format!("grant connect on database \"{name}\" to \"eve\""),
        ),
        (
            format!("grant other to eve; alter database {name} set role = other"),
            "its sessions act as other, which does not own it",
            format!("alter database {name} reset role"),
        ),
    ] {
        server.execute(&statement).await;
        for arguments in [&["db", "setup"][..], &["db", "setup", "--yes"]] {
            let output = run_as(&fixture, "eve", arguments);
            assert_refused(
                &output,
                &format!("could be dropped and created again, but not loaded: {problem}\nhint: run: {remedy}\n"),
            );
        }
        server.execute(&remedy).await;
    }
    server.execute("alter role eve nocreaterole").await;
    let output = run_as(&fixture, "eve", &["db", "setup", "--yes"]);
    assert_refused(
        &output,
        "eve cannot create the role cognito_writer and act as it\nhint: log in as a role with CREATEROLE",
    );
    server.execute("create role cognito_writer").await;
    let output = run_as(&fixture, "eve", &["db", "setup", "--yes"]);
    assert_refused(
        &output,
        "eve cannot create the role cognito_writer and act as it\nhint: have an administrator run: grant",
    );
    fixture.execute("table precious").await;
    fixture.wait_until_alone().await;
    server.execute("grant cognito_writer to eve").await;
    assert!(run_as(&fixture, "eve", &["db", "setup", "--yes"]).status.success());
}

#[tokio::test]
async fn a_login_that_may_not_act_as_anothers_cognito_writer_is_told_who_can_grant_it() {
    let (_postgres, fixture) = of_eve().await;
    stdout(run_as(&fixture, "eve", &["db", "load"]));
    let server = server(&fixture);
    server.execute("create role bob login createdb createrole password 'bob'").await;
    server.execute("create database of_bob owner bob").await;
    let of_bob = Fixture { database: TestDatabase { name: "of_bob".to_owned(), ..fixture.database.clone() } };
    if server.version().await < 160_000 {
        // Whoever has CREATEROLE may act as every role.
        stdout(run_as(&of_bob, "bob", &["db", "load"]));
        return;
    }
    let statement = "grant cognito_writer to bob with inherit true, set true";
    let output = run_as(&of_bob, "bob", &["db", "load"]);
    assert_refused(&output, "error: bob may not act as cognito_writer, which another login has created: ");
    assert_refused(&output, &format!("\nhint: have eve run: {statement}; then load again\n"));
    of_bob.wait_until_alone().await;
    assert_refused(&run_as(&of_bob, "bob", &["db", "setup", "--yes"]), &format!("\nhint: have eve run: {statement}\n"));
    let eve = fixture.database.connect_as("eve", "eve").await.expect("it is accepted");
    eve.batch_execute(statement).await.expect(statement);
    stdout(run_as(&of_bob, "bob", &["db", "load"]));
    of_bob.wait_until_alone().await;
    assert!(run_as(&of_bob, "bob", &["db", "setup", "--yes"]).status.success());
}

#[tokio::test]
async fn a_database_is_created_where_the_servers_locale_is_of_another_encoding() {
    let (_postgres, fixture) = Fixture::alone().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    // As `initdb --encoding=LATIN1 --locale=de_DE` leaves it; this machine may lack the locale itself.
    let latin =
        "update pg_database set encoding = pg_char_to_encoding('LATIN1'), datcollate = 'de_DE', datctype = 'de_DE'
         where datname";
    server.execute(&format!("{latin} in ('template0', '{name}')")).await;
    let output = fixture.run(&["db", "setup", "--yes"]);
    assert!(output.status.success(), "{output:?}");
    fixture.wait_until_alone().await;
    stdout(fixture.run(&["db", "drop", "--yes"]));
    stdout(fixture.run(&["db", "create"]));
    // One with a locale of its own keeps that.
    let output = fixture.run(&["db", "setup", "--yes"]);
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_database_that_changes_while_the_question_waits_is_not_dropped() {
    let fixture = Fixture::new().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    for command in ["setup", "drop"] {
        fixture.wait_until_alone().await;
        let mut terminal = Terminal::start(&fixture.command(&["db", command]));
        terminal.question();
        server.execute(&format!("drop database {name}")).await;
        server.execute(&format!("create database {name}")).await;
        let seen = terminal.answer(name);
        assert!(seen.contains(" meanwhile, so nothing was done"), "{seen}");
        fixture.execute("create table if not exists precious ()").await;
    }
    fixture.wait_until_alone().await;
    let mut terminal = Terminal::start(&fixture.command(&["db", "setup"]));
    terminal.question();
    server.execute(&format!("alter database {name} set timezone = 'Europe/Vienna'")).await;
    let seen = terminal.answer(name);
    assert!(seen.contains("was changed meanwhile, so nothing was done"), "{seen}");
    fixture.execute("table precious").await;
}

#[tokio::test]
async fn a_database_that_is_half_dropped_is_named_and_dropped() {
    let (_postgres, fixture) = Fixture::alone().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    let halve = format!("update pg_database set datconnlimit = -2 where datname = '{name}'");
    server.execute(&format!("alter database {name} set timezone = 'Europe/Vienna'; {halve}")).await;
    fixture.assert_refused(
        &["db", "create"],
        "is half dropped: a drop of it was interrupted\nhint: run `provision db drop`, then this again",
    );
    for command in [&["db", "load"][..], &["db", "wait"]] {
        let output = fixture.run(command);
        assert_refused(
            &output,
            "\nhint: run `provision db drop` and `provision db create`: a drop of it was interrupted\n",
        );
    }
    let output = fixture.run(&["db", "setup", "--yes"]);
    assert!(output.status.success(), "{output:?}");
    let settings = "select count(*) from pg_db_role_setting where setdatabase <> 0";
    assert_eq!(fixture.count(settings).await, 1);
    server.execute(&halve).await;
    fixture.wait_until_alone().await;
    stdout(fixture.run(&["db", "drop", "--yes"]));
    stdout(fixture.run(&["db", "create"]));
}

#[tokio::test]
async fn a_setup_says_that_it_opens_a_closed_database() {
    let fixture = Fixture::new().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    server.execute(&format!("alter database {name} allow_connections false")).await;
    fixture.assert_refused(&["db", "setup"], "; the new one will not have the refusal of connections\n");
}

#[tokio::test]
async fn a_login_that_may_not_drop_is_told_the_statement_that_helps() {
    let (_postgres, fixture) = of_eve().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    // A role that the login acts as, and a membership without its privileges.
    let roles = format!(
        "create role owning; alter database {name} owner to owning; create role acting createdb createrole noinherit;
         grant owning to acting; grant acting to eve; alter role eve set role = acting; create role cognito_writer;
         grant cognito_writer to acting"
    );
    server.execute(&roles).await;
    let refused = run_as(&fixture, "eve", &["db", "setup", "--yes"]);
    let statement = if fixture.version().await < 160_000 {
        "alter role acting inherit"
    } else {
        "grant owning to acting with inherit true"
    };
    assert_refused(&refused, &format!("error: acting may not drop {name} on "));
    assert_refused(&refused, &format!("\nhint: log in as owning, or have an administrator run: {statement}\n"));
    fixture.wait_until_alone().await;
    server.execute(statement).await;
    if fixture.version().await >= 160_000 {
        let statement = "grant cognito_writer to acting with inherit true, set true";
        fixture.wait_until_alone().await;
        let refused = run_as(&fixture, "eve", &["db", "setup", "--yes"]);
        assert_refused(&refused, &format!("\nhint: have an administrator run: {statement}\n"));
        server.execute(statement).await;
    }
    fixture.wait_until_alone().await;
    let output = run_as(&fixture, "eve", &["db", "setup", "--yes"]);
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_writer_that_only_reads_is_told_from_a_replica() {
    let (_postgres, fixture) = of_eve().await;
    server(&fixture).execute("alter role eve set default_transaction_read_only = on").await;
    let refused = run_as(&fixture, "eve", &["db", "drop", "--yes"]);
    assert_refused(&refused, "only reads (SQLSTATE 25006)\nhint: reset default_transaction_read_only where it is set");
}

#[tokio::test]
async fn the_limit_of_a_role_is_the_same_in_each_maintenance_database() {
    let (_postgres, fixture) = of_eve().await;
    let server = server(&fixture);
    server.execute("alter role eve connection limit 0").await;
    let refused = run_as(&fixture, "eve", &["db", "drop", "--yes"]);
    assert_refused(&refused, "\nhint: end sessions of the role, or raise its limit: alter role … connection limit …\n");
    let limit =
        format!("alter role eve connection limit -1; alter database {} connection limit 0", fixture.database.name);
    server.execute(&limit).await;
    let refused = run_as(&fixture, "eve", &["db", "load"]);
    assert_refused(&refused, "\nhint: end sessions of the database, or raise its limit: alter database … connection");
}

#[tokio::test]
async fn a_setting_that_another_session_changes_at_this_moment_is_not_taken_for_one_that_is_refused() {
    let fixture = Fixture::new().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    server.execute(&format!("alter database {name} set timezone = 'Europe/Vienna'")).await;
    let other = server.client().await;
    let change = format!("begin; alter database {name} set timezone = 'Europe/Rome'");
    other.batch_execute(&change).await.expect("an open change");
    let mut setup = fixture.command(&["db", "setup"]);
    let setup = setup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    server.wait_until(&format!("query like 'alter database {name} %' and wait_event_type = 'Lock'")).await;
    other.batch_execute("commit").await.expect("the change");
    let output = setup.wait_with_output().expect("it ends");
    assert_refused(&output, "; no session is open\nhint: add --yes to confirm");
}
