//! `provision db connect` and `provision db url`

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use testkit::tool;

use crate::fixture::{Fixture, assert_refused, stdout};

/// With psql where the shell finds it.
fn with_psql(mut command: Command) -> Command {
    let path = tool("postgresql/bin").expect("PostgreSQL");
    command.env("PATH", path).env("HOME", "/nonexistent");
    command
}

#[tokio::test]
async fn connect_opens_psql_over_verified_tls() {
    let fixture = Fixture::new().await;
    let query = "select current_database(), ssl, application_name from pg_stat_ssl join pg_stat_activity using (pid)
                 where pid = pg_backend_pid()";
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-A", "-t", "-X", "-c", query]));
    assert_eq!(stdout(fixture.checked(&mut command)), format!("{}|t|provision\n", fixture.database.name));
}

#[tokio::test]
async fn connect_refuses_a_server_whose_root_is_not_trusted() {
    let fixture = Fixture::new().await;
    // Amazon's roots, and no server of Amazon's.
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-X", "-c", "select 1"]));
    command.env_remove("PGSSLROOTCERT").env("AWS_REGION", "eu-central-1");
    assert_refused(&fixture.checked(&mut command), "set PGSSLROOTCERT to a PEM file with the root that signed");
}

#[tokio::test]
async fn psql_verifies_for_itself() {
    let fixture = Fixture::new().await;
    // It connects a second time, with the roots that it was given: what if another server answered by then?
    let other = testkit::Postgres::start().expect("a server of another authority");
    let port = other.database().await.expect("a database").port;
    let connection = format!("dbname=postgres port={port}");
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-X", "-c", "select 1", "-d", &connection]));
    let output = fixture.checked(&mut command);
    assert_eq!(output.status.code(), Some(2), "psql's status");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("SSL error: "), "{stderr}");
}

#[tokio::test]
async fn psql_takes_no_other_encryption_in_the_place_of_tls() {
    let fixture = Fixture::new().await;
    let show = r"\! echo $PGSSLMODE $PGGSSENCMODE";
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-X", "-c", show]));
    assert_eq!(stdout(fixture.checked(&mut command)), "verify-full disable\n");
}

#[tokio::test]
async fn no_variable_leads_psql_elsewhere_than_to_what_was_reached() {
    let fixture = Fixture::new().await;
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-X", "-c", r"\! export -p"]));
    for name in [
        "PGCHANNELBINDING",
        "PGLOADBALANCEHOSTS",
        "PGMINPROTOCOLVERSION",
        "PGOPTIONS",
        "PGREQUIREAUTH",
        "PGREQUIRESSL",
        "PGSERVICEFILE",
        "PGSSLCERT",
        "PGSSLKEY",
        "PGSSLNEGOTIATION",
        "PG_OF_A_LATER_VERSION",
    ] {
        // One that the program itself reads must have a right value.
        command.env(name, if name == "PGCHANNELBINDING" { "require" } else { "elsewhere" });
    }
    command.env("PGTARGETSESSIONATTRS", "read-write").env("PGAPPNAME", "mine").env("PGTZ", "Asia/Tokyo");
    let environment = stdout(command.output().expect("provision starts"));
    let mut names: Vec<_> =
        environment.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('=')).collect();
    // psql sets two for its own messages.
    names.retain(|(name, _)| name.starts_with("PG") && !["PGLOCALEDIR", "PGSYSCONFDIR"].contains(name));
    names.sort_unstable();
    let values = |wanted: &str| names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    assert_eq!(
        names.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        [
            "PGAPPNAME",
            "PGCHANNELBINDING",
            "PGDATABASE",
            "PGGSSENCMODE",
            "PGHOST",
            "PGPASSWORD",
            "PGPORT",
            "PGSSLCERT",
            "PGSSLCRL",
            "PGSSLCRLDIR",
            "PGSSLKEY",
            "PGSSLMODE",
            "PGSSLROOTCERT",
            "PGTARGETSESSIONATTRS",
            "PGTZ",
            "PGUSER",
        ]
    );
    assert_eq!(values("PGAPPNAME"), Some("'mine'"));
    assert_eq!(values("PGSSLCERT"), Some("'/dev/null/none'"), "not elsewhere");
    assert_eq!(values("PGTARGETSESSIONATTRS"), Some("'read-write'"));
}

