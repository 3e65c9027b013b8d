//! The operator's function: this program, as Lambda starts it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use lambda_runtime::streaming::{self, Body, Response, channel};
use lambda_runtime::{Context, Diagnostic, FunctionResponse, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::child::{self, Times};
use super::request::{Frame, Request};
use super::scheduled;
use crate::{error, output};

/// The release of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How many parts of an answer may wait for the caller. Then the command waits.
const MOST_WAITING: usize = 16;

/// How often an empty line is sent while the command is silent: a NAT gateway forgets a connection that is idle for 350 s.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html>
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The line that each invocation leaves in the log. Nothing that a command writes stands there: it may be personal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    /// The command's group and name, without its arguments.
    command: &'a str,
    status: u8,
    milliseconds: u128,
    version: &'static str,
}

/// Serves the operator's function until Lambda ends it.
pub(crate) async fn serve() -> ExitCode {
    match Box::pin(lambda_runtime::run(service_fn(handle))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error::print(&anyhow!("the Lambda Runtime API fails: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn handle(event: LambdaEvent<Value>) -> Result<FunctionResponse<Value, Body>, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let times = Times::until(context.deadline);
    if let Some(event) = scheduled::Event::of(&payload) {
        let answer = match event?.scheduled {
            scheduled::Work::Reconcile => scheduled::reconcile(&context, times).await?,
        };
        return Ok(FunctionResponse::BufferedResponse(answer));
    }
    let (sender, body) = channel();
    let (frames, receiver) = mpsc::channel(MOST_WAITING);
    tokio::spawn(forward(receiver, sender));
    tokio::spawn(async move {
        let status = answer(&payload, &context, times, &frames).await;
        let _ = frames.send(Frame::Exit(status)).await;
    });
    Ok(FunctionResponse::StreamingResponse(Response::from(body)))
}

/// Sends the parts of an answer to the caller, each in a line.
async fn forward(mut frames: mpsc::Receiver<Frame>, mut sender: streaming::Sender) {
    let mut is_heard = true;
    let mut send =
        async |line: String| is_heard = is_heard && sender.send_data(format!("{line}\n").into()).await.is_ok();
    loop {
        match timeout(HEARTBEAT, frames.recv()).await {
            Ok(Some(frame)) => send(serde_json::to_string(&frame).expect("a frame is JSON")).await,
            Ok(None) => return,
            Err(_) => send(String::new()).await,
        }
    }
}

/// Runs the command that the payload asks for, and returns its exit status.
async fn answer(payload: &Value, context: &Context, times: Times, frames: &mpsc::Sender<Frame>) -> u8 {
    let begun = Instant::now();
    let (outcome, command) = match Request::parse(payload) {
        Ok(request) => (child::run(&request, times, frames).await, name(&request.arguments)),
        Err(problem) => (Err(anyhow!("release {VERSION} does not know this request: {problem}")), String::new()),
    };
    let status = match outcome {
        Ok(status) => status,
        Err(error) => {
            let error = error.context("the operator's function cannot run the command");
            let remedy = "deploy the operator's function of the release that calls it";
            let text = format!("error: {error:#}\nhint: {remedy}\n");
            let _ = frames.send(Frame::Stderr(text)).await;
            1
        }
    };
    log(context, &command, status, begun);
    status
}

/// Writes the invocation's line to the log.
pub(super) fn log(context: &Context, command: &str, status: u8, begun: Instant) {
    let line = Line {
        level: if matches!(status, 0 | 3) { "INFO" } else { "ERROR" },
        message: "command",
        request_id: &context.request_id,
        command,
        status,
        milliseconds: begun.elapsed().as_millis(),
        version: VERSION,
    };
    // Without a log there is nobody to tell.
    let _ = output::log(&line);
}

/// The names of group and command in a command line: whatever else stands there may be personal.
fn name(arguments: &[String]) -> String {
    let definition = crate::command();
    let mut words = Vec::new();
    let mut command = &definition;
    for argument in arguments {
        if let Some(found) = command.find_subcommand(argument) {
            words.push(argument.as_str());
            command = found;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_group_and_command_are_logged() {
        for (arguments, expected) in [
            (&["--in-vpc", "db", "load", "--check"][..], "db load"),
            (&["users", "why", "ada@example.com", "--pool", "eu-central-1_a"], "users why"),
            (&["ada@example.com"], ""),
            (&["doctor", "--function", "db"], "doctor"),
        ] {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            assert_eq!(name(&arguments), expected);
        }
    }
}
