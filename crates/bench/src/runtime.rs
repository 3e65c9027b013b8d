//! The Lambda Runtime API of one process, which notes when it hands an event over and when the answer is there.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};

use crate::http::{self, Request};

/// The function's own time limit in Lambda: a second more than Cognito waits for an answer.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(6);

/// No answer takes longer, whatever its process's share of a CPU: a replay may take a minute.
const HANG_LIMIT: Duration = Duration::from_mins(2);

/// A Runtime API for one process.
#[derive(Debug)]
pub(crate) struct Runtime {
    address: SocketAddr,
    shared: Arc<Shared>,
    answers: Receiver<Answer>,
}

/// One invocation.
#[derive(Debug)]
pub(crate) struct Answer {
    /// When the event was handed over.
    pub(crate) sent: Instant,
    /// When the whole answer had arrived.
    pub(crate) received: Instant,
    /// Its body.
    body: Vec<u8>,
    is_error: bool,
}

#[derive(Debug)]
struct Shared {
    /// The function's own, from the hand-over of an event on.
    time_limit: Duration,
    state: Mutex<State>,
    /// There is an event, or the run is over.
    sent: Condvar,
    /// The function has asked for an event.
    asked: Condvar,
    /// The run is over. An event that woke the extension would not wake the function.
    over: Condvar,
    answers: Sender<Answer>,
}

#[derive(Debug, Default)]
struct State {
    event: Option<String>,
    /// The function has asked for an event, and there was none yet.
    is_waiting: bool,
    sent: Option<Instant>,
    invocations: u64,
    is_over: bool,
}

impl Runtime {
    /// Listens on a free port of 127.0.0.1, for a function with this time limit.
    pub(crate) fn start(time_limit: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sender, answers) = mpsc::channel();
        let (state, [sent, asked, over]) = (Mutex::default(), [const { Condvar::new() }; 3]);
        let shared = Arc::new(Shared { time_limit, state, sent, asked, over, answers: sender });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.lock().is_over {
                    return;
                }
                let serving = Arc::clone(&serving);
                // A process that is killed leaves a broken connection behind: no reason to fail.
                thread::spawn(move || serving.serve(stream));
            }
        });
        Ok(Self { address, shared, answers })
    }

    /// The value for `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the process have an event, now or once it asks for one.
    pub(crate) fn send(&self, event: String) {
        self.shared.lock().event = Some(event);
        self.shared.sent.notify_one();
    }

    /// Waits until the function asks for an event that it does not have yet.
    pub(crate) fn until_asked(&self) -> anyhow::Result<()> {
        let waiting = self.shared.asked.wait_timeout_while(self.shared.lock(), HANG_LIMIT, |state| !state.is_waiting);
        let (state, _) = waiting.expect("no panic while it is locked");
        ensure!(state.is_waiting, "the function asks for no event");
        Ok(())
    }

    /// Waits for the answer, which may be an error.
    pub(crate) fn receive(&self) -> anyhow::Result<Answer> {
        self.answers.recv_timeout(HANG_LIMIT).context("the function gives no answer")
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.sent.notify_all();
        self.shared.over.notify_all();
        // Ends the thread that accepts connections.
        let _ = TcpStream::connect(self.address);
    }
}

impl Answer {
    /// The time from the event to the answer.
    pub(crate) fn taken(&self) -> Duration {
        self.received - self.sent
    }

    /// The body, unless it is an error.
    pub(crate) fn body(&self) -> anyhow::Result<&[u8]> {
        match self.error() {
            Some(error) => bail!("the function fails: {}", String::from_utf8_lossy(error)),
            None => Ok(&self.body),
        }
    }

    /// The error, if it is one.
    pub(crate) fn error(&self) -> Option<&[u8]> {
        self.is_error.then_some(&self.body)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is locked")
    }

