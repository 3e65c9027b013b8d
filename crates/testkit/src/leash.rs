//! What must be stopped is stopped, however this process ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Runs a shell command when it is dropped, or when this process ends in any way, even by SIGKILL.
///
/// A waiting shell holds the other end of a pipe: that closes with us, whatever happens.
#[derive(Debug)]
pub struct Leash {
    shell: Child,
    child: Option<Child>,
}

impl Leash {
    /// Keeps `command`, with `$1`, `$2`, … standing for `arguments`, for the end.
    pub fn new(command: &str, arguments: &[&str]) -> io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", &format!("cat; {command}"), "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is for us; the shell must outlive it.
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
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Nothing can be done here about a process that cannot be waited for.
        let _ = self.shell.wait();
        let _ = self.child.as_mut().map(Child::wait);
    }
}
