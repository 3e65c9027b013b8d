//! What no server here does: statuses, and dates of long ago.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::aws::log::Report;
use crate::aws::pool_users::{Admission, PoolUser};
use crate::commands::users::why::story::{Call, LogState};
use crate::commands::users::why::table::Row;
use crate::commands::users::why::who::Who;

const DAY: Duration = Duration::from_hours(24);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

/// A user who was confirmed so long ago, an hour after the sign-up.
fn user(status: &str, ago: Duration) -> PoolUser {
    PoolUser {
        username: "lovelace".to_owned(),
        status: status.to_owned(),
        enabled: true,
        created_at: now() - ago - Duration::from_hours(1),
        modified_at: now() - ago,
        attributes: BTreeMap::from([("email".to_owned(), "lovelace@example.com".to_owned())]),
    }
}

fn call(outcome: &str, ago: Duration) -> Call {
    let report = Report { outcome: outcome.to_owned(), error_type: Some("NotAllowed".to_owned()), ..Report::default() };
    Call { at: now() - ago, report }
}

fn deployment() -> Deployment {
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:f".to_owned();
    Deployment {
        now: now(),
        settle: Duration::from_secs(20),
        admission: Some(Admission { post_confirmation: Some(arn), migrates: false, is_by_administrators: false }),
        is_pool_readable: true,
        function: "f".parse().ok(),
        log: LogState::Read { since: now() - 14 * DAY },
        queue: None,
        first_as_of: None,
    }
}

/// The cause, and whether there is a next command.
fn judged(story: &Story, deployment: &Deployment) -> (&'static str, bool) {
    let who = Who::parse("lovelace").expect("a handle");
    let wording = Wording {
        command_line: &|command| format!("provision {command}"),
        who: &who,
        pool: "eu-central-1_A",
        function: Some("f"),
        queue: None,
        is_production: true,
        is_redacted: false,
    };
    let Verdict { cause, next, .. } = Verdict::of(story, deployment, &wording);
    assert!(next.as_ref().is_none_or(|next| !next.contains("users ") || next.contains("--prod")), "{next:?}");
    (cause, next.is_some())
}

#[test]
fn a_status_of_which_no_row_is_expected_needs_nothing() {
    for (status, expected) in [
        ("UNCONFIRMED", ("unconfirmed", false)),
        ("FORCE_CHANGE_PASSWORD", ("force_change_password", false)),
        ("ARCHIVED", ("archived", false)),
        ("COMPROMISED", ("compromised", false)),
        ("UNKNOWN", ("unknown_status", false)),
        ("CONFIRMED", ("no_call", true)),
        ("EXTERNAL_PROVIDER", ("federated", true)),
        ("RESET_REQUIRED", ("reset_required", true)),
    ] {
        let story = Story { user: Some(user(status, DAY)), ..Story::default() };
        assert_eq!(judged(&story, &deployment()), expected, "{status}");
    }
}

#[test]
fn a_user_from_before_the_log_that_was_read_is_told_as_such() {
    let story = Story { user: Some(user("CONFIRMED", 15 * DAY)), ..Story::default() };
    assert_eq!(judged(&story, &deployment()), ("before_log", true));
}

#[test]
fn a_later_call_of_a_user_who_was_forgotten_counts_and_an_earlier_one_does_not() {
    for (ago, outcome, expected) in [
        (3, "failed", "forgotten"),
        (1, "unchanged", "forgotten"),
        (1, "failed", "failed"),
        (1, "created", "row_deleted"),
    ] {
        let story = Story {
            user: Some(user("CONFIRMED", 4 * DAY)),
            forgotten_at: Some(now() - 2 * DAY),
            calls: vec![call(outcome, ago * DAY)],
            ..Story::default()
        };
        assert_eq!(judged(&story, &deployment()).0, expected, "{outcome} {ago} days ago");
    }
}

#[test]
fn the_last_call_decides_and_one_that_is_of_no_user_does_not_count() {
    let calls = vec![call("created", 3 * DAY), call("failed", 2 * DAY), call("ignored", DAY)];
    let story = Story { user: Some(user("CONFIRMED", 4 * DAY)), calls, ..Story::default() };
    assert_eq!(judged(&story, &deployment()).0, "failed");
}

#[test]
fn a_failure_of_which_the_row_was_made_by_no_call_of_the_log_is_healed() {
    let row = Row { email: Some("lovelace@example.com".to_owned()), email_verified: Some(false), ..Row::default() };
    let story = Story {
        user: Some(user("CONFIRMED", 4 * DAY)),
        row: Some(row),
        calls: vec![call("failed", 4 * DAY)],
        ..Story::default()
    };
    assert_eq!(judged(&story, &deployment()), ("healed", false));
}

#[test]
fn a_row_without_the_state_of_its_address_is_stale_once_the_user_has_changed_since() {
    for (ago, expected) in [(3, "stale"), (1, "agrees")] {
        let row =
            Row { email: Some("lovelace@example.com".to_owned()), as_of: Some(now() - ago * DAY), ..Row::default() };
        let story = Story { user: Some(user("CONFIRMED", 2 * DAY)), row: Some(row), ..Story::default() };
        assert_eq!(judged(&story, &deployment()).0, expected, "{ago} days ago");
    }
}
