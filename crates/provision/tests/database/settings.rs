//! Which database is meant: URLs, variables, services and password files, as psql reads them.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::fixture::{Fixture, assert_refused, stdout};

/// A home directory with these files, which nobody else may read.
fn home(files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        let path = home.path().join(name);
        fs::write(&path, content).expect("the file is writable");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is this user's");
    }
    home
}

/// `provision` with no URL, and these variables.
fn command(fixture: &Fixture, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = fixture.command_at("", arguments);
    command.envs(variables.iter().copied());
    command
}

/// The standard output of a command on the fixture's server, the standard error, and whether it succeeded.
fn ended(output: &Output) -> (String, String, bool) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

#[tokio::test]
async fn a_special_character_in_a_databases_name_leads_to_no_other_database() {
    let fixture = Fixture::loaded().await;
    let url = fixture.database.url();
    for name in ["#2", "/../x", "%20y", "//", "/.", "\\..\\z"] {
        let other = format!("{url}{name}");
        let run = |arguments: &[&str]| stdout(fixture.checked(&mut fixture.command_at(&other, arguments)));
        assert!(run(&["db", "create"]).ends_with("is created\n"), "{name} is another database");
        run(&["db", "setup", "--yes"]);
        assert_eq!(fixture.count("select count(*) from users").await, 0, "{name} was set up, and not the first one");
        let (dropped, ..) = ended(&fixture.checked(&mut fixture.command_at(&other, &["db", "drop", "--yes"])));
        assert!(dropped.ends_with("is dropped\n"), "{dropped}");
    }
    assert_eq!(fixture.count("select count(*) from cognito.schema_history").await, 7);
}

#[tokio::test]
async fn a_url_that_is_not_plain_is_refused_without_a_piece_of_it() {
    let fixture = Fixture::new().await;
    for (url, problem, hint) in [
        ("postgres://ada:hunter2/x@localhost/app", "has a `/` before its `@`", "`/` is %2F"),
        ("postgres://ada:hunter2@[::1/app", "has a `[` before the host", "percent-encode every"),
        ("postgres://ada:hunter2@localhost/app%00", "holds %00", "percent-encode every"),
        ("host=localhost password=hunter2", "is a list of keywords and values, not a URL", "postgres://user"),
        ("postgres://ada:hunter2@h1,h2/app", "names several hosts", "name one"),
        ("postgres://ada:hunter2@%2Ftmp/app", "is a unix socket", "write localhost"),
        ("postgres://ada:hunter2@localhost/app?channel_bindng=x", "the parameter channel_bindng", "correct its name"),
        ("postgres://ada:hunter2@localhost/app?options=x", "the parameter options", "alter role"),
    ] {
        let output = fixture.checked(&mut fixture.command_at(url, &["db", "setup", "--yes"]));
        assert_refused(&output, problem);
        assert_refused(&output, hint);
    }
    let long = format!("{}{}", fixture.database.url(), "x".repeat(63));
    for command in [&["db", "create"][..], &["db", "load"], &["db", "drop", "--yes"]] {
        assert_refused(&fixture.checked(&mut fixture.command_at(&long, command)), "a name in PostgreSQL at most 63");
    }
}

#[tokio::test]
async fn a_variable_that_is_not_utf8_is_refused_by_its_name() {
    let fixture = Fixture::new().await;
    let value = OsString::from_vec(b"postgres://ada:hunter2\xe9@localhost/app".to_vec());
    let names = ["CONNECTION_URL", "PGHOST", "PGDATABASE", "PGSERVICE", "DB_SECRET_ID", "DB_AUTH"];
    for (name, more) in names.map(|name| (name, None)).into_iter().chain([
        ("PROD_CONNECTION_URL", Some("--prod")),
        // The SDK would use another profile's account.
        ("AWS_PROFILE", Some("--prod")),
    ]) {
        let mut command = fixture.command_at("", &["db", "url"]);
        let output = fixture.checked(command.env(name, &value).args(more));
        assert_refused(&output, &format!("error: {name} is not UTF-8\nhint: "));
    }
}

