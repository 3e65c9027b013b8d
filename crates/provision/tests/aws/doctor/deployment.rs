//! A whole deployment, as docs/deployment.md describes it: everything is sound, until a test breaks one thing.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testkit::rds::SubnetGroup;
use testkit::{Amended, Moto, Postgres, Rds, TestDatabase};
use tokio_postgres::Client;

use super::python;

/// The function's policies, as the project has them.
const POLICIES: [(&str, &str); 3] = [
    ("function.json", include_str!("../../../../../infra/iam/function.json")),
    ("spill.json", include_str!("../../../../../infra/iam/spill.json")),
    ("replay.json", include_str!("../../../../../infra/iam/replay.json")),
];

/// The key of requests that prepare a deployment, so that a recording holds others apart.
const PREPARATION: &str = "preparation";

/// How a deployment differs from the usual one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Options {
    /// Whether interface endpoints lead to AWS, and not a NAT gateway.
    pub(crate) endpoints: bool,
    /// `x86_64` or `arm64`.
    pub(crate) architecture: &'static str,
    /// The function's time limit, in seconds.
    pub(crate) timeout: u32,
    /// Of both functions, in MB.
    pub(crate) memory: u32,
    /// Whether there are a queue of events, its dead letters and the replay.
    pub(crate) queue: bool,
    pub(crate) reserved_concurrency: Option<u32>,
    /// `pre-token` or `post-authentication`.
    pub(crate) heal: Option<&'static str>,
    /// How many confirmed users there are, each with a row.
    pub(crate) users: usize,
    /// Metrics of the function in `AWS/Lambda`, of an hour ago.
    pub(crate) metrics: Vec<(&'static str, f64)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: false,
            architecture: "x86_64",
            timeout: 10,
            memory: 128,
            queue: true,
            reserved_concurrency: None,
            heal: None,
            users: 2,
            metrics: Vec::new(),
        }
    }
}

/// The deployment, which nothing but a test of its own uses.
pub(crate) struct Deployment {
    /// The names and ids of everything, by the names that scripts have for them.
    pub(crate) ids: Value,
    pub(crate) database: TestDatabase,
    declaration: NamedTempFile,
    rds: Rds,
    amended: Amended,
    moto: &'static Moto,
    access_key_id: &'static str,
    host: String,
}

