//! `--prod`: the declared DB instance and its master secret, or `PROD_CONNECTION_URL`.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::{Moto, Postgres, TestDatabase};

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::setup_safety::send;

/// The content of every master secret at moto.
const MASTER: (&str, &str) = ("admin", "P@55w0rd!");

/// A DB instance at moto whose endpoint leads to a PostgreSQL of the test's own.
struct Production {
    fixture: Fixture,
    declaration: NamedTempFile,
    _postgres: Postgres,
}

impl Production {
    async fn new(identifier: &str) -> Self {
        let postgres = Postgres::start().expect("a server");
        let database = TestDatabase { name: "app".to_owned(), ..postgres.database().await.expect("a database") };
        let server = Fixture { database: TestDatabase { name: "postgres".to_owned(), ..database.clone() } };
        let (user, password) = MASTER;
        // As RDS makes its master user: no superuser.
        let role = format!("create role {user} login createdb createrole password '{password}'");
        server.execute(&role).await;
        let declaration = NamedTempFile::new().expect("a file");
        std::fs::write(declaration.path(), format!("identifier = \"{identifier}\"")).expect("the file is writable");
        let production = Self { fixture: Fixture { database }, declaration, _postgres: postgres };
        let mut apply = production.command(&["instance", "apply", "--yes"]);
        assert!(apply.output().expect("provision starts").status.success());
        production
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(Moto::shared().environment()).arg("--config").arg(self.declaration.path());
        // As through a tunnel: the endpoint's name is still what the certificate must be for.
        command.env("PGHOSTADDR", "127.0.0.1").env("PGPORT", self.fixture.database.port.to_string());
        command.env("PGSSLROOTCERT", &self.fixture.database.root_certificate);
        command.env("CONNECTION_URL", "postgres://never:hunter2@localhost:1/never");
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(&[arguments, &["--prod"]].concat()).output().expect("provision starts");
        for text in [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)) {
            assert!(!text.contains(MASTER.1) && !text.contains("P%4055w0rd"), "the password stands in {text:?}");
        }
        output
    }

    #[track_caller]
    fn stdout(&self, arguments: &[&str]) -> String {
        stdout(self.run(arguments))
    }
}

#[tokio::test]
async fn the_declared_instance_is_reached_with_its_master_secret() {
    let production = Production::new("prod-chores").await;
    let host = "prod-chores.aaaaaaaaaa.eu-central-1.rds.amazonaws.com";
    assert_eq!(
        production.stdout(&["db", "create"]),
        format!("the database app on {host} (address 127.0.0.1) is created\n")
    );
    assert!(production.stdout(&["db", "load"]).starts_with("applied V1__users"));
    assert_eq!(production.stdout(&["db", "load", "--check"]), "the schema is up to date\n");
    assert_eq!(production.stdout(&["activity", "home"]), "there are no activities\n");
    assert!(production.stdout(&["users", "list"]).contains("display_name"));
    let url = production.stdout(&["db", "url"]);
    assert!(url.starts_with(&format!("postgres://admin:****@{host}:")), "{url}");
}

#[tokio::test]
async fn production_is_seeded_only_with_yes_and_never_set_up() {
    let production = Production::new("prod-seed").await;
    production.stdout(&["db", "create"]);
    production.stdout(&["db", "load"]);
    assert_refused(&production.run(&["db", "seed"]), "add --yes to seed it all the same");
    assert_eq!(production.stdout(&["db", "seed", "--yes"]), "seeded 2 users and 1 activity\n");
    assert_refused(
        &production.run(&["db", "setup", "--yes", "--force"]),
        "is in production, and setup begins with a drop",
    );
    assert_eq!(production.fixture.count("select count(*) from users").await, 2);
}

