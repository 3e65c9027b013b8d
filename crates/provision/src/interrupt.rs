//! Interruption of work that must be undone.

use std::{io, process};

use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports of a program that Ctrl-C has ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The outcome of the work, or `None` as soon as it is interrupted. The caller then undoes what must be undone.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        Ok(()) = interruption() => None,
    };
    // tokio keeps the signals for good: from here on, this program must end itself on one.
    tokio::spawn(async {
        if interruption().await.is_ok() {
            process::exit(INTERRUPTED);
        }
    });
    outcome
}

/// Ends on Ctrl-C, when the terminal is closed, and on SIGTERM.
async fn interruption() -> io::Result<()> {
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    tokio::select! {
        pressed = ctrl_c() => pressed,
        Some(()) = hangup.recv() => Ok(()),
        Some(()) = terminate.recv() => Ok(()),
    }
}
