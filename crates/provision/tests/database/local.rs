//! The local database, with Docker or without.

use std::path::Path;
use std::process::Command;

use testkit::{Leash, LocalServer, Port};

use crate::fixture::{Fixture, assert_refused, stdout};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[tokio::test]
async fn the_local_server_takes_what_no_setting_means() {
    let fixture = Fixture::new().await;
    let reserved = Port::reserve().expect("a port");
    let port = reserved.number();
    let server = LocalServer::start(port).expect("a server");
    let files = server.directory().to_str().expect("UTF-8");
    let _leash = Leash::new("kill -s QUIT \"$(head -n 1 \"$1/data/postmaster.pid\")\" && rm -rf \"$1\"", &[files]);
    // But for the port, which is not free everywhere.
    let plain = format!("postgres://postgres:password@127.0.0.1:{port}/app?sslmode=disable");
    let shown = fixture.command_at("", &["db", "url", "--show-password"]).output().expect("provision starts");
    assert_eq!(stdout(shown), format!("{}\n", plain.replace(&port.to_string(), "5432")));

    let run =
        |url: &str, arguments: &[&str]| fixture.checked(fixture.command_at(url, arguments).env_remove("PGSSLROOTCERT"));
    assert!(stdout(run(&plain, &["db", "setup"])).contains("is created"));
    let root = server.root_certificate();
    let verified = format!("postgres://postgres:password@localhost:{port}/app?sslrootcert={}", root.display());
    assert_eq!(stdout(run(&verified, &["db", "load"])), "the schema is up to date\n");
    server.stop().expect("it ends");
    server.start_again(port).expect("it starts");
    assert!(stdout(run(&plain, &["users", "list"])).contains("andrewbrown"), "what was in it is kept");
    let directory = server.directory().to_owned();
    server.delete().expect("it ends");
    assert!(!directory.exists());
    assert_refused(&run(&plain, &["db", "load"]), "cannot reach the database server");
}

#[test]
fn every_command_of_db_is_a_make_target_for_both_environments() {
    let make = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new("make");
        command.args(["--dry-run", "--no-print-directory", "-C", ROOT]).args(arguments);
        command.env_remove("MAKEFLAGS").envs(variables.iter().copied()).output().expect("make starts")
    };
    let command = provision::command();
    let db = command.find_subcommand("db").expect("a group");
    for command in db.get_subcommands().map(clap::Command::get_name) {
        let target = format!("db-{command}");
        for (arguments, expected) in [
            (&[target.as_str()][..], format!("target/debug/provision db {command}")),
            (&[target.as_str(), "ENV=dev"], format!("target/debug/provision db {command}")),
            (&[target.as_str(), "ENV=prod", "ARGS=--yes"], format!("target/debug/provision db {command} --prod --yes")),
        ] {
            let commands = stdout(make(arguments, &[("ENV", "/etc/shinit")]));
            let last = commands.lines().last().expect("a command").split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(last, expected);
        }
    }
    // Neither is silently the other.
    for (arguments, variables) in [
        (&["db-url", "ENV=production"][..], &[][..]),
        (&["db-url", "env=prod"], &[]),
        (&["db-url"], &[("ENV", "prod")]),
    ] {
        let output = make(arguments, variables);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    // The variable concerns these targets alone.
    stdout(make(&["help"], &[("ENV", "prod")]));
}

#[test]
fn the_one_in_compose_is_the_same() {
    let compose = Path::new(ROOT).join("infra/compose.yaml");
    let compose = std::fs::read_to_string(compose).expect("the file is there");
    let (user, password) = LocalServer::LOGIN;
    for line in [
        format!("POSTGRES_USER: {user}\n"),
        format!("POSTGRES_PASSWORD: {password}\n"),
        "\"127.0.0.1:${DB_PORT:-5432}:5432\"".to_owned(),
    ] {
        assert!(compose.contains(&line), "expected {line:?} in {compose}");
    }
}
