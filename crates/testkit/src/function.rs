//! A Lambda function's binary, run as Lambda runs it.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{HANG_LIMIT, Invocation, RuntimeApi, Streamed};

/// A function's process with a Runtime API of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Function {
    api: RuntimeApi,
    log: Arc<Log>,
    process: Child,
    inspect: fn(&str),
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: tokio::sync::Notify,
}

impl Function {
    /// Starts `binary` with these variables and Lambda's own, without this process' environment.
    pub async fn start(binary: &str, environment: &[(&str, String)]) -> anyhow::Result<Self> {
        Self::start_on(RuntimeApi::start().await?, binary, environment)
    }

    /// The same on a Runtime API of its own kind.
    pub fn start_on(api: RuntimeApi, binary: &str, environment: &[(&str, impl AsRef<OsStr>)]) -> anyhow::Result<Self> {
        let mut process = Command::new(binary)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "post-confirmation")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {binary}"))?;
        let log = Arc::new(Log::default());
        tokio::spawn(Arc::clone(&log).collect(process.stdout.take().context("standard output is a pipe")?));
        tokio::spawn(Arc::clone(&log).collect(process.stderr.take().context("standard error is a pipe")?));
        Ok(Self { api, log, process, inspect: |_| {} })
    }

    /// Passes each log line to `inspect` in the end, which panics at a line that is wrong.
    #[must_use]
    pub fn inspected_by(mut self, inspect: fn(&str)) -> Self {
        self.inspect = inspect;
        self
    }

    /// Waits until the function has asked for an event, which it does once it is ready.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        timeout(HANG_LIMIT, self.api.until_asked())
            .await
            .with_context(|| format!("the function asks for no event; its log:\n{}", self.log()))
    }

    /// Sends the event to the function and waits for its answer.
    pub async fn invoke(&self, event: &str) -> anyhow::Result<Invocation> {
        self.answer(self.api.invoke(event)).await
    }

    /// Invokes the function with a deadline this long from now, or with one in the past, which stands for none.
    pub async fn invoke_within(&self, event: &str, limit: Option<Duration>) -> anyhow::Result<Invocation> {
        self.answer(self.api.invoke_within(event, limit)).await
    }

    /// Invokes the function for an answer that comes while it works.
    pub fn invoke_streaming(&self, event: &str, limit: Duration) -> anyhow::Result<Streamed> {
        self.api.invoke_streaming(event, limit)
    }

    async fn answer(&self, answer: impl Future<Output = anyhow::Result<Invocation>>) -> anyhow::Result<Invocation> {
        let answer = timeout(HANG_LIMIT, answer).await.context("the function hangs").flatten();
        answer.with_context(|| format!("the function gave no answer; its log:\n{}", self.log()))
    }

    /// Freezes the process, as Lambda does between two invocations.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    /// Continues a frozen process.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    /// Ends the process as Lambda does, with SIGTERM, and waits for it.
    pub async fn end(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        Ok(timeout(HANG_LIMIT, self.process.wait()).await.context("the function outlives SIGTERM")??)
    }

    /// How many bytes the process has read, from files and sockets.
    pub fn bytes_read(&self) -> anyhow::Result<u64> {
        self.figure("io", "rchar:")
    }

    /// The largest amount of memory the process has had, in KiB.
    pub fn peak_kibibytes(&self) -> anyhow::Result<u64> {
        self.figure("status", "VmHWM:")
    }

    /// A number that the kernel keeps of the process.
    fn figure(&self, file: &str, name: &str) -> anyhow::Result<u64> {
        let id = self.process.id().context("the function has ended")?;
        let figures = std::fs::read_to_string(format!("/proc/{id}/{file}"))?;
        let figure = figures.lines().find_map(|line| line.strip_prefix(name)).context("no such figure in /proc")?;
        Ok(figure.trim_end_matches("kB").trim().parse()?)
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.process.id().context("the function has ended")?;
        let sent = std::process::Command::new("kill").args(["-s", signal, &id.to_string()]).status()?;
        ensure!(sent.success(), "cannot send SIG{signal} to the function");
        Ok(())
    }

    /// Everything the function has written so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().expect("no panic while it is locked").join("\n")
    }

    /// The first log line, written or still to come, that is JSON and has `field` with this value, in which
    /// JSON escapes nothing.
    pub async fn log_line(&self, field: &str, value: &str) -> anyhow::Result<Value> {
        let found = async {
            loop {
                let grown = self.log.grown.notified();
                match self.log.find(field, value) {
                    Some(line) => break line,
                    None => grown.await,
                }
            }
        };
        timeout(HANG_LIMIT, found)
            .await
            .with_context(|| format!("no line in the log has {field} {value:?}; the log:\n{}", self.log()))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // A test that fails already says why.
        if !std::thread::panicking() {
            self.log().lines().for_each(self.inspect);
        }
    }
}

impl Log {
    fn find(&self, field: &str, value: &str) -> Option<Value> {
        let lines = self.lines.lock().expect("no panic while it is locked");
        // Only the few lines that mention the value are parsed: a log can have thousands.
        let mentioning = lines.iter().filter(|line| line.contains(value));
        mentioning.filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line[field] == value)
    }

    async fn collect(self: Arc<Self>, stream: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.lines.lock().expect("no panic while it is locked").push(line);
            self.grown.notify_one();
        }
    }
}
