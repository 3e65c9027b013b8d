//! One invocation, from the event to the answer: parse, ensure, report, answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cognito::{Event, UserEvent};
use db::users;
use db::{Budget, Database, Session, Settings};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::diagnostics::chain;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use crate::report::Report;
use crate::time_limit::{cold_wait, time_limit};

/// The time limit for connecting before the first invocation. Cognito may already be waiting.
const CONNECT_AHEAD_LIMIT: Duration = Duration::from_millis(1500);

/// The function, for as long as its process lives.
pub(crate) struct PostConfirmation<V> {
    variable: V,
    started: Instant,
    is_cold: AtomicBool,
    database: OnceCell<Database>,
}

impl<V: Fn(&str) -> Option<String>> PostConfirmation<V> {
    /// Makes a function whose process started then, and that reads its settings from `variable` when it needs them.
    pub(crate) fn new(variable: V, started: Instant) -> Self {
        Self { variable, started, is_cold: AtomicBool::new(true), database: OnceCell::new() }
    }

    /// Connects before the first invocation. A failure is only logged: the first invocation tries again.
    pub(crate) async fn connect_ahead(&self) {
        let connected = async { self.database().await?.connect_ahead(&Budget::new(CONNECT_AHEAD_LIMIT)).await };
        if let Err(error) = connected.await {
            warn!(
                errorType = error.kind().as_str(),
                error = chain(&error),
                remedy = failure::remedy(&error),
                "not connected yet; the first invocation tries again"
            );
        }
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
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let budget = Budget::new(self.time_limit(&context, is_cold));

        let event = Event::parse(&payload);
        let result = match &event {
            Ok(event) => self.ensure(event, &budget).await,
            Err(error) => Err(Failure::from(*error)),
        };
        let (event, time, spent) = (event.as_ref().ok(), begun.elapsed(), budget.spent());
        Report { context: &context, event, result: &result, time, spent, is_cold }.write();
        match result {
            Ok(_) => Ok(payload),
            Err(failure) => Err(failure.answer(&context.request_id)),
        }
    }

    /// Ensures the row of the event's user, if the event is one of PostConfirmation.
    async fn ensure(&self, event: &Event, budget: &Budget) -> Result<Outcome, Failure> {
        if !event.is_post_confirmation() {
            return Ok(Outcome::Ignored);
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
    fn time_limit(&self, context: &Context, is_cold: bool) -> Duration {
        let waited = if is_cold { cold_wait(self.started.elapsed()) } else { Duration::ZERO };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        time_limit(waited, Duration::from_millis(context.deadline), now)
    }
}
