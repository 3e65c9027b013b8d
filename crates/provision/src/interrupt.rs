//! Interruption of work that must be undone, or that must not stop halfway.

use std::future::pending;
use std::pin::pin;
use std::sync::{Mutex as BlockingMutex, PoisonError};
use std::{fs, io, mem, process};

use rustix::process::{Pid, kill_process};
use tokio::process::Child;
use tokio::signal::unix::{self, Signal, SignalKind};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::prompt::progress;

/// What a shell reports of a program that Ctrl-C has ended: 128 and the number of SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// The outcome of the work, or `None` as soon as it is interrupted. The caller then undoes what must be undone.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    let outcome = until_interrupted(work).await;
    end_at_next(true);
    outcome
}

/// The outcome of work that goes on to its end if it is interrupted, and whether it was. A second interruption ends the
/// program at once. One that comes after the work waits for the next call of [`unless_interrupted`].
pub(crate) async fn in_spite_of_interruption<T>(work: impl Future<Output = T>) -> (T, bool) {
    let mut work = pin!(work);
    let Some(outcome) = until_interrupted(&mut work).await else {
        end_at_next(true);
        progress("interrupted: this step ends first, because half of it would be a loss; interrupt again to stop it");
        return (work.await, true);
    };
    (outcome, false)
}

/// The same as [`unless_interrupted`], for a caller that goes on to [`in_spite_of_interruption`]: in between, no interruption
/// ends the program. The next call is the first to see it.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    end_at_next(false);
    tokio::select! {
        outcome = work => Some(outcome),
        Ok(_) = interruption() => None,
    }
}

/// The outcome of the work, or `None` as soon as this program is to end. Ctrl-C does not end it: the terminal sends that to
/// the program in the foreground as well, and it is that one's.
pub(crate) async fn until_terminated<T>(work: impl Future<Output = T>) -> Option<T> {
    end_at_next(false);
    let termination = async {
        while interruption().await? == SignalKind::interrupt() {}
        io::Result::Ok(())
    };
    tokio::select! {
        outcome = work => Some(outcome),
        Ok(()) = termination => None,
    }
}

/// Sends a signal to a child that runs.
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
        // It has ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// Makes the next interruption end the program, or no more. tokio keeps the signals for good, so outside of the work above
/// this program must end itself on one.
fn end_at_next(is_wanted: bool) {
    static ENDING: BlockingMutex<Option<AbortHandle>> = BlockingMutex::new(None);
    let ending = is_wanted.then(|| {
        let end = async {
            if interruption().await.is_ok() {
                process::exit(INTERRUPTED.into());
            }
        };
        tokio::spawn(end).abort_handle()
    });
    let mut current = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(former) = mem::replace(&mut *current, ending) {
        former.abort();
    }
}

/// Ctrl-C, SIGTERM and the end of the terminal; none for one that whoever started this program has it ignore, as `nohup` and
/// a shell's `&` do: to listen to it would undo that.
struct Listener {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Listener {
    fn new() -> io::Result<Self> {
        let ignored = ignored_signals();
        let listen = |kind: SignalKind| {
            let is_ignored = ignored & (1 << (kind.as_raw_value() - 1)) != 0;
            (!is_ignored).then(|| unix::signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

/// The signals that this program ignores, one bit for each; none where the system does not say.
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Ends at this signal, and never at one that is not listened to.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

/// Ends at an interruption that nobody has waited for yet, and returns which. There is one listener for the whole run: another one would miss
/// what comes before it.
async fn interruption() -> io::Result<SignalKind> {
    static LISTENER: Mutex<Option<Listener>> = Mutex::const_new(None);
    let mut listener = LISTENER.lock().await;
    let Listener { interrupt, terminate, hangup } = match &mut *listener {
        Some(listener) => listener,
        none => none.insert(Listener::new()?),
    };
    Ok(tokio::select! {
        () = received(interrupt) => SignalKind::interrupt(),
        () = received(terminate) => SignalKind::terminate(),
        () = received(hangup) => SignalKind::hangup(),
    })
}
