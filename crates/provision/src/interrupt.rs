//! Ctrl-C in the middle of what must be undone.

use std::process;

use tokio::signal::ctrl_c;

/// What a shell reports of a program that Ctrl-C has ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The outcome of the work, or `None` as soon as the operator presses Ctrl-C: then the caller undoes what must be.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        _ = ctrl_c() => None,
    };
    // tokio never gives the signal back: from here on, it is for us to let it end the program.
    tokio::spawn(async {
        if ctrl_c().await.is_ok() {
            process::exit(INTERRUPTED);
        }
    });
    outcome
}
