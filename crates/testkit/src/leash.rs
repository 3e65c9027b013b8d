//! Processes that end with this one.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};

/// Runs a shell command when it is dropped, or when this process ends in any way, even by SIGKILL.
///
/// A waiting shell holds the other end of a pipe, which closes with this process, whatever happens.
#[derive(Debug)]
pub struct Leash {
    shell: Child,
    child: Option<Child>,
}

impl Leash {
    /// Keeps the shell command for the end; its `$1`, `$2`, … are the `arguments`.
    pub fn new(command: &str, arguments: &[&str]) -> io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", &format!("cat; {command}"), "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal ends this process; the shell must outlive it.
            .process_group(0)
            .spawn()?;
        Ok(Self { shell, child: None })
    }

    /// Starts `command` in a process group of its own and ends the whole group with SIGTERM.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let mut leash = Self::new("kill -s TERM -- \"-$1\"", &[&child.id().to_string()])?;
        leash.child = Some(child);
        Ok(leash)
    }

    /// The standard error of what [`Self::spawn`] has started, if it is a pipe.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.as_mut()?.stderr.take()
    }

    /// Whether what [`Self::spawn`] has started has ended by itself.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => false,
        })
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Nothing can be done here about a process that cannot be waited for.
        let _ = self.shell.wait();
        let _ = self.child.as_mut().map(Child::wait);
    }
}
