//! Cognito and Lambda: who sends an event again, and to which function.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::Value;
use testkit::{Answer, Function, UserPool};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::event::Event;
use crate::fixture::Fixture;

/// How long Cognito waits for an answer, and how often it calls.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
const COGNITO_LIMIT: Duration = Duration::from_secs(5);
const COGNITO_CALLS: usize = 3;

/// Lambda's own limit, after which it ends the process.
const LAMBDA_LIMIT: Duration = Duration::from_secs(6);

/// What Cognito learned from one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reply {
    /// The event came back.
    Success,
    /// An error: the person sees it, and the event is never sent again.
    Error,
    /// No answer in time.
    None,
}

/// One call.
pub(crate) struct Call {
    pub(crate) event: Event,
    pub(crate) reply: Reply,
    /// The function's line in its log. None if it was ended before an answer, or never called.
    pub(crate) report: Option<Value>,
    pub(crate) time: Duration,
}

/// The functions, of which Lambda starts another when none is idle.
pub(crate) struct Pool {
    fixture: Arc<Fixture>,
    idle: Mutex<VecDeque<Arc<Function>>>,
    all: Mutex<Vec<Weak<Function>>>,
}

impl Pool {
    pub(crate) fn new(fixture: Arc<Fixture>) -> Arc<Self> {
        Arc::new(Self { fixture, idle: Mutex::default(), all: Mutex::default() })
    }

    /// The functions that run.
    pub(crate) fn running(&self) -> Vec<Weak<Function>> {
        let mut all = self.all.lock().expect("no panic while it is locked");
        all.retain(|function| function.strong_count() > 0);
        all.clone()
    }

    /// The functions, once all are idle.
    pub(crate) fn idle(&self) -> Vec<Arc<Function>> {
        self.idle.lock().expect("no panic while it is locked").iter().cloned().collect()
    }

    pub(crate) fn user_pool(&self) -> &UserPool {
        &self.fixture.user_pool
    }

    async fn take(&self) -> Arc<Function> {
        let idle = self.idle.lock().expect("no panic while it is locked").pop_front();
        if let Some(function) = idle {
            return function;
        }
        let function = Arc::new(self.fixture.function().await);
        self.all.lock().expect("no panic while it is locked").push(Arc::downgrade(&function));
        function
    }

    fn give_back(&self, function: Arc<Function>) {
        self.idle.lock().expect("no panic while it is locked").push_back(function);
    }
}

/// Sends events as Cognito does.
pub(crate) struct Cognito {
    pool: Arc<Pool>,
    calls: Vec<Call>,
    /// The calls that Cognito waits for no more.
    late: JoinSet<Call>,
}

impl Cognito {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, calls: Vec::new(), late: JoinSet::new() }
    }

    /// Sends the event, again only if no answer comes; returns what Cognito learned.
    pub(crate) async fn send(&mut self, event: Event) -> Reply {
        let json = event.occur(self.pool.user_pool());
        for _ in 0..COGNITO_CALLS {
            let function = self.pool.take().await;
            let called = Instant::now();
            let mut call = tokio::spawn(call(Arc::clone(&function), event, json.clone()));
            if let Ok(call) = timeout(COGNITO_LIMIT, &mut call).await {
                self.pool.give_back(function);
                let call = call.expect("the call does not panic");
                let reply = call.reply;
                self.calls.push(call);
                return reply;
            }
            let pool = Arc::clone(&self.pool);
            self.late.spawn(async move {
                // Lambda ends a process that is not done in time, and keeps one that is.
                let late = timeout(LAMBDA_LIMIT.saturating_sub(COGNITO_LIMIT), &mut call).await;
                let report = if let Ok(late) = late {
                    pool.give_back(function);
                    late.expect("the call does not panic").report
                } else {
                    call.abort();
                    None
                };
                Call { event, reply: Reply::None, report, time: called.elapsed() }
            });
        }
        Reply::None
    }

    /// Lets Lambda throttle the call: the person sees an error, and no function is called.
    pub(crate) fn throttle(&mut self, event: Event) {
        event.occur(self.pool.user_pool());
        self.calls.push(Call { event, reply: Reply::Error, report: None, time: Duration::ZERO });
    }

    /// Waits until no function works on what was sent so far.
    pub(crate) async fn settle(&mut self) {
        while let Some(late) = self.late.join_next().await {
            self.calls.push(late.expect("the call does not panic"));
        }
    }

    /// All calls.
    pub(crate) async fn calls(mut self) -> Vec<Call> {
        self.settle().await;
        self.calls
    }
}

/// Calls the function and waits for its answer, however long it takes.
pub(crate) async fn call(function: Arc<Function>, event: Event, json: String) -> Call {
    let called = Instant::now();
    let invocation = function.invoke_within(&json, Some(LAMBDA_LIMIT)).await.expect("an answer");
    let time = called.elapsed();
    let report = function.log_line("requestId", &invocation.request_id).await.expect("a report");
    let reply = match invocation.answer {
        Answer::Response(answer) => {
            assert_eq!(answer, json, "the answer is the event");
            Reply::Success
        }
        Answer::Error(_) => Reply::Error,
    };
    Call { event, reply, report: Some(report), time }
}
