//! The time that an invocation may take.

use std::time::Duration;

/// Cognito waits 5 s for an answer; the rest is for the way there and back.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
const COGNITO_LIMIT: Duration = Duration::from_millis(4500);

/// The time that an answer needs to leave the function before Lambda's own limit ends it.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// The longest start for an invocation. A process that started earlier was not started for it: Lambda also starts
/// processes before any event.
const LONGEST_COLD_START: Duration = Duration::from_secs(2);

/// The time that Cognito has already waited when the process' first invocation begins, this long after its start.
pub(crate) fn cold_wait(since_start: Duration) -> Duration {
    if since_start < LONGEST_COLD_START { since_start } else { Duration::ZERO }
}

/// The time that an invocation may take: what Cognito has not waited yet, but no longer than Lambda's deadline allows.
///
/// `deadline` and `now` count from the Unix epoch. A deadline in the past is unknown: `cargo lambda watch` sends
/// one in 1970.
pub(crate) fn time_limit(waited: Duration, deadline: Duration, now: Duration) -> Duration {
    let cognito = COGNITO_LIMIT.saturating_sub(waited);
    match deadline.checked_sub(now) {
        Some(left) => cognito.min(left.saturating_sub(ANSWER_MARGIN)),
        None => cognito,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1_800_000_000_123);

    fn milliseconds(waited: u64, until_deadline: u64) -> u128 {
        let until_deadline = Duration::from_millis(until_deadline);
        time_limit(Duration::from_millis(waited), NOW + until_deadline, NOW).as_millis()
    }

    #[test]
    fn an_invocation_has_4500_ms_minus_what_cognito_has_waited() {
        assert_eq!(milliseconds(0, 60_000), 4500);
        assert_eq!(milliseconds(300, 60_000), 4200);
        assert_eq!(milliseconds(9000, 60_000), 0);
    }

    #[test]
    fn lambdas_deadline_counts_when_it_is_earlier() {
        assert_eq!(milliseconds(0, 3000), 2750);
        assert_eq!(milliseconds(300, 4451), 4200);
        assert_eq!(milliseconds(300, 4450), 4200);
        assert_eq!(milliseconds(300, 4449), 4199);
        assert_eq!(milliseconds(0, 250), 0);
        assert_eq!(milliseconds(0, 0), 0);
    }

    #[test]
    fn a_deadline_in_the_past_is_unknown() {
        assert_eq!(time_limit(Duration::ZERO, Duration::ZERO, NOW).as_millis(), 4500);
        assert_eq!(time_limit(Duration::ZERO, NOW, NOW + Duration::from_millis(1)).as_millis(), 4500);
    }

    #[test]
    fn only_a_start_for_this_invocation_counts_as_waiting() {
        assert_eq!(cold_wait(Duration::from_millis(1999)), Duration::from_millis(1999));
        assert_eq!(cold_wait(Duration::from_secs(2)), Duration::ZERO);
    }
}
