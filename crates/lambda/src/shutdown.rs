//! The end of the process: Lambda sends SIGTERM and, 500 ms later, SIGKILL.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown>

use std::time::Duration;

use lambda_extension::Extension;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tracing::warn;

/// The longest wait for the registration. It is a request within the machine, and an event may wait meanwhile.
const REGISTER_LIMIT: Duration = Duration::from_millis(500);

/// The name must be the function's only extension by that name.
const EXTENSION: &str = "post-confirmation-shutdown";

/// Registers for SIGTERM, and runs `close` when it comes.
///
/// Lambda sends the signal only to a function with an extension, so this is one that asks for no event. Without it the
/// server finds out later that a session is gone. That harms no sign-up, so a failure is only logged.
pub(crate) async fn prepare(close: impl Future<Output = ()> + Send + 'static) {
    let registration = Extension::new().with_events(&[]).with_extension_name(EXTENSION).register();
    let problem = match timeout(REGISTER_LIMIT, registration).await {
        Ok(Ok(extension)) => {
            // Lambda waits for its first request for an event before it sends one to the function.
            tokio::spawn(async move { drop(extension.run().await) });
            None
        }
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("Lambda does not answer".to_owned()),
    };
    if let Some(error) = problem {
        warn!(error, "not registered for SIGTERM; the database closes this function's session later by itself");
    }
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::spawn(async move {
                terminated.recv().await;
                close.await;
                std::process::exit(0);
            });
        }
        Err(error) => warn!(%error, "SIGTERM ends this function without closing its session"),
    }
}
