//! Faults of a server, a login or a database: each command reports them, with SQLSTATE and remedy.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;

use testkit::{Port, Postgres, TestDatabase};

use crate::fixture::{BEFORE_CONTRACT, Fixture, assert_refused, stdout};

/// What a command needs beside its name to get as far as the database.
fn arguments(group: &str, command: &str) -> &'static [&'static str] {
    match (group, command) {
        ("db", "drop" | "setup") => &["--yes"],
        ("db", "wait") => &["--timeout", "0s"],
        // Without a secret, so that no AWS is needed.
        ("db", "grant") => &["--iam"],
        ("activity", "create") => &["--handle", "ada", "--message", "x", "--ttl", "1-day"],
        ("users", "reconcile") => &["--pool", "eu-central-1_aB3dE5gH7"],
        ("users", "why") => &["ada", "--pool", "eu-central-1_aB3dE5gH7"],
        ("activity", "show") => &["00000000-0000-4000-8000-000000000000"],
        _ => &[],
    }
}

/// Every command that needs the database, from the command line's definition.
fn commands() -> Vec<Vec<String>> {
    let root = provision::command();
    let groups = ["db", "activity", "users"].map(|group| root.find_subcommand(group).expect("a group"));
    let names =
        groups.iter().flat_map(|group| group.get_subcommands().map(|command| (group.get_name(), command.get_name())));
    // They ask no server: one shows the URL, the other leads to a DB instance on RDS.
    let names = names.filter(|name| ![("db", "url"), ("db", "tunnel")].contains(name));
    let words = |(group, command)| [&[group, command], arguments(group, command)].concat();
    let with_options: [&[&str]; 2] = [&["db", "load", "--check"], &["db", "sessions", "--kill", "idle"]];
    let commands = names.map(words).chain(with_options.map(<[&str]>::to_vec));
    commands.map(|words| owned(&words)).collect()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Those that need the database itself, not only its server.
fn commands_inside() -> Vec<Vec<String>> {
    let is_outside = |words: &[String]| words[0] == "db" && ["create", "drop", "setup"].contains(&words[1].as_str());
    commands().into_iter().filter(|words| !is_outside(words)).collect()
}

/// Fails unless each command at this URL is refused with all of this.
#[track_caller]
fn assert_all_refused(fixture: &Fixture, url: &str, commands: &[Vec<String>], expected: &[&str]) {
    for words in commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = fixture.checked(&mut fixture.command_at(url, &words));
        for expected in expected {
            assert_refused(&output, expected);
        }
    }
}

#[tokio::test]
async fn a_missing_server_is_reported() {
    let fixture = Fixture::new().await;
    let port = Port::reserve().expect("a port");
    let url = format!("postgres://owner:hunter2@localhost:{}/app", port.number());
    let expected = ["cannot reach the database server localhost:", "hint: check that the server runs"];
    assert_all_refused(&fixture, &url, &commands(), &expected);
}

#[tokio::test]
async fn without_a_url_the_local_database_is_meant() {
    let fixture = Fixture::new().await;
    let url = fixture.command_at("", &["db", "url"]).output().expect("provision starts");
    assert_eq!(String::from_utf8_lossy(&url.stdout), "postgres://postgres:****@127.0.0.1:5432/app?sslmode=disable\n");
}

#[tokio::test]
async fn a_wrong_password_is_reported_and_never_shown() {
    let fixture = Fixture::new().await;
    let url = format!("postgres://owner:hunter2@localhost:{}/{}", fixture.database.port, fixture.database.name);
    let expected = ["refused the user owner", "correct the user name and the password", "(SQLSTATE 28P01)"];
    assert_all_refused(&fixture, &url, &commands(), &expected);
}

#[tokio::test]
async fn a_missing_database_is_reported() {
    let fixture = Fixture::missing().await;
    let url = fixture.database.url();
    assert_all_refused(&fixture, &url, &commands_inside(), &["run `provision db create`", "(SQLSTATE 3D000)"]);
}

