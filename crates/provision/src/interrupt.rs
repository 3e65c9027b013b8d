//! An end in the middle of what must be undone.

use std::{io, process};

use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports of a program that Ctrl-C has ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The outcome of the work, or `None` as soon as somebody wants the program to end: then the caller undoes what must be.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        Ok(()) = interruption() => None,
    };
    // tokio never gives the signals back: from here on, it is for us to let them end the program.
    tokio::spawn(async {
        if interruption().await.is_ok() {
            process::exit(INTERRUPTED);
        }
    });
    outcome
}

/// Ends with Ctrl-C, with the terminal, or when the program is told to.
async fn interruption() -> io::Result<()> {
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    tokio::select! {
        pressed = ctrl_c() => pressed,
        Some(()) = hangup.recv() => Ok(()),
        Some(()) = terminate.recv() => Ok(()),
    }
}
