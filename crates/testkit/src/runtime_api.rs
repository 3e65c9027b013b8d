//! The part of the Lambda Runtime API that a function calls.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The function's own time limit in Lambda: a second more than Cognito waits for an answer.
const TIME_LIMIT: Duration = Duration::from_secs(6);

/// How Lambda answers a function that registers an extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// It accepts it.
    #[default]
    Accepted,
    /// It refuses it with this HTTP status.
    Refused(u16),
    /// It never answers.
    Silent,
}

/// How the function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this body.
    Response(String),
    /// With an error.
    Error(FunctionError),
}

/// The body of a function's error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionError {
    /// A stable word for the cause.
    pub error_type: String,
    /// The text that the caller sees.
    pub error_message: String,
}

/// An answer that comes while the function works: its bytes, or the error that ends it. It has ended with the channel.
pub type Streamed = mpsc::UnboundedReceiver<Result<Bytes, FunctionError>>;

/// One invocation and its outcome.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The id that the function was given.
    pub request_id: String,
    /// How the function answered.
    pub answer: Answer,
}

/// A Runtime API for one function.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Pending>,
    invocations: AtomicU32,
    asks: watch::Receiver<bool>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Pending {
    request_id: String,
    event: String,
    deadline: Duration,
    reply: Reply,
}

/// Where an answer goes.
#[derive(Debug)]
enum Reply {
    Whole(oneshot::Sender<Answer>),
    Streamed(mpsc::UnboundedSender<Result<Bytes, FunctionError>>),
}

