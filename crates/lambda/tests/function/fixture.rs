//! The fixture of every test: a database with the schema, its secret, and functions that use them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use db::role::{Authentication, Role};
use serde_json::{Value, json};
use testkit::{
    Answer, Function, FunctionError, Invocation, Moto, Postgres, Proxy, RuntimeApi, SampleRow, TestDatabase, samples,
};

use crate::log_schema;

/// A database and its secret in Secrets Manager.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    secret_id: String,
}

impl Fixture {
    /// A database with the schema, and the function's role for the function.
    pub(crate) async fn new() -> Self {
        Self::on(Postgres::shared()).await
    }

    /// An empty database on this server; the function logs in as its owner.
    pub(crate) async fn without_schema(postgres: &Postgres) -> Self {
        let fixture = Self::with(postgres.database().await.expect("a new database"));
        fixture.store_secret(&fixture.secret_id, fixture.database.secret()).await;
        fixture
    }

    /// A database with the schema on this server, and the function's role for the function.
    pub(crate) async fn on(postgres: &Postgres) -> Self {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let fixture = Self::with(postgres.loaded_database(load).await.expect("a new database"));
        fixture.grant().await;
        fixture
    }

    /// A database with the contract that these statements create, and the function's role for the function.
    pub(crate) async fn with_contract(statements: &str) -> Self {
        let fixture = Self::with(Postgres::shared().database().await.expect("a new database"));
        fixture.execute(statements).await;
        fixture.grant().await;
        fixture
    }

    fn with(database: TestDatabase) -> Self {
        // Two servers, one after the other, may have the same port and databases by the same name.
        static FIXTURES: AtomicU32 = AtomicU32::new(0);
        Self { database, secret_id: format!("secret-{}", FIXTURES.fetch_add(1, Ordering::Relaxed)) }
    }

    async fn grant(&self) {
        let mut client = self.database.connect().await.expect("the database is up");
        let role = format!("function_{}", self.database.name);
        let wanted = Role {
            name: role.clone(),
            authentication: Authentication::Password,
            connection_limit: Some(100),
            keeps_public: false,
        };
        let plan = db::role::plan(&client, &wanted).await.expect("a plan for the role");
        let applied = db::role::apply(&mut client, &plan).await.expect("a role with no other privilege");
        applied.set_password(&"function".into()).await.expect("a new password");
        applied.commit().await.expect("the role exists");
        let mut secret = self.database.secret();
        secret["username"] = json!(role);
        secret["password"] = json!("function");
        self.store_secret(&self.secret_id, secret).await;
    }

    /// Lets this role call the function's statement, and nothing else.
    pub(crate) async fn allow(&self, role: &str) {
        let allow = "grant usage on schema cognito to {role}; grant execute on function cognito.ensure_user to {role}";
        self.execute(&allow.replace("{role}", role)).await;
    }

    /// The id of the secret with the function's login.
    pub(crate) fn secret_id(&self) -> &str {
        &self.secret_id
    }

    pub(crate) async fn store_secret(&self, id: &str, secret: Value) {
        Moto::shared().create_secret(id, &secret).await.expect("a new secret");
    }

    /// A function that uses the database, with these `changes` to its variables.
    pub(crate) async fn function(&self, changes: &[(&str, String)]) -> Function {
        self.function_on(RuntimeApi::start().await.expect("a Runtime API"), changes)
    }

    /// The same on this Runtime API. Each line of its log is checked in the end.
    pub(crate) fn function_on(&self, api: RuntimeApi, changes: &[(&str, String)]) -> Function {
        let mut variables = vec![
            ("DB_SECRET_ID", self.secret_id.clone()),
            ("PGSSLROOTCERT", self.database.root_certificate.to_string_lossy().into_owned()),
        ];
        variables.extend(Moto::shared().environment());
        variables.extend(changes.iter().cloned());
        let function = Function::start_on(api, env!("CARGO_BIN_EXE_post-confirmation"), &variables);
        function.expect("the function starts").inspected_by(log_schema::check)
    }

    /// This many functions that have connected, a few at a time: a machine that starts them all at once is too slow
    /// for each of them.
    pub(crate) async fn connected_functions(&self, count: usize, changes: &[(&str, String)]) -> Vec<Function> {
        const AT_ONCE: usize = 2;
        let mut functions = Vec::new();
        while functions.len() < count {
            let starting = (0..AT_ONCE.min(count - functions.len())).map(async |_| {
                let function = self.function(changes).await;
                function.until_ready().await.expect("it starts");
                function
            });
            functions.extend(futures::future::join_all(starting).await);
            // The sessions at the server are a pooler's own where one is between.
            if changes.is_empty() {
                self.until_connected(functions.len()).await;
            }
        }
        functions
    }