impl Deployment {
    /// The usual one: NAT gateway, queue and replay, two users.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::at(Moto::one_of_two(), "testing", options).await
    }

    /// The same at this server; `provision` signs with this access key once everything is there.
    pub(crate) async fn at(moto: &'static Moto, access_key_id: &'static str, options: Options) -> Self {
        static DEPLOYMENTS: AtomicU32 = AtomicU32::new(0);
        let name = format!("sound-{}", DEPLOYMENTS.fetch_add(1, Ordering::Relaxed));
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let database = Postgres::shared().loaded_database(load).await.expect("a new database");
        let rds = Rds::before(moto).expect("a server");
        let amended = Amended::before(rds.port()).expect("a server");
        let host = format!("{name}.c0ffee.eu-central-1.rds.amazonaws.com");
        let declaration = NamedTempFile::new().expect("a file");
        let mut deployment =
            Self { ids: Value::Null, database, declaration, rds, amended, moto, access_key_id: PREPARATION, host };

        let granted = deployment.json(&["db", "grant", "--prod", "--port", "5432", "--yes"], 0);
        let role = granted["role"].as_str().expect("a role");
        let mut script = serde_json::to_value(&options).expect("options");
        for (key, value) in [
            ("name", json!(name)),
            ("secret", json!(format!("{name}/{role}"))),
            ("secret_arn", granted["environment"]["DB_SECRET_ID"].clone()),
            ("policies", POLICIES.into_iter().collect()),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
        ] {
            script[key] = value;
        }
        deployment.ids =
            deployment.run_python("result = Deployment(options, moto).make()", &json!({"options": script}));
        deployment.ids["secret"] = json!(format!("{name}/{role}"));
        deployment.ids["database_role"] = json!(role);
        deployment.complete_functions(options.reserved_concurrency);
        deployment.apply_instance(&name);
        deployment.write_rows().await;
        deployment.access_key_id = access_key_id;
        deployment
    }

    /// What moto says wrongly, or not at all.
    fn complete_functions(&self, reserved_concurrency: Option<u32>) {
        let vpc = self.id("vpc").to_owned();
        for operation in ["GetFunctionConfiguration", "GetFunction"] {
            let vpc = vpc.clone();
            self.amended.amend("lambda", operation, move |answer| {
                let is_nested = answer["Configuration"].is_object();
                let configuration = if is_nested { &mut answer["Configuration"] } else { answer };
                if configuration["VpcConfig"]["VpcId"].is_string() {
                    configuration["VpcConfig"]["VpcId"] = json!(vpc);
                }
            });
        }
        for function in ["function", "replay"].iter().filter_map(|function| self.ids[function].as_str()) {
            let logging = json!({
                "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO",
                "LogGroup": format!("/aws/lambda/{function}")
            });
            let settings = json!({"LoggingConfig": logging, "State": "Active", "LastUpdateStatus": "Successful"});
            self.amended.set_function(function, &settings);
        }
        let unreserved = 1000 - reserved_concurrency.unwrap_or(0);
        let limit = json!({"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": unreserved});
        self.amended.answer("lambda", "GetAccountSettings", json!({"AccountLimit": limit}));
    }

    /// Creates the DB instance, in the VPC of the function.
    fn apply_instance(&self, name: &str) {
        let subnets = SubnetGroup { vpc: self.id("vpc").to_owned() };
        self.rds.change(|aws| aws.subnet_groups.insert("private".to_owned(), subnets));
        let lines = format!(
            "identifier = \"{name}\"\ndatabase = \"{}\"\n[network]\nsubnet_group = \"private\"\nsecurity_groups = [\"{}\"]\n",
            self.database.name,
            self.id("instance_group")
        );
        std::fs::write(self.declaration.path(), lines).expect("the file is writable");
        self.json(&["instance", "apply", "--yes"], 0);
    }

    /// Writes the row of each user, as the function would have.
    pub(crate) async fn write_rows(&self) {
        let subs = self.ids["subs"].as_array().expect("a list");
        let client = self.client().await;
        for (number, sub) in subs.iter().enumerate() {
            let event = json!({
                "sub": sub, "display_name": "x", "handles": [sub], "email": format!("user-{number}@example.com"),
                "email_verified": true, "as_of": "2026-01-01T00:00:00Z"
            });
            client.query_one("select cognito.ensure_user($1)", &[&event]).await.expect("a row");
        }
    }

    /// A name or an id.
    #[track_caller]
    pub(crate) fn id(&self, key: &str) -> &str {
        self.ids[key].as_str().unwrap_or_else(|| panic!("the deployment has no {key}"))
    }

    /// Runs Python, to break one thing: with boto3's clients `cloudwatch`, `cognito`, `ec2`, `iam`, `lambda_`, `logs`,
    /// `rds`, `secrets` and `sqs`, all [`ids`](Self::ids), and the functions of `deployment.py`, such as
    /// `client("iam", amended)` for one that asks as `provision` does. Returns what it leaves in `result`.
    #[track_caller]
    pub(crate) fn python(&self, script: &str) -> Value {
        self.run_python(script, &json!({"ids": self.ids}))
    }

    #[track_caller]
    fn run_python(&self, script: &str, variables: &Value) -> Value {
        let servers = [self.moto.environment(), self.rds.environment(), self.amended.environment()];
        let [moto, rds, amended] = servers.map(|[(_, endpoint), ..]| endpoint);
        python::run(&json!({"script": script, "variables": variables, "moto": moto, "rds": rds, "amended": amended}))
    }

    /// The server that `provision` asks: a test amends its answers.
    pub(crate) fn amended(&self) -> &Amended {
        &self.amended
    }

    /// The account's Amazon RDS.
    pub(crate) fn rds(&self) -> &Rds {
        &self.rds
    }

    /// A connection as superuser.
    pub(crate) async fn client(&self) -> Client {
        self.database.connect().await.expect("the database is up")
    }

    /// Runs statements as superuser.
    pub(crate) async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.expect(statements);
    }

    /// `provision` as an operator starts it, through a tunnel to the database.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let TestDatabase { name, port, root_certificate, .. } = &self.database;
        let url = self.database.url().replace(&format!("localhost:{port}/{name}"), &format!("{}/{name}", self.host));
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(self.amended.environment()).env("AWS_ACCESS_KEY_ID", self.access_key_id);
        command.env("PROD_CONNECTION_URL", url).env("PGHOSTADDR", "127.0.0.1").env("PGPORT", port.to_string());
        command.env("PGSSLROOTCERT", root_certificate).arg("--config").arg(self.declaration.path());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("provision starts")
    }

    /// The command's JSON, and nothing else on standard output.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    /// `provision doctor` for this deployment.
    pub(crate) fn doctor(&self) -> Command {
        self.command(&["doctor", "--pool", self.id("pool"), "--function", self.id("function")])
    }
}
