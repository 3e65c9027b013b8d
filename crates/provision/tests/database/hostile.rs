//! Text of others that would act on the operator's terminal: no command writes it as it is.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};
use testkit::{assert_harmless, hostile_text, hostile_texts};

use crate::fixture::Fixture;
use crate::terminal::Terminal;

/// The text as PostgreSQL reads it.
fn literal(text: &str) -> String {
    format!("'{text}'")
}

/// The name as PostgreSQL reads it.
fn identifier(text: &str) -> String {
    format!("\"{text}\"")
}

/// Runs the command, and fails if its output could act on a terminal, or is none.
#[track_caller]
fn harmless(fixture: &Fixture, command: &mut Command) -> Output {
    let output = fixture.checked(command);
    let written = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(!written.is_empty(), "expected output of {command:?}");
    assert_harmless(&written);
    output
}

/// Runs it for people and for programs, and returns its JSON if it succeeded.
#[track_caller]
fn harmless_both(fixture: &Fixture, arguments: &[&str]) -> Option<Value> {
    harmless(fixture, &mut fixture.command(arguments));
    let output = harmless(fixture, &mut fixture.command(&[arguments, &["--output", "json"]].concat()));
    output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON and nothing else"))
}

/// A database with the user `ada`, whose name is hostile.
async fn with_user() -> Fixture {
    let fixture = Fixture::loaded().await;
    let text = literal(&hostile_text());
    let user = "insert into users (display_name, handle, email, cognito_user_id)";
    fixture.execute(&format!("{user} values ({text}, 'ada', {text}, 'a'), ({text}, {text}, null, {text})")).await;
    fixture
}

#[tokio::test]
async fn what_users_write_is_shown_harmlessly() {
    let fixture = with_user().await;
    let text = hostile_text();
    let users = harmless_both(&fixture, &["users", "list"]).expect("the users");
    assert!((0..2).all(|row| users[row]["display_name"] == text), "JSON has it whole: {users}");
    let create = ["activity", "create", "--handle", "ada", "--ttl", "1-day", "--message"];
    for text in hostile_texts() {
        let created = harmless_both(&fixture, &[&create[..], &[&text]].concat()).expect("an activity");
        assert_eq!(created["message"], json!(text), "JSON has it whole");
        harmless_both(&fixture, &["activity", "show", created["uuid"].as_str().expect("a uuid")]);
    }
    harmless_both(&fixture, &["activity", "home"]);
    let stdout = fixture.stdout(&["users", "list"]);
    assert!(stdout.lines().all(|line| line.chars().count() < 400), "one name widens no table:\n{stdout}");
}

#[tokio::test]
async fn what_people_write_is_shown_as_it_is() {
    let fixture = Fixture::loaded().await;
    let names = ["👩\u{200d}🚀 Zoe\u{308}", "می\u{200c}خواهم", "שלום עולם", "श्री क्\u{200d}ष", "李小龙"];
    for (number, name) in names.iter().enumerate() {
        let user = "insert into users (display_name, handle, cognito_user_id)";
        fixture.execute(&format!("{user} values ('{name}', 'user-{number}', '{number}')")).await;
    }
    for format in ["text", "json"] {
        let stdout = fixture.stdout(&["users", "list", "--output", format]);
        assert!(names.iter().all(|name| stdout.contains(name)), "{stdout}");
    }
}

#[tokio::test]
async fn names_and_statements_of_sessions_are_shown_harmlessly() {
    let fixture = Fixture::new().await;
    for text in hostile_texts() {
        // A name belongs to the whole server.
        let role = format!("{}{text}", &fixture.database.name[5..]);
        fixture.execute(&format!("create role {} superuser login password 'hunter2'", identifier(&role))).await;
        let client = fixture.database.connect_as(&role, "hunter2").await.expect("it is accepted");
        let query = format!("set application_name = {}; select {}", literal(&text), literal(&text));
        client.batch_execute(&query).await.expect("a statement");
        let sessions = harmless_both(&fixture, &["db", "sessions"]).expect("the sessions");
        let sessions = sessions.as_array().expect("a list");
        assert!(sessions.iter().any(|session| session["user"] == role), "expected {role:?} in {sessions:?}");
        drop(client);
    }
}

