//! The Amazon Cognito PostConfirmation trigger: every confirmed sign-up becomes a row in `users`.
//!
//! An event's way is one straight line: `main` → [`handler`] → [`cognito::Event`] → `ensure`, which is
//! [`db::users::ensure`] → [`report`] → the event back. What fails is a [`failure`].

mod diagnostics;
mod failure;
mod handler;
mod outcome;
mod report;
mod roots;
mod time_limit;

use std::sync::Arc;
use std::time::Instant;

use lambda_runtime::{service_fn, spawn_graceful_shutdown_handler};

use crate::handler::PostConfirmation;

fn main() -> Result<(), lambda_runtime::Error> {
    let started = Instant::now();
    roots::keep_openssl_from_the_systems();
    run(started)
}

// Lambda sends one invocation at a time; a second thread would only cost start-up time.
#[tokio::main(flavor = "current_thread")]
async fn run(started: Instant) -> Result<(), lambda_runtime::Error> {
    let variable = |name: &str| std::env::var(name).ok();
    diagnostics::init(variable("AWS_LAMBDA_LOG_FORMAT").as_deref(), variable("AWS_LAMBDA_LOG_LEVEL").as_deref());

    let function = Arc::new(PostConfirmation::new(variable, started));
    let ending = Arc::clone(&function);
    tokio::join!(
        function.connect_ahead(),
        // Lambda sends SIGTERM only to a function that has asked for it, which this does.
        spawn_graceful_shutdown_handler(async move || ending.close().await),
    );
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
