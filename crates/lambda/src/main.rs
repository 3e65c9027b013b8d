//! The Amazon Cognito PostConfirmation trigger: every confirmed sign-up becomes a row in `users`. As the trigger Pre token
//! generation or Post authentication, it makes a row that is missing at the next sign-in.
//!
//! An event's way is one straight line: `main` → [`handler`] → [`cognito::Event`] → `ensure` or `heal`, which both are
//! [`db::users::ensure`] → [`report`] → the event back. What fails is a [`failure`].

mod diagnostics;
mod failure;
mod handler;
mod heal;
mod outcome;
mod queue;
mod replay;
mod report;
mod shutdown;
mod spill;
mod start;
mod time_limit;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::service_fn;
use tokio::time::timeout;

use crate::handler::PostConfirmation;
use crate::start::Start;

/// The longest that connecting ahead keeps the function from asking for its first event, which may wait already: until
/// then Lambda gives the process a whole CPU, whatever its memory. With it, the secret and a connection take less as a
/// rule. A server that stalls must not cost a sign-in more, which has 300 ms in all. After it, the first invocation takes
/// the connection over, so a sign-up loses nothing.
const CONNECT_AHEAD_WAIT: Duration = Duration::from_millis(200);

// Lambda sends one invocation at a time, or is asked for one at a time; a second thread would only cost start-up time.
#[tokio::main(flavor = "local")]
async fn main() -> Result<(), lambda_runtime::Error> {
    // Only a task goes on at once when it is woken: before it polls this future, the runtime asks the kernel for news.
    tokio::task::spawn_local(run()).await?
}

async fn run() -> Result<(), lambda_runtime::Error> {
    // Lambda sets these itself.
    let of_lambda = |name: &str| std::env::var(name).ok();
    diagnostics::init(of_lambda("AWS_LAMBDA_LOG_FORMAT").as_deref(), of_lambda("AWS_LAMBDA_LOG_LEVEL").as_deref());

    let start = Start::new(of_lambda("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref());
    let function = Arc::new(PostConfirmation::new(|name: &str| std::env::var_os(name), start));
    let ending = Arc::clone(&function);
    let mut connecting = pin!(function.connect_ahead());
    let (connected, ()) = tokio::join!(
        timeout(CONNECT_AHEAD_WAIT, &mut connecting),
        shutdown::prepare(async move { ending.close().await }),
    );
    function.ready();
    let serve = Box::pin(lambda_runtime::run(service_fn(|event| function.handle(event))));
    let connect = async {
        if connected.is_err() {
            connecting.await;
        }
    };
    tokio::join!(serve, connect).0
}
