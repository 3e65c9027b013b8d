//! One invocation, from the event to the answer: parse, ensure, report, answer.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cognito::{Event, UserEvent};
use db::users;
use db::{Budget, Database, Session, Settings, Spent};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::diagnostics::chain;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use crate::report::Report;
use crate::start::Start;
use crate::time_limit::{self, is_short, time_limit};

/// The trigger source of a user who has a new password. The user has signed up before, and has a row as a rule.
const FORGOT_PASSWORD: &str = "PostConfirmation_ConfirmForgotPassword";

/// The function, for as long as its process lives.
pub(crate) struct PostConfirmation<V> {
    variable: V,
    start: Start,
    is_first: AtomicBool,
    database: OnceCell<Database>,
    /// The account of connecting ahead.
    ahead: OnceLock<Spent>,
}

impl<V: Fn(&str) -> Option<OsString>> PostConfirmation<V> {
    /// Makes a function that reads its settings from `variable` when it needs them.
    pub(crate) fn new(variable: V, start: Start) -> Self {
        let is_first = AtomicBool::new(true);
        Self { variable, start, is_first, database: OnceCell::new(), ahead: OnceLock::new() }
    }

    /// Connects ahead of the first invocation, unless a snapshot is taken then. A failure is only logged: the first
    /// invocation tries again.
    pub(crate) async fn connect_ahead(&self) {
        if self.start.is_for_snapshot() {
            return;
        }
        let budget = Budget::new(time_limit::LIMIT);
        let connected = async { self.database().await?.connect_ahead(&budget).await }.await;
        self.ahead.get_or_init(|| budget.spent());
        if let Err(error) = connected {
            warn!(
                errorType = error.kind().as_str(),
                error = chain(&error),
                remedy = failure::remedy(&error),
                "not connected yet; the first invocation tries again"
            );
        }
    }

    /// Notes that the function asks for its first event now.
    pub(crate) fn ready(&self) {
        self.start.ready();
    }

    /// Closes the connection, so that the server need not detect its end.
    pub(crate) async fn close(&self) {
        if let Some(database) = self.database.get() {
            database.close().await;
        }
    }

    /// Ensures the row of the event's user and answers with the event, exactly as it came.
    pub(crate) async fn handle(&self, invocation: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
        let begun = Instant::now();
        let LambdaEvent { payload, context } = invocation;
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        let budget = Budget::new(self.time_limit(&context, is_first));

        let event = Event::parse(&payload);
        let result = match &event {
            Ok(event) => self.ensure(event, &budget).await,
            Err(error) => Err(Failure::from(*error)),
        };
        let event = event.as_ref().ok();
        // This password is changed already, and an error would be the only thing that its owner sees.
        let fails_open = event.is_some_and(|event| event.trigger_source == FORGOT_PASSWORD);
        let report = Report {
            context: &context,
            event,
            result: &result,
            fails_open,
            time: begun.elapsed(),
            spent: budget.spent(),
            ahead: self.ahead.get().filter(|_| is_first),
            is_cold: is_first && self.start.is_cold(),
        };
        report.write();
        match result {
            Err(failure) if !fails_open => Err(failure.answer(&context.request_id)),
            _ => Ok(payload),
        }
    }

    /// Ensures the row of the event's user, if the event is one of PostConfirmation.
    async fn ensure(&self, event: &Event, budget: &Budget) -> Result<Outcome, Failure> {
        if !event.is_post_confirmation() {
            return Ok(Outcome::Ignored);
        }
        if !event.is_known() {
            warn!(
                triggerSource = event.trigger_source,
                "this trigger source is new to this version; its users get their rows all the same"
            );
        }
        let event = UserEvent::new(event, SystemTime::now())?;
        let database = self.database().await?;
        let ensured = database.run(budget, async |session: &Session| users::ensure(session, &event).await).await?;
        Ok(Outcome::Ensured(ensured))
    }

    async fn database(&self) -> Result<&Database, db::Error> {
        let open = async || {
            Settings::from_variables(&self.variable).map(|settings| Database::new(settings, env!("CARGO_PKG_NAME")))
        };
        self.database.get_or_try_init(open).await
    }

    /// The time that this invocation may take.
    fn time_limit(&self, context: &Context, is_first: bool) -> Duration {
        let waited = if is_first { self.start.waited() } else { Duration::ZERO };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = Duration::from_millis(context.deadline);
        if is_first && is_short(deadline, now) {
            warn!("the function's timeout in Lambda is shorter than Cognito waits; set it to 6 s or more");
        }
        time_limit(waited, deadline, now)
    }
}