#[tokio::test]
async fn an_expired_certificate_is_reported() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let fixture = Fixture { database: postgres.database().await.expect("a new database") };
    postgres.let_certificate_expire().expect("another certificate");
    let expected = ["no verified TLS connection to localhost", "its validity, and this machine's clock", "expired"];
    assert_all_refused(&fixture, &fixture.database.url(), &commands(), &expected);
}

#[tokio::test]
async fn a_read_only_server_is_reported() {
    let fixture = Fixture::loaded().await;
    let reader = fixture.reader().await;
    fixture.wait_until_alone().await;
    let url = |name: &str| format!("postgres://{reader}:hunter2@localhost:{}/{name}", fixture.database.port);
    let expected = ["reset default_transaction_read_only", "(SQLSTATE 25006)"];
    let writing: [&[&str]; 5] = [
        &["db", "drop", "--yes"],
        &["db", "seed"],
        &["db", "setup", "--yes"],
        &["db", "grant", "--iam", "--role", "nobody_yet", "--yes"],
        &["activity", "create", "--handle", "ada", "--message", "x", "--ttl", "1-day"],
    ];
    for command in writing {
        fixture.wait_until_alone().await;
        assert_all_refused(&fixture, &url(&fixture.database.name), &[owned(command)], &expected);
    }
    assert_all_refused(&fixture, &url("not_there"), &[owned(&["db", "create"])], &expected);
    let empty = Fixture::new().await;
    assert_all_refused(&empty, &url(&empty.database.name), &[owned(&["db", "load"])], &expected);
    let url = url(&fixture.database.name);
    let home = fixture.checked(&mut fixture.command_at(&url, &["activity", "home"]));
    assert!(home.status.success(), "reading needs no writer: {home:?}");
}

#[tokio::test]
async fn a_password_is_not_sent_where_it_could_be_read() {
    let fixture = Fixture::new().await;
    let url = |mode: &str| format!("postgres://owner:hunter2@localhost:{}/app?sslmode={mode}", fixture.database.port);
    for mode in ["prefer", "allow"] {
        let expected = ["continues without encryption when an attacker asks for it", "sslmode=verify-full"];
        assert_all_refused(&fixture, &url(mode), &commands(), &expected);
    }
    // This server insists on TLS, and does not look at the password.
    let expected = [
        "no verified TLS connection to localhost: no pg_hba.conf entry",
        "(SQLSTATE 28000)",
        "hint: write sslmode=verify-full in the URL",
    ];
    assert_all_refused(&fixture, &url("disable"), &commands(), &expected);
    let elsewhere = "postgres://owner:hunter2@db.example.com/app?sslmode=disable";
    assert_all_refused(&fixture, elsewhere, &commands(), &["sends passwords and data in the clear"]);
}

#[tokio::test]
async fn a_server_in_another_language_gets_the_same_hints() {
    let postgres = Postgres::start_with("lc_messages = 'C.UTF-8'").expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let TestDatabase { name, port, .. } = fixture.database.clone();
    let refused = |url: &str, command: &[&str], hint: &str| {
        assert_refused(&fixture.checked(&mut fixture.command_at(url, command)), &format!("\nhint: {hint}"));
    };
    let plain = format!("postgres://owner:hunter2@localhost:{port}/{name}?sslmode=disable");
    refused(&plain, &["db", "load"], "write sslmode=verify-full in the URL");
    refused(&plain, &["db", "create"], "write sslmode=verify-full in the URL");
    for statements in [
        "create role locked password 'hunter2'; create role busy login connection limit 0 password 'hunter2';
         create role poor login createdb password 'hunter2'",
        "create database crowded connection limit 0",
        "create database half",
        "update pg_database set datconnlimit = -2 where datname = 'half'",
    ] {
        fixture.execute(statements).await;
    }
    let url = |role: &str, name: &str| format!("postgres://{role}:hunter2@localhost:{port}/{name}");
    refused(&url("locked", &name), &["db", "load"], "check that the user has LOGIN");
    refused(&url("locked", "new"), &["db", "create"], "check that the user has LOGIN");
    refused(&url("busy", &name), &["db", "load"], "end sessions of the role");
    refused(&url("busy", "new"), &["db", "create"], "end sessions of the role");
    refused(&url("poor", "crowded"), &["db", "load"], "end sessions of the database");
    refused(&url("poor", "half"), &["db", "load"], "run `provision db drop` and `provision db create`");
    refused(&url("poor", &name), &["db", "load"], "log in as the owner of what the error names, or have");
}

