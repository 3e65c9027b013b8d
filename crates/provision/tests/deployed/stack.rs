//! The fixture: the stack of infra/template.yaml, with its database and user pool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cognitoidentityprovider::types::AttributeType;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{CognitoLocal, Ministack, Port, Postgres, TestDatabase, tool};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client as Session;

/// The endpoint that the DB instance has. Only the functions, in their VPC, can reach it.
pub(crate) const HOST: &str = "users-db.c0ffee.eu-central-1.rds.amazonaws.com";

/// The id of the user pool.
pub(crate) const POOL: &str = "eu-central-1_AbCdEfGhI";

/// The longest wait for rows. Rows that do not come at all are the only ones that take it.
const WAIT_LIMIT: Duration = Duration::from_mins(5);

/// The password of everybody who signs up.
pub(crate) const PASSWORD: &str = "Correct-h0rse";

/// A deployment with a pool whose sign-ups call its function.
pub(crate) struct Stack {
    pub(crate) postgres: Postgres,
    pub(crate) database: TestDatabase,
    cognito: CognitoLocal,
    ministack: Ministack,
    directory: TempDir,
    master_secret: String,
    pool: String,
}

impl Stack {
    /// Deploys the template, and loads the schema.
    pub(crate) async fn deploy() -> Self {
        let stack = Self::before_deployment(POOL, None).await;
        succeed(&mut stack.sam());
        succeed(&mut stack.provision(&["db", "load"]));
        // The name that the template expects.
        let secret = format!("users-db/post_confirmation_{}", stack.database.name);
        let port = stack.database.port.to_string();
        succeed(&mut stack.provision(&["db", "grant", "--secret", &secret, "--port", &port]));
        stack
    }

    /// All that is there before: an empty database, a user pool with this id, and the zips. The operator's function asks the
    /// Cognito at `users`, if there is another one.
    pub(crate) async fn before_deployment(pool: &str, users: Option<String>) -> Self {
        let postgres = Postgres::start().expect("a server");
        let database = postgres.database().await.expect("a database");
        let port = Port::reserve().expect("a port");
        let endpoint = format!("http://127.0.0.1:{}", port.number());
        let triggers = ["PostConfirmation", "PostAuthentication"];
        let cognito = CognitoLocal::start(pool, &endpoint, "post-confirmation", &triggers).expect("cognito-local");
        let users = users.unwrap_or_else(|| cognito.environment()[0].1.clone());
        let of_functions = [
            ("PGHOSTADDR", "127.0.0.1".to_owned()),
            ("PGSSLROOTCERT", database.root_certificate.to_string_lossy().into_owned()),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", users),
        ];
        let ministack = Ministack::start(port, &of_functions).expect("ministack");
        let directory = TempDir::new().expect("a directory");
        let master_secret = String::new();
        let mut stack =
            Self { postgres, database, cognito, ministack, directory, master_secret, pool: pool.to_owned() };
        stack.prepare();
        // As RDS keeps it.
        let login = json!({ "username": stack.database.user(), "password": stack.database.password }).to_string();
        let create = "boto3.client('secretsmanager').create_secret";
        let secret = stack.python(&format!("{create}(Name='rds!db-master', SecretString={login:?})['ARN']"));
        secret.as_str().expect("an ARN").clone_into(&mut stack.master_secret);
        stack
    }

    /// Puts the template and the zips beside it, as they are in a checkout.
    fn prepare(&self) {
        fs::create_dir_all(self.template().parent().expect("a directory")).expect("a directory");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/deployed/adapt.py");
        let mut adapt = Command::new(tool("sam/bin/python").expect("Python"));
        succeed(adapt.arg(script).arg(top().join("infra/template.yaml")).arg(self.template()));
        let zip = |program: &str| {
            let zip = self.directory.path().join(format!("target/lambda/{program}/bootstrap.zip"));
            fs::create_dir_all(zip.parent().expect("a directory")).expect("a directory");
            zip
        };
        fs::copy(function_zip(), zip("post-confirmation")).expect("a copy of the zip");
        // The operator's function is this build of provision, without what is there for debuggers.
        let program = zip("provision").with_file_name("bootstrap");
        succeed(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_provision")));
        let mut pack = Command::new(tool("sam/bin/python").expect("Python"));
        succeed(pack.args(["-m", "zipfile", "-c"]).arg(zip("provision")).arg(&program));
    }

    /// The template, as the stand-in for `CloudFormation` can take it.
    pub(crate) fn template(&self) -> PathBuf {
        self.directory.path().join("infra/template.yaml")
    }

    /// The parameters, as `infra/samconfig.toml` has them.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        let owned = |(name, value): (&'static str, &str)| (name, value.to_owned());
        let fixed = [
            ("Architecture", architecture()),
            ("VpcId", "vpc-0123456789abcdef0"),
            ("SubnetIds", "subnet-0123456789abcdef0,subnet-0123456789abcdef1"),
            ("DatabaseSecurityGroupId", "sg-0123456789abcdef0"),
            ("DatabaseHost", HOST),
            ("DatabasePort", &self.database.port.to_string()),
            ("DatabaseName", &self.database.name),
            ("MasterSecretArn", &self.master_secret),
            ("UserPoolId", &self.pool),
        ];
        fixed.map(owned).to_vec()
    }

