//! A function's process, and what the kernel knows of it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::candidate::Candidate;
use crate::runtime::{Answer, Runtime};

/// How much of a log is shown when its function fails.
const LOG_LINES: usize = 20;

/// How long a process must have done nothing to be idle.
const STILL: Duration = Duration::from_millis(30);

/// A process with a Runtime API of its own; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    runtime: Runtime,
    child: Child,
    started: Instant,
    log: NamedTempFile,
}

impl Process {
    /// Starts the candidate with this environment and Lambda's own and with this time limit, in the control group of these
    /// `processes` if there are.
    pub(crate) fn start(
        candidate: &Candidate,
        environment: &[(&'static str, String)],
        time_limit: Duration,
        processes: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let runtime = Runtime::start(time_limit)?;
        let log = NamedTempFile::new()?;
        let mut command = match processes {
            None => Command::new(&candidate.program),
            Some(processes) => {
                // A process that joins by itself: the first instruction of the function is within its share already.
                let mut command = Command::new("/bin/sh");
                command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]).arg(processes).arg(&candidate.program);
                command
            }
        };
        command
            .args(&candidate.arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "post-confirmation")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(candidate.environment.iter().map(|(name, value)| (name, value)))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::from(File::create(log.path())?))
            .stderr(Stdio::from(File::options().append(true).open(log.path())?));
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", candidate.program.display()))?;
        Ok(Self { runtime, child, started, log })
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Sends the event, and waits for the answer, which must be no error.
    pub(crate) fn invoke(&mut self, event: String) -> anyhow::Result<Answer> {
        let answer = self.call(event)?;
        answer.body().with_context(|| self.end_of_log())?;
        Ok(answer)
    }

    /// Sends the event, and waits for the answer, which may be an error.
    pub(crate) fn call(&mut self, event: String) -> anyhow::Result<Answer> {
        self.runtime.send(event);
        self.runtime.receive().with_context(|| self.end_of_log())
    }

    /// Waits until it has asked for its next event.
    pub(crate) fn until_asked(&mut self) -> anyhow::Result<()> {
        self.runtime.until_asked().with_context(|| self.end_of_log())
    }

    /// Waits until it has asked for its next event, and then until none of its threads does anything but wait.
    pub(crate) fn until_idle(&mut self) -> anyhow::Result<()> {
        self.until_asked()?;
        let mut before = None;
        loop {
            let now = Some(self.cpu_time()?).filter(|_| self.is_asleep());
            if now.is_some() && now == before {
                return Ok(());
            }
            before = now;
            thread::sleep(STILL);
        }
    }

    /// Ends it with a signal that it does not handle, and waits for its end.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.signal(Signal::USR1)?;
        self.child.wait()?;
        Ok(())
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.log.path())?)
    }

    /// How it has ended, and what it has written last.
    pub(crate) fn end_of_log(&mut self) -> String {
        let log = self.log().unwrap_or_default();
        let ended = self.child.try_wait().ok().flatten();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        format!("ended: {ended:?}; the end of its log:\n{end}")
    }

    /// Whether all of its threads sleep.
    fn is_asleep(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return false };
        threads.flatten().all(|thread| {
            let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The name before it may have parentheses itself.
            state.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('S'))
        })
    }

    /// Freezes it, as Lambda does between two invocations.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Continues it.
    pub(crate) fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, as Lambda does.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The time that its threads have spent on a CPU, in user mode and in the kernel, of those that have ended as well.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let process = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        Ok(nix::time::clock_getcpuclockid(process)?.now()?.into())
    }

    /// The largest amount of memory it has had, in KiB.
    pub(crate) fn peak_kibibytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak in /proc")?;
        Ok(peak.trim_end_matches("kB").trim().parse()?)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(id) = Pid::from_raw(self.child.id().cast_signed()) else { bail!("no process") };
        Ok(kill_process(id, signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs none.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
