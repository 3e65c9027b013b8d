//! An operator's view of AWS, and boto3's.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::{Moto, Rds, tool};

/// A declaration of its own, and AWS.
pub(crate) struct Account {
    environment: [(&'static str, String); 4],
    rds: Option<Rds>,
    access_key_id: &'static str,
    identifier: &'static str,
    declaration: NamedTempFile,
}

impl Account {
    /// With `infra/rds.toml`, but for the name and these lines before it.
    pub(crate) fn new(identifier: &'static str, lines: &str) -> Self {
        Self::at(Moto::shared(), "testing", identifier, lines)
    }

    /// The same at this server, with requests signed by this access key.
    pub(crate) fn at(moto: &'static Moto, access_key_id: &'static str, identifier: &'static str, lines: &str) -> Self {
        Self::with(moto.environment(), None, access_key_id, identifier, lines)
    }

    /// With an Amazon RDS that keeps state as AWS does, and is this test's own.
    pub(crate) fn on_rds(identifier: &'static str, lines: &str) -> Self {
        Self::on_rds_before(Moto::shared(), "testing", identifier, lines)
    }

    /// The same before this server, with requests signed by this access key.
    pub(crate) fn on_rds_before(
        moto: &Moto,
        access_key_id: &'static str,
        identifier: &'static str,
        lines: &str,
    ) -> Self {
        let rds = Rds::before(moto).expect("a server");
        Self::with(rds.environment(), Some(rds), access_key_id, identifier, lines)
    }

    fn with(
        environment: [(&'static str, String); 4],
        rds: Option<Rds>,
        access_key_id: &'static str,
        identifier: &'static str,
        lines: &str,
    ) -> Self {
        let declaration = NamedTempFile::new().expect("a file");
        let account = Self { environment, rds, access_key_id, identifier, declaration };
        account.declare(lines);
        account
    }

    /// The Amazon RDS of [`on_rds`](Self::on_rds).
    #[track_caller]
    pub(crate) fn rds(&self) -> &Rds {
        self.rds.as_ref().expect("this account is on moto alone")
    }

    /// The name of its DB instance.
    pub(crate) fn identifier(&self) -> &'static str {
        self.identifier
    }

    pub(crate) fn declare(&self, lines: &str) {
        let text = format!("identifier = \"{}\"\n{lines}", self.identifier);
        std::fs::write(self.declaration.path(), text).expect("the file is writable");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(self.environment.clone()).env("AWS_ACCESS_KEY_ID", self.access_key_id);
        command.arg("--config").arg(self.declaration.path());
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
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    #[track_caller]
    pub(crate) fn apply(&self) -> Value {
        self.json(&["instance", "apply", "--yes"], 0)
    }

    /// The attributes that differ, with what they should be.
    #[track_caller]
    pub(crate) fn differences(&self) -> Vec<(String, String)> {
        let plan = self.run(&["instance", "plan", "--output", "json"]);
        let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON and nothing else");
        let changes = plan["changes"].as_array().expect("a list");
        changes.iter().map(|change| (text(&change["attribute"]), text(&change["to"]))).collect()
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, arguments: &[&str], remedy: &str) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(remedy) && output.stdout.is_empty(), "expected {remedy:?} in {stderr:?}");
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What boto3 says: `expression` may use the clients `rds` and `ec2`.
#[track_caller]
pub(crate) fn boto3(expression: &str) -> Value {
    let script = format!(
        "import boto3, json\n\
         rds, ec2 = boto3.client('rds'), boto3.client('ec2')\n\
         print(json.dumps({expression}, default=str))"
    );
    let python = tool("python/bin/python").expect("Python");
    let mut command = Command::new(python);
    command.arg("-c").arg(script).envs(Moto::shared().environment()).env("AWS_DEFAULT_REGION", "eu-central-1");
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
