//! A private DB instance, what may forward to it, and an operator with the plugin.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Amended, Moto, Postgres, TestDatabase, tool};
use tokio::sync::OnceCell;

use crate::doctor::python;

/// The content of every master secret at moto.
const MASTER: (&str, &str) = ("admin", "P@55w0rd!");

/// What opens the session, and nobody may see.
const TOKEN: &str = "AAEAAdTokenOfTheSession";

/// The session, as AWS names those of a user.
pub(crate) const SESSION: &str = "ada-0f6d2b3c4e5a69788";

pub(crate) struct Scene {
    amended: Amended,
    files: TempDir,
    database: TestDatabase,
    ids: Value,
}

/// The server behind all tunnels. Its certificate is for the endpoints that moto invents.
async fn server() -> &'static (Postgres, TestDatabase) {
    static SERVER: OnceCell<(Postgres, TestDatabase)> = OnceCell::const_new();
    let start = async || {
        let postgres = Postgres::start().expect("a server");
        let database = TestDatabase { name: "postgres".to_owned(), ..postgres.database().await.expect("a database") };
        let (user, password) = MASTER;
        let role = format!("create role {user} login createdb createrole password '{password}'");
        database.connect().await.expect("it is up").batch_execute(&role).await.expect("a role");
        (postgres, database)
    };
    SERVER.get_or_init(start).await
}

impl Scene {
    /// One whose DB instance lets in this source: `bastion`, `task`, `both`, the VPC's `range` or `nothing`. The EC2 instance is
    /// online, and ECS Exec turned off.
    pub(crate) async fn new(name: &'static str, source: &str) -> Self {
        Self::at(Moto::shared(), name, source).await
    }

    pub(crate) async fn at(moto: &Moto, name: &'static str, source: &str) -> Self {
        let (_, server) = server().await;
        let database = TestDatabase { name: name.replace('-', "_"), ..server.clone() };
        let files = TempDir::new().expect("a directory");
        let amended = Amended::before(moto.port()).expect("a server");
        let [(_, endpoint), ..] = moto.environment();
        let variables = json!({"name": name, "database": database.name, "source": source});
        let ids = python::run(&json!({
            "script": include_str!("scene.py"), "variables": variables, "moto": endpoint, "rds": endpoint, "amended": endpoint,
        }));
        let scene = Self { amended, files, database, ids };
        scene.write("rds.toml", &format!("identifier = \"{name}\"\ndatabase = \"{}\"\n", scene.database.name));
        let program =
            format!("#!{}\n{}", tool("python/bin/python").expect("Python").display(), include_str!("plugin.py"));
        let program = scene.write("bin/session-manager-plugin", &program);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("it can be run");
        scene.set_online(&[scene.id("bastion")]);
        // moto's tasks start when they are asked for several times.
        scene.amend_tasks(|task| task["lastStatus"] = "RUNNING".into());
        let session =
            json!({"SessionId": SESSION, "TokenValue": TOKEN, "StreamUrl": "wss://ssmmessages.example.com/x"});
        scene.amended.answer("ssm", "StartSession", session);
        scene.amended.answer("ssm", "TerminateSession", json!({"SessionId": SESSION}));
        scene
    }

    /// The same with the database that the declaration names.
    pub(crate) async fn with_database(self) -> Self {
        let client = server().await.1.connect().await.expect("it is up");
        let create = format!("create database {} owner {}", self.database.name, MASTER.0);
        client.batch_execute(&create).await.expect("a database");
        self
    }

    pub(crate) fn amended(&self) -> &Amended {
        &self.amended
    }

    /// One of what `scene.py` has made.
    pub(crate) fn id(&self, name: &str) -> &str {
        self.ids[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ids))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        fs::write(&path, text).expect("the file is writable");
        path
    }

    /// Lets AWS Systems Manager reach these EC2 instances.
    pub(crate) fn set_online(&self, ids: &[&str]) {
        let list: Vec<Value> = ids.iter().map(|id| json!({"InstanceId": id, "PingStatus": "Online"})).collect();
        self.amended.answer("ssm", "DescribeInstanceInformation", json!({"InstanceInformationList": list}));
    }

    /// Turns ECS Exec on for the task.
    pub(crate) fn turn_exec_on(&self) {
        self.amend_tasks(|task| {
            let agent = json!({"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"});
            task["enableExecuteCommand"] = true.into();
            task["containers"] = json!([{"runtimeId": "web-1", "managedAgents": [agent]}]);
        });
    }

    fn amend_tasks(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.amended.amend("ecs", "DescribeTasks", move |answer| {
            answer["tasks"].as_array_mut().into_iter().flatten().for_each(&change);
        });
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        let psql = tool("postgresql/bin").expect("PostgreSQL");
        let path = format!("{}:{}:/usr/bin:/bin", self.file("bin").display(), psql.display());
        command.env_clear().envs(self.amended.environment()).env("PATH", path).env("HOME", "/nonexistent");
        command.env("PGSSLROOTCERT", &self.database.root_certificate);
        command.env("PLUGIN_TARGET", self.database.port.to_string()).env("PLUGIN_RECORD", self.file("plugin"));
        command.arg("--config").arg(self.file("rds.toml")).args(arguments).stdin(Stdio::null());
        command
    }

    /// `provision db tunnel --prod` with these arguments.
    pub(crate) fn tunnel(&self, arguments: &[&str]) -> Command {
        self.command(&[&["db", "tunnel", "--prod"], arguments].concat())
    }

    /// How the plugin was called.
    pub(crate) fn call(&self) -> Value {
        let text = fs::read_to_string(self.file("plugin.start")).expect("the plugin was called");
        let mut call: Value = serde_json::from_str(&text).expect("JSON");
        let response = call["response"].take();
        assert_eq!((&response["SessionId"], &response["TokenValue"]), (&json!(SESSION), &json!(TOKEN)));
        assert!(!call.to_string().contains(TOKEN), "the token stands in its arguments: {call}");
        call
    }

    /// The operations of Systems Manager on sessions so far.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let operations = self.amended.operations().into_iter();
        operations.filter(|(_, name)| name.ends_with("Session")).map(|(_, name)| name).collect()
    }

    /// Fails unless the session and the plugin have ended.
    #[track_caller]
    pub(crate) fn assert_ended(&self) {
        assert_eq!(self.sessions(), ["StartSession", "TerminateSession"]);
        assert_eq!(
            fs::read_to_string(self.file("plugin.end")).ok().as_deref(),
            Some("interrupted"),
            "the plugin's end"
        );
    }
}

/// Starts the command, and waits for its first line on standard output.
pub(crate) fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    let mut line = String::new();
    // What follows is few, and fits into the pipe.
    let mut stdout = BufReader::with_capacity(1, child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("it writes");
    child.stdout = Some(stdout.into_inner());
    (child, line)
}

/// Sends a signal to a process, or to a group of them with a `-` before its number.
pub(crate) fn send(signal: &str, process: &str) {
    let kill = Command::new("sh").args(["-c", &format!("kill -s {signal} -- {process}")]).status();
    assert!(kill.expect("a shell").success());
}

/// Runs it to its end, and fails if it shows a secret.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().expect("provision starts");
    for text in [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)) {
        for secret in [MASTER.1, "P%4055w0rd", TOKEN] {
            assert!(!text.contains(secret), "a secret stands in {text:?}");
        }
    }
    output
}

/// What it prints; fails unless it succeeds.
#[track_caller]
pub(crate) fn stdout(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The error and the hint of a run that fails.
#[track_caller]
pub(crate) fn failure(command: &mut Command) -> String {
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty(), "{stderr}");
    stderr
}