    /// `sam deploy`, of the template and the function's zip.
    pub(crate) fn sam(&self) -> Command {
        let mut command = Command::new(tool("sam/bin/sam").expect("SAM"));
        command.args(["deploy", "--stack-name", "post-confirmation", "--resolve-s3", "--no-confirm-changeset"]);
        command.args(["--no-progressbar", "--capabilities", "CAPABILITY_NAMED_IAM", "--parameter-overrides"]);
        command.args(self.parameters().iter().map(|(name, value)| format!("{name}={value}")));
        command.arg("--template-file").arg(self.template()).current_dir(&self.directory);
        command.envs(self.environment()).env("AWS_DEFAULT_REGION", "eu-central-1");
        command.env("SAM_CLI_TELEMETRY", "0").env("HOME", self.directory.path());
        command
    }

    /// What this Python expression is there, with boto3.
    #[track_caller]
    pub(crate) fn python(&self, expression: &str) -> Value {
        python(&self.environment(), expression)
    }

    /// The id of the user pool.
    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    /// The variables that lead to the stand-ins for AWS.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        self.ministack.environment()
    }

    /// `provision`, as an operator runs it who has a way to the database.
    pub(crate) fn provision(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(arguments).env_clear().envs(self.environment());
        let [(_, cognito), ..] = self.cognito.environment();
        command.env("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", cognito);
        command.env("CONNECTION_URL", self.database.url().replace("@localhost", &format!("@{HOST}")));
        command.env("PGHOSTADDR", "127.0.0.1").env("PGSSLROOTCERT", &self.database.root_certificate);
        command.env("USER_POOL_ID", &self.pool).stdin(Stdio::null());
        command
    }

    /// What the command reports, which must end with this status.
    #[track_caller]
    pub(crate) fn report(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.provision(&[arguments, &["--output", "json"]].concat()).output().expect("it starts");
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    /// The application's client of the user pool.
    pub(crate) fn cognito(&self) -> Client {
        let [(_, endpoint), (_, region), ..] = self.cognito.environment();
        let config = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(region))
            .credentials_provider(Credentials::new("testing", "testing", None, None, "test"));
        Client::from_conf(config.build())
    }

    /// Signs this many people up, some at once, and confirms them; each must see a success.
    pub(crate) async fn sign_up(&self, names: impl Iterator<Item = String>, at_once: usize) {
        let cognito = &self.cognito();
        let sign_up = async |name: String| self.confirmed(cognito, &name).await;
        stream::iter(names).for_each_concurrent(at_once, sign_up).await;
    }

    /// Signs one person up, and confirms the address by its code.
    pub(crate) async fn confirmed(&self, cognito: &Client, name: &str) {
        self.unconfirmed(cognito, name).await;
        let confirm = cognito.confirm_sign_up().client_id(CognitoLocal::CLIENT).username(name);
        confirm.confirmation_code(self.cognito.code()).send().await.expect("a confirmed sign-up");
    }

    /// Signs one person up who does not confirm the address.
    pub(crate) async fn unconfirmed(&self, cognito: &Client, name: &str) {
        let sign_up = cognito.sign_up().client_id(CognitoLocal::CLIENT).username(name).password(PASSWORD);
        sign_up.user_attributes(email(name)).send().await.expect("a sign-up");
    }

    /// The code that the pool has sent.
    pub(crate) fn code(&self) -> &'static str {
        self.cognito.code()
    }

    /// A session of the database's owner.
    pub(crate) async fn session(&self) -> Session {
        self.database.connect().await.expect("the database is up")
    }

    /// Waits until there are this many rows, and fails if there are more.
    pub(crate) async fn until_rows(&self, expected: i64) {
        let session = self.session().await;
        let rows =
            async || session.query_one("select count(*) from users", &[]).await.expect("a count").get::<_, i64>(0);
        let counted = timeout(WAIT_LIMIT, async {
            while rows().await < expected {
                sleep(Duration::from_millis(100)).await;
            }
        });
        let waited = counted.await;
        assert_eq!(rows().await, expected, "rows of users, {waited:?}");
    }

    /// The addresses that have a row.
    pub(crate) async fn addresses(&self) -> Vec<String> {
        let rows = self.session().await.query("select email from users order by email", &[]).await.expect("the rows");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// The address of this person.
pub(crate) fn email(name: &str) -> AttributeType {
    AttributeType::builder().name("email").value(format!("{name}@example.com")).build().expect("a name")
}

/// Runs a command, which must succeed.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{command:?} ended with {}:\n{out}\n{error}", output.status);
}

/// What the Python expression is, with boto3 and these variables.
#[track_caller]
pub(crate) fn python(environment: &[(&'static str, String)], expression: &str) -> Value {
    let script = format!("import boto3, json; print(json.dumps({expression}, default=str))");
    let mut command = Command::new(tool("sam/bin/python").expect("Python"));
    command.args(["-c", &script]).envs(environment.iter().cloned()).env("AWS_DEFAULT_REGION", "eu-central-1");
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The processor of this machine, as Lambda calls it.
pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// The function as it is deployed.
pub(crate) fn function_zip() -> PathBuf {
    let zip = top().join("target/lambda").join(architecture()).join("post-confirmation/bootstrap.zip");
    let build = format!("infra/dev/build.sh {} post-confirmation", architecture());
    assert!(zip.exists(), "{} is missing; run `{build}`", zip.display());
    zip
}

pub(crate) fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
