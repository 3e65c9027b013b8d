//! A deployment with one user, and what went wrong with that one.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatchlogs::Client as Logs;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use serde_json::{Value, json};
use testkit::{Moto, PoolSettings, Postgres, TestDatabase, UserPool};
use tokio_postgres::Client;

use crate::runbook::assert_leads_out;

/// Whatever is personal of the user has one of these words, or is the `sub`.
const PERSONAL: [&str; 4] = ["lovelace", "countess", "example.com", "seed-"];

pub(crate) const ADDRESS: &str = "Lovelace@example.com";

/// A time before all that a test does.
pub(crate) const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// A user pool that calls a function, its log, and a database.
pub(crate) struct Scene {
    pub(crate) aws: PoolSettings,
    pub(crate) pool: String,
    pub(crate) function: &'static str,
    pub(crate) subs: Vec<String>,
    database: TestDatabase,
    logs: Logs,
    /// Variables that differ: those of a pool that is not moto's, or of another login.
    environment: Vec<(&'static str, String)>,
    pub(crate) access_key_id: &'static str,
}

/// What `provision users why` must say.
pub(crate) struct Expected<'a> {
    /// The word for programs.
    pub(crate) cause: &'a str,
    /// A part of the sentence.
    pub(crate) why: &'a str,
    /// The whole next command, in which POOL is the pool's id and SUB the user's. None if nothing is to be done.
    pub(crate) next: Option<&'a str>,
}

impl Scene {
    /// With the function attached, and a log without lines.
    pub(crate) async fn new(function: &'static str) -> Self {
        Self::with(function, &json!({"LambdaConfig": {"PostConfirmation": arn(function)}})).await
    }

    /// With these settings of the pool.
    pub(crate) async fn with(function: &'static str, settings: &Value) -> Self {
        Self::at(Moto::shared(), function, settings).await
    }

    pub(crate) async fn at(moto: &'static Moto, function: &'static str, settings: &Value) -> Self {
        let scene = Self::without_log(moto, function, settings).await;
        let (group, stream) = (scene.group(), "stream");
        scene.logs.create_log_group().log_group_name(&group).send().await.expect("a log group");
        scene.logs.create_log_stream().log_group_name(group).log_stream_name(stream).send().await.expect("a stream");
        scene
    }