#[tokio::test]
async fn without_a_url_the_variables_of_psql_name_the_database() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    let port = database.port.to_string();
    let all = [
        ("PGPORT", port.as_str()),
        ("PGDATABASE", &database.name),
        ("PGUSER", database.user()),
        ("PGPASSWORD", &database.password),
    ];
    let loaded = stdout(fixture.checked(&mut command(&fixture, &all, &["db", "load"])));
    assert!(loaded.starts_with("applied V1__users"), "{loaded}");
    assert_eq!(fixture.count("select count(*) from users").await, 0);
    // One is enough for the local database not to be meant.
    for (name, value, missing) in [
        ("PGDATABASE", "app", "no user name for the database"),
        ("PGUSER", "ada", "no database name"),
        ("PGHOST", "localhost", "no database name"),
        ("PGHOSTADDR", "127.0.0.1", "no database name"),
        ("PGPORT", "5432", "no database name"),
    ] {
        let output = fixture.checked(&mut command(&fixture, &[(name, value)], &["db", "setup", "--yes"]));
        assert_refused(&output, missing);
    }
    let socket = [&all[..], &[("PGHOST", "/tmp")]].concat();
    assert_refused(&fixture.checked(&mut command(&fixture, &socket, &["db", "load"])), "PGHOST is a unix socket");
    let plain = [&all[..], &[("PGSSLMODE", "disable"), ("PGHOSTADDR", "10.0.0.1")]].concat();
    let output = fixture.checked(&mut command(&fixture, &plain, &["db", "load"]));
    assert_refused(&output, "PGSSLMODE says sslmode=disable, which sends passwords and data in the clear");
}

#[tokio::test]
async fn a_password_comes_from_the_url_then_the_variable_then_the_file() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    let (user, name, port) = (database.user(), &database.name, database.port);
    let escaped = database.password.replace('\\', "\\\\").replace(':', "\\:");
    let line = |password: &str| format!("other:*:*:*:hunter2\nlocalhost:{port}:{name}:{user}:{password}\n");
    let url = format!("postgres://{user}@localhost:{port}/{name}");
    let run = |url: &str, variables: &[(&str, &str)]| {
        let mut command = fixture.command_at(url, &["db", "load", "--check"]);
        ended(&fixture.checked(command.envs(variables.iter().copied())))
    };
    let right = home(&[(".pgpass", &line(&escaped)), ("mine", &line(&escaped))]);
    let wrong = home(&[(".pgpass", &line("hunter2"))]);
    let [right_home, wrong_home] = [&right, &wrong].map(|home| home.path().to_str().expect("UTF-8"));
    let mine = format!("{right_home}/mine");
    let refused = "refused the user owner";
    for (url, variables, expected) in [
        (url.as_str(), &[("HOME", right_home)][..], ""),
        (&url, &[("HOME", wrong_home)], refused),
        (&url, &[("HOME", wrong_home), ("PGPASSFILE", &mine)], ""),
        (&url, &[("HOME", wrong_home), ("PGPASSWORD", &database.password)], ""),
        (&url, &[("HOME", right_home), ("PGPASSWORD", "hunter2")], refused),
        (&database.url(), &[("HOME", wrong_home), ("PGPASSWORD", "hunter2")], ""),
        (&url, &[], "hint: write the password into the URL, or set PGPASSWORD"),
    ] {
        let (_, stderr, _) = run(url, variables);
        assert_eq!(stderr.is_empty(), expected.is_empty(), "{variables:?}: {stderr}");
        assert!(stderr.contains(expected), "expected {expected:?} in {stderr}");
    }
    fs::set_permissions(right.path().join("mine"), Permissions::from_mode(0o640)).expect("it is this user's");
    let (_, stderr, _) = run(&url, &[("PGPASSFILE", &mine)]);
    assert!(stderr.contains("is ignored, because others may read it; run `chmod 600` on it"), "{stderr}");
    let (_, stderr, _) = run(&url, &[("PGPASSFILE", right_home)]);
    assert!(stderr.contains("is ignored, because it is not a plain file"), "{stderr}");
}

