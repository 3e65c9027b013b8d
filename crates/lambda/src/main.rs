//! The Amazon Cognito PostConfirmation trigger: every confirmed sign-up becomes a row in `users`.
//!
//! An event's way is one straight line: [`handler`] → [`event`] → [`db::User::from_attributes`] →
//! [`db::users::upsert`] → the event back.

mod event;
mod handler;
mod log;

use lambda_runtime::service_fn;

use crate::handler::PostConfirmation;

// One invocation at a time is all that Lambda sends; a second thread would only cost start-up time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let variable = |name: &str| std::env::var(name).ok();
    log::init(variable("AWS_LAMBDA_LOG_FORMAT").as_deref(), variable("AWS_LAMBDA_LOG_LEVEL").as_deref());

    let function = PostConfirmation::new(variable);
    function.connect_ahead().await;
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