    /// Waits until this many sessions of functions are open, or until a function would have given up.
    async fn until_connected(&self, count: usize) {
        let client = self.database.connect().await.expect("the database is up");
        let sql = "select count(*) from pg_stat_activity \
                   where datname = current_database() and application_name = 'post-confirmation'";
        let connected = async {
            let sessions = async || client.query_one(sql, &[]).await.expect("the sessions").get::<_, i64>(0);
            while usize::try_from(sessions().await).is_ok_and(|sessions| sessions < count) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // A slow machine's are connected by their first event.
        let _ = tokio::time::timeout(Duration::from_secs(5), connected).await;
    }

    /// A function that reaches the database through a proxy of its own.
    pub(crate) async fn function_behind_proxy(&self) -> (Function, Proxy) {
        let proxy = Proxy::start(self.database.port).await.expect("a proxy");
        let function = self.function(&[("PGPORT", proxy.port().to_string())]).await;
        (function, proxy)
    }

    /// The rows of `users`, the oldest first: handle, display name and e-mail address.
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

    /// Waits until a session of the function, and none of `known`, waits for a lock; returns its process id.
    pub(crate) async fn until_blocked(&self, known: &[i32]) -> i32 {
        loop {
            if let Some(pid) = self.blocked().await.into_iter().find(|pid| !known.contains(pid)) {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until no session of the function waits for a lock.
    pub(crate) async fn until_none_is_blocked(&self) {
        let none = async {
            while !self.blocked().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(HANG_LIMIT, none).await.expect("what was given up no longer waits for a lock");
    }

    /// The process ids of the function's sessions that wait for a lock.
    pub(crate) async fn blocked(&self) -> Vec<i32> {
        let client = self.database.connect().await.expect("the database is up");
        let sql = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' \
                   and application_name = 'post-confirmation'";
        client.query(sql, &[]).await.expect("the sessions").iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let client = self.database.connect().await.expect("the database is up");
        client.batch_execute(sql).await.expect("the statement is right");
    }
}

/// The longest wait for what the server does by itself. It only ends a test that fails.
const HANG_LIMIT: Duration = Duration::from_secs(30);

/// The errors of a function that needs more time than its limits allow. A busy machine may cause them in any test.
const CAUSED_BY_SLOWNESS: [&str; 3] = ["BudgetExceeded", "DatabaseUnreachable", "TooManyConnections"];

/// How often an event is sent, or a case is run, that a slow machine disturbs.
const TRIES: usize = 10;

/// How a slow machine has disturbed a case.
pub(crate) type Disturbance = String;

/// Runs the case, again where a slow machine has disturbed it, and fails if that happens each time.
///
/// So a case may insist on the first answer: a defect of the function disturbs every run.
pub(crate) async fn undisturbed<T>(case: impl AsyncFn() -> Result<T, Disturbance>) -> T {
    let mut disturbances = Vec::new();
    for _ in 0..TRIES {
        match case().await {
            Ok(value) => return value,
            Err(disturbance) => disturbances.push(disturbance),
        }
    }
    panic!("disturbed {TRIES} times in a row: {disturbances:#?}");
}

/// Sends the event, again where only a slow machine explains the error, unless that is the `expected` one.
pub(crate) async fn invoke(function: &Function, event: &str, expected: &str) -> Invocation {
    let mut tries = TRIES;
    loop {
        let invocation = function.invoke(event).await.expect("an answer");
        tries -= 1;
        match &invocation.answer {
            Answer::Error(error) if is_caused_by_slowness(error, expected) && tries > 0 => {}
            Answer::Response(_) if tries > 0 && has_failed_open(function, &invocation, event, expected).await => {}
            _ => return invocation,
        }
    }
}

fn is_caused_by_slowness(error: &FunctionError, expected: &str) -> bool {
    error.error_type != expected && CAUSED_BY_SLOWNESS.contains(&error.error_type.as_str())
}

/// Returns whether only a slow machine explains that no row was ensured, although the event came back.
async fn has_failed_open(function: &Function, invocation: &Invocation, event: &str, expected: &str) -> bool {
    // Other events get an error then; to read the log for each of them takes time.
    if !event.contains("PostConfirmation_ConfirmForgotPassword") {
        return false;
    }
    let line = function.log_line("requestId", &invocation.request_id).await.expect("a log line");
    let error_type = line["errorType"].as_str().unwrap_or_default();
    error_type != expected && CAUSED_BY_SLOWNESS.contains(&error_type)
}

/// Sends the event and insists on getting it back as it went in.
#[track_caller]
pub(crate) fn succeed(function: &Function, event: &str) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        match invoke(function, event, "").await.answer {
            Answer::Response(answer) => assert_eq!(answer.trim(), event.trim(), "at {caller}"),
            Answer::Error(error) => panic!("at {caller}: {error:?}; the log:\n{}", function.log()),
        }
    }
}

/// Sends the event once, for [`undisturbed`], and insists on getting it back as it went in.
#[track_caller]
pub(crate) fn try_succeed(function: &Function, event: &str) -> impl Future<Output = Result<(), Disturbance>> {
    let caller = std::panic::Location::caller();
    async move {
        match function.invoke(event).await.expect("an answer").answer {
            Answer::Response(answer) => assert_eq!(answer.trim(), event.trim(), "at {caller}"),
            Answer::Error(error) => {
                let problem = format!("at {caller}: {error:?}; the log:\n{}", function.log());
                assert!(is_caused_by_slowness(&error, ""), "{problem}");
                return Err(problem);
            }
        }
        Ok(())
    }
}

/// Sends the event once, for [`undisturbed`], waits until the function is seen to `wait`, and insists on an answer that
/// comes only after `release` has begun.
#[track_caller]
pub(crate) fn try_succeed_after(
    function: &Function,
    event: &str,
    wait: impl Future<Output = ()>,
    release: impl Future<Output = ()>,
) -> impl Future<Output = Result<(), Disturbance>> {
    let caller = std::panic::Location::caller();
    let mut answer = Box::pin(try_succeed(function, event));
    async move {
        tokio::select! {
            early = &mut answer => early.map(|()| panic!("at {caller}: it succeeded too early")),
            () = wait => tokio::join!(answer, release).0,
        }
    }
}

/// Sends the event, insists on an error with this word, and returns the log's line on it.
#[track_caller]
pub(crate) fn fail(function: &Function, event: &str, expected: &str) -> impl Future<Output = Value> {
    let caller = std::panic::Location::caller();
    async move {
        let Invocation { request_id, answer } = invoke(function, event, expected).await;
        let error = match answer {
            Answer::Response(_) => panic!("at {caller}: expected {expected}, and the function succeeded"),
            Answer::Error(error) => error,
        };
        assert_eq!(error.error_type, expected, "at {caller}; the log:\n{}", function.log());
        assert_eq!(
            error.error_message,
            format!("We could not finish setting up your account; please contact us and mention {request_id}."),
            "at {caller}"
        );
        function.log_line("requestId", &request_id).await.expect("a log line")
    }
}

/// Sends the event, insists on getting it back although this error is reported, and returns the log's line on it.
#[track_caller]
pub(crate) fn fail_open(function: &Function, event: &str, expected: &str) -> impl Future<Output = Value> {
    let caller = std::panic::Location::caller();
    async move {
        let Invocation { request_id, answer } = invoke(function, event, expected).await;
        let Answer::Response(answer) = answer else { panic!("at {caller}: {answer:?}; the log:\n{}", function.log()) };
        assert_eq!(answer.trim(), event.trim(), "at {caller}");
        let line = function.log_line("requestId", &request_id).await.expect("a log line");
        assert_eq!((&line["outcome"], &line["errorType"]), (&json!("failed-open"), &json!(expected)), "at {caller}");
        line
    }
}

/// Sends the event, for [`undisturbed`], and insists on `BudgetExceeded` in this step.
pub(crate) async fn run_out_of_time(function: &Function, event: &str, step: &str) -> Result<(), Disturbance> {
    let line = fail(function, event, "BudgetExceeded").await;
    let error = line["error"].as_str().expect("a chain of causes");
    if error.contains(&format!("time ran out while {step}")) { Ok(()) } else { Err(error.to_owned()) }
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

/// The event in `events/` by this name, and its user's row.
pub(crate) fn sample(name: &str) -> (String, SampleRow) {
    let sample = samples().expect("every sample has its row").into_iter().find(|sample| sample.name == name);
    let sample = sample.expect("a sample by this name");
    (sample.event, sample.row.expect("it is of a user"))
}
