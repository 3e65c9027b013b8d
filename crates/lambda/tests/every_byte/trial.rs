//! The trial of one case: what a function does whose connection breaks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use testkit::{Answer, Break, Direction, Ending, Function, Proxy};
use tokio::time::Instant;

use crate::case::{Case, Length, Start};
use crate::fixture::{Fixture, User};

/// The longest answer. Cognito waits 5 s; the rest is for the way there and back.
const LIMIT: Duration = Duration::from_millis(4600);

/// A conversation differs by some bytes from one time to the next, such as a signature's.
const SPREAD: u64 = 8;

/// Conversations that are measured.
const MEASUREMENTS: u32 = 5;

/// How a case ended well.
#[derive(Debug)]
pub(crate) struct Survival {
    /// Whether the conversation was long enough to break there.
    pub(crate) has_broken: bool,
    /// The outcome in the function's log, and the error's type.
    pub(crate) outcome: String,
    /// From the event, or from the process' start, to the answer.
    pub(crate) time: Duration,
}

/// How a case ended badly.
#[derive(Debug)]
pub(crate) enum Defeat {
    /// A slow machine may be the reason.
    Doubtful(String),
    /// No machine is slow enough to be the reason.
    Certain(String),
}

impl From<anyhow::Error> for Defeat {
    fn from(error: anyhow::Error) -> Self {
        Self::Certain(format!("{error:#}"))
    }
}

/// Tries cases one after the other, with the same function for as long as that does what it should.
pub(crate) struct Bench {
    fixture: Arc<Fixture>,
    function: Option<(Function, Proxy)>,
}

impl Bench {
    pub(crate) fn new(fixture: Arc<Fixture>) -> Self {
        Self { fixture, function: None }
    }

    /// How long the longest conversations with a kept and with a new connection are.
    pub(crate) async fn measure(&mut self) -> anyhow::Result<(Length, Length)> {
        let (mut warm, mut cold) = (Length([0; 2]), Length([0; 2]));
        let (function, proxy) = self.fixture.warm_function().await?;
        for _ in 0..MEASUREMENTS {
            for (length, is_cold) in [(&mut warm, false), (&mut cold, true)] {
                if is_cold {
                    close(&proxy).await?;
                }
                let before = Direction::ALL.map(|direction| proxy.carried(direction));
                function.invoke(&self.fixture.new_user().event).await?;
                for direction in Direction::ALL {
                    let (carried, longest) = (proxy.carried(direction), &mut length.0[direction as usize]);
                    *longest = (*longest).max(carried - before[direction as usize] + SPREAD);
                }
            }
        }
        self.function = Some((function, proxy));
        Ok((warm, cold))
    }

    /// Tries the case.
    pub(crate) async fn run(&mut self, case: Case) -> Result<Survival, Defeat> {
        let kept = self.function.take();
        let begun = Instant::now();
        let (function, proxy) = match (case.start, kept) {
            (Start::Process, kept) => {
                self.function = kept;
                self.fixture.function(Some(case.at)).await?
            }
            (_, Some(kept)) => kept,
            (_, None) => self.fixture.warm_function().await?,
        };
        let survival = self.survive(&function, &proxy, case, begun).await;
        if survival.is_ok() && case.start != Start::Process {
            proxy.mend();
            self.function = Some((function, proxy));
        }
        survival
    }

    async fn survive(
        &self,
        function: &Function,
        proxy: &Proxy,
        case: Case,
        process_start: Instant,
    ) -> Result<Survival, Defeat> {
        let mut begun = Instant::now();
        let mut broken = proxy.broken();
        match case.start {
            Start::Warm => proxy.break_open(case.at),
            Start::Cold | Start::Each => {
                close(proxy).await?;
                broken = proxy.broken();
                if case.start == Start::Cold {
                    proxy.break_next(case.at);
                } else {
                    proxy.break_each(case.at);
                }
                begun = Instant::now();
            }
            Start::Process => (begun, broken) = (process_start, 0),
        }
        let user = self.fixture.new_user();
        let invocation = function.invoke(&user.event).await?;
        let time = begun.elapsed();
        let has_broken = proxy.broken() > broken;
        let report = function.log_line("requestId", &invocation.request_id).await?;

        let rows = self.fixture.rows(&user).await?;
        let mut doubts = Vec::new();
        match invocation.answer {
            Answer::Response(answer) if answer != user.event => {
                return Err(Defeat::Certain(format!("the answer is not the event: {answer}")));
            }
            Answer::Response(_) if rows != 1 => {
                return Err(Defeat::Certain(format!("it answered with success, and the user has {rows} rows")));
            }
            Answer::Response(_) => {}
            Answer::Error(_) if case.may_fail() => {}
            Answer::Error(error) => doubts.push(format!("one broken connection made the sign-up fail: {error:?}")),
        }
        if time > LIMIT {
            let (error, milliseconds, steps) = (&report["error"], &report["milliseconds"], &report["steps"]);
            doubts.push(format!("the answer came after {time:.1?}: {error}, {milliseconds} ms, of these {steps}"));
        }
        if case.start == Start::Each {
            proxy.mend();
        }
        doubts.extend(self.deliver(function, &user, "a second delivery").await?);
        doubts.extend(self.deliver(function, &self.fixture.new_user(), "a later sign-up").await?);
        if doubts.is_empty() {
            let outcome = report["outcome"].as_str().context("a report has an outcome")?;
            let outcome =
                report["errorType"].as_str().map_or_else(|| outcome.to_owned(), |error| format!("{outcome}: {error}"));
            Ok(Survival { has_broken, outcome, time })
        } else {
            Err(Defeat::Doubtful(doubts.join("\n    ")))
        }
    }

    /// Delivers the event, now that nothing breaks any more; returns the doubt that it leaves.
    async fn deliver(&self, function: &Function, user: &User, name: &str) -> Result<Option<String>, Defeat> {
        let answer = function.invoke(&user.event).await?.answer;
        let rows = self.fixture.rows(user).await?;
        match answer {
            Answer::Response(_) if rows == 1 => Ok(None),
            Answer::Response(_) => Err(Defeat::Certain(format!("{name} succeeded, and the user has {rows} rows"))),
            Answer::Error(error) => Ok(Some(format!("{name} failed: {error:?}"))),
        }
    }
}

/// Closes the kept connection and waits until the function has seen it.
async fn close(proxy: &Proxy) -> anyhow::Result<()> {
    proxy.mend();
    proxy.break_open(Break { direction: Direction::ToClient, after: 0, ending: Ending::Close });
    proxy.until_closed().await
}
