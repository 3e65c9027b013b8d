//! The daily backup window and the weekly maintenance window.

use anyhow::ensure;
use serde::{Deserialize, Deserializer, de};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;

/// The shortest window that RDS accepts, in minutes.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
const SHORTEST: u32 = 30;

/// Minutes since the begin of the day.
fn time(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let part = |part: &str, below: u32| {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|number| is_number && *number < below)
    };
    Some(part(hour, 24)? * 60 + part(minute, 60)?)
}

/// Minutes since the begin of the week.
fn moment(text: &str) -> Option<u32> {
    let (day, rest) = text.split_once(':')?;
    let day = DAYS.iter().position(|name| *name == day)?;
    Some(u32::try_from(day).ok()? * DAY + time(rest)?)
}

/// Begin and length, in minutes, of a window that comes again after `period`.
fn span(text: &str, period: u32, point: fn(&str) -> Option<u32>) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (point(from)?, point(to)?);
    Some((from, (to + period - from) % period))
}

/// A window in lower case, as RDS reports it.
fn window<'de, D: Deserializer<'de>>(
    deserializer: D,
    period: u32,
    point: fn(&str) -> Option<u32>,
    allowed: &str,
) -> Result<String, D::Error> {
    let value = String::deserialize(deserializer)?.to_ascii_lowercase();
    match span(&value, period, point) {
        None => Err(de::Error::custom(format!("{value:?} is not {allowed}"))),
        Some((_, length)) if length < SHORTEST => {
            Err(de::Error::custom(format!("{value:?} is shorter than {SHORTEST} minutes")))
        }
        Some(_) => Ok(value),
    }
}

pub(super) fn backup<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    window(deserializer, DAY, time, "a time span in UTC, such as \"03:00-04:00\"")
}

pub(super) fn maintenance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    window(deserializer, WEEK, moment, "a span of days and times in UTC, such as \"sun:04:30-sun:05:30\"")
}

/// Refuses windows that overlap, as RDS does.
pub(super) fn check(backup: &str, maintenance: &str) -> anyhow::Result<()> {
    let (Some((daily, length)), Some((weekly, weekly_length))) =
        (span(backup, DAY, time), span(maintenance, WEEK, moment))
    else {
        return Ok(());
    };
    let overlaps = (0..7).any(|day| {
        let daily = daily + day * DAY;
        // Each begins within the other, around the end of the week as well.
        (weekly + WEEK - daily) % WEEK < length || (daily + WEEK - weekly) % WEEK < weekly_length
    });
    ensure!(!overlaps, "backups.window, {backup}, and maintenance_window, {maintenance}, overlap");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_touch_do_not_overlap() {
        for (backup, maintenance, overlaps) in [
            ("03:00-04:00", "sun:04:00-sun:05:00", false),
            ("03:00-04:00", "sun:03:30-sun:05:00", true),
            ("03:00-04:00", "sun:02:00-sun:03:00", false),
            ("03:00-04:00", "sun:02:00-sun:03:01", true),
            ("23:30-00:30", "mon:00:00-mon:01:00", true),
            ("00:00-01:00", "sun:23:30-mon:00:30", true),
            ("00:30-01:00", "sun:23:30-mon:00:30", false),
            ("05:00-06:00", "sat:22:00-sun:06:30", true),
        ] {
            assert_eq!(check(backup, maintenance).is_err(), overlaps, "{backup} and {maintenance}");
        }
    }
}
