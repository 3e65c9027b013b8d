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
mod shutdown;
mod start;
mod time_limit;

use std::sync::Arc;

use lambda_runtime::service_fn;

use crate::handler::PostConfirmation;
use crate::start::Start;

fn main() -> Result<(), lambda_runtime::Error> {
    roots::keep_openssl_from_the_systems();
    run()
}

// Lambda sends one invocation at a time, or is asked for one at a time; a second thread would only cost start-up time.
#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<(), lambda_runtime::Error> {
    let variable = |name: &str| std::env::var(name).ok();
    diagnostics::init(variable("AWS_LAMBDA_LOG_FORMAT").as_deref(), variable("AWS_LAMBDA_LOG_LEVEL").as_deref());

    let start = Start::new(variable("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref());
    let function = Arc::new(PostConfirmation::new(variable, start));
    let ending = Arc::clone(&function);
    // Before the first event: until then Lambda gives the process a whole CPU, whatever its memory.
    tokio::join!(function.connect_ahead(), shutdown::prepare(async move { ending.close().await }));
    function.ready();
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