#[tokio::test]
async fn production_is_dropped_by_its_instances_name_and_after_a_snapshot() {
    let production = Production::new("prod-drop").await;
    production.stdout(&["db", "create"]);
    assert_refused(&production.run(&["db", "drop", "--yes"]), "hint: add --confirm prod-drop to confirm");
    let wrong = production.run(&["db", "drop", "--confirm", "app"]);
    assert_refused(&wrong, "--confirm has another name, so nothing was done");
    assert_refused(&wrong, "hint: correct it to --confirm prod-drop");
    production.fixture.client().await;
    production.fixture.wait_until_alone().await;

    let output = production.run(&["db", "drop", "--confirm", "prod-drop", "--output", "json"]);
    assert!(output.status.success(), "{output:?}");
    let dropped: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let snapshot = dropped["snapshot"].as_str().expect("a snapshot");
    assert!(snapshot.starts_with("prod-drop-20"), "{snapshot}");
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(reported.contains(&format!("snapshot {snapshot}: available")), "{reported}");

    production.stdout(&["db", "create"]);
    let dropped = production.stdout(&["db", "drop", "--confirm", "prod-drop", "--skip-snapshot"]);
    assert!(dropped.ends_with("is dropped\n"), "{dropped}");
}

#[tokio::test]
async fn an_interruption_after_the_snapshot_leaves_no_database_that_is_closed() {
    let production = Production::new("prod-signal").await;
    production.stdout(&["db", "create"]);
    let server =
        Fixture { database: TestDatabase { name: "postgres".to_owned(), ..production.fixture.database.clone() } };
    let holder = server.client().await;
    holder.batch_execute("begin; comment on database app is null").await.expect("a lock");
    let mut drop = production.command(&["db", "drop", "--confirm", "prod-signal", "--prod"]);
    let drop = drop.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    server.wait_until("query like 'drop database %' and wait_event_type = 'Lock'").await;
    send(&drop, "TERM");
    holder.batch_execute("rollback").await.expect("the lock's end");
    let output = drop.wait_with_output().expect("it ends");
    let dropped = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && dropped.contains(" is dropped; its data is in the snapshot "), "{output:?}");
}

#[tokio::test]
async fn a_drop_after_the_snapshot_whose_connection_breaks_goes_on_in_a_new_one() {
    let production = Production::new("prod-broken").await;
    production.stdout(&["db", "create"]);
    let server =
        Fixture { database: TestDatabase { name: "postgres".to_owned(), ..production.fixture.database.clone() } };
    let holder = server.client().await;
    holder.batch_execute("begin; comment on database app is null").await.expect("a lock");
    let mut drop = production.command(&["db", "drop", "--confirm", "prod-broken", "--prod"]);
    let drop = drop.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    let waiting = "query like 'drop database %' and wait_event_type = 'Lock'";
    server.wait_until(waiting).await;
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where {waiting}");
    holder.batch_execute(&end).await.expect("the session's end");
    // As if the server had ended the drop before it ended the session.
    holder.batch_execute("commit").await.expect("the lock's end");
    holder.batch_execute("drop database if exists app").await.expect("the drop's end");
    let output = drop.wait_with_output().expect("it ends");
    let dropped = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && dropped.contains(" is dropped; its data is in the snapshot "), "{output:?}");
}

#[tokio::test]
async fn sessions_in_production_are_ended_after_a_confirmation() {
    let production = Production::new("prod-sessions").await;
    production.stdout(&["db", "create"]);
    let fixture = &production.fixture;
    fixture.execute("grant pg_signal_backend to admin; create role app login password 'app'").await;
    fixture.wait_until_alone().await;
    let client = fixture.database.connect_as("app", "app").await.expect("it is accepted");
    let refused = production.run(&["db", "sessions", "--kill", "all-others"]);
    assert_refused(&refused, "cannot ask, because standard input is no terminal: This ends every other session on ");
    assert_refused(&refused, "hint: add --yes to confirm");
    let pid: i32 = client.query_one("select pg_backend_pid()", &[]).await.expect("the session is open").get(0);
    let one = production.run(&["db", "sessions", "--kill", &pid.to_string()]);
    assert_refused(&one, &format!(": This ends the session {pid} on "));
    client.query_one("select 1", &[]).await.expect("the session is open");
    let ended = production.stdout(&["db", "sessions", "--kill", "all-others", "--yes"]);
    assert_eq!(ended, "ended 1 session\n");
}

