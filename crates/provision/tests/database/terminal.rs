//! `provision` at a terminal, where it can ask.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use testkit::tool;

/// Runs its arguments at a pseudo-terminal between its own standard input and output.
const BETWEEN_PIPES: &str = "import os, pty, sys, threading\n\
    pid, terminal = pty.fork()\n\
    if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
    def forward():\n\
    \x20   while typed := os.read(0, 1024): os.write(terminal, typed)\n\
    threading.Thread(target=forward, daemon=True).start()\n\
    try:\n\
    \x20   while seen := os.read(terminal, 1024): sys.stdout.buffer.write(seen); sys.stdout.buffer.flush()\n\
    except OSError: pass\n\
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";

/// A command at a terminal.
pub(crate) struct Terminal {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Terminal {
    /// Starts the command.
    pub(crate) fn start(command: &Command) -> Self {
        let mut python = Command::new(tool("python/bin/python").expect("Python"));
        python.args(["-c", BETWEEN_PIPES]).arg(command.get_program()).args(command.get_args());
        python.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = command.get_current_dir() {
            python.current_dir(directory);
        }
        let mut process = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let (input, output) = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        Self { process, input, output }
    }

    /// Waits for the question, and fails if the command ends without one.
    pub(crate) fn question(&mut self) -> String {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b" to confirm: ") {
            self.output.read_exact(&mut byte).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&seen)));
            seen.push(byte[0]);
        }
        String::from_utf8(seen).expect("UTF-8")
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.type_keys(&format!("{line}\n"));
    }

    /// Types these characters, such as Ctrl-C.
    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("the command reads");
    }

    /// Types the answer, and returns all that the command writes to its end.
    pub(crate) fn answer(mut self, answer: &str) -> String {
        self.type_line(answer);
        self.end().0
    }

    /// All that the command writes to its end, and its status.
    pub(crate) fn end(mut self) -> (String, Option<i32>) {
        let mut seen = String::new();
        self.output.read_to_string(&mut seen).expect("UTF-8");
        (seen, self.process.wait().expect("it ends").code())
    }
}