struct State {
    events: Mutex<mpsc::UnboundedReceiver<Pending>>,
    running: StdMutex<HashMap<String, Reply>>,
    registration: Registration,
    asked: watch::Sender<bool>,
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Registration::Accepted).await
    }

    /// The same, and answers in this way to a function that registers an extension.
    pub async fn start_with(registration: Registration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, receiver) = mpsc::unbounded_channel();
        let (asked, asks) = watch::channel(false);
        let (events_to_come, running) = (Mutex::new(receiver), StdMutex::default());
        let state = Arc::new(State { events: events_to_come, running, registration, asked });
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(async move {
                    // A function that is killed leaves a broken connection behind: no reason to fail.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, events, invocations: AtomicU32::new(0), asks, server })
    }

    /// The value for `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the function has asked for an event.
    pub async fn until_asked(&self) {
        // The sender lives as long as the server.
        let _ = self.asks.clone().wait_for(|asked| *asked).await;
    }

    /// Sends the event to the function and waits for its answer.
    ///
    /// Fails when the function ends without one.
    pub async fn invoke(&self, event: &str) -> anyhow::Result<Invocation> {
        self.invoke_within(event, Some(TIME_LIMIT)).await
    }

    /// Invokes the function with a deadline this long from now, or with one in the past, which stands for none.
    pub async fn invoke_within(&self, event: &str, limit: Option<Duration>) -> anyhow::Result<Invocation> {
        let (answer, receiver) = oneshot::channel();
        let request_id = self.send(event, limit, Reply::Whole(answer))?;
        Ok(Invocation { request_id, answer: receiver.await? })
    }

    /// Invokes the function for an answer that comes while it works.
    pub fn invoke_streaming(&self, event: &str, limit: Duration) -> anyhow::Result<Streamed> {
        let (answer, receiver) = mpsc::unbounded_channel();
        self.send(event, Some(limit), Reply::Streamed(answer))?;
        Ok(receiver)
    }

    /// Lets the function have the event, and returns the invocation's id.
    fn send(&self, event: &str, limit: Option<Duration>, reply: Reply) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = limit.map_or(Duration::ZERO, |limit| now + limit);
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-8000-{number:012}");
        self.events.send(Pending { request_id: request_id.clone(), event: event.to_owned(), deadline, reply })?;
        Ok(request_id)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches("/2018-06-01/runtime/").to_owned();
    if let ["invocation", request_id, "response"] = path.split('/').collect::<Vec<_>>()[..]
        && let Some(reply) = streamed(&state, request_id)
    {
        let response = stream(request.into_body(), &reply).await;
        // The answer ends with its last sender.
        state.running.lock().expect("no panic while it is locked").remove(request_id);
        return Ok(response);
    }
    let (method, body) = (request.method().clone(), request.into_body().collect().await);
    let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();

    let parts: Vec<&str> = path.split('/').collect();
    let response = match (method, parts.as_slice()) {
        (Method::GET, ["invocation", "next"]) => next(&state).await,
        (Method::POST, ["invocation", request_id, "response"]) => settle(&state, request_id, Answer::Response(body)),
        (Method::POST, ["invocation", request_id, "error"]) => match serde_json::from_str(&body) {
            Ok(error) => settle(&state, request_id, Answer::Error(error)),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        // After a snapshot: here each process is its own, and restored at once.
        (Method::GET, ["restore", "next"]) => status(StatusCode::OK),
        (Method::POST, ["", "2020-01-01", "extension", "register"]) => {
            match state.registration {
                Registration::Accepted => {}
                Registration::Refused(code) => return Ok(status(StatusCode::from_u16(code).expect("a status"))),
                Registration::Silent => std::future::pending().await,
            }
            let mut response = status(StatusCode::OK);
            response.headers_mut().insert("lambda-extension-identifier", HeaderValue::from_static("extension"));
            *response.body_mut() = Full::from(r#"{"functionName": "f", "functionVersion": "1", "handler": "h"}"#);
            response
        }
        // An extension that registers for no event waits for ever.
        (Method::GET, ["", "2020-01-01", "extension", "event", "next"]) => std::future::pending().await,
        _ => status(StatusCode::NOT_FOUND),
    };
    Ok(response)
}

async fn next(state: &State) -> Response<Full<Bytes>> {
    state.asked.send_replace(true);
    let Some(Pending { request_id, event, deadline, reply }) = state.events.lock().await.recv().await else {
        return status(StatusCode::GONE);
    };
    let response = Response::builder()
        .header("lambda-runtime-aws-request-id", &request_id)
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:post-confirmation",
        )
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
        .body(Full::from(event))
        .expect("these headers are valid");
    state.running.lock().expect("no panic while it is locked").insert(request_id, reply);
    response
}

fn settle(state: &State, request_id: &str, answer: Answer) -> Response<Full<Bytes>> {
    let waiting = state.running.lock().expect("no panic while it is locked").remove(request_id);
    // The test may have stopped waiting.
    match (waiting, answer) {
        (None, _) => return status(StatusCode::NOT_FOUND),
        (Some(Reply::Whole(waiting)), answer) => drop(waiting.send(answer)),
        (Some(Reply::Streamed(waiting)), Answer::Response(body)) => drop(waiting.send(Ok(body.into()))),
        (Some(Reply::Streamed(waiting)), Answer::Error(error)) => drop(waiting.send(Err(error))),
    }
    status(StatusCode::ACCEPTED)
}

/// Where the answer of this invocation goes while it comes, if its caller takes it so.
fn streamed(state: &State, request_id: &str) -> Option<mpsc::UnboundedSender<Result<Bytes, FunctionError>>> {
    match state.running.lock().expect("no panic while it is locked").get(request_id)? {
        Reply::Streamed(reply) => Some(reply.clone()),
        Reply::Whole(_) => None,
    }
}

/// Passes each part of the body on as it comes.
async fn stream(
    mut body: Incoming,
    reply: &mpsc::UnboundedSender<Result<Bytes, FunctionError>>,
) -> Response<Full<Bytes>> {
    while let Some(frame) = body.frame().await {
        let part = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => Ok(data),
            // Trailers.
            Ok(Err(_)) => continue,
            Err(_) => Err(FunctionError { error_type: "Runtime.ExitError".to_owned(), error_message: String::new() }),
        };
        let _ = reply.send(part);
    }
    status(StatusCode::ACCEPTED)
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