    /// As long as nobody has called the function.
    pub(crate) async fn without_log(moto: &'static Moto, function: &'static str, settings: &Value) -> Self {
        let aws = PoolSettings::before(moto).expect("a server");
        let pool = aws.create_pool(function, settings).expect("a pool");
        aws.create_function(function).expect("a function");
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let database = Postgres::shared().loaded_database(load).await.expect("a new database");
        let config = aws_sdk_cloudwatchlogs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&moto.environment()[0].1)
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("preparation", "x", None, None, "test"));
        let logs = Logs::from_conf(config.build());
        let (subs, environment) = (Vec::new(), Vec::new());
        Self { aws, pool, function, subs, database, logs, environment, access_key_id: "testing" }
    }

    /// With a pool that has what moto's does not: users of identity providers, and imported ones.
    pub(crate) async fn of_pool(function: &'static str, seed: u64, attach: &'static str) -> (Self, UserPool) {
        let pool = UserPool::new(seed);
        pool.change_rules(|rules| rules.post_confirmation = Some(attach));
        let scene = Self::new(function).await;
        let environment = pool.serve().expect("a server").to_vec();
        (Self { pool: pool.id().to_owned(), environment, ..scene }, pool)
    }

    fn group(&self) -> String {
        format!("/aws/lambda/{}", self.function)
    }

    /// A request to the pool at moto.
    #[track_caller]
    pub(crate) fn ask(&self, operation: &str, body: Value) -> Value {
        let mut body = body;
        body["UserPoolId"] = json!(self.pool);
        self.aws.request(operation, &body).expect(operation)
    }

    /// The user `lovelace` as an administrator creates her, with this address; returns the `sub`.
    #[track_caller]
    pub(crate) fn create_user(&mut self, is_verified: bool) -> String {
        let attributes = [
            ("email", ADDRESS),
            ("email_verified", if is_verified { "true" } else { "false" }),
            ("preferred_username", "Countess"),
            ("name", "Ada Lovelace"),
        ];
        let attributes: Vec<Value> =
            attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        let user = self.ask("AdminCreateUser", json!({"Username": "lovelace", "UserAttributes": attributes}));
        let attributes = user["User"]["Attributes"].as_array().expect("attributes");
        let sub = attributes.iter().find(|attribute| attribute["Name"] == "sub").expect("a sub");
        self.remember(sub["Value"].as_str().expect("text"))
    }

    /// The same, and confirmed.
    #[track_caller]
    pub(crate) fn confirmed_user(&mut self) -> String {
        let sub = self.create_user(true);
        let password = json!({"Username": "lovelace", "Password": "Passw0rd!", "Permanent": true});
        self.ask("AdminSetUserPassword", password);
        sub
    }

    /// Changes the user's attribute.
    pub(crate) fn change(&self, name: &str, value: &str) {
        let attributes = json!([{"Name": name, "Value": value}]);
        self.ask("AdminUpdateUserAttributes", json!({"Username": "lovelace", "UserAttributes": attributes}));
    }

    /// The `sub` is personal.
    pub(crate) fn remember(&mut self, sub: &str) -> String {
        self.subs.push(sub.to_owned());
        sub.to_owned()
    }

    /// Lets the command log in as another role.
    pub(crate) fn log_in_as(&mut self, user: &str, password: &str) {
        let TestDatabase { name, port, .. } = &self.database;
        let url = format!("postgres://{user}:{password}@{}:{port}/{name}", self.database.host());
        self.environment.push(("CONNECTION_URL", url));
    }

    pub(crate) async fn client(&self) -> Client {
        self.database.connect().await.expect("the database is up")
    }

    pub(crate) async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.expect(statements);
    }

    /// The row as the function would have written it at this time.
    pub(crate) async fn write_row(&self, sub: &str, email: &str, is_verified: bool, as_of: &str) {
        let event = json!({
            "sub": sub, "display_name": "Ada Lovelace", "handles": ["Countess", sub], "email": email,
            "email_verified": is_verified, "as_of": as_of,
        });
        self.client().await.query_one("select cognito.ensure_user($1)", &[&event]).await.expect("a row");
    }

    /// A row that waits for its user.
    pub(crate) async fn seed(&self, handle: &str, email: &str) {
        let seed = "insert into public.users (display_name, handle, email, cognito_user_id) values ('Ada Lovelace', $1, $2, 'seed-ada')";
        self.client().await.execute(seed, &[&handle, &email]).await.expect("a row");
    }

    /// Lines of the log, each with the minutes since then.
    pub(crate) async fn log(&self, lines: &[(u64, Value)]) {
        let now = SystemTime::now();
        let mut events: Vec<InputLogEvent> = Vec::new();
        for (minutes, line) in lines {
            let at = (now - Duration::from_mins(*minutes)).duration_since(UNIX_EPOCH).expect("later").as_millis();
            let text = line.as_str().map_or_else(|| line.to_string(), str::to_owned);
            let at = i64::try_from(at).expect("milliseconds");
            events.push(InputLogEvent::builder().timestamp(at).message(text).build().expect("an event"));
        }
        let request = self.logs.put_log_events().log_group_name(self.group()).log_stream_name("stream");
        request.set_log_events(Some(events)).send().await.expect("they are written");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.provision(&[&["users", "why"], arguments].concat())
    }

    /// A command on this deployment, which waits for no sign-up.
    fn provision(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(arguments);
        if !arguments.contains(&"--settle") {
            command.args(["--settle", "0s"]);
        }
        command.env_clear().envs(self.aws.environment()).env("AWS_ACCESS_KEY_ID", self.access_key_id);
        command.env("USER_POOL_ID", &self.pool).env("CONNECTION_URL", self.database.url());
        command.envs(self.environment.iter().cloned());
        command.env("PGSSLROOTCERT", &self.database.root_certificate).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&[&str]], status: i32) -> Output {
        let output = self.command(&arguments.concat()).output().expect("provision starts");
        assert_eq!(output.status.code(), Some(status), "{}{}", text(&output.stdout), text(&output.stderr));
        output
    }

    /// The stories.
    #[track_caller]
    pub(crate) fn stories(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]], status);
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    /// Runs the next command of the one story. Returns the story's cause afterwards.
    #[track_caller]
    pub(crate) fn follow(&self, who: &str) -> Value {
        let next = self.stories(&[who], 3)["users"][0]["next"].as_str().expect("a next command").to_owned();
        let words: Vec<&str> = next.split(' ').skip(1).chain(["--yes"]).collect();
        let output = self.provision(&words).output().expect("provision starts");
        assert!(output.status.success(), "{next}: {}", text(&output.stderr));
        self.stories(&[who], 0)["users"][0]["cause"].clone()
    }

    /// The one story, once it is as expected, in JSON and as text, and nothing in it is personal where that is left out.
    #[track_caller]
    pub(crate) fn assert_story(&self, arguments: &[&str], expected: &Expected<'_>) -> Value {
        let Expected { cause, why, next } = *expected;
        let status = if next.is_some() { 3 } else { 0 };
        let told = self.stories(arguments, status);
        let users = told["users"].as_array().expect("users");
        let story = users.iter().find(|user| user["cause"] == cause);
        let story = story.unwrap_or_else(|| panic!("expected the cause {cause}, not {told:#}"));
        let sentence = story["why"].as_str().expect("a sentence");
        assert!(sentence.contains(why), "expected {why:?} in {sentence:?}");
        assert_leads_out("A cause of users why", cause, next.unwrap_or_default());
        let sub = self.subs.first().map(String::as_str).unwrap_or_default();
        let next = next.map(|next| next.replace("POOL", &self.pool));
        assert_eq!(story["next"].as_str(), next.as_ref().map(|next| next.replace("SUB", sub)).as_deref());

        let next = next.map_or_else(|| "nothing to do".to_owned(), |next| redacted(&next));
        for format in ["text", "json"] {
            let output = self.run(&[arguments, &["--redact", "--output", format]], status);
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            self.assert_impersonal(&stdout);
            self.assert_impersonal(&stderr);
            assert!(format == "json" || stdout.contains(&format!("({cause})\n")), "{stdout}");
            assert!(
                format == "json" || stdout.contains(&format!("\nnext:  {next}\n")),
                "expected {next:?} in {stdout}"
            );
        }
        told
    }

    /// Fails if the text has something of the user.
    #[track_caller]
    pub(crate) fn assert_impersonal(&self, text: &str) {
        let lower = text.to_lowercase();
        for personal in PERSONAL.into_iter().chain(self.subs.iter().map(String::as_str)) {
            assert!(!lower.contains(personal), "{personal:?} stands in {text}");
        }
    }
}

/// The command with a placeholder in place of whom it is about.
fn redacted(command: &str) -> String {
    let words = command.split(' ').collect::<Vec<_>>();
    match words[..] {
        ["provision", "users", "why", _, ..] => [&["provision", "users", "why", "WHO"], &words[4..]].concat().join(" "),
        _ => words.join(" "),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The ARN of a function.
pub(crate) fn arn(function: &str) -> String {
    format!("arn:aws:lambda:eu-central-1:123456789012:function:{function}")
}

/// The function's report of a call for the user.
pub(crate) fn call(sub: &str, outcome: &str, cause: Option<&str>) -> Value {
    let mut line = json!({
        "level": "INFO", "message": "x", "requestId": "8f5f-1", "triggerSource": "PostConfirmation_ConfirmSignUp",
        "outcome": outcome, "sub": sub, "milliseconds": 4.2, "attempts": 1, "coldStart": false, "version": "0.1.0",
    });
    if let Some(cause) = cause {
        line["errorType"] = json!(cause);
        line["error"] = json!("the database cannot be reached");
    }
    line
}
