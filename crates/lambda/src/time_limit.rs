//! The time that an invocation may take.

use std::time::Duration;

/// The time that Cognito waits for an answer.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
pub(crate) const COGNITO_WAIT: Duration = Duration::from_secs(5);

/// The longest time for an invocation; the rest of [`COGNITO_WAIT`] is for the way there and back.
pub(crate) const LIMIT: Duration = Duration::from_millis(4500);

/// The time that an answer needs to leave the function before Lambda's own limit ends it.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// The shortest time for the work, however long Cognito has waited. An error that is answered in time is final, while
/// Cognito calls again where no answer came: too late an answer is the smaller harm.
const SHORTEST: Duration = Duration::from_millis(300);

/// The longest time for a sign-in, which a person waits for: less than a user notices, and 20 ms less than the 300 ms
/// that are promised, for the way of the answer.
const SIGN_IN_LIMIT: Duration = Duration::from_millis(280);

/// The shortest time in which the database is asked at a sign-in: some round trips.
pub(crate) const SHORTEST_SIGN_IN: Duration = Duration::from_millis(30);

/// The part of a replay's time that is kept for the dead letters and for hiding what is held back.
pub(crate) const REPLAY_MARGIN: Duration = Duration::from_secs(2);

/// Returns whether Lambda's own limit, by this `deadline`, ends the function before Cognito would stop waiting.
pub(crate) fn is_short(deadline: Duration, now: Duration) -> bool {
    deadline.checked_sub(now).is_some_and(|left| left < COGNITO_WAIT)
}

/// The time that an invocation may take: what Cognito has not waited yet, but no longer than Lambda's deadline allows.
///
/// `deadline` and `now` count from the Unix epoch. A deadline in the past is unknown: `cargo lambda watch` sends
/// one in 1970.
pub(crate) fn time_limit(waited: Duration, deadline: Duration, now: Duration) -> Duration {
    let cognito = LIMIT.saturating_sub(waited).max(SHORTEST);
    match deadline.checked_sub(now) {
        Some(left) => cognito.min(left.saturating_sub(ANSWER_MARGIN)),
        None => cognito,
    }
}

/// The time that a sign-in may take, the start of the process included. One that has no time left is skipped: the next
/// sign-in heals.
pub(crate) fn sign_in_time_limit(waited: Duration, deadline: Duration, now: Duration) -> Duration {
    time_limit(waited, deadline, now).min(SIGN_IN_LIMIT.saturating_sub(waited))
}

/// The time that a replay has for the database: all of Lambda's but what the rest needs. Nobody waits for it.
pub(crate) fn replay_time_limit(deadline: Duration, now: Duration) -> Duration {
    deadline.checked_sub(now).map_or(LIMIT, |left| left.saturating_sub(REPLAY_MARGIN + ANSWER_MARGIN))
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
    }

    #[test]
    fn some_time_is_left_for_the_work_however_long_cognito_has_waited() {
        assert_eq!(milliseconds(4300, 60_000), 300);
        assert_eq!(milliseconds(4999, 60_000), 300);
        assert_eq!(milliseconds(4999, 300), 50);
    }

    #[test]
    fn a_known_deadline_before_cognitos_limit_is_short() {
        assert!(is_short(NOW + Duration::from_millis(4999), NOW));
        assert!(!is_short(NOW + Duration::from_secs(5), NOW));
        assert!(!is_short(Duration::ZERO, NOW), "a deadline in the past is unknown");
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
    fn a_sign_in_has_280_ms_from_the_start_of_the_process_on() {
        for (waited, until_deadline, expected) in
            [(0, 60_000, 280), (100, 60_000, 180), (280, 60_000, 0), (4300, 60_000, 0), (0, 400, 150)]
        {
            let (waited, deadline) = (Duration::from_millis(waited), NOW + Duration::from_millis(until_deadline));
            assert_eq!(sign_in_time_limit(waited, deadline, NOW).as_millis(), expected, "{waited:?}");
        }
        assert_eq!(sign_in_time_limit(Duration::ZERO, Duration::ZERO, NOW).as_millis(), 280, "no deadline is known");
    }

    #[test]
    fn a_deadline_in_the_past_is_unknown() {
        assert_eq!(time_limit(Duration::ZERO, Duration::ZERO, NOW).as_millis(), 4500);
        assert_eq!(time_limit(Duration::ZERO, NOW, NOW + Duration::from_millis(1)).as_millis(), 4500);
    }
}