#[tokio::test]
async fn names_of_tables_and_roles_are_shown_harmlessly_by_a_grant() {
    let fixture = Fixture::loaded().await;
    let role = format!("member_{}", fixture.database.name);
    fixture.execute(&format!("create role {role} login")).await;
    for text in hostile_texts() {
        let (table, other) = (identifier(&text), identifier(&format!("{}{text}", &fixture.database.name[5..])));
        let statements = format!(
            "create table {table} (); grant select on {table} to {role}; create role {other}; grant {other} to {role};
             create function {table}() returns int security definer language sql as 'select 1'"
        );
        fixture.execute(&statements).await;
    }
    let arguments = ["db", "grant", "--iam", "--role", &role, "--check"];
    harmless_both(&fixture, &arguments);
    let shown = fixture.run(&[&arguments[..], &["--output", "json"]].concat());
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON and nothing else");
    assert!(shown["changes"].to_string().contains("error: forged"), "the names are in {shown}");
    assert!(shown["contract"]["warnings"].to_string().contains("error: forged"), "the names are in {shown}");
    let question = harmless(&fixture, &mut fixture.command(&arguments[..5]));
    assert_eq!(question.status.code(), Some(1), "it cannot ask");
    let mut terminal = Terminal::start(&fixture.command(&arguments[..5]));
    // A terminal makes two characters of the end of a line.
    let question = terminal.question().replace("\r\n", "\n");
    assert!(question.contains("error: forged"), "the names are in {question:?}");
    assert_harmless(question.as_bytes());
    assert_harmless(terminal.answer("no").replace("\r\n", "\n").as_bytes());
}

#[tokio::test]
async fn the_owner_of_the_contract_is_shown_harmlessly() {
    let fixture = Fixture::loaded().await;
    let role = format!("member_{}", fixture.database.name);
    fixture.execute(&format!("create role {role} login")).await;
    for text in hostile_texts() {
        let (table, owner) = (identifier(&text), identifier(&format!("{}{text}", &fixture.database.name[5..])));
        let statements = format!(
            "create role {owner} createrole; create table {table} (); grant insert on {table} to {owner};
             alter function cognito.ensure_user owner to {owner}"
        );
        fixture.execute(&statements).await;
        harmless_both(&fixture, &["db", "grant", "--iam", "--role", &role, "--check"]);
        harmless_both(&fixture, &["db", "load"]);
    }
}

/// A server that refuses each login with this message, and ends with the process. Returns its port.
/// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
fn refusing(message: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let field = |code: char, text: &str| format!("{code}{text}\0");
    let fields =
        [field('S', "FATAL"), field('C', "28000"), field('M', message), field('D', message), field('H', message)];
    let fields = fields.concat() + "\0";
    let length = u32::try_from(fields.len() + 4).expect("a short message").to_be_bytes();
    let answer = [b"E", &length[..], fields.as_bytes()].concat();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut length = [0; 4];
            let _ = client.read_exact(&mut length);
            let mut startup = vec![0; u32::from_be_bytes(length).saturating_sub(4) as usize];
            let _ = client.read_exact(&mut startup).and_then(|()| client.write_all(&answer));
        }
    });
    port
}

#[tokio::test]
async fn errors_of_the_server_are_shown_harmlessly() {
    let fixture = Fixture::new().await;
    let port = refusing(&hostile_text());
    let url = format!("postgres://owner:hunter2@127.0.0.1:{port}/app?sslmode=disable");
    for command in [
        &["db", "create"][..],
        &["db", "drop"],
        &["db", "load"],
        &["db", "seed"],
        &["db", "grant", "--iam"],
        &["db", "connect"],
        &["db", "wait", "--timeout", "0s"],
        &["db", "sessions"],
        &["users", "list"],
        &["activity", "home"],
    ] {
        let output = harmless(&fixture, &mut fixture.command_at(&url, command));
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(stderr.contains("error: forged"), "the message is shown: {stderr}");
        let lines: Vec<&str> = stderr.lines().collect();
        let is_short =
            matches!(lines[..], [.., error, hint] if error.starts_with("error: ") && hint.starts_with("hint: "));
        assert!(is_short && lines.len() <= 3, "an error is one line, and its hint another: {stderr}");
    }
}

