//! The caller's side: the operator's own machine.

use std::fs;

use anyhow::{Context as _, bail, ensure};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::request::{FORWARDED, Frame, Question, Request};
use crate::aws::function::{Broken, FunctionName, Invocation, invoke};
use crate::cli::Context;
use crate::error::Problem;
use crate::interrupt::unless_interrupted;
use crate::output::{self, Outcome};
use crate::prompt::{self, progress};

/// The longest request. The system takes 128 KiB for one argument or variable of a process.
/// <https://man7.org/linux/man-pages/man2/execve.2.html>
const LONGEST: usize = 100_000;

/// What to do after the connection was lost in the middle of a command that may have changed something.
const AFTERWARDS: [(&str, &str); 6] = [
    ("db create", "run it again: a database that exists stays"),
    ("db load", "look with `provision --in-vpc db load --check`, or run it again: nothing is applied twice"),
    ("db grant", "look with `provision --in-vpc db grant --check`, or run it again: a second run changes nothing"),
    ("db sessions", "list the sessions with `provision --in-vpc db sessions`"),
    ("activity create", "look with `provision --in-vpc activity home` before you run it again"),
    ("users reconcile", "wait a minute and run the same command again: it goes on where it was"),
];

/// What has come of one invocation.
#[derive(Debug, Default)]
struct Answer {
    question: Option<Question>,
    again: Option<i32>,
    is_timed_out: bool,
    status: Option<u8>,
}

/// Runs this command line in the operator's function, and asks here what it asks. Work that outlasts one invocation goes on
/// in the next.
pub(crate) async fn call(context: &Context, command: &str) -> anyhow::Result<Outcome> {
    let mut request = request(context)?;
    let function = context.operator()?;
    let aws = context.aws().await?;
    let begun = Instant::now();
    loop {
        request.spent_seconds = begun.elapsed().as_secs();
        let payload = serde_json::to_vec(&request)?;
        ensure!(
            payload.len() <= LONGEST,
            Problem::new(
                "the request is too long for a process",
                "shorten the declaration, or name another with --config"
            )
        );
        let invocation = invoke(aws, &function, payload).await.map_err(|error| match error.downcast_ref() {
            Some(error) => broken(error, &function, command).into(),
            None => error,
        })?;
        let shown = unless_interrupted(Box::pin(show(invocation, &function, command))).await;
        let Answer { question, again, is_timed_out, status } = shown.unwrap_or_else(|| {
            let problem = format!("interrupted here, and `provision {command}` may go on there");
            Err(Problem::new(problem, afterwards(command)).into())
        })?;
        if let Some(question) = question {
            ask(&mut request, question).await?;
        } else if let Some(page) = again {
            progress(&format!("the invocation's time is over after page {page}; going on in the next one"));
        } else if is_timed_out {
            bail!(Problem::new(
                format!("the time limit of the operator's function {function} has ended `provision {command}`"),
                "run it through `provision db tunnel`, which has no time limit; or raise a Timeout below 900 s",
            ));
        } else {
            return Ok(Outcome::Status(status.context("an answer ends with a status")?));
        }
    }
}

fn request(context: &Context) -> anyhow::Result<Request> {
    let config = match context.config() {
        Some(path) => {
            // An error in it is told here.
            context.declaration()?;
            Some(fs::read_to_string(path)?)
        }
        None => None,
    };
    let variables = FORWARDED.iter().filter_map(|name| {
        let value = context.variable(name).transpose()?;
        Some(value.map(|value| ((*name).to_owned(), value)))
    });
    Ok(Request {
        arguments: context.words()?,
        config,
        asks: prompt::can_ask(),
        variables: variables.collect::<anyhow::Result<_>>()?,
        ..Request::default()
    })
}

/// Asks the operator, for the next invocation. Ctrl-C ends the program at the question too, so it waits beside the runtime,
/// which has the signal.
async fn ask(request: &mut Request, question: Question) -> anyhow::Result<()> {
    let is_known = request.confirmed.contains(&question) || request.refused.contains(&question);
    ensure!(!is_known && request.asks, "the operator's function asks once more what it knows");
    let asked = question.clone();
    let answer = spawn_blocking(move || prompt::confirm(&asked.question, &asked.expected, false));
    match answer.await? {
        Ok(_consent) => request.confirmed.push(question),
        // The command says so itself.
        Err(_) => request.refused.push(question),
    }
    Ok(())
}

/// Shows what the command writes, as it comes.
async fn show(mut invocation: Invocation, function: &FunctionName, command: &str) -> anyhow::Result<Answer> {
    let mut answer = Answer::default();
    loop {
        let lines = match invocation.lines().await {
            Ok(Some(lines)) => lines,
            // The status is the last part of an answer.
            Ok(None) | Err(_) if answer.status.is_some() => return Ok(answer),
            Ok(None) => bail!(broken(&Broken::Connection, function, command)),
            Err(error) => bail!(broken(&error, function, command)),
        };
        // An empty one only keeps the connection open.
        for line in lines.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(Frame::Stdout(text)) => output::pass_on(&text)?,
                Ok(Frame::Stderr(text)) => prompt::pass_on(&text),
                Ok(Frame::Question(question)) => answer.question = Some(question),
                Ok(Frame::Again(page)) => answer.again = Some(page),
                Ok(Frame::TimedOut) => answer.is_timed_out = true,
                Ok(Frame::Exit(status)) => answer.status = Some(status),
                Err(_) => bail!(broken(&Broken::Foreign, function, command)),
            }
        }
    }
}

fn broken(broken: &Broken, function: &FunctionName, command: &str) -> Problem {
    match broken {
        Broken::Connection => {
            let lost = format!("the connection to the operator's function {function} was lost");
            Problem::new(format!("{lost}, and `provision {command}` may go on there"), afterwards(command))
        }
        Broken::Function(code) => {
            let failed = format!("the operator's function {function} has failed ({code})");
            let remedy =
                format!("{}; its log group {} has the reason", afterwards(command), function.default_log_group());
            Problem::new(format!("{failed}, and what it has shown is not all"), remedy)
        }
        Broken::Foreign => Problem::new(
            format!("the function {function} does not answer as the operator's function of this release"),
            "deploy this release's infra/template.yaml, or name another function with --operator",
        ),
    }
}

fn afterwards(command: &str) -> &'static str {
    AFTERWARDS
        .iter()
        .find(|(name, _)| *name == command)
        .map_or("run it again: it changes nothing", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_vpc::is_allowed;

    #[test]
    fn each_command_that_has_a_way_on_runs_in_the_vpc() {
        for (command, _) in AFTERWARDS {
            assert!(is_allowed(command), "{command}");
        }
    }
}
