//! The process in the operator's function that runs one command.

use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};

use super::invocation::{Invocation, VARIABLE};
use super::now;
use super::request::{Frame, Request};
use crate::interrupt::signal;
use crate::prompt::SIGNAL;

/// The longest that a function may run, which counts where Lambda names no deadline.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>
const LONGEST: Duration = Duration::from_mins(15);

/// How long before the deadline work stops that can go on later, at most: a statement that is under way may take a while.
const MARGIN: Duration = Duration::from_secs(20);

/// How much of a line is kept at most, until it is a part of its own.
const LONGEST_LINE: usize = 1024 * 1024;

/// When what is to end, before Lambda ends the whole function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Work that can go on later stops.
    stop: Duration,
    /// The process is asked to end.
    terminate: Duration,
    /// It is ended.
    kill: Duration,
}

impl Times {
    /// Until this deadline, in milliseconds since the Unix epoch. In one that is over, no deadline is known.
    pub(super) fn until(deadline: u64) -> Self {
        let left = Duration::from_millis(deadline).saturating_sub(now());
        let left = if left.is_zero() { LONGEST } else { left };
        let margin = MARGIN.min(left / 2);
        let before = |time| left.saturating_sub(time);
        Self { stop: before(margin), terminate: before(margin / 2), kill: before(margin / 4) }
    }
}

/// Runs the command, and sends each part of its answer but the exit status, which is returned.
pub(super) async fn run(request: &Request, times: Times, frames: &Sender<Frame>) -> anyhow::Result<u8> {
    let begun = Instant::now();
    let stop_at = u64::try_from((now() + times.stop).as_millis()).unwrap_or(u64::MAX);
    let invocation = Invocation { request: request.clone(), stop_at };
    let mut child = Command::new("/proc/self/exe")
        .args(&request.arguments)
        .env_remove("AWS_LAMBDA_RUNTIME_API")
        .env(VARIABLE, serde_json::to_string(&invocation)?)
        .envs(&request.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the command's process does not start")?;
    let stdout = child.stdout.take().context("standard output is a pipe")?;
    let stderr = child.stderr.take().context("standard error is a pipe")?;
    let mut reading = pin!(async {
        let of_stdout = |text| vec![Frame::Stdout(text)];
        tokio::join!(read(stdout, of_stdout, frames), read(stderr, of_stderr, frames)).1
    });
    let (mut is_terminated, mut is_killed) = (false, false);
    let goes_on_later = loop {
        tokio::select! {
            // Both pipes are closed: the process has ended, or is about to.
            goes_on_later = &mut reading => break goes_on_later,
            () = sleep_until(begun + times.terminate), if !is_terminated => {
                is_terminated = true;
                signal(&child, Signal::TERM);
            }
            () = sleep_until(begun + times.kill), if !is_killed => {
                is_killed = true;
                let _ = child.start_kill();
            }
        }
    };
    let status = child.wait().await?;
    // What has come to its end in spite of the signal is done.
    let is_done = matches!(status.code(), Some(0 | 3));
    if is_terminated && !is_done && !goes_on_later {
        // A caller that is gone hears nothing.
        let _ = frames.send(Frame::TimedOut).await;
    }
    if let (Some(signal), false) = (status.signal(), is_terminated) {
        let error = format!("error: signal {signal} has ended the command in the operator's function");
        let text = format!("{error}\nhint: give the function more memory, and run it again\n");
        let _ = frames.send(Frame::Stderr(text)).await;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Sends what the process writes, in whole lines. Returns whether the command goes on in another invocation.
async fn read(pipe: impl AsyncRead + Unpin, frames_of: impl Fn(String) -> Vec<Frame>, frames: &Sender<Frame>) -> bool {
    let mut reader = BufReader::with_capacity(64 * 1024, pipe);
    let mut waiting = Vec::new();
    let mut goes_on_later = false;
    loop {
        // A pipe that fails is closed.
        let bytes = reader.fill_buf().await.unwrap_or_default();
        let read = bytes.len();
        waiting.extend_from_slice(bytes);
        reader.consume(read);
        let whole = match waiting.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            // The end, or a line that is too long to wait for.
            None if read == 0 || waiting.len() > LONGEST_LINE => waiting.len(),
            None => 0,
        };
        if whole > 0 {
            let text: Vec<u8> = waiting.drain(..whole).collect();
            for frame in frames_of(String::from_utf8_lossy(&text).into_owned()) {
                goes_on_later |= matches!(frame, Frame::Again(_));
                // The command goes on without a caller: half of it could be worse.
                let _ = frames.send(frame).await;
            }
        } else if read == 0 {
            return goes_on_later;
        }
    }
}

/// The lines, and what the process says to the function in between: no other line begins with a control character.
fn of_stderr(text: String) -> Vec<Frame> {
    if !text.contains(SIGNAL) {
        return vec![Frame::Stderr(text)];
    }
    let of_line = |line: &str| {
        let signal = line.strip_prefix(SIGNAL).and_then(|signal| serde_json::from_str(signal).ok());
        signal.unwrap_or_else(|| Frame::Stderr(line.to_owned()))
    };
    text.split_inclusive('\n').map(of_line).collect()
}
