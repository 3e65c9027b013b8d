//! `provision activity`

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fixture::{Fixture, assert_refused};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A database with the user `ada`.
async fn fixture() -> Fixture {
    let fixture = Fixture::loaded().await;
    let user = "insert into users (display_name, handle, cognito_user_id) values (E'Ada \\x1b[31m', 'ada', 'a')";
    fixture.execute(user).await;
    fixture
}

fn create<'a>(message: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["activity", "create", "--handle", "ADA", "--ttl", "1-day", "--message", message], more].concat()
}

fn messages(activities: &Value) -> Vec<&str> {
    let activities = activities.as_array().expect("a list");
    activities.iter().map(|activity| activity["message"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn an_activity_is_written_and_read_back() {
    let fixture = fixture().await;
    let written = fixture.json(&create("hello 🦀", &[]));
    let thread = fixture.json(&["activity", "show", written["uuid"].as_str().expect("a uuid")]);
    assert_eq!(thread, json!({"activity": written, "replies": []}));
    assert_eq!(fixture.json(&["activity", "home"]), json!({"activities": [written], "next": null}));
    assert_eq!(
        (&written["handle"], &written["message"], &written["replies_count"], &written["reply_to_activity_uuid"]),
        (&json!("ada"), &json!("hello 🦀"), &json!(0), &Value::Null)
    );
    let life = "select count(*) from activities where expires_at - created_at = interval '24 hours'";
    assert_eq!(fixture.count(life).await, 1);
}

#[tokio::test]
async fn an_author_may_be_named_by_uuid() {
    let fixture = fixture().await;
    let users = fixture.json(&["users", "list"]);
    let uuid = users[0]["uuid"].as_str().expect("a uuid");
    let written = fixture.json(&["activity", "create", "--user", uuid, "--ttl", "30-days", "--message", "x"]);
    assert_eq!(written["handle"], "ada");
}

#[tokio::test]
async fn a_message_may_begin_with_a_hyphen() {
    let fixture = fixture().await;
    for message in ["- a list item", "-1", "--help", "--ttl", "-"] {
        assert_eq!(fixture.json(&create(message, &[]))["message"], message);
    }
    fixture.execute("insert into users (display_name, handle, cognito_user_id) values ('Dash', '-dash', 'dash')").await;
    let arguments = ["activity", "create", "--message", "x", "--handle", "-dash", "--ttl", "1-hour"];
    assert_eq!(fixture.json(&arguments)["handle"], "-dash");
}

#[tokio::test]
async fn a_message_in_which_nothing_is_visible_is_blank() {
    let fixture = fixture().await;
    for message in ["\u{200b}", "\u{202e}", "\u{feff} \u{2060}\n"] {
        fixture.assert_refused(&create(message, &[]), "message_blank");
    }
    let mut blank = create("x", &[]);
    blank[3] = "\u{200b}";
    fixture.assert_refused(&blank, "user_handle_blank");
}

#[tokio::test]
async fn a_reply_is_counted_and_shown_with_what_it_replies_to() {
    let fixture = fixture().await;
    let parent = fixture.json(&create("a question", &[]));
    let parent = parent["uuid"].as_str().expect("a uuid");
    for reply in ["first", "second"] {
        assert_eq!(fixture.json(&create(reply, &["--reply-to", parent]))["reply_to_activity_uuid"], parent);
    }
    let thread = fixture.json(&["activity", "show", parent]);
    assert_eq!(thread["activity"]["replies_count"], 2);
    assert_eq!(messages(&thread["replies"]), ["first", "second"]);
}

#[tokio::test]
async fn a_reply_that_is_refused_is_not_counted() {
    let fixture = fixture().await;
    let parent = fixture.json(&create("a question", &[]));
    let parent = parent["uuid"].as_str().expect("a uuid");
    let mut nobody = create("x", &["--reply-to", parent]);
    nobody[3] = "nobody";
    fixture.assert_refused(&nobody, "user_not_found");
    fixture.assert_refused(&create("", &["--reply-to", parent]), "message_blank");
    assert_eq!(fixture.json(&["activity", "show", parent])["activity"]["replies_count"], 0);
}

#[tokio::test]
async fn a_reply_to_what_vanishes_meanwhile_is_refused() {
    let fixture = fixture().await;
    let parent = fixture.json(&create("a question", &[]));
    let parent = parent["uuid"].as_str().expect("a uuid");
    let mut other = fixture.client().await;
    let deletion = other.transaction().await.expect("a transaction");
    deletion.batch_execute("delete from activities").await.expect("it is deleted");
    let mut command = fixture.command(&create("an answer", &["--reply-to", parent]));
    let reply = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    fixture.wait_until("application_name = 'provision' and wait_event_type = 'Lock'").await;
    deletion.commit().await.expect("it is gone");
    assert_refused(&reply.wait_with_output().expect("it ends"), "reply_to_not_found");
}

#[tokio::test]
async fn all_problems_are_told_at_once() {
    let fixture = fixture().await;
    let long = "x".repeat(281);
    let reported = |arguments: &[&str]| {
        let output = fixture.run(&[&["activity", "create"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        let problems = stderr.trim_start_matches("error: ").split("), ");
        problems.map(|problem| problem.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for handle in [&["--handle", " "][..], &[]] {
        assert_eq!(reported(handle), ["user_handle_blank", "message_blank", "ttl_blank"]);
    }
    assert_eq!(
        reported(&["--handle", "nobody", "--message", &long, "--ttl", "2-days", "--reply-to", NOBODY]),
        ["user_not_found", "message_exceed_max_chars", "ttl_unknown", "reply_to_not_found"]
    );
    assert_eq!(reported(&["--user", NOBODY, "--message", "x", "--ttl", "1-hour"]), ["user_not_found"]);
    let good = ["--handle", "ada", "--message", "x", "--ttl", "1-hour", "--reply-to", NOBODY];
    assert_eq!(reported(&good), ["reply_to_not_found"]);
    assert_eq!(fixture.count("select count(*) from activities").await, 0);
}

#[tokio::test]
async fn an_expired_activity_is_gone() {
    let fixture = fixture().await;
    let written = fixture.json(&create("gone", &[]));
    let gone = written["uuid"].as_str().expect("a uuid");
    fixture.json(&create("here", &[]));
    fixture.execute("update activities set expires_at = now() where message = 'gone'").await;
    assert_eq!(messages(&fixture.json(&["activity", "home"])["activities"]), ["here"]);
    fixture.assert_refused(&["activity", "show", gone], "hint: list the activities with `provision activity home`");
    fixture.assert_refused(&create("x", &["--reply-to", gone]), "reply_to_not_found");
}

#[tokio::test]
async fn pages_neither_repeat_nor_miss_an_activity() {
    let fixture = fixture().await;
    // Five that were written at the same moment, and two others.
    fixture
        .execute(
            "insert into activities (user_uuid, message, created_at, expires_at)
             select uuid, n::text, now() - interval '1 minute' * abs(n - 4) / 4, now() + interval '1 hour'
             from users, (values (0), (4), (4), (4), (4), (4), (8)) as numbers (n)",
        )
        .await;
    let all = fixture.json(&["activity", "home"]);
    let mut pages = Vec::new();
    let mut before = String::new();
    loop {
        let mut arguments = vec!["activity", "home", "--limit", "3"];
        if !before.is_empty() {
            arguments.extend(["--before", &before]);
        }
        let page = fixture.json(&arguments);
        let activities = page["activities"].as_array().expect("a list");
        assert!(activities.len() <= 3);
        pages.extend(activities.clone());
        // What is written meanwhile does not move the pages to come.
        fixture.json(&create("new", &[]));
        let Some(next) = page["next"].as_str() else { break };
        next.clone_into(&mut before);
    }
    assert_eq!(json!(pages), all["activities"]);
    assert_eq!(pages.len(), 7);
}

#[tokio::test]
async fn activities_read_well() {
    let fixture = fixture().await;
    assert_eq!(fixture.stdout(&["activity", "home"]), "there are no activities\n");
    let parent = fixture.json(&create("two\nlines \u{1b}[31m", &[]));
    let parent = parent["uuid"].as_str().expect("a uuid");
    let filters = vec![
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    ];
    insta::with_settings!({filters => filters}, {
        assert_snapshot!("activity-create", fixture.stdout(&create("a reply", &["--reply-to", parent])));
        assert_snapshot!("activity-show", fixture.stdout(&["activity", "show", parent]));
        assert_snapshot!("activity-home", fixture.stdout(&["activity", "home", "--limit", "2"]));
    });
}

#[tokio::test]
async fn wrong_arguments_end_with_2() {
    let fixture = Fixture::new().await;
    for (arguments, expected) in [
        (&["activity", "home", "--before", "yesterday"][..], "expected the `next` of the page before"),
        (&["activity", "home", "--limit", "0"], "1..=1000"),
        (&["activity", "show", "hunter"], "invalid"),
        (&["activity", "create", "--handle", "ada", "--user", NOBODY], "cannot be used with"),
        (
            &["activity", "home", "--before", "2026-02-30T00:00:00Z,00000000-0000-4000-8000-000000000000"],
            "expected the `next`",
        ),
    ] {
        let output = fixture.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{output:?}");
    }
}
