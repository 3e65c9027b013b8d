//! A confirmed sign-up becomes one row, with any attributes.

use serde_json::{Value, json};
use testkit::{Answer, samples};

use crate::fixture::{Fixture, fail, sample, sign_up, succeed, undisturbed};

#[tokio::test]
async fn every_sample_leads_to_its_row() {
    let samples = samples().expect("every sample has its row");
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let function = fixture.function(&[]).await;
        for sample in &samples {
            succeed(&function, &sample.event).await;
        }
        // A sign-in has too little time on a slow machine.
        if function.log().contains("heal-failed") {
            return Err(function.log());
        }
        for sample in &samples {
            let Some(row) = &sample.row else { continue };
            let expected = (row.handle.to_owned(), row.display_name.to_owned(), row.email.map(str::to_owned));
            assert_eq!(fixture.row_of(row.cognito_user_id).await, Some(expected), "{}", sample.name);
        }
        assert_eq!(fixture.users().await.len(), 8, "the events are of eight users and one machine");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_answer_is_the_same_json_unknown_fields_included() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let (event, _) = sample("confirm-sign-up-custom-attributes");
    let Answer::Response(answer) = function.invoke(&event).await.expect("an answer").answer else {
        panic!("expected a response; the log:\n{}", function.log());
    };
    let answer: Value = serde_json::from_str(&answer).expect("the answer is JSON");
    assert_eq!(answer, serde_json::from_str::<Value>(&event).expect("the event is JSON"));
    assert_eq!(answer["futureField"]["list"], json!([1, 2.50, null]));
}

#[tokio::test]
async fn numbers_and_the_order_of_fields_come_back_as_they_were_written() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let event = r#"{"z": 1.0e400, "a": 123456789012345678901234567890.10, "triggerSource": "PreSignUp_SignUp"}"#;
    succeed(&function, event).await;
}

#[tokio::test]
async fn a_second_delivery_leaves_one_row() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let (event, _) = sample("confirm-sign-up");
    succeed(&function, &event).await;
    let first = fixture.users().await;
    succeed(&function, &event).await;
    assert_eq!(fixture.users().await, first);
    assert_eq!(first.len(), 1);
}

#[tokio::test]
async fn twenty_deliveries_at_once_leave_one_row() {
    let fixture = Fixture::new().await;
    let (event, _) = sample("confirm-sign-up");
    let functions = fixture.connected_functions(20, &[]).await;
    futures::future::join_all(functions.iter().map(|function| succeed(function, &event))).await;
    assert_eq!(fixture.users().await.len(), 1);
}

#[tokio::test]
async fn on_an_existing_row_only_the_email_address_follows_cognito() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    fixture.execute("update users set display_name = 'Countess', handle = 'countess'").await;
    let (event, _) = sample("confirm-forgot-password");
    succeed(&function, &event).await;
    let expected = ("countess".to_owned(), "Countess".to_owned(), Some("ada.lovelace@example.com".to_owned()));
    assert_eq!(fixture.users().await, [expected]);
}

#[tokio::test]
async fn a_confirmed_new_password_adds_a_missing_row() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    succeed(&function, &sample("confirm-forgot-password").0).await;
    assert_eq!(fixture.users().await.len(), 1);
}

#[tokio::test]
async fn sub_is_the_only_attribute_needed() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let (event, row) = sample("confirm-sign-up-only-sub");
    succeed(&function, &event).await;
    assert_eq!(fixture.users().await, [(row.handle.to_owned(), row.display_name.to_owned(), None)]);
}

#[tokio::test]
async fn quotes_emoji_and_sql_arrive_as_data() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let name = r#"'; drop table users; -- "O'Brien" \ $1 %s 🦀 李小龍 ️‍🌈"#;
    let event =
        sign_up("x", &json!({"sub": "'||(select 1)||'", "name": name, "preferred_username": name, "email": name}));
    succeed(&function, &event).await;
    assert_eq!(fixture.users().await, [(name.to_owned(), name.to_owned(), Some(name.to_owned()))]);
}

#[tokio::test]
async fn the_character_nul_loses_no_sign_up() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    succeed(&function, &sign_up("ada\0", &json!({"sub": "a", "name": "A\0da"}))).await;
    assert_eq!(fixture.users().await, [("ada".to_owned(), "Ada".to_owned(), None)]);
}

#[tokio::test]
async fn the_longest_attributes_lose_no_sign_up() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    // 2,048 characters are the most that Cognito keeps of an attribute; these are four bytes each, and do not repeat,
    // so that PostgreSQL cannot press them into an index entry.
    let longest: String = (0..2048).filter_map(|number| char::from_u32(0x2_0000 + number * 7)).collect();
    succeed(&function, &sign_up("x", &json!({"sub": "a", "name": longest, "preferred_username": longest}))).await;
    let users = fixture.users().await;
    assert_eq!((users[0].0.chars().count(), users[0].1.chars().count()), (128, 2048));
}

#[tokio::test]
async fn a_post_confirmation_source_that_is_new_makes_a_row_and_a_warning() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let (event, row) = sample("confirm-sign-up");
    succeed(&function, &event.replace("PostConfirmation_ConfirmSignUp", "PostConfirmation_Invented")).await;
    assert!(fixture.row_of(row.cognito_user_id).await.is_some(), "the user has a row");
    let warning = function.log_line("level", "WARN").await.expect("a warning");
    assert_eq!(warning["triggerSource"], "PostConfirmation_Invented");
}

#[tokio::test]
async fn an_event_of_another_trigger_is_ignored_and_returned() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    for source in ["PreSignUp_SignUp", "PreAuthentication_Authentication", "PostConfirmation"] {
        let event = sample("confirm-sign-up").0.replace("PostConfirmation_ConfirmSignUp", source);
        succeed(&function, &event).await;
        let line = function.log_line("triggerSource", source).await.expect("a log line");
        assert_eq!(line["outcome"], "ignored");
    }
    assert_eq!(fixture.users().await, []);
}

#[tokio::test]
async fn an_event_without_sub_is_an_error_that_says_so() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let line = fail(&function, &sign_up("ada", &json!({"name": "Ada", "sub": null})), "InvalidEvent").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("the user attributes hold no `sub`"), "{error}");
    assert_eq!(fixture.users().await, []);
}

#[tokio::test]
async fn json_that_is_no_event_is_an_error_that_says_so() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    for event in ["null", "[]", "\"PostConfirmation_ConfirmSignUp\"", "{}"] {
        let line = fail(&function, event, "InvalidEvent").await;
        let error = line["error"].as_str().expect("a chain of causes");
        assert!(error.contains("the event has no `triggerSource`"), "{event}: {error}");
    }
}