#[tokio::test]
async fn a_service_stands_between_the_url_and_the_variables() {
    let fixture = Fixture::new().await;
    let database = &fixture.database;
    let services = format!(
        "[other]\nhost=other\n[mine]\nport={}\nuser={}\ndbname={}\npassword={}\n[typo]\nhots=x\n",
        database.port,
        database.user(),
        database.name,
        database.password
    );
    let home = home(&[(".pg_service.conf", &services), ("pg_service.conf", "[of_system]\ndbname=of_system\n")]);
    let directory = home.path().to_str().expect("UTF-8");
    let file = format!("{directory}/.pg_service.conf");
    for variables in [
        &[("HOME", directory), ("PGSERVICE", "mine")][..],
        &[("PGSERVICEFILE", &file), ("PGSERVICE", "mine"), ("PGDATABASE", "loses"), ("PGPORT", "1")],
    ] {
        let url = stdout(fixture.checked(&mut command(&fixture, variables, &["db", "url"])));
        assert!(url.starts_with(&format!("postgres://owner:****@localhost:{}/", database.port)), "{url}");
        stdout(fixture.checked(&mut command(&fixture, variables, &["db", "load"])));
    }
    let service = [("HOME", directory), ("PGSERVICE", "mine"), ("CONNECTION_URL", "postgres://ada@localhost/wins")];
    let url = stdout(fixture.checked(&mut command(&fixture, &service, &["db", "url"])));
    assert!(url.starts_with(&format!("postgres://ada:****@localhost:{}/wins?", database.port)), "{url}");
    let of_system = [("PGSYSCONFDIR", directory), ("PGSERVICE", "of_system"), ("PGUSER", "ada")];
    let url = stdout(fixture.checked(&mut command(&fixture, &of_system, &["db", "url"])));
    assert!(url.starts_with("postgres://ada@localhost:5432/of%5Fsystem?"), "{url}");
    for (variables, problem) in [
        (&[("HOME", directory), ("PGSERVICE", "mime")][..], "PGSERVICE names a service that no service file defines"),
        (&[("PGSERVICE", "mine")], "PGSERVICE names a service that no service file defines"),
        (&[("HOME", directory), ("PGSERVICE", "typo")], "PGSERVICE's service has the parameter hots"),
        (&[("PGSERVICEFILE", "/nowhere"), ("PGSERVICE", "mine")], "cannot read the service file /nowhere"),
    ] {
        assert_refused(&fixture.checked(&mut command(&fixture, variables, &["db", "url"])), problem);
    }
}

#[tokio::test]
async fn the_options_of_a_url_are_obeyed() {
    let fixture = Fixture::loaded().await;
    let reader = fixture.reader().await;
    let url = format!("postgres://{reader}:hunter2@localhost:{}/{}", fixture.database.port, fixture.database.name);
    let run = |options: &str| fixture.checked(&mut fixture.command_at(&format!("{url}?{options}"), &["users", "list"]));
    let writable = run("target_session_attrs=read-write");
    assert_refused(&writable, "is not writable, as target_session_attrs asks for");
    assert_refused(&writable, "hint: use the host name of the server that writes");
    stdout(run("target_session_attrs=primary&channel_binding=require&connect_timeout=60"));

    // It accepts a connection, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("its address").port();
    let url = format!("postgres://ada:hunter2@127.0.0.1:{port}/app?connect_timeout=1&sslmode=disable");
    let output = fixture.checked(&mut fixture.command_at(&url, &["users", "list"]));
    assert_refused(&output, "time ran out while");
}

#[tokio::test]
async fn a_variable_of_white_space_counts_as_unset() {
    let fixture = Fixture::new().await;
    for name in ["DB_SECRET_ID", "DB_AUTH", "PROD_CONNECTION_URL", "PGSERVICE", "PGHOSTADDR"] {
        let mut url = fixture.command(&["db", "url"]);
        assert!(stdout(fixture.checked(url.env(name, " \n"))).contains("@localhost:"), "{name}");
    }
}
