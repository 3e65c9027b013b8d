//! What a command knows of the invocation that it runs in.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::now;
use super::request::{Frame, Question, Request};
use crate::error::Problem;
use crate::prompt::{self, Consent};

/// The variable in which the function hands this to the command's process.
pub(crate) const VARIABLE: &str = "PROVISION_INVOCATION";

/// An invocation of the operator's function.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invocation {
    pub(super) request: Request,
    /// When work that can go on later stops, in milliseconds since the Unix epoch.
    pub(super) stop_at: u64,
}

/// Why a command has ended early. Its process says it to the function, and nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The caller asks its operator this, and invokes the function again.
    Unanswered(Question),
    /// The caller invokes the function again, which goes on after this page.
    Unfinished(i32),
}

impl Display for Stop {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unanswered(_) => "a question is not answered yet",
            Self::Unfinished(_) => "the invocation's time is over",
        })
    }
}

impl Error for Stop {}

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    deadline: Option<Instant>,
    /// Whether it is the invocation's, and the next one goes on.
    is_of_invocation: bool,
}

impl Invocation {
    /// Reads the variable's value, which only this program writes.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = |_| Problem::new(format!("{VARIABLE} is none of this program's"), format!("unset {VARIABLE}"));
        Ok(serde_json::from_str(text).map_err(wrong)?)
    }

    /// The text of the caller's declaration, if it has one.
    pub(crate) fn config(&self) -> Option<&str> {
        self.request.config.as_deref()
    }

    /// Whether the caller has a terminal to ask at.
    pub(crate) fn can_ask(&self) -> bool {
        self.request.asks
    }

    /// The confirmation of the caller's operator. Without one the caller has to ask first, unless it cannot.
    pub(crate) fn confirm(&self, question: &str, expected: &str) -> anyhow::Result<Consent> {
        let Request { confirmed, refused, .. } = &self.request;
        let asked = Question { question: question.to_owned(), expected: expected.to_owned() };
        if refused.contains(&asked) {
            return Err(prompt::refusal());
        }
        if !self.can_ask() {
            return Err(prompt::cannot_ask(question, "add --yes to confirm"));
        }
        let unanswered = || Stop::Unanswered(asked.clone()).into();
        prompt::confirm_elsewhere(confirmed.contains(&asked)).ok_or_else(unanswered)
    }

    /// How long the command may take, with the time limit that it was given, of which earlier invocations took a part.
    pub(crate) fn limit(&self, of_command: Option<Duration>) -> Limit {
        let left = of_command.map(|limit| limit.saturating_sub(Duration::from_secs(self.request.spent_seconds)));
        let of_invocation = Duration::from_millis(self.stop_at).saturating_sub(now());
        match left {
            Some(left) if left <= of_invocation => Limit::of_command(Some(left)),
            _ => Limit { deadline: Instant::now().checked_add(of_invocation), is_of_invocation: true },
        }
    }
}

impl Stop {
    /// The part of an error that says so.
    pub(crate) fn of(error: &anyhow::Error) -> Option<&Self> {
        error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// What the process says to the function.
    pub(crate) fn signal(&self) -> String {
        let frame = match self {
            Self::Unanswered(question) => Frame::Question(question.clone()),
            Self::Unfinished(page) => Frame::Again(*page),
        };
        serde_json::to_string(&frame).expect("a frame is JSON")
    }
}

impl Limit {
    /// The time limit that the operator has given; none for none, and for one longer than the clock can count.
    pub(crate) fn of_command(limit: Option<Duration>) -> Self {
        Self { deadline: limit.and_then(|limit| Instant::now().checked_add(limit)), is_of_invocation: false }
    }

    /// The work's outcome, unless the time is over: then, with the last page that is done, an error.
    pub(crate) async fn within<T>(
        &self,
        page: impl Fn() -> i32,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let Some(deadline) = self.deadline else { return work.await };
        match timeout_at(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_) if self.is_of_invocation => Err(Stop::Unfinished(page()).into()),
            Err(_) => Err(anyhow::anyhow!("the time is over")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(request: Request) -> Invocation {
        Invocation { request, stop_at: u64::MAX }
    }

    fn question() -> Question {
        Question { question: "This ends 2 sessions.".to_owned(), expected: "app".to_owned() }
    }

    #[test]
    fn only_the_question_that_was_confirmed_is() {
        let confirmed = invocation(Request { asks: true, confirmed: vec![question()], ..Request::default() });
        assert!(confirmed.confirm("This ends 2 sessions.", "app").is_ok());
        for (question, expected) in [("This ends 3 sessions.", "app"), ("This ends 2 sessions.", "other")] {
            let error = confirmed.confirm(question, expected).expect_err("another question");
            let asked = Question { question: question.to_owned(), expected: expected.to_owned() };
            assert_eq!(Stop::of(&error), Some(&Stop::Unanswered(asked)));
        }
    }

    #[test]
    fn a_refusal_and_a_caller_without_a_terminal_end_the_command_as_they_do_here() {
        let refused = invocation(Request { asks: true, refused: vec![question()], ..Request::default() });
        let error = refused.confirm("This ends 2 sessions.", "app").expect_err("refused");
        assert_eq!(error.to_string(), "not confirmed, so nothing was done");
        let error = invocation(Request::default()).confirm("This ends 2 sessions.", "app").expect_err("nobody to ask");
        assert!(error.to_string().starts_with("cannot ask, because standard input is no terminal"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_earlier_invocations_counts() {
        let invocation = invocation(Request { spent_seconds: 50, ..Request::default() });
        let limit = invocation.limit(Some(Duration::from_mins(1)));
        let begun = Instant::now();
        let error = limit.within(|| 3, std::future::pending::<anyhow::Result<()>>()).await.expect_err("too long");
        assert_eq!((error.to_string().as_str(), begun.elapsed().as_secs()), ("the time is over", 10));
        assert_eq!(Stop::of(&error), None, "the operator's own limit is the end");
    }
}