#[tokio::test]
async fn the_functions_secret_names_the_endpoint_and_not_the_tunnel() {
    let production = Production::new("prod-grant").await;
    production.stdout(&["db", "create"]);
    // From version 15 on, the schema is its database's owner's from the start.
    production.fixture.execute(&format!("alter schema public owner to {}", MASTER.0)).await;
    production.stdout(&["db", "load"]);
    let granted = production.stdout(&["db", "grant", "--yes"]);
    assert!(granted.contains("DB_SECRET_ID=arn:aws:secretsmanager:"), "{granted}");
    let secret = Moto::shared().secret("prod-grant/post_confirmation_app", "AWSCURRENT").await.expect("an answer");
    let secret = secret.expect("a secret");
    assert_eq!(secret["host"], "prod-grant.aaaaaaaaaa.eu-central-1.rds.amazonaws.com");
    assert_eq!((&secret["port"], &secret["dbname"]), (&5432.into(), &"app".into()));
    let role =
        production.fixture.database.connect_as("post_confirmation_app", secret["password"].as_str().expect("a text"));
    role.await.expect("it is accepted");
}

#[tokio::test]
async fn a_url_for_production_wins_and_must_verify() {
    let production = Production::new("prod-url").await;
    let fixture = &production.fixture;
    let url = fixture.database.url();
    let run = |url: &str, arguments: &[&str]| {
        let mut command = production.command(&[arguments, &["--prod"]].concat());
        fixture.checked(command.env_remove("PGHOSTADDR").env("PROD_CONNECTION_URL", url))
    };
    assert_eq!(stdout(run(&url, &["db", "create"])), "the database app on localhost is created\n");
    let plain = format!("{url}?sslmode=disable");
    assert_refused(&run(&plain, &["db", "load"]), "PROD_CONNECTION_URL says sslmode=disable");
    assert_refused(&run(&url, &["db", "setup", "--yes"]), "is in production");
    // Nothing but its host's name to type, and no instance to make a snapshot of.
    let drop = ["db", "drop", "--confirm", "localhost"];
    fixture.wait_until_alone().await;
    // Without AWS: none is asked.
    let mut without_aws = fixture.command(&[&drop[..], &["--prod"]].concat());
    let refused = fixture.checked(without_aws.env("PROD_CONNECTION_URL", &url));
    assert_refused(&refused, "hint: save its data with pg_dump, then add --skip-snapshot");
    stdout(run(&url, &[&drop[..], &["--skip-snapshot"]].concat()));
}

#[tokio::test]
async fn a_host_on_rds_is_production_whatever_names_it() {
    let fixture = Fixture::loaded().await;
    let host = "users-db.aaaaaaaaaa.eu-central-1.rds.amazonaws.com";
    let url = fixture.database.url().replace("localhost", host);
    for command in [&["db", "seed"][..], &["db", "setup", "--yes"]] {
        let mut command = fixture.command_at(&url, command);
        assert_refused(&fixture.checked(command.env("PGHOSTADDR", "127.0.0.1")), "is in production");
    }
    let mut drop = fixture.command_at(&url, &["db", "drop", "--yes", "--skip-snapshot"]);
    let drop = drop.env("PGHOSTADDR", "127.0.0.1");
    assert_refused(&fixture.checked(drop), "hint: add --confirm users-db to confirm");
}