    fn serve(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut requests = BufReader::new(stream.try_clone()?);
        while let Some(Request { method, path, body, .. }) = http::read(&mut requests)? {
            let received = Instant::now();
            let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            match (method.as_str(), parts.as_slice()) {
                ("GET", [_, "runtime", "invocation", "next"]) => self.hand_over(&mut stream)?,
                ("POST", [_, "runtime", "invocation", _, outcome]) => {
                    self.settle(received, body, *outcome == "error");
                    http::answer(&mut stream, "202 Accepted", "", "")?;
                }
                ("POST", [_, "runtime", "init", "error"]) => {
                    self.settle(received, body, true);
                    http::answer(&mut stream, "202 Accepted", "", "")?;
                }
                ("POST", [_, "extension", "register"]) => {
                    let identifier = "lambda-extension-identifier: extension\r\n";
                    let function = r#"{"functionName": "f", "functionVersion": "1", "handler": "h"}"#;
                    http::answer(&mut stream, "200 OK", identifier, function)?;
                }
                // An extension that registers for no event waits for ever.
                ("GET", [_, "extension", "event", "next"]) => drop(self.until(&self.over, |state| state.is_over)),
                _ => http::answer(&mut stream, "404 Not Found", "", "")?,
            }
        }
        Ok(())
    }

    fn until(&self, changed: &Condvar, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        changed.wait_while(self.lock(), |state| !condition(state)).expect("no panic while it is locked")
    }

    /// Waits for an event, and answers with it.
    fn hand_over(&self, stream: &mut TcpStream) -> anyhow::Result<()> {
        let mut state = self.lock();
        state.is_waiting = state.event.is_none();
        drop(state);
        self.asked.notify_all();
        let mut state = self.until(&self.sent, |state| state.event.is_some() || state.is_over);
        let Some(event) = state.event.take() else { bail!("the run is over") };
        state.is_waiting = false;
        state.invocations += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", state.invocations);
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + self.time_limit;
        let headers = format!(
            "content-type: application/json\r\nlambda-runtime-aws-request-id: {id}\r\n\
             lambda-runtime-deadline-ms: {}\r\nlambda-runtime-invoked-function-arn: \
             arn:aws:lambda:eu-central-1:123456789012:function:post-confirmation\r\n\
             lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n",
            deadline.as_millis(),
        );
        // Before the answer can be there.
        state.sent = Some(Instant::now());
        drop(state);
        Ok(http::answer(stream, "200 OK", &headers, &event)?)
    }

    fn settle(&self, received: Instant, body: Vec<u8>, is_error: bool) {
        let sent = self.lock().sent.unwrap_or(received);
        // Nobody waits any more once the run is over.
        let _ = self.answers.send(Answer { sent, received, body, is_error });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn an_event_that_waits_is_handed_over_and_its_answer_timed() {
        let runtime = Runtime::start(TIME_LIMIT).expect("a Runtime API");
        runtime.send(r#"{"version": "1"}"#.to_owned());
        let mut client = TcpStream::connect(runtime.address()).expect("it listens");
        client.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n").expect("it reads");
        let mut head = [0; 12];
        client.read_exact(&mut head).expect("an event");
        assert_eq!(&head, b"HTTP/1.1 200");
        let answer = "POST /2018-06-01/runtime/invocation/id/response HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
        client.write_all(answer.as_bytes()).expect("it reads");
        let answer = runtime.receive().expect("an answer");
        assert!(answer.sent <= answer.received);
    }

    #[test]
    fn a_function_that_asks_for_an_event_before_there_is_one_is_waited_for() {
        let runtime = Runtime::start(TIME_LIMIT).expect("a Runtime API");
        let mut client = TcpStream::connect(runtime.address()).expect("it listens");
        client.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n").expect("it reads");
        runtime.until_asked().expect("it asks");
        runtime.send("{}".to_owned());
        client.read_exact(&mut [0; 12]).expect("an event");
        assert!(!runtime.shared.lock().is_waiting, "it has the event");
    }

    #[test]
    fn an_error_of_the_function_is_no_answer() {
        let runtime = Runtime::start(TIME_LIMIT).expect("a Runtime API");
        let mut client = TcpStream::connect(runtime.address()).expect("it listens");
        let error = "POST /2018-06-01/runtime/invocation/id/error HTTP/1.1\r\ncontent-length: 4\r\n\r\nlost";
        client.write_all(error.as_bytes()).expect("it reads");
        let answer = runtime.receive().expect("an answer");
        assert_eq!(answer.error(), Some(&b"lost"[..]));
        assert_eq!(answer.body().expect_err("an error").to_string(), "the function fails: lost");
    }
}
