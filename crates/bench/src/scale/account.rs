//! The account of a scenario: what was answered, and the rows at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::crowd::{Call, Wave};
use super::results::{Phase, Times};
use crate::queue::Queue;
use crate::spread::Series;

/// The time that Cognito waits for an answer.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
const COGNITO_WAIT: Duration = Duration::from_secs(5);

/// What is kept of a wave.
pub(crate) fn phase(wave: &Wave, queue: &Queue) -> anyhow::Result<Phase> {
    let times = |is_meant: &dyn Fn(&Call) -> bool| {
        let mut series = Series::default();
        wave.calls.iter().filter(|call| is_meant(call)).for_each(|call| series.push_time(call.taken));
        let (spread, longest) = (series.spread()?, series.longest()?);
        Some(Times { number: spread.number, median: spread.median, p99: spread.p99, longest })
    };
    let is_spilled = |call: &Call| queue.has_had(&call.user);
    let is_late = |call: &&Call| call.taken > COGNITO_WAIT;
    Ok(Phase {
        sign_ups: wave.calls.len(),
        seconds: rounded(wave.time),
        all: times(&|_| true).context("nobody has signed up")?,
        spilled: times(&is_spilled),
        ensured: times(&|call| call.error.is_none() && !is_spilled(call)),
        late: wave.calls.iter().filter(is_late).count(),
        errors: wave.calls.iter().filter(|call| call.error.is_some()).count(),
    })
}

/// How often each error was seen.
pub(crate) fn errors(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut errors = BTreeMap::new();
    for error in calls.iter().filter_map(|call| call.error.clone()) {
        *errors.entry(error).or_default() += 1;
    }
    errors
}

/// Fails unless each sign-up that was answered without an error has a row, and nobody has two or one without a sign-up.
pub(crate) fn balance(calls: &[Call], rows: &BTreeMap<String, usize>) -> anyhow::Result<()> {
    let lost = calls.iter().filter(|call| call.error.is_none() && !rows.contains_key(&call.user)).count();
    let doubled = rows.values().filter(|number| **number > 1).count();
    let signed_up = calls.iter().filter(|call| rows.contains_key(&call.user)).count();
    let foreign = rows.len() - signed_up;
    ensure!(lost == 0, "{lost} sign-ups were answered and have no row");
    ensure!(doubled == 0 && foreign == 0, "{doubled} users have two rows, and {foreign} rows are nobody's");
    Ok(())
}

/// A time in seconds, to a thousandth.
pub(crate) fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(user: &str, error: Option<&str>) -> Call {
        Call { user: user.to_owned(), taken: Duration::from_millis(1), error: error.map(str::to_owned) }
    }

    fn balance_of(calls: &[Call], rows: &[(&str, usize)]) -> Result<(), String> {
        let rows = rows.iter().map(|(user, number)| ((*user).to_owned(), *number)).collect();
        balance(calls, &rows).map_err(|error| error.to_string())
    }

    #[test]
    fn a_sign_up_that_was_answered_without_an_error_must_have_its_row_and_one_alone() {
        let calls = [call("ada", None), call("grace", Some("TooManyConnections"))];
        assert_eq!(balance_of(&calls, &[("ada", 1)]), Ok(()));
        assert_eq!(balance_of(&calls, &[("ada", 1), ("grace", 1)]), Ok(()), "an error may come too late");
        for (rows, expected) in [
            (&[][..], "1 sign-ups were answered and have no row"),
            (&[("ada", 2)], "1 users have two rows, and 0 rows are nobody's"),
            (&[("ada", 1), ("mary", 1)], "0 users have two rows, and 1 rows are nobody's"),
        ] {
            assert_eq!(balance_of(&calls, rows), Err(expected.to_owned()));
        }
    }
}
