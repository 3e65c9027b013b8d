//! One invocation, from the event to the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cognito::{Event, InvalidEvent, InvalidUser, User};
use db::users::{self, Upserted};
use db::{Budget, Database, Session, Settings};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tracing::{error, info, warn};

use crate::log::chain;
use crate::metrics::Metrics;

/// Cognito waits 5 s for an answer; the rest is for the way there and back.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
const COGNITO_LIMIT: Duration = Duration::from_millis(4500);

/// What an answer needs to leave the function before Lambda's own limit ends it.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// How long to try to connect before the first invocation. Cognito may already be waiting.
const CONNECT_AHEAD_LIMIT: Duration = Duration::from_millis(1500);

/// A start that took longer was not on anybody's time: Lambda started the process ahead of any invocation.
const LONGEST_COLD_START: Duration = Duration::from_secs(2);

/// The function, for as long as its process lives.
pub(crate) struct PostConfirmation<V> {
    variable: V,
    started: Instant,
    cold: AtomicBool,
    database: OnceCell<Database>,
}

/// What an invocation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ensured(Upserted),
    /// The trigger source is none of PostConfirmation's.
    Ignored,
}

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    #[error(transparent)]
    User(#[from] InvalidUser),
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl<V: Fn(&str) -> Option<String>> PostConfirmation<V> {
    /// A function whose process started then, and that takes its settings from `variable` when it needs them.
    pub(crate) fn new(variable: V, started: Instant) -> Self {
        Self { variable, started, cold: AtomicBool::new(true), database: OnceCell::new() }
    }

    /// Connects before the first invocation. A failure is only told: the first invocation tries again.
    pub(crate) async fn connect_ahead(&self) {
        let connected = async { self.database().await?.connect_ahead(&Budget::new(CONNECT_AHEAD_LIMIT)).await };
        if let Err(error) = connected.await {
            warn!(
                errorType = error.kind().as_str(),
                error = chain(&error),
                "not connected yet; the first invocation tries again"
            );
        }
    }

    /// Closes the connection, so that the server need not find out by itself.
    pub(crate) async fn close(&self) {
        if let Some(database) = self.database.get() {
            database.close().await;
        }
    }

    /// Ensures the row of the event's user and answers with the event, exactly as it came.
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
        let invoked = Instant::now();
        let LambdaEvent { payload, context } = event;
        let cold = self.cold.swap(false, Ordering::Relaxed);
        let budget = Budget::new(self.time_limit(&context, cold));
        let opened_before = self.connections_opened();

        let event = Event::parse(&payload);
        let trigger_source = event.as_ref().map_or("", |event| event.trigger_source.as_str()).to_owned();
        let outcome = match event {
            Ok(event) => self.ensure_user(&event, &budget).await,
            Err(error) => Err(error.into()),
        };

        let milliseconds = invoked.elapsed().as_secs_f64() * 1000.0;
        let request_id = context.request_id.as_str();
        let trace = context.xray_trace_id.as_deref();
        let word = outcome.as_ref().map_or("failed", |outcome| outcome.word());
        match &outcome {
            Ok(Outcome::Ensured(_)) => info!(
                requestId = request_id,
                xrayTraceId = trace,
                triggerSource = trigger_source,
                outcome = word,
                milliseconds,
                "the user has a row"
            ),
            Ok(Outcome::Ignored) => warn!(
                requestId = request_id,
                xrayTraceId = trace,
                triggerSource = trigger_source,
                outcome = word,
                milliseconds,
                "this is no PostConfirmation event; remove the function from the user pool's other triggers"
            ),
            Err(failure) => error!(
                requestId = request_id,
                xrayTraceId = trace,
                triggerSource = trigger_source,
                outcome = word,
                milliseconds,
                errorType = failure.kind(),
                error = chain(failure),
                "the user has no row"
            ),
        }
        let created = matches!(outcome, Ok(Outcome::Ensured(Upserted::Created)));
        let reconnects = self.connections_opened() - opened_before;
        Metrics { outcome: word, milliseconds, cold, created, reconnects, request_id }.emit();

        match outcome {
            Ok(_) => Ok(payload),
            Err(failure) => Err(failure.for_the_user(request_id)),
        }
    }

    async fn ensure_user(&self, event: &Event, budget: &Budget) -> Result<Outcome, Failure> {
        if !event.is_post_confirmation() {
            return Ok(Outcome::Ignored);
        }
        let user = User::from_attributes(event.user_name.as_deref(), &event.attributes)?;
        let database = self.database().await?;
        let upserted = database.run(budget, async |session: &Session| users::upsert(session, &user).await).await?;
        Ok(Outcome::Ensured(upserted))
    }

    async fn database(&self) -> Result<&Database, db::Error> {
        let open = async || {
            Settings::from_variables(&self.variable).map(|settings| Database::new(settings, env!("CARGO_PKG_NAME")))
        };
        self.database.get_or_try_init(open).await
    }

    fn connections_opened(&self) -> u32 {
        self.database.get().map_or(0, Database::connections_opened)
    }

    /// How long this invocation may take.
    fn time_limit(&self, context: &Context, cold: bool) -> Duration {
        // Cognito has been waiting through the cold start as well.
        let waited = self.started.elapsed();
        let waited = if cold && waited < LONGEST_COLD_START { waited } else { Duration::ZERO };
        let cognito = COGNITO_LIMIT.saturating_sub(waited);
        // A deadline in the past means that nobody knows it: `cargo lambda watch` says 1970.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match Duration::from_millis(context.deadline).checked_sub(now) {
            Some(left) => cognito.min(left.saturating_sub(ANSWER_MARGIN)),
            None => cognito,
        }
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ensured(Upserted::Created) => "created",
            Self::Ensured(Upserted::EmailChanged) => "email-changed",
            Self::Ensured(Upserted::Unchanged) => "unchanged",
            Self::Ignored => "ignored",
        }
    }
}

impl Failure {
    /// One stable word for the cause.
    fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::User(_) => "InvalidEvent",
            Self::Database(error) => error.kind().as_str(),
        }
    }

    /// The answer that Cognito shows to the person who signs up, so it tells nothing of what is inside. The log tells
    /// it all under the same request id.
    fn for_the_user(&self, request_id: &str) -> Diagnostic {
        Diagnostic {
            error_type: self.kind().to_owned(),
            error_message: format!(
                "We could not finish setting up your account; please contact us and mention {request_id}."
            ),
        }
    }
}
