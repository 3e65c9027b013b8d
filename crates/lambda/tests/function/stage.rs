//! What every test needs: a database with the schema, its secret, and functions that use them.

use std::time::Duration;

use db::role::Entrance;
use serde_json::{Value, json};
use testkit::{Answer, Function, Invocation, Moto, Postgres, Proxy, SampleRow, TestDatabase, samples};

/// A database and its secret in Secrets Manager.
pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
}

impl Stage {
    /// A database with the schema, and the function's role for the function.
    pub(crate) async fn new() -> Self {
        Self::on(Postgres::shared()).await
    }

    /// An empty database on this server, whose owner the function is.
    pub(crate) async fn without_schema(postgres: &Postgres) -> Self {
        let database = postgres.database().await.expect("a new database");
        let stage = Self { database };
        stage.store_secret(&stage.secret_id(), stage.database.secret()).await;
        stage
    }

    /// A database with the schema on a server of its own.
    pub(crate) async fn on(postgres: &Postgres) -> Self {
        let stage = Self::without_schema(postgres).await;
        stage.load().await;
        stage
    }

    async fn load(&self) {
        let mut client = self.database.connect().await.expect("the database is up");
        db::schema::load(&mut client).await.expect("the migrations apply");
        let role = format!("function_{}", self.database.name);
        let restriction = db::role::restrict(&mut client, &role, Entrance::Password, 100);
        let restriction = restriction.await.expect("a role that may do nothing else");
        restriction.set_password(&"function".into()).await.expect("a new password");
        restriction.commit().await.expect("the role is as it should be");
        let mut secret = self.database.secret();
        secret["username"] = json!(role);
        secret["password"] = json!("function");
        Moto::shared().put_secret(&self.secret_id(), "AWSCURRENT", &secret).await.expect("a new version");
    }

    pub(crate) async fn store_secret(&self, id: &str, secret: Value) {
        Moto::shared().create_secret(id, &secret).await.expect("a new secret");
    }

    pub(crate) fn secret_id(&self) -> String {
        // Each server's password differs, so this is unique across servers as well.
        format!("{}-{}", self.database.name, self.database.port)
    }

    /// A function that uses the database as it should be used, but for `changes` to its variables.
    pub(crate) async fn function(&self, changes: &[(&str, String)]) -> Function {
        let mut variables = vec![
            ("DB_SECRET_ID", self.secret_id()),
            ("PGSSLROOTCERT", self.database.root_certificate.to_string_lossy().into_owned()),
        ];
        variables.extend(Moto::shared().environment());
        variables.extend(changes.iter().cloned());
        Function::start(env!("CARGO_BIN_EXE_post-confirmation"), &variables).await.expect("the function starts")
    }

    /// A function that reaches the database through a proxy of its own, connected already.
    pub(crate) async fn function_behind_proxy(&self) -> (Function, Proxy) {
        let proxy = Proxy::start(self.database.port).await.expect("a proxy");
        let function = self.function(&[("PGPORT", proxy.port().to_string())]).await;
        (function, proxy)
    }

    /// The rows of `users`, in the order of their making: handle, display name and e-mail address.
    pub(crate) async fn users(&self) -> Vec<(String, String, Option<String>)> {
        let client = self.database.connect().await.expect("the database is up");
        let rows = client.query("select handle, display_name, email from users order by created_at, handle", &[]).await;
        rows.expect("`users` is readable").iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    pub(crate) async fn row_of(&self, cognito_user_id: &str) -> Option<(String, String, Option<String>)> {
        let client = self.database.connect().await.expect("the database is up");
        let sql = "select handle, display_name, email from users where cognito_user_id = $1";
        let row = client.query_opt(sql, &[&cognito_user_id]).await.expect("no more than one row");
        row.map(|row| (row.get(0), row.get(1), row.get(2)))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let client = self.database.connect().await.expect("the database is up");
        client.batch_execute(sql).await.expect("the statement is right");
    }
}

/// What Cognito waits for an answer.
const COGNITO_LIMIT: Duration = Duration::from_secs(5);

/// Invokes the function, and insists on an answer while Cognito still waits.
async fn invoke(function: &Function, event: &str) -> Invocation {
    let answer = tokio::time::timeout(COGNITO_LIMIT, function.invoke(event)).await;
    answer.unwrap_or_else(|_| panic!("no answer within 5 s; the log:\n{}", function.log())).expect("an answer")
}

/// Sends the event and insists on getting it back as it went in.
#[track_caller]
pub(crate) fn succeed(function: &Function, event: &str) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        match invoke(function, event).await.answer {
            Answer::Response(answer) => assert_eq!(answer.trim(), event.trim(), "at {caller}"),
            Answer::Error(error) => panic!("at {caller}: {error:?}; the log:\n{}", function.log()),
        }
    }
}

/// Sends the event, insists on an error with this word, and returns the log's line on it.
#[track_caller]
pub(crate) fn fail(function: &Function, event: &str, expected: &str) -> impl Future<Output = Value> {
    let caller = std::panic::Location::caller();
    async move {
        let invocation = invoke(function, event).await;
        let error = match invocation.answer {
            Answer::Response(_) => panic!("at {caller}: expected {expected}, and the function succeeded"),
            Answer::Error(error) => error,
        };
        assert_eq!(error.error_type, expected, "at {caller}; the log:\n{}", function.log());
        assert_eq!(
            error.error_message,
            format!(
                "We could not finish setting up your account; please contact us and mention {}.",
                invocation.request_id
            ),
            "at {caller}"
        );
        function.log_line("requestId", &invocation.request_id).await.expect("a log line")
    }
}

/// A confirmed sign-up with these attributes.
pub(crate) fn sign_up(user_name: &str, attributes: &Value) -> String {
    json!({
        "version": "1",
        "region": "eu-central-1",
        "userPoolId": "eu-central-1_aB3dE5gH7",
        "userName": user_name,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "client"},
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "request": {"userAttributes": attributes},
        "response": {},
    })
    .to_string()
}

/// The event in `events/` by this name, and its row.
pub(crate) fn sample(name: &str) -> (String, SampleRow) {
    let sample = samples().expect("every sample has its row").into_iter().find(|sample| sample.name == name);
    let sample = sample.expect("a sample by this name");
    (sample.event, sample.row)
}
