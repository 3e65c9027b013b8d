//! docs/getting-started.md, command by command: from nothing to the first row, and back to nothing.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::json;
use testkit::{Moto, Rds};

use crate::stack::{HOST, Stack, python, top};

/// A command of the document, and the exit statuses that are right there.
struct Step {
    command: String,
    statuses: &'static [i32],
}

/// The commands of the blocks that begin with `sh`, in order.
fn steps() -> Vec<Step> {
    let text = fs::read_to_string(top().join("docs/getting-started.md")).expect("the document");
    let blocks = text.split("\n```sh\n").skip(1).map(|block| block.split("\n```").next().expect("an end"));
    let step = |command: &str| {
        // A check that finds something.
        let statuses: &[i32] = if command.ends_with("plan") || command.ends_with("--dry-run") { &[0, 3] } else { &[0] };
        Step { command: command.to_owned(), statuses }
    };
    blocks.flat_map(str::lines).map(step).collect()
}

/// An account with a user pool, and everything that the document's reader has.
struct Reader {
    stack: Stack,
    rds: Rds,
    configuration: String,
    declaration: String,
}

impl Reader {
    async fn new() -> Self {
        let moto = Moto::shared();
        let rds = Rds::before(moto).expect("a server");
        let pool = python(
            &rds.environment(),
            "boto3.client('cognito-idp').create_user_pool(PoolName='users')['UserPool']['Id']",
        );
        let stack = Stack::before_deployment(pool.as_str().expect("an id"), None).await;
        let directory = stack.template().with_file_name("");
        let declaration = directory.join("rds.toml");
        let lines = format!(
            "identifier = \"users-db\"\ndatabase = \"{}\"\nport = {}\n",
            stack.database.name, stack.database.port
        );
        fs::write(&declaration, lines).expect("a file");
        let configuration = directory.join("samconfig.toml");
        let reader = Self {
            stack,
            rds,
            configuration: configuration.to_string_lossy().into_owned(),
            declaration: declaration.to_string_lossy().into_owned(),
        };
        reader.configure("30");
        reader
    }

    /// Writes the parameters, as the document says.
    fn configure(&self, retention: &str) {
        let example = fs::read_to_string(top().join("infra/samconfig.example.toml")).expect("the example");
        let table = "[default.deploy.parameters.parameter_overrides]\n";
        let (before, _) = example.split_once(table).expect("the parameters");
        let mut text = format!("{before}{table}LogRetentionDays = {retention:?}\n");
        for (name, value) in self.stack.parameters() {
            writeln!(text, "{name} = {value:?}").expect("a text grows");
        }
        fs::write(&self.configuration, text).expect("a file");
    }

    /// The document's command, as a process in the checkout.
    fn command(&self, line: &str) -> Command {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = match words[..] {
            ["provision", ref arguments @ ..] => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
                command.args(["--config", &self.declaration]).args(arguments);
                if arguments.contains(&"delete") {
                    command.arg("--unprotect");
                }
                command.arg("--yes");
                command
            }
            // It takes minutes, and has made what is deployed here.
            ["make", "build", ref arguments @ ..] => {
                let mut command = Command::new("make");
                command.args(["--dry-run", "build"]).args(arguments);
                command
            }
            ["make", target, ref arguments @ ..] => {
                let mut command = Command::new("make");
                command.arg(target);
                if target != "tools" {
                    let given = arguments.first().map_or("", |argument| argument.trim_start_matches("ARGS="));
                    let template = self.stack.template();
                    let settings = format!(
                        "ARGS={given} --yes --no-build --no-doctor --declaration {} --config {} --template {}",
                        self.declaration,
                        self.configuration,
                        template.display()
                    );
                    command.arg(settings);
                }
                command
            }
            _ => panic!("no test runs this command: {line}"),
        };
        let [(_, ours), ..] = self.rds.environment();
        command.current_dir(top()).stdin(Stdio::null()).envs(self.stack.environment());
        for service in ["RDS", "EC2", "COGNITO_IDENTITY_PROVIDER"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), &ours);
        }
        command.env("PROVISION", env!("CARGO_BIN_EXE_provision")).env("USER_POOL_ID", self.stack.pool());
        command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
        command
    }

    /// Starts the command, and interrupts it as Ctrl-C would as soon as it has written its first line.
    fn interrupt(&self, line: &str) {
        let mut command = self.command(line);
        let command = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let mut written = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut first = String::new();
        written.read_line(&mut first).expect("UTF-8");
        let group = format!("-{}", process.id());
        // It may have ended already.
        let _ = Command::new("kill").args(["-s", "INT", "--", &group]).stderr(Stdio::null()).status();
        let _ = std::io::copy(&mut written, &mut std::io::sink());
        process.wait().expect("it ends");
    }
}

#[tokio::test]
async fn the_document_leads_from_nothing_to_the_first_row_and_back_also_when_each_step_is_interrupted() {
    let reader = Reader::new().await;
    let retention = || {
        let stack =
            "boto3.client('cloudformation').describe_stacks(StackName='post-confirmation')['Stacks'][0]['Parameters']";
        let expression = format!("{{p['ParameterKey']: p['ParameterValue'] for p in {stack}}}['LogRetentionDays']");
        reader.stack.python(&expression)
    };
    let mut deployments = 0;
    for Step { command, statuses } in steps() {
        if command == "make deploy" {
            deployments += 1;
            if deployments == 2 {
                // A release that differs.
                reader.configure("60");
            }
        }
        reader.interrupt(&command);
        let output = reader.command(&command).output().expect("it starts");
        let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let status = output.status.code().expect("it ends by itself");
        // Interrupted, it may have been deleted all the same.
        let is_gone = command == "provision instance delete" && error.contains("there is no DB instance users-db");
        assert!(is_gone || statuses.contains(&status), "`{command}` ended with {status}:\n{out}\n{error}");
        match &*command {
            "provision instance status" => assert!(out.contains(HOST), "{out}"),
            "make deploy" if deployments == 1 => {
                reader.stack.confirmed(&reader.stack.cognito(), "ada").await;
                reader.stack.until_rows(1).await;
            }
            "make deploy" => assert_eq!(retention(), "60", "the new release is deployed"),
            "make rollback" => assert_eq!(retention(), "30", "the former release is back"),
            "provision --in-vpc users list" => assert!(out.contains("ada"), "{out}"),
            _ => {}
        }
    }
    assert_eq!(deployments, 2, "the document deploys, and upgrades");
    assert_eq!(reader.stack.python("boto3.client('lambda').list_functions()['Functions']"), json!([]));
    assert_eq!(reader.stack.python("boto3.client('sqs').list_queues().get('QueueUrls', [])"), json!([]));
    let instances = python(&reader.rds.environment(), "boto3.client('rds').describe_db_instances()['DBInstances']");
    assert_eq!(instances, json!([]), "the DB instance is gone");
}
