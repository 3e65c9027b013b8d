//! `provision --in-vpc`: the same program twice, on the operator's machine and as the operator's function. Between them is
//! a stand-in for AWS Lambda, and only the function reaches the database.

mod ask;
mod policies;
mod reconcile;
mod refuse;
mod run;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Function, Invoker, Moto, Postgres, TestDatabase, UserPool};

/// The name of the operator's function, as infra/template.yaml has it.
const FUNCTION: &str = "post-confirmation-operator";

/// The endpoint of the DB instance: only the function knows its address.
const HOST: &str = "users-db.aaaaaaaaaa.eu-central-1.rds.amazonaws.com";

/// A VPC with a database and the operator's function, and an operator outside.
pub(crate) struct Vpc {
    _postgres: Postgres,
    pub(crate) database: TestDatabase,
    pub(crate) pool: UserPool,
    function: Arc<Function>,
    pub(crate) lambda: Invoker,
    directory: TempDir,
}

impl Vpc {
    /// With a server of its own, since `db grant` creates a role there, and an empty database.
    pub(crate) async fn new() -> Self {
        Self::at(Moto::shared(), "testing").await
    }

    /// The same, with the function's requests signed by this access key.
    pub(crate) async fn at(moto: &'static Moto, access_key_id: &str) -> Self {
        let postgres = Postgres::start().expect("a server");
        let first = postgres.database().await.expect("a database");
        // The secrets of all tests are in one place.
        let name = format!("app_{}", first.port);
        let client = first.connect().await.expect("the server is up");
        client.batch_execute(&format!("create database {name}")).await.expect("a database");
        let database = TestDatabase { name, ..first };
        let secret = master_secret(&database);
        // As RDS writes it.
        let login = serde_json::json!({"username": database.user(), "password": database.password});
        moto.create_secret(&secret, &login).await.expect("a secret");
        let pool = UserPool::new(1);
        let [(_, pool_url), ..] = pool.serve().expect("a server");
        let mut environment = moto.environment().to_vec();
        environment.retain(|(name, _)| *name != "AWS_ACCESS_KEY_ID");
        environment.extend([
            ("AWS_ACCESS_KEY_ID", access_key_id.to_owned()),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", pool_url),
            ("DB_SECRET_ID", secret),
            ("PGHOST", HOST.to_owned()),
            ("PGHOSTADDR", "127.0.0.1".to_owned()),
            ("PGPORT", database.port.to_string()),
            ("PGDATABASE", database.name.clone()),
            ("PGSSLROOTCERT", database.root_certificate.to_string_lossy().into_owned()),
            ("USER_POOL_ID", pool.id().to_owned()),
        ]);
        let function = Function::start(env!("CARGO_BIN_EXE_provision"), &environment).await.expect("it starts");
        let function = Arc::new(function);
        let lambda = Invoker::of(FUNCTION, Arc::clone(&function)).expect("a server");
        let vpc =
            Self { _postgres: postgres, database, pool, function, lambda, directory: TempDir::new().expect("one") };
        vpc.declare(&format!("identifier = \"users-db\"\ndatabase = \"{}\"\n", vpc.database.name));
        vpc
    }

    /// With the schema.
    pub(crate) async fn loaded() -> Self {
        let vpc = Self::new().await;
        db::schema::load(&mut vpc.database.connect().await.expect("the server is up")).await.expect("it loads");
        vpc
    }

    /// The name of the master user's secret.
    fn master_secret(&self) -> String {
        master_secret(&self.database)
    }

    fn declare(&self, text: &str) {
        fs::create_dir_all(self.directory.path().join("infra")).expect("a directory");
        fs::write(self.directory.path().join("infra/rds.toml"), text).expect("the file is writable");
    }

    /// A command of the operator, whose environment has neither a database nor a secret. Whatever it asks of AWS but the
    /// invocation is refused.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(self.lambda.environment()).current_dir(self.directory.path());
        command.arg("--in-vpc").args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("provision starts")
    }

    /// What the command writes to standard output; fails unless it ends with this status.
    #[track_caller]
    pub(crate) fn stdout(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The command's JSON, and nothing else on standard output.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str], status: i32) -> Value {
        let text = self.stdout(&[arguments, &["--output", "json"]].concat(), status);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What the command reports when it fails.
    #[track_caller]
    fn error(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
        stderr
    }

    async fn count(&self, query: &str) -> i64 {
        let client = self.database.connect().await.expect("the server is up");
        client.query_one(query, &[]).await.expect(query).get(0)
    }
}

fn master_secret(database: &TestDatabase) -> String {
    format!("master-of-{}", database.name)
}

#[track_caller]
fn assert_says(text: &str, expected: &[&str]) {
    for words in expected {
        assert!(text.contains(words), "expected {words:?} in {text}");
    }
}
