//! The start of the process: how long ago it was, and whether an event waited for it.

use std::fs::read_to_string;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::time_limit::COGNITO_WAIT;

/// The longest time from [`Start::ready`] to the first event, if that one was waiting already. It comes at once, unless
/// Lambda holds it back for another extension that is not ready yet.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Clock ticks a second in /proc/PID/stat: the same on every Linux that Lambda runs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Why Lambda started the process: `AWS_LAMBDA_INITIALIZATION_TYPE`.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// For an event that waits, as a rule.
    OnDemand,
    /// Ahead of any event: provisioned concurrency, managed instances.
    Ahead,
    /// For a snapshot that many later processes are copies of.
    Snapshot,
}

/// The start of the process.
#[derive(Debug)]
pub(crate) struct Start {
    reason: Reason,
    begun: Instant,
    ready: OnceLock<Instant>,
}

impl Start {
    /// `initialization_type` is the value of `AWS_LAMBDA_INITIALIZATION_TYPE`.
    pub(crate) fn new(initialization_type: Option<&str>) -> Self {
        let reason = match initialization_type {
            None | Some("" | "on-demand") => Reason::OnDemand,
            Some("snap-start") => Reason::Snapshot,
            Some(_) => Reason::Ahead,
        };
        let now = Instant::now();
        let begun = now.checked_sub(age().unwrap_or_default()).unwrap_or(now);
        Self { reason, begun, ready: OnceLock::new() }
    }

    /// Notes that the function asks for its first event now.
    pub(crate) fn ready(&self) {
        self.ready.get_or_init(Instant::now);
    }

    /// Returns whether the first event counts as a cold start.
    pub(crate) fn is_cold(&self) -> bool {
        self.reason == Reason::OnDemand
    }

    /// Returns whether a snapshot is taken of what the process has made so far: a session would be dead in each copy,
    /// and a password and TLS' secrets would be in all of them.
    pub(crate) fn is_for_snapshot(&self) -> bool {
        self.reason == Reason::Snapshot
    }

    /// The time that Cognito has already waited when the first event comes.
    pub(crate) fn waited(&self) -> Duration {
        let gap = self.ready.get().map(Instant::elapsed).unwrap_or_default();
        waited(self.reason, self.begun.elapsed(), gap)
    }
}

/// If the event was there as soon as the function asked for it, it waited for all of the start, however long that took.
/// If it came later, or the process started for another reason, it did not wait. After Cognito's limit nobody waits any
/// more, and the row still matters.
fn waited(reason: Reason, since_start: Duration, since_ready: Duration) -> Duration {
    let waits = reason == Reason::OnDemand && since_ready <= LONGEST_GAP && since_start < COGNITO_WAIT;
    if waits { since_start } else { Duration::ZERO }
}

/// The time since the kernel made the process. It may have been stopped, or short of CPU, before `main` began.
fn age() -> Option<Duration> {
    let stat = read_to_string("/proc/self/stat").ok()?;
    // The 22nd field; the second one, the name, is in parentheses and may hold anything.
    let started: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime: f64 = read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - started / TICKS_PER_SECOND).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(reason: Reason, since_start: u64, since_ready: u64) -> u128 {
        waited(reason, Duration::from_millis(since_start), Duration::from_millis(since_ready)).as_millis()
    }

    #[test]
    fn an_event_that_was_there_already_has_waited_for_all_of_the_start_however_long_it_took() {
        for start in [20, 1999, 2001, 4500, 4999] {
            assert_eq!(milliseconds(Reason::OnDemand, start, 3), u128::from(start));
        }
        assert_eq!(milliseconds(Reason::OnDemand, 1100, 1000), 1100, "Lambda may wait for another extension");
    }

    #[test]
    fn an_event_that_came_later_has_not_waited() {
        assert_eq!(milliseconds(Reason::OnDemand, 1100, 1001), 0);
        assert_eq!(milliseconds(Reason::OnDemand, 3_600_000, 3_599_000), 0);
    }

    #[test]
    fn nobody_waits_longer_than_cognito() {
        assert_eq!(milliseconds(Reason::OnDemand, 5000, 3), 0);
    }

    #[test]
    fn nobody_waits_for_a_process_that_was_started_ahead() {
        for (initialization_type, is_cold, is_for_snapshot) in [
            (None, true, false),
            (Some(""), true, false),
            (Some("on-demand"), true, false),
            (Some("provisioned-concurrency"), false, false),
            (Some("lambda-managed-instances"), false, false),
            (Some("snap-start"), false, true),
        ] {
            let start = Start::new(initialization_type);
            start.ready();
            assert_eq!(start.is_cold(), is_cold, "{initialization_type:?}");
            assert_eq!(start.is_for_snapshot(), is_for_snapshot, "{initialization_type:?}");
            assert_eq!(start.waited() > Duration::ZERO, is_cold && start.begun.elapsed() < COGNITO_WAIT);
        }
    }

    #[test]
    fn the_age_of_the_process_is_known() {
        let age = age().expect("Linux tells it");
        assert!(age < Duration::from_hours(24), "{age:?}");
    }
}