#[tokio::test]
async fn a_host_name_that_the_certificate_lacks_is_corrected_in_the_url() {
    let fixture = Fixture::loaded().await;
    let url = fixture.database.url().replace("@localhost:", "@127.0.0.1:");
    let mut mismatch = fixture.command_at(&url, &["users", "list"]);
    // The URL wins.
    mismatch.env("PGHOST", "localhost");
    let expected = "hint: use a host name that its certificate holds: in the URL, if there is one, else in PGHOST or the secret; \
                    through a tunnel, set PGHOSTADDR to its near end";
    assert_refused(&fixture.checked(&mut mismatch), expected);
    let mut corrected = fixture.command(&["users", "list"]);
    stdout(fixture.checked(corrected.env("PGHOSTADDR", "127.0.0.1")));
}

#[tokio::test]
async fn a_local_server_without_tls_is_told_how_it_is_reached() {
    let fixture = Fixture::new().await;
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    let url = format!("postgres://postgres:hunter2@localhost:{port}/app");
    let answer = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut client, _) = server.accept()?;
            // The request for TLS, and no.
            client.read_exact(&mut [0; 8]).and_then(|()| client.write_all(b"N"))?;
        }
        std::io::Result::Ok(())
    });
    let told = "error: no verified TLS connection to localhost: the server does not support TLS\n\
                hint: turn TLS on at the server (`ssl = on`)";
    let of_url = fixture.checked(&mut fixture.command_at(&url, &["db", "sessions"]));
    let way = ", or, for a development database, write sslmode=disable in CONNECTION_URL";
    assert_refused(&of_url, &format!("{told}{way}"));
    let mut of_variables = fixture.command(&["db", "sessions"]);
    of_variables.env_remove("CONNECTION_URL").env("PGPORT", port.to_string()).env("PGDATABASE", "app");
    of_variables.env("PGUSER", "postgres").env("PGPASSWORD", "hunter2");
    let way = ", or, for a development database, set PGSSLMODE to `disable`\n";
    assert_refused(&fixture.checked(&mut of_variables), &format!("{told}{way}"));
    // In production, no connection goes without TLS.
    let mut of_production = fixture.command(&["db", "sessions", "--prod"]);
    assert_refused(&fixture.checked(of_production.env("PROD_CONNECTION_URL", &url)), &format!("{told}\n"));
    answer.join().expect("no panic").expect("it was asked");
}

#[tokio::test]
async fn a_login_without_a_privilege_is_told_who_has_it() {
    let fixture = Fixture::loaded().await;
    let name = &fixture.database.name;
    let plain = format!("plain_{name}");
    fixture.execute(&format!("create role {plain} login password 'hunter2'")).await;
    fixture.execute(BEFORE_CONTRACT).await;
    fixture.wait_until_alone().await;
    let url = |database: &str| format!("postgres://{plain}:hunter2@localhost:{}/{database}", fixture.database.port);
    for (database, words, expected) in [
        ("not_there", &["db", "create"][..], "log in as a role that has CREATEDB, or have one grant it"),
        (name, &["db", "load"], "log in as the owner of what the error names, or have the owner grant the privilege"),
        (name, &["db", "seed"], "log in as the owner of what the error names, or have the owner grant the privilege"),
        (
            name,
            &["users", "list"],
            "log in as the owner of what the error names, or have the owner grant the privilege",
        ),
    ] {
        let output = fixture.checked(&mut fixture.command_at(&url(database), words));
        assert_refused(&output, "(SQLSTATE 42501)");
        assert_refused(&output, &format!("hint: {expected}"));
    }
    fixture.stdout(&["db", "load"]);
    fixture.execute(&format!("grant usage on schema cognito to {plain}")).await;
    let output = fixture
        .checked(&mut fixture.command_at(&url(name), &["db", "grant", "--iam", "--role", "nobody_yet", "--yes"]));
    assert_refused(&output, "hint: log in as a role with CREATEROLE, such as RDS's master user");
}

