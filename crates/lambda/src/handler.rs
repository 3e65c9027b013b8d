//! One invocation, from the event to the answer.

use std::time::Instant;

use db::users::{self, Upserted};
use db::{Database, InvalidUser, Session, Settings, User};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::{MappedMutexGuard, OnceCell};
use tracing::{error, info, warn};

use crate::event::{CognitoEvent, InvalidEvent};
use crate::log::chain;

/// The function, for as long as its process lives.
pub(crate) struct PostConfirmation<V> {
    variable: V,
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
    /// A function that takes its settings from `variable`, when it needs them.
    pub(crate) fn new(variable: V) -> Self {
        Self { variable, database: OnceCell::new() }
    }

    /// Connects before the first invocation, while nobody waits. A failure is only told: the first invocation tries
    /// again.
    pub(crate) async fn connect_ahead(&self) {
        if let Err(error) = self.session().await {
            warn!(
                errorType = error.kind(),
                error = chain(&error),
                "not connected yet; the first invocation tries again"
            );
        }
    }

    /// Ensures the row of the event's user and answers with the event, exactly as it came.
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
        let started = Instant::now();
        let LambdaEvent { payload, context } = event;
        let event = CognitoEvent::parse(&payload);
        let trigger_source = event.as_ref().map_or("", |event| event.trigger_source.as_str()).to_owned();
        let outcome = match event {
            Ok(event) => self.ensure_user(&event).await,
            Err(error) => Err(error.into()),
        };

        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        let request_id = context.request_id;
        match outcome {
            Ok(Outcome::Ignored) => warn!(
                requestId = request_id,
                triggerSource = trigger_source,
                outcome = "ignored",
                milliseconds,
                "this is no PostConfirmation event; remove the function from the user pool's other triggers"
            ),
            Ok(Outcome::Ensured(upserted)) => info!(
                requestId = request_id,
                triggerSource = trigger_source,
                outcome = word(upserted),
                milliseconds,
                "the user has a row"
            ),
            Err(failure) => {
                error!(
                    requestId = request_id,
                    triggerSource = trigger_source,
                    outcome = "failed",
                    milliseconds,
                    errorType = failure.kind(),
                    error = chain(&failure),
                    "the user has no row"
                );
                return Err(failure.for_the_user(&request_id));
            }
        }
        Ok(payload)
    }

    async fn ensure_user(&self, event: &CognitoEvent) -> Result<Outcome, Failure> {
        if !event.is_post_confirmation() {
            return Ok(Outcome::Ignored);
        }
        let user = User::from_attributes(event.user_name.as_deref(), &event.attributes)?;
        let session = self.session().await?;
        Ok(Outcome::Ensured(users::upsert(&session, &user).await?))
    }

    async fn session(&self) -> Result<MappedMutexGuard<'_, Session>, db::Error> {
        let database = self.database.get_or_try_init(async || {
            Settings::from_variables(&self.variable).map(|settings| Database::new(settings, env!("CARGO_PKG_NAME")))
        });
        database.await?.session().await
    }
}

impl Failure {
    /// One stable word for the cause.
    fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::User(_) => "InvalidEvent",
            Self::Database(error) => error.kind(),
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

fn word(upserted: Upserted) -> &'static str {
    match upserted {
        Upserted::Created => "created",
        Upserted::EmailChanged => "email-changed",
        Upserted::Unchanged => "unchanged",
    }
}