#[tokio::test]
async fn arguments_and_settings_are_shown_harmlessly() {
    let fixture = Fixture::loaded().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let uuid = "00000000-0000-4000-8000-000000000000";
    let text = hostile_text();
    let option = format!("--{text}");
    for arguments in [
        &[text.as_str()][..],
        &["db", &text],
        &["db", "load", &option],
        &["db", "load", &text],
        &["db", "sessions", "--kill", &text],
        &["db", "wait", "--timeout", &text],
        &["db", "drop", "--confirm", &text],
        &["db", "grant", "--iam", "--check", "--role", &text],
        &["db", "grant", "--check", "--secret", &text],
        &["db", "load", "--output", &text],
        &["activity", "show", &text],
        &["activity", "show", uuid, &text],
        &["activity", "create", "--user", &text],
        &["activity", "create", "--handle", &text, "--message", &text, "--ttl", &text],
        &["activity", "create", "--message", "x", &option],
        &["activity", "home", "--before", &text],
        &["activity", "home", "--limit", &text],
        &["instance", "plan", "--config", &text],
        &["instance", "plan", "--profile", &text],
        &["instance", "plan", "--config", path, "--region", &text],
        &["instance", &text],
        &["access", "allow", "--cidr", &text],
        &["access", "allow", "--expires", &text],
        &["access", "allow", "--config", path, "--from-group", "sg-1", "--region", "eu-central-1", "--user", &text],
        &["access", "allow", "--config", path, "--region", "eu-central-1", "--address-url", &text],
    ] {
        harmless(&fixture, &mut fixture.command(arguments));
    }
    for (variable, arguments) in [
        ("CONNECTION_URL", &["db", "load"][..]),
        ("PROD_CONNECTION_URL", &["db", "load", "--prod"]),
        ("PGSSLROOTCERT", &["db", "load"]),
        ("PGHOSTADDR", &["db", "load"]),
        ("PGPORT", &["db", "load"]),
        ("PGDATABASE", &["db", "load"]),
        ("DB_AUTH", &["db", "load"]),
        ("AWS_REGION", &["db", "load", "--prod", "--config", path]),
        ("AWS_PROFILE", &["db", "load", "--prod", "--config", path, "--region", "eu-central-1"]),
    ] {
        let mut command = fixture.command(arguments);
        harmless(&fixture, command.env("AWS_EC2_METADATA_DISABLED", "true").env(variable, &text));
    }
    for line in [
        format!("{} = 1", json!(text)),
        format!("identifier = {}", json!(text)),
        format!("[storage]\ntype = {}", json!(text)),
        format!("backups.window = {}", json!(text)),
        format!("identifier = \"{text}\""),
        text.clone(),
    ] {
        std::fs::write(path, line).expect("the file is writable");
        harmless(&fixture, &mut fixture.command(&["instance", "plan", "--config", path]));
    }
}

#[tokio::test]
async fn names_in_a_url_are_shown_harmlessly() {
    let fixture = Fixture::new().await;
    for text in hostile_texts() {
        let name = text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        for (user, password, database) in [
            ("owner", "hunter2", name.as_str()),
            (&name, "hunter2", "app"),
            ("owner", &name, "app"),
            ("postgres", &fixture.database.password.replace('@', "%40").replace('/', "%2F"), &name),
        ] {
            let url = format!("postgres://{user}:{password}@localhost:{}/{database}", fixture.database.port);
            for arguments in [&["db", "create"][..], &["db", "load"], &["db", "url"], &["db", "drop"]] {
                harmless(&fixture, &mut fixture.command_at(&url, arguments));
            }
        }
    }
}

#[tokio::test]
async fn a_name_is_confirmed_as_it_is_or_as_it_is_shown() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    for (ending, encoded, typed) in
        [(" ", "%20", " "), ("\u{200b}", "%e2%80%8b", "\\u{200b}"), ("\u{200b}", "%e2%80%8b", "\u{200b}")]
    {
        fixture.execute(&format!("create database {}", identifier(&format!("{name}{ending}")))).await;
        let url = format!("{}{encoded}", fixture.database.url());
        let mut terminal = Terminal::start(&fixture.command_at(&url, &["db", "drop"]));
        assert_harmless(terminal.question().as_bytes());
        let seen = terminal.answer(&format!("{name}{typed}"));
        assert!(seen.contains("is dropped"), "{seen}");
    }
}
