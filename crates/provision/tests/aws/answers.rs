//! An AWS whose answers a test chooses, where moto has none like them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use tempfile::NamedTempFile;

/// The longest wait for a command: it only ends a test that hangs.
const HANG_LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

/// Status and body of an answer.
pub(crate) type Answer = (u16, String);

/// A server of AWS, and a declaration. It ends with the process.
pub(crate) struct Answers {
    port: u16,
    declaration: NamedTempFile,
}

impl Answers {
    /// Answers each request by its operation, such as `DescribeDBInstances`.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                // The client sees a closed connection, and the test another error.
                thread::spawn(move || serve(&client, answer.as_ref()));
            }
        });
        let declaration = NamedTempFile::new().expect("a file");
        std::fs::write(declaration.path(), "identifier = \"users-db\"\n[tags]\na = \"b\"\n").expect("it is writable");
        Self { port, declaration }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        command.envs([("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")]);
        command.env("AWS_MAX_ATTEMPTS", "1").arg("--config").arg(self.declaration.path());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command to its end. One that waits for another status is ended once it has reported the first.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut process = self.command(arguments).spawn().expect("provision starts");
        let waits = arguments.contains(&"wait") || arguments.contains(&"snapshot") && !arguments.contains(&"--no-wait");
        if !waits {
            return ended(process);
        }
        let mut stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut line = Vec::new();
        stderr.read_until(b'\n', &mut line).expect("a pipe");
        let is_progress = !line.starts_with(b"error: ");
        if is_progress {
            process.kill().expect("it runs");
        }
        stderr.read_to_end(&mut line).expect("a pipe");
        let output = process.wait_with_output().expect("it ends");
        Output { stderr: line, ..output }
    }
}

/// The command's output, once it has ended by itself.
fn ended(process: Child) -> Output {
    let id = process.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || sender.send(process.wait_with_output()));
    let output = receiver.recv_timeout(HANG_LIMIT).unwrap_or_else(|_| panic!("the process {id} does not end"));
    output.expect("its output can be read")
}

/// Answers one request, and closes the connection.
fn serve(client: &TcpStream, answer: &dyn Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut length, mut operation) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            // "GET /2015-03-31/functions/users/policy HTTP/1.1": all that names an operation of Lambda.
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut operation);
            continue;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            // Secrets Manager's protocol names it here, and the others' in the body.
            "x-amz-target" => value.rsplit('.').next().unwrap_or_default().clone_into(&mut operation),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    if let Some(action) = body.split('&').find_map(|field| field.strip_prefix("Action=")) {
        action.clone_into(&mut operation);
    }
    let (status, text) = answer(&operation);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
    let mut client = client;
    client.write_all(head.as_bytes())?;
    client.write_all(text.as_bytes())
}

/// Each command that reads what AWS answers, ready to run without a question.
pub(crate) const COMMANDS: [&[&str]; 31] = [
    &["instance", "plan"],
    &["instance", "apply", "--yes", "--no-wait"],
    &["instance", "status"],
    &["instance", "wait"],
    &["instance", "start", "--no-wait"],
    &["instance", "stop", "--yes", "--no-wait"],
    &["instance", "snapshot", "--no-wait"],
    &["instance", "snapshots"],
    &["instance", "reboot", "--yes", "--no-wait"],
    &["instance", "restore", "--snapshot", "before", "--yes", "--no-wait"],
    &["instance", "restore", "--latest", "--source", "other", "--yes", "--no-wait"],
    &["instance", "upgrade", "--check"],
    &["instance", "upgrade", "--yes", "--no-wait"],
    &["instance", "rotate-password", "--yes", "--no-wait"],
    &["instance", "delete", "--yes", "--no-wait"],
    &["instance", "delete", "--yes", "--no-wait", "--unprotect", "--skip-snapshot"],
    &["access", "list"],
    &["access", "allow", "--cidr", "192.0.2.1", "--user", "ada"],
    &["access", "allow", "--cidr", "192.0.2.1", "--user", "ada", "--rule-id", "sgr-1"],
    &["access", "allow", "--from-group", "sg-2", "--user", "ada"],
    &["access", "revoke", "--user", "ada"],
    &["access", "revoke", "--expired"],
    &["db", "url", "--prod"],
    &["db", "drop", "--prod", "--confirm", "users-db"],
    &["users", "list", "--prod"],
    &["trigger", "show", "--pool", "eu-central-1_A", "--function", "users"],
    &["trigger", "attach", "--pool", "eu-central-1_A", "--function", "users", "--heal", "pre-token", "--yes"],
    &["trigger", "detach", "--pool", "eu-central-1_A", "--function", "users", "--yes"],
    &["queue", "show", "--queue", "spill", "--dead-letters", "dead"],
    &["queue", "replay", "--queue", "spill", "--dead-letters", "dead", "--all"],
    &["queue", "drop", "--queue", "spill", "--dead-letters", "dead", "--all", "--yes"],
];

/// Whether the operation has a protocol of JSON. One of Lambda is named by its path.
pub(crate) fn is_json(operation: &str) -> bool {
    ["Secret", "UserPool", "/functions/", "Queue", "Message"].iter().any(|part| operation.contains(part))
}

#[test]
fn every_command_of_the_groups_that_ask_aws_is_tried() {
    let root = provision::command();
    for group in ["instance", "access", "trigger", "queue"] {
        for command in root.find_subcommand(group).expect("a group").get_subcommands() {
            let words = [group, command.get_name()];
            assert!(COMMANDS.iter().any(|tried| tried.starts_with(&words)), "expected {words:?} in COMMANDS");
        }
    }
}
