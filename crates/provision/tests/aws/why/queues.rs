//! What the queue and the dead letters tell.

use serde_json::{Value, json};
use testkit::Moto;

use super::RECONCILE;
use super::scene::{ADDRESS, Expected, LONG_AGO, Scene, call};
use crate::queue::Queues;

/// The event of the user's sign-up.
fn event(sub: &str) -> String {
    let attributes = json!({"sub": sub, "email": ADDRESS, "name": "Ada Lovelace"});
    let source = "PostConfirmation_ConfirmSignUp";
    json!({"triggerSource": source, "userName": "lovelace", "request": {"userAttributes": attributes}}).to_string()
}

fn waiting_for(cause: &str) -> [(&str, &str); 3] {
    let source = "PostConfirmation_ConfirmSignUp";
    [("cause", cause), ("as_of", "2026-11-20T10:00:00.123456Z"), ("trigger_source", source)]
}

/// A call of the replay.
fn replay(sub: &str, outcome: &str, cause: Option<&str>) -> Value {
    let mut line = call(sub, outcome, cause);
    line["messageId"] = json!("0c4e-1");
    line
}

#[tokio::test]
async fn an_event_that_waits_is_told_of() {
    let queues = Queues::at(Moto::shared(), "why-waits").await;
    let mut scene = Scene::new("why-waiting").await;
    let sub = scene.confirmed_user();
    queues.add_event(&event(&sub), &waiting_for("DatabaseUnreachable")).await;
    scene.log(&[(30, call(&sub, "spilled", Some("DatabaseUnreachable")))]).await;
    let next = Some("provision queue show --queue why-waits");
    let expected = Expected { cause: "waiting", why: "because of DatabaseUnreachable: its replay makes the row", next };
    let told = scene.assert_story(&[ADDRESS, "--queue", "why-waits"], &expected);
    assert!(told["users"][0]["timeline"].to_string().contains("1 in why-waits"), "{told}");
    // Without the queue's name as well.
    let expected = Expected { next: Some("provision queue show --queue QUEUE"), ..expected };
    scene.assert_story(&[ADDRESS], &expected);
}

#[tokio::test]
async fn an_event_that_was_replayed_needs_nothing() {
    let mut scene = Scene::new("why-replayed").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    let spilled = call(&sub, "spilled", Some("BudgetExceeded"));
    let held = replay(&sub, "held", Some("BudgetExceeded"));
    scene.log(&[(30, spilled), (20, held), (10, replay(&sub, "created", None))]).await;
    let why = "(BudgetExceeded), and made the row at";
    scene.assert_story(&[ADDRESS], &Expected { cause: "replayed", why, next: None });
}

#[tokio::test]
async fn an_event_that_no_queue_has_any_more_is_lost() {
    let _queues = Queues::at(Moto::shared(), "why-lost").await;
    let mut scene = Scene::new("why-lost-event").await;
    let sub = scene.confirmed_user();
    scene.log(&[(30, call(&sub, "spilled", Some("DatabaseUnreachable")))]).await;
    let why = "neither it nor the dead letters have it";
    let expected = Expected { cause: "lost_event", why, next: RECONCILE };
    scene.assert_story(&[ADDRESS, "--queue", "why-lost"], &expected);
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once_its_cause_is_mended() {
    let queues = Queues::at(Moto::shared(), "why-dead-letter").await;
    let mut scene = Scene::new("why-dead").await;
    let sub = scene.confirmed_user();
    let refused = [&waiting_for("DatabaseRefused")[..], &[("request_id", "8f5f-1")]].concat();
    queues.add_dead_letter(&event("5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95"), &waiting_for("NotAllowed")).await;
    queues.add_dead_letter(&event(&sub), &refused).await;
    scene.log(&[(30, replay(&sub, "dead-letter", Some("DatabaseRefused")))]).await;
    let next = Some("provision queue replay --cause DatabaseRefused --queue why-dead-letter");
    let why = "the event of 2026-11-20T10:00:00Z is a dead letter, because of DatabaseRefused";
    let expected = Expected { cause: "dead_letter", why, next };
    let told = scene.assert_story(&[ADDRESS, "--queue", "why-dead-letter"], &expected);
    let hint = told["users"][0]["hint"].as_str().expect("a hint");
    assert!(hint.contains("docs/errors.md"), "{hint}");
    // It is given back: the story is the same once more, and without the queue the log tells of it.
    scene.assert_story(&[&sub, "--queue", "why-dead-letter"], &expected);
    let next = Some("provision queue replay --cause DatabaseRefused --queue QUEUE");
    scene.assert_story(&[&sub], &Expected { cause: "dead_letter", why: "became a dead letter at", next });
}
