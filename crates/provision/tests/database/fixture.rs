//! What every test needs: a database, and `provision` on it.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::{Postgres, TestDatabase};
use tokio_postgres::Client;

/// How long a test waits for the server to see what has happened, before it fails.
const WAIT_LIMIT: Duration = Duration::from_mins(1);

/// Takes what V5 and later ones created away, so that they and V4 are pending.
pub(crate) const BEFORE_V4: &str = "
    delete from cognito.schema_history where version >= 4;
    drop function cognito.ensure_user, cognito.known_users, cognito.forget_user;
    drop table cognito.forgotten;
    drop policy cognito_writer on users;
    drop index users_handle_key;
    alter table users drop email_verified, drop cognito_as_of, drop shared_handle;
    drop function cognito.handle_key;
    create unique index users_handle_key on users (lower(handle))";

/// Takes a database back to how the release before the contract left it.
pub(crate) const BEFORE_CONTRACT: &str = "
    delete from cognito.schema_history where version >= 5;
    alter table cognito.schema_history rename to refinery_schema_history;
    alter table cognito.refinery_schema_history set schema public;
    drop policy cognito_writer on users;
    drop schema cognito cascade;
    alter table users drop email_verified, drop cognito_as_of, drop shared_handle;
    create unique index users_handle_key on users (lower(handle))";

/// A database of its own, or the name for one.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
}

impl Fixture {
    /// An empty database.
    pub(crate) async fn new() -> Self {
        Self { database: Postgres::shared().database().await.expect("a new database") }
    }

    /// An empty database on a server of its own, for a test that creates roles with LOGIN or changes the server: other
    /// tests would meet them.
    pub(crate) async fn alone() -> (Postgres, Self) {
        let postgres = Postgres::start().expect("a server");
        let database = postgres.database().await.expect("a new database");
        (postgres, Self { database })
    }

    /// A login, with the password hunter2, whose sessions only read.
    pub(crate) async fn reader(&self) -> String {
        let reader = format!("reader_{}", self.database.name);
        self.execute(&format!(
            "create role {reader} superuser login password 'hunter2';
             alter role {reader} set default_transaction_read_only = on"
        ))
        .await;
        reader
    }

    /// A database with the schema.
    pub(crate) async fn loaded() -> Self {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        Self { database: Postgres::shared().loaded_database(load).await.expect("a new database") }
    }

    /// A name that no database has.
    pub(crate) async fn missing() -> Self {
        let mut fixture = Self::new().await;
        fixture.database.name.push_str("_missing");
        fixture
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_at(&self.database.url(), arguments)
    }

    pub(crate) fn command_at(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("CONNECTION_URL", url).env("PGSSLROOTCERT", &self.database.root_certificate);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.checked(&mut self.command(arguments))
    }

    /// Runs the command, and fails if it shows a password anywhere.
    pub(crate) fn checked(&self, command: &mut Command) -> Output {
        let output = command.output().expect("provision starts");
        for text in [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)) {
            for password in [self.plain_part_of_password(), "hunter2"] {
                assert!(!text.contains(password), "the password stands in {text:?}");
            }
        }
        output
    }

    /// The part that is the same in every encoding of the owner's password.
    pub(crate) fn plain_part_of_password(&self) -> &str {
        self.database.password.rsplit('/').next().expect("there is always a last part")
    }

    /// The standard output of the command; fails unless it succeeded and wrote nothing to standard error.
    #[track_caller]
    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        stdout(self.run(arguments))
    }

    /// The command's JSON, and nothing else on standard output.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.stdout(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).expect("JSON and nothing else")
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, arguments: &[&str], expected: &str) {
        assert_refused(&self.run(arguments), expected);
    }

    pub(crate) async fn client(&self) -> Client {
        self.database.connect().await.expect("the database is up")
    }

    pub(crate) async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.expect(statements);
    }

    /// Returns once the server has seen that every session is gone.
    pub(crate) async fn wait_until_alone(&self) {
        self.wait_until_gone("true").await;
    }

    /// Returns once the server has seen that every session of `provision` is gone.
    pub(crate) async fn wait_until_provision_is_gone(&self) {
        self.wait_until_gone("application_name = 'provision'").await;
    }

    /// Returns once there is a session like this on the database.
    pub(crate) async fn wait_until(&self, condition: &str) {
        self.wait_for(|sessions| sessions > 0, condition).await;
    }

    /// Returns once no session like this is on the database.
    pub(crate) async fn wait_until_gone(&self, condition: &str) {
        self.wait_for(|sessions| sessions == 0, condition).await;
    }

    async fn wait_for(&self, is_good: impl Fn(i64) -> bool, condition: &str) {
        let name = &self.database.name;
        let sessions = format!("select count(*) from pg_stat_activity where datname = '{name}' and {condition}");
        let server = Self { database: TestDatabase { name: "postgres".to_owned(), ..self.database.clone() } };
        let client = server.client().await;
        let wait = async {
            while !is_good(client.query_one(&sessions, &[]).await.expect(&sessions).get(0)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT_LIMIT, wait).await.unwrap_or_else(|_| panic!("waited for nothing: {sessions}"));
    }

    /// The server's version, such as 150012.
    pub(crate) async fn version(&self) -> i64 {
        self.count("select current_setting('server_version_num')::int8").await
    }

    /// The first column of the first row.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.client().await.query_one(query, &[]).await.expect(query).get(0)
    }
}

#[track_caller]
pub(crate) fn stdout(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Fails unless the command ended with 1, reported what is expected, and wrote no data.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, expected: &str) {
    let stderr = str::from_utf8(&output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(expected), "expected {expected:?} in {stderr:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