/// The command that a hint names, if it names one.
fn named_command(output: &Output) -> Option<Vec<String>> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let (_, hint) = stderr.split_once("\nhint: ")?;
    let (_, command) = hint.rsplit_once("`provision ")?;
    let (command, _) = command.split_once('`')?;
    Some(command.split(' ').map(str::to_owned).collect())
}

/// Runs the command that fails, the one that its hint names, and the first again.
#[track_caller]
fn assert_led_out(fixture: &Fixture, words: &[&str], named: &str) {
    let refused = fixture.run(words);
    let command = named_command(&refused).unwrap_or_else(|| panic!("expected a command in {refused:?}"));
    assert_eq!(command.join(" "), named, "{refused:?}");
    fixture.stdout(&command.iter().map(String::as_str).collect::<Vec<_>>());
    fixture.stdout(words);
}

#[tokio::test]
async fn a_hint_that_names_a_command_leads_out() {
    let fixture = Fixture::missing().await;
    assert_led_out(&fixture, &["db", "load", "--dry-run"], "db create");
    assert_led_out(&fixture, &["users", "list"], "db load");
    let server = Fixture::new().await;
    fixture.wait_until_alone().await;
    server.execute(&format!("alter database {} allow_connections false", fixture.database.name)).await;
    assert_led_out(&fixture, &["users", "list"], "db create");
    fixture.execute(BEFORE_CONTRACT).await;
    let mut reader = fixture.client().await;
    let reading = reader.transaction().await.expect("a transaction");
    reading.batch_execute("select from users").await.expect("a lock");
    let refused = fixture.run(&["db", "load"]);
    assert_eq!(named_command(&refused), Some(owned(&["db", "sessions"])), "{refused:?}");
    let holders = fixture.json(&["db", "sessions"]);
    let pid = holders[0]["pid"].to_string();
    fixture.stdout(&["db", "sessions", "--kill", &pid]);
    fixture.wait_until_alone().await;
    fixture.stdout(&["db", "load"]);
}

#[tokio::test]
async fn no_hint_names_the_command_that_has_just_failed() {
    let empty = Fixture::new().await;
    let name = &empty.database.name;
    empty.execute(&format!("create role nobody_{name} login password 'hunter2'")).await;
    let (missing, nobody) = (Fixture::missing().await, Fixture::loaded().await);
    let as_nobody =
        format!("postgres://nobody_{name}:hunter2@localhost:{}/{}", nobody.database.port, nobody.database.name);
    let no_load = |words: &Vec<String>| words[..2] != owned(&["db", "load"]);
    for (url, commands) in [
        (missing.database.url(), commands_inside()),
        (empty.database.url(), commands_inside().into_iter().filter(no_load).collect()),
        (as_nobody, commands()),
    ] {
        for words in commands {
            let output =
                empty.checked(&mut empty.command_at(&url, &words.iter().map(String::as_str).collect::<Vec<_>>()));
            let named = named_command(&output);
            assert!(named.is_none_or(|named| named[..2] != words[..2]), "{words:?}: {output:?}");
        }
    }
}

#[test]
fn production_stands_after_its_group() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_provision")).args(["--prod", "db", "url"]).output();
    let output = output.expect("provision starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("tip: --prod is an option of db, activity and users, as in"), "{stderr}");
    assert!(!stderr.contains("--profile"), "{stderr}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_provision")).args(["db", "lod"]).output();
    assert_eq!(output.expect("provision starts").status.code(), Some(2));
}