#[tokio::test]
async fn a_server_on_rds_is_production_under_any_name() {
    // On a server of its own: others must not find the role.
    let postgres = Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    fixture.stdout(&["db", "load"]);
    fixture.execute("create role rdsadmin").await;
    fixture.wait_until_alone().await;
    let refused =
        "is on Amazon RDS, and counts as production\nhint: put its URL into PROD_CONNECTION_URL, and add --prod\n";
    fixture.assert_refused(&["db", "drop", "--yes"], refused);
    fixture.assert_refused(&["db", "setup", "--yes"], "is in production");
    fixture.assert_refused(&["db", "seed"], "is in production");
    assert_eq!(fixture.count("select count(*) from users").await, 0, "nothing was seeded");
    let client = fixture.client().await;
    fixture.assert_refused(&["db", "sessions", "--kill", "all-others"], "hint: add --yes to confirm");
    client.query_one("select 1", &[]).await.expect("the session is open");
    assert_eq!(fixture.stdout(&["db", "seed", "--yes"]), "seeded 2 users and 1 activity\n");
}

#[tokio::test]
async fn a_drop_on_rds_under_another_name_tells_how_to_reach_the_instance_that_a_snapshot_saves() {
    let postgres = Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    fixture.execute("create role rdsadmin").await;
    fixture.wait_until_alone().await;
    let mut command = fixture.command(&["db", "drop", "--prod", "--confirm", "localhost"]);
    let command = command.envs(Moto::shared().environment()).env("PROD_CONNECTION_URL", fixture.database.url());
    let output = fixture.checked(command);
    assert_refused(&output, "localhost is not the endpoint of a DB instance, so no snapshot can be made");
    assert_refused(&output, "hint: connect to the DB instance's own endpoint by its name");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("--skip-snapshot"), "not to lose the data: {output:?}");
    fixture.client().await;
}

#[tokio::test]
async fn a_question_about_production_names_server_account_and_region() {
    let production = Production::new("prod-question").await;
    production.stdout(&["db", "create"]);
    let output = production.run(&["db", "drop"]);
    let port = production.fixture.database.port;
    let host = "prod-question.aaaaaaaaaa.eu-central-1.rds.amazonaws.com";
    let question = format!(
        "This drops the database app on {host}:{port} (address 127.0.0.1) (account 123456789012, eu-central-1) with all"
    );
    assert_refused(&output, &question);
}

#[tokio::test]
async fn through_a_tunnel_to_a_url_the_functions_port_must_be_named() {
    let fixture = Fixture::loaded().await;
    let role = format!("tunnel_{}", fixture.database.name);
    let run = |more: &[&str]| {
        let grant = ["db", "grant", "--role", &role, "--host", "db.example.com", "--output", "json"];
        let mut command = fixture.command(&[&grant[..], more].concat());
        fixture.checked(command.envs(Moto::shared().environment()).env("PGHOSTADDR", "127.0.0.1"))
    };
    assert_refused(&run(&[]), "hint: name the port at which the function reaches the server with --port");
    stdout(run(&["--port", "6432", "--keep-public"]));
    let secret = Moto::shared().secret(&format!("localhost/{role}"), "AWSCURRENT").await.expect("an answer");
    assert_eq!(secret.expect("a secret")["port"], 6432);
}

#[tokio::test]
async fn without_an_instance_the_hint_is_to_create_it() {
    let production = Production::new("prod-there").await;
    std::fs::write(production.declaration.path(), "identifier = \"prod-missing\"").expect("the file is writable");
    assert_refused(
        &production.run(&["db", "load"]),
        "create it with `provision instance apply`, or restore its data with `provision instance restore`",
    );
}

#[tokio::test]
async fn the_database_of_the_functions_variables_counts_as_production() {
    let fixture = Fixture::loaded().await;
    let id = format!("provision-{}", fixture.database.name);
    Moto::shared().create_secret(&id, &fixture.database.secret()).await.expect("a new secret");
    let run = |arguments: &[&str]| {
        let mut command = fixture.command_at("", arguments);
        fixture.checked(command.envs(Moto::shared().environment()).env("DB_SECRET_ID", &id))
    };
    assert_eq!(stdout(run(&["db", "load", "--check"])), "the schema is up to date\n");
    assert_refused(&run(&["db", "seed"]), "is in production");
    fixture.wait_until_alone().await;
    assert_refused(&run(&["db", "drop", "--yes", "--skip-snapshot"]), "hint: add --confirm localhost to confirm");
}
