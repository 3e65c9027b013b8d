//! AWS's session-manager-plugin, which carries the bytes.
//!
//! How the AWS CLI calls it:
//! <https://github.com/aws/aws-cli/blob/develop/awscli/customizations/sessionmanager.py>. It listens on `localhost`, which
//! Go's `net.Listen` takes for an IPv4 address where there is one:
//! <https://github.com/aws/session-manager-plugin/blob/mainline/src/sessionmanagerplugin/session/portsession/muxportforwarding.go>

use std::io::{self, ErrorKind};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::NEAR_END;
use crate::aws::Aws;
use crate::aws::ssm::{Forwarding, Session};
use crate::cli::Context;
use crate::error::Problem;
use crate::interrupt::signal;
use crate::prompt::progress;

const NAME: &str = "session-manager-plugin";

/// The variable that the plugin takes the session from, and removes.
const VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";

/// The first version that takes the session from a variable. An older one takes it from its command line, where other users
/// of the machine could read the token.
/// <https://github.com/aws/session-manager-plugin/blob/mainline/RELEASENOTES.md>
const FIRST: [u32; 3] = [1, 2, 536];

const INSTALL: &str = "install it (https://docs.aws.amazon.com/systems-manager/latest/userguide/\
                       session-manager-working-with-install-plugin.html), or let the operator's function run the command in \
                       the VPC, with `provision --in-vpc`";

/// The longest wait until the database answers through the tunnel.
const OPENING: Duration = Duration::from_secs(30);

/// The pause before the plugin's port is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// The time in which the plugin may end by itself: it has a file to delete.
const ENDING: Duration = Duration::from_secs(3);

/// `SSLRequest`: its length, 8, and a number that no protocol version has. A server answers it with one byte.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What the plugin writes that its reader must know: what it forwards to cannot be reached.
const UNREACHABLE: &str = "Connection to destination port failed";

/// The plugin at work. It is killed where this is dropped.
#[derive(Debug)]
pub(super) struct Plugin {
    child: Child,
    /// The last line that it has written.
    last: Arc<Mutex<String>>,
}

/// Fails if there is no plugin, or one that is too old.
pub(super) async fn ensure_installed() -> anyhow::Result<()> {
    let output = Command::new(NAME).arg("--version").stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Problem::new(format!("{NAME} is not installed"), INSTALL),
        _ => Problem::new(format!("cannot run {NAME}"), INSTALL).because(error),
    })?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    ensure!(
        numbers.as_slice() >= FIRST.as_slice(),
        Problem::new(
            format!("this {NAME} would show the session's token on its command line, or tells no version"),
            format!("replace it by version 1.2.536.0 or a newer one: {INSTALL}")
        )
    );
    Ok(())
}

impl Plugin {
    /// Starts it on the session.
    pub(super) fn start(
        context: &Context,
        aws: &Aws,
        forwarding: &Forwarding,
        session: &Session,
    ) -> anyhow::Result<Self> {
        let Session { id, token, stream_url, endpoint } = session;
        let response = json!({"SessionId": id, "TokenValue": token.expose_secret(), "StreamUrl": stream_url});
        let mut command = Command::new(NAME);
        command.args([
            VARIABLE,
            &aws.region().unwrap_or_default(),
            "StartSession",
            context.profile().unwrap_or_default(),
        ]);
        command.args([&forwarding.request().to_string(), endpoint]).env(VARIABLE, response.to_string());
        // Of its own group, so that Ctrl-C in psql does not end the tunnel.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot run {NAME}"))?;
        let last = Arc::default();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(read(stdout, token.clone(), Arc::clone(&last)));
            tokio::spawn(read(stderr, token.clone(), Arc::clone(&last)));
        }
        Ok(Self { child, last })
    }

    /// Returns when the database answers through the tunnel.
    pub(super) async fn wait_until_open(&mut self, forwarding: &Forwarding, through: &str) -> anyhow::Result<()> {
        let Forwarding { host, port, local_port, .. } = forwarding;
        let answered = tokio::select! {
            error = self.ended() => return Err(error),
            answered = timeout(OPENING, answer(*local_port)) => answered,
        };
        let error = match answered {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => anyhow::Error::from(error),
            Err(_) => anyhow::anyhow!("no answer within {} s", OPENING.as_secs()),
        };
        let remedy = "let the security groups and network ACLs of both allow TCP to that port, or name another one with \
                      --through";
        bail!(Problem::new(format!("{host}:{port} does not answer through {through}"), remedy).because(error))
    }

    /// The error that it is, when the plugin has ended.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        let ended = self.child.wait().await;
        // What it has written last is read by another task.
        sleep(PAUSE).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let problem = Problem::new(format!("{NAME} has ended, and the tunnel with it"), "open the tunnel again");
        match ended {
            Ok(_) if !last.is_empty() => problem.because(last).into(),
            Ok(status) => problem.because(status.to_string()).into(),
            Err(error) => problem.because(error).into(),
        }
    }

    /// Ends it.
    pub(super) async fn end(mut self) {
        // It does not listen to SIGTERM.
        signal(&self.child, Signal::INT);
        if timeout(ENDING, self.child.wait()).await.is_err() {
            // One that cannot be killed has ended.
            let _ = self.child.kill().await;
        }
    }
}

/// Keeps the last line, and passes on that nothing is reached.
async fn read(output: impl AsyncRead + Unpin, token: SecretString, last: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = line.trim();
        if line.is_empty() || line.contains(token.expose_secret()) {
            continue;
        }
        if line.contains(UNREACHABLE) {
            progress(line);
        }
        line.clone_into(&mut last.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Returns when the database has answered at this port of this machine.
async fn answer(port: u16) -> io::Result<()> {
    let mut stream = loop {
        match TcpStream::connect((NEAR_END, port)).await {
            Ok(stream) => break stream,
            Err(_) => sleep(PAUSE).await,
        }
    };
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await?;
    Ok(())
}
