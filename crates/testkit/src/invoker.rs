//! A stand-in for AWS Lambda's `InvokeWithResponseStream` before the process of one function.
//!
//! ```ignore
//! let lambda = Invoker::of("post-confirmation-operator", function)?;
//! lambda.limit_next(Duration::from_secs(8)); // the function's time limit in the next invocation
//! lambda.break_next(); // the connection is lost after the first part of the next answer
//! command.envs(lambda.environment());
//! ```
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::{Request, Response};
use serde_json::json;
use tokio::sync::mpsc;

use crate::policy::{Call, Check};
use crate::{Function, FunctionError, Streamed, server};

/// The account that the function lies in.
const ACCOUNT: &str = "123456789012";

/// A function's longest time limit.
const LONGEST: Duration = Duration::from_mins(15);

/// The stand-in. Clones share their state; it ends with the process.
#[derive(Clone, Debug)]
pub struct Invoker {
    state: Arc<Mutex<State>>,
    port: u16,
}

#[derive(Debug)]
struct State {
    name: String,
    function: Arc<Function>,
    payloads: Vec<String>,
    limits: VecDeque<Duration>,
    is_to_break: bool,
    refusal: Option<String>,
    next_refusals: VecDeque<String>,
}

/// An answer's bytes as they come, or its end in the middle.
struct Answer(mpsc::UnboundedReceiver<io::Result<Bytes>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

impl Invoker {
    /// Lambda with this function alone.
    pub fn of(name: &str, function: Arc<Function>) -> anyhow::Result<Self> {
        let (payloads, limits) = (Vec::new(), VecDeque::new());
        let (refusal, next_refusals) = (None, VecDeque::new());
        let name = name.to_owned();
        let state = State { name, function, payloads, limits, is_to_break: false, refusal, next_refusals };
        let state = Arc::new(Mutex::new(state));
        let of_server = Arc::clone(&state);
        let port = server::start(move |request| answer(Arc::clone(&of_server), request))?;
        Ok(Self { state, port })
    }

    /// The variables that lead an AWS SDK to the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        server::environment(self.port)
    }

    /// What the function was sent so far.
    pub fn payloads(&self) -> Vec<String> {
        self.state().payloads.clone()
    }

    /// Gives the function this time in the next invocation that has none yet; 15 minutes in all others.
    pub fn limit_next(&self, limit: Duration) {
        self.state().limits.push_back(limit);
    }

    /// Breaks the connection after the first part of the next answer.
    pub fn break_next(&self) {
        self.state().is_to_break = true;
    }

    /// Refuses every invocation from now on with this code, such as `AccessDeniedException`.
    pub fn refuse(&self, code: &str) {
        self.state().refusal = Some(code.to_owned());
    }

    /// Refuses the next invocation that has no such answer yet with this code, such as `ResourceNotReadyException`.
    pub fn refuse_next(&self, code: &str) {
        self.state().next_refusals.push_back(code.to_owned());
    }

    /// What AWS would check of each invocation so far.
    pub fn calls(&self) -> Vec<Call> {
        let State { name, payloads, .. } = &*self.state();
        let function = format!("arn:aws:lambda:eu-central-1:{ACCOUNT}:function:{name}");
        payloads.iter().map(|_| Call { checks: vec![Check::new("lambda:InvokeFunction", &function)] }).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic while it is locked")
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> anyhow::Result<Response<Answer>> {
    let path = request.uri().path().to_owned();
    let payload = String::from_utf8(request.into_body().collect().await?.to_bytes().to_vec())?;
    let (streamed, is_to_break) = {
        let mut state = lock(&state);
        if let Some(code) = &state.refusal {
            return refused(403, code);
        }
        if let Some(code) = state.next_refusals.pop_front() {
            return refused(409, &code);
        }
        let names = [state.name.clone(), format!("{ACCOUNT}%3Afunction%3A{}", state.name)];
        let paths = names.map(|name| format!("/2021-11-15/functions/{name}/response-streaming-invocations"));
        if !paths.contains(&path) {
            return refused(404, "ResourceNotFoundException");
        }
        state.payloads.push(payload.clone());
        let limit = state.limits.pop_front().unwrap_or(LONGEST);
        (state.function.invoke_streaming(&payload, limit)?, std::mem::take(&mut state.is_to_break))
    };
    let (parts, receiver) = mpsc::unbounded_channel();
    tokio::spawn(forward(streamed, parts, is_to_break));
    let mut response = Response::new(Answer(receiver));
    response.headers_mut().insert("content-type", "application/vnd.amazon.eventstream".parse()?);
    Ok(response)
}

/// Sends each part of the function's answer as an event, and the event that ends it.
async fn forward(mut streamed: Streamed, parts: mpsc::UnboundedSender<io::Result<Bytes>>, is_to_break: bool) {
    let mut code = None;
    while let Some(part) = streamed.recv().await {
        match part {
            Ok(data) => drop(parts.send(Ok(event("PayloadChunk", "application/octet-stream", data)))),
            Err(FunctionError { error_type, .. }) => code = Some(error_type),
        }
        if is_to_break {
            // Sent before, so that the caller has seen it.
            let _ = parts.send(Err(io::ErrorKind::ConnectionReset.into()));
            return;
        }
    }
    let end = code.map_or_else(|| json!({}), |code| json!({ "ErrorCode": code }));
    let _ = parts.send(Ok(event("InvokeComplete", "application/json", end.to_string())));
}

/// <https://smithy.io/2.0/aws/amazon-eventstream.html>
fn event(kind: &str, content: &str, payload: impl Into<Bytes>) -> Bytes {
    let header = |name: &str, value: &str| Header::new(name.to_owned(), HeaderValue::String(value.to_owned().into()));
    let message = Message::new(payload.into())
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", kind))
        .add_header(header(":content-type", content));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("headers and payload are short");
    bytes.into()
}

/// An error as AWS Lambda has it.
fn refused(status: u16, code: &str) -> anyhow::Result<Response<Answer>> {
    let (parts, receiver) = mpsc::unbounded_channel();
    let _ = parts.send(Ok(json!({ "message": "refused on purpose" }).to_string().into()));
    let response = Response::builder().status(status).header("x-amzn-errortype", code);
    Ok(response.header("content-type", "application/json").body(Answer(receiver))?)
}
