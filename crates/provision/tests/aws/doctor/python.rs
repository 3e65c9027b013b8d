//! The process in which all tests run Python.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;
use testkit::tool;

/// The process: it ends when its standard input does, with this one.
struct Python {
    _process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut command = Command::new(tool("python/bin/python").expect("Python"));
        command.arg("-c").arg(include_str!("deployment.py"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let requests = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { _process: process, requests, answers }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("Python reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("Python answers");
        serde_json::from_str(&answer).expect("JSON, unless the script prints")
    }
}

/// What the request's script leaves in `result`.
#[track_caller]
pub(crate) fn run(request: &Value) -> Value {
    static PYTHON: LazyLock<Mutex<Python>> = LazyLock::new(|| Mutex::new(Python::start()));
    let mut answer = PYTHON.lock().unwrap_or_else(PoisonError::into_inner).ask(request);
    assert!(answer["error"].is_null(), "{}", answer["error"].as_str().unwrap_or_default());
    answer["result"].take()
}
