//! Interruption of work that must be undone, or that must not stop halfway.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::{io, mem, process};

use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

use crate::prompt::progress;

/// What a shell reports of a program that Ctrl-C has ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The outcome of the work, or `None` as soon as it is interrupted. The caller then undoes what must be undone.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    end_at_next(false);
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        Ok(()) = interruption() => None,
    };
    end_at_next(true);
    outcome
}

/// The outcome of work that goes on to its end if it is interrupted, and whether it was. A second interruption ends the
/// program at once.
pub(crate) async fn in_spite_of_interruption<T>(work: impl Future<Output = T>) -> (T, bool) {
    let mut work = pin!(work);
    let Some(outcome) = unless_interrupted(&mut work).await else {
        progress("interrupted: this step ends first, because half of it would be a loss; interrupt again to stop it");
        return (work.await, true);
    };
    (outcome, false)
}

/// Makes the next interruption end the program, or no more. tokio keeps the signals for good, so outside of the work above
/// this program must end itself on one.
fn end_at_next(is_wanted: bool) {
    static ENDING: Mutex<Option<AbortHandle>> = Mutex::new(None);
    let ending = is_wanted.then(|| {
        let end = async {
            if interruption().await.is_ok() {
                process::exit(INTERRUPTED);
            }
        };
        tokio::spawn(end).abort_handle()
    });
    let mut current = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(former) = mem::replace(&mut *current, ending) {
        former.abort();
    }
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