#[tokio::test]
async fn a_client_certificate_of_the_operator_takes_no_part() {
    let fixture = Fixture::new().await;
    let home = tempfile::tempdir().expect("a directory");
    let own = home.path().join(".postgresql");
    fs::create_dir(&own).expect("a directory");
    for name in ["postgresql.crt", "postgresql.key", "root.crl"] {
        fs::write(own.join(name), "not what its name says").expect("a file");
    }
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-A", "-t", "-X", "-c", "select 1"]));
    assert_eq!(stdout(fixture.checked(command.env("HOME", home.path()))), "1\n");
}

#[tokio::test]
async fn psqls_status_is_passed_on() {
    let fixture = Fixture::new().await;
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-X", "-c", "select nothing"]));
    assert_eq!(fixture.checked(&mut command).status.code(), Some(1));
}

#[tokio::test]
async fn while_psql_runs_no_command_line_shows_the_password() {
    let fixture = Fixture::new().await;
    let mut command = with_psql(fixture.command(&["db", "connect", "--", "-X", "-A", "-t"]));
    let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("provision starts");
    let mut stdin = psql.stdin.take().expect("a pipe");
    stdin.write_all(b"select 1 as shown_by_psql;\n").expect("psql reads");
    // The first is provision's own, which looks whether the server lets it in.
    fixture.wait_until("application_name = 'provision' and query ~ 'shown_by_psql'").await;
    let mut seen = 0;
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(command_line) = fs::read(process.path().join("cmdline")) else { continue };
        let command_line = String::from_utf8_lossy(&command_line);
        assert!(!command_line.contains(fixture.plain_part_of_password()), "a command line shows the password");
        seen +=
            usize::from(process.file_name().to_str() == Some(&psql.id().to_string()) && command_line.contains("psql"));
    }
    assert_eq!(seen, 1, "psql itself was looked at");
    drop(stdin);
    assert_eq!(stdout(psql.wait_with_output().expect("it ends")), "1\n");
}

#[tokio::test]
async fn without_psql_connect_says_what_to_install() {
    let fixture = Fixture::new().await;
    let mut command = fixture.command(&["db", "connect"]);
    let output = fixture.checked(command.env("PATH", "/nonexistent"));
    assert_refused(&output, "psql is not installed\nhint: install PostgreSQL's client programs");
}

#[tokio::test]
async fn the_url_is_shown_without_its_password_unless_asked() {
    let fixture = Fixture::new().await;
    let masked = fixture.stdout(&["db", "url"]);
    assert!(
        masked.starts_with("postgres://owner:****@localhost:") && masked.contains("?sslmode=verify-full"),
        "{masked}"
    );
    let output = fixture.command(&["db", "url", "--show-password"]).output().expect("provision starts");
    let url = stdout(output);
    // What is shown can be used.
    let mut command = fixture.command_at(url.trim(), &["db", "load"]);
    stdout(fixture.checked(command.env_remove("PGSSLROOTCERT")));
}

#[tokio::test]
async fn a_url_without_a_password_has_no_stars() {
    let fixture = Fixture::new().await;
    let shown = |url: &str, more: &[&str]| {
        let mut command = fixture.command_at(url, &[&["db", "url"], more].concat());
        stdout(fixture.checked(&mut command))
    };
    let url = "postgres://ada@localhost/%2E%2E?hostaddr=127.0.0.1&application_name=x";
    for more in [&[][..], &["--show-password"]] {
        let shown = shown(url, more);
        assert!(shown.starts_with("postgres://ada@localhost:5432/%2E%2E?sslmode=verify-full&sslrootcert="), "{shown}");
        assert!(shown.ends_with("&hostaddr=127%2E0%2E0%2E1&application_name=x\n"), "{shown}");
    }
}

#[tokio::test]
async fn the_shown_url_is_for_psql_or_says_what_psql_needs() {
    let fixture = Fixture::new().await;
    let shown = stdout(fixture.command(&["db", "url", "--show-password"]).output().expect("provision starts"));
    let mut psql = with_psql(Command::new("psql"));
    let answer = psql.args([shown.trim(), "-A", "-t", "-X", "-c", "select current_database()"]).env_remove("PGHOST");
    assert_eq!(stdout(answer.output().expect("psql starts")), format!("{}\n", fixture.database.name));
    let mut of_region = fixture.command(&["db", "url", "--show-password"]);
    let output = of_region.env_remove("PGSSLROOTCERT").env("AWS_REGION", "eu-central-1").output();
    let output = output.expect("provision starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.starts_with("note: psql needs the root certificates"), "{stderr}");
}
