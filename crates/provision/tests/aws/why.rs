//! `provision users why`: incidents are planted in a user pool, a table, a log and a queue. In each, the cause and the next
//! command are the right ones, and nothing personal is left with `--redact`.

mod gaps;
mod pool;
mod queues;
mod scene;
mod table;

use serde_json::json;

pub(crate) use self::scene::{ADDRESS, Scene, arn};
use self::scene::{Expected, LONG_AGO, call, text};

/// The command that repairs.
const RECONCILE: Option<&str> = Some("provision users reconcile --pool POOL");

#[tokio::test]
async fn a_failed_call_has_the_remedy_of_its_error() {
    let mut scene = Scene::new("why-failed").await;
    let sub = scene.confirmed_user();
    scene.log(&[(30, call(&sub, "failed", Some("DatabaseUnreachable")))]).await;
    let expected = Expected { cause: "failed", why: "because of DatabaseUnreachable", next: RECONCILE };
    let told = scene.assert_story(&[ADDRESS], &expected);
    let story = &told["users"][0];
    assert!(story["hint"].as_str().expect("a hint").contains("provision instance status"), "{story}");
    assert_eq!((&story["status"], &story["has_row"], &story["sub"]), (&json!("CONFIRMED"), &json!(false), &json!(sub)));
    let events = story["timeline"].as_array().expect("entries");
    let line = events.iter().find(|entry| entry["source"] == "log").expect("the line of the log");
    let expected = "failed: DatabaseUnreachable: the database cannot be reached (PostConfirmation_ConfirmSignUp, request \
                    8f5f-1, version 0.1.0)";
    assert_eq!(line["event"], expected);
    let times: Vec<_> = events.iter().map(|entry| entry["at"].as_str()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn a_failed_call_that_was_healed_needs_nothing() {
    let mut scene = Scene::new("why-healed").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    scene.log(&[(30, call(&sub, "failed", Some("NotAllowed"))), (20, call(&sub, "healed", None))]).await;
    let expected = Expected { cause: "healed", why: "(NotAllowed), and a later one made the row", next: None };
    scene.assert_story(&["countess"], &expected);
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_a_time_out() {
    let mut scene = Scene::new("why-timed-out").await;
    scene.confirmed_user();
    let cut_off = "2026-11-20T10:00:05.000Z 8f5f-1 Task timed out after 5.00 seconds";
    scene.log(&[(600, json!("START RequestId: 8f5f-1")), (0, json!(cut_off))]).await;
    scene.assert_story(&[ADDRESS], &Expected { cause: "timed_out", why: "it timed out", next: RECONCILE });
}

#[tokio::test]
async fn without_a_line_the_call_was_throttled_or_never_made() {
    let mut scene = Scene::new("why-no-call").await;
    let sub = scene.confirmed_user();
    let other = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";
    scene.log(&[(5, call(other, "failed", Some("NotAllowed"))), (4, json!({"outcome": "known"}))]).await;
    let expected = Expected { cause: "no_call", why: "it was throttled, or Cognito made none", next: RECONCILE };
    scene.assert_story(&[&sub], &expected);
}

#[tokio::test]
async fn a_row_that_was_deleted_after_a_call_has_made_it_is_told_as_such() {
    let mut scene = Scene::new("why-deleted-row").await;
    let sub = scene.confirmed_user();
    scene.log(&[(40, call(&sub, "failed", Some("NotAllowed"))), (30, call(&sub, "created", None))]).await;
    let expected = Expected { cause: "row_deleted", why: "deleted since, without a tombstone", next: RECONCILE };
    scene.assert_story(&[ADDRESS], &expected);
}

#[tokio::test]
async fn a_pool_that_calls_no_function_is_to_be_attached() {
    let mut scene = Scene::with("why-not-attached", &json!({})).await;
    scene.confirmed_user();
    let next = "provision trigger attach --pool POOL --function why-not-attached";
    let expected = Expected { cause: "not_attached", why: "the pool calls no function", next: Some(next) };
    scene.assert_story(&[ADDRESS, "--function", "why-not-attached"], &expected);
    let expected = Expected { next: Some("provision trigger attach --pool POOL --function NAME"), ..expected };
    let told = scene.assert_story(&[ADDRESS], &expected);
    assert_eq!(told["notes"][0]["remedy"], "name the function with --function");
}

#[tokio::test]
async fn a_pool_that_calls_another_function_is_to_be_attached_in_its_place() {
    let other = json!({"LambdaConfig": {"PostConfirmation": arn("someone-elses")}});
    let mut scene = Scene::with("why-replaced", &other).await;
    scene.confirmed_user();
    let next = "provision trigger attach --pool POOL --function why-replaced --replace";
    let expected = Expected { cause: "not_attached", why: "the pool calls another function", next: Some(next) };
    scene.assert_story(&[ADDRESS, "--function", "why-replaced"], &expected);
}

#[tokio::test]
async fn a_function_without_a_log_was_never_called() {
    let function = "why-never-called";
    let attached = json!({"LambdaConfig": {"PostConfirmation": arn(function)}});
    let mut scene = Scene::without_log(testkit::Moto::shared(), function, &attached).await;
    scene.confirmed_user();
    let next = "provision trigger show --pool POOL --function why-never-called";
    scene.assert_story(&[ADDRESS], &Expected { cause: "never_called", why: "has no log", next: Some(next) });
}

#[tokio::test]
async fn a_user_who_has_changed_a_moment_ago_may_be_signing_up() {
    let mut scene = Scene::new("why-under-way").await;
    let sub = scene.confirmed_user();
    let next = "provision users why SUB --pool POOL --function why-under-way";
    let expected = Expected { cause: "under_way", why: "may be on its way", next: Some(next) };
    scene.assert_story(&[&sub, "--settle", "1h"], &expected);
}

#[tokio::test]
async fn a_text_shows_the_story_by_time_then_the_cause_and_the_next_command() {
    let mut scene = Scene::new("why-text").await;
    let sub = scene.confirmed_user();
    scene.log(&[(30, call(&sub, "failed", Some("NotAllowed")))]).await;
    let output = scene.command(&[&sub]).output().expect("provision starts");
    let told = text(&output.stdout);
    let position = |part: &str| told.find(part).unwrap_or_else(|| panic!("expected {part:?} in {told}"));
    let parts = [
        &format!("pool {}, ", scene.pool),
        &format!("\n\nuser {sub}\n"),
        "log           failed: NotAllowed: ",
        "cognito       the user is created",
        "cognito       last change: CONFIRMED, address Lovelace@example.com verified, handle Countess, user name lovelace",
        "cause: the call of the function failed at ",
        "hint:  run `provision db grant --prod`",
        "next:  provision users reconcile --pool ",
    ];
    assert!(parts.map(position).is_sorted(), "{told}");
}

#[tokio::test]
async fn the_next_command_leads_out() {
    let mut scene = Scene::new("why-led-out").await;
    let sub = scene.confirmed_user();
    scene.log(&[(30, call(&sub, "failed", Some("NotAllowed")))]).await;
    assert_eq!(scene.follow(ADDRESS), "healed", "of a failed call");
    scene.change("email", "new.lovelace@example.com");
    scene.change("email_verified", "true");
    assert_eq!(scene.follow(&sub), "healed", "of a stale address");
    scene.execute(&format!("select cognito.forget_user('{sub}')")).await;
    assert_eq!(scene.follow(&sub), "healed", "of a forgotten user who is to stay");
    scene.execute("delete from public.users; delete from cognito.forgotten").await;
    scene.seed("Countess", "another@example.com").await;
    assert_eq!(scene.follow(&sub), "healed", "of a seeded row");
    scene.execute(&format!("update public.users set cognito_as_of = '{LONG_AGO}'")).await;
    scene.ask("AdminDeleteUser", json!({"Username": "lovelace"}));
    assert_eq!(scene.follow(&sub), "deleted", "of an orphan");
}
