//! The function answers any JSON with itself, or reports that it is no event.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use testkit::Answer;

use crate::fixture::{Fixture, invoke, sample};

const CASES: u32 = 10_000;

/// JSON of any shape.
fn arbitrary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..6).prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

/// A field's name, often one that the function reads.
fn name() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 10] = [
        "triggerSource",
        "userName",
        "request",
        "userAttributes",
        "sub",
        "name",
        "given_name",
        "family_name",
        "preferred_username",
        "email",
    ];
    prop_oneof![prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), any::<String>()]
}

/// An event of Cognito's with any attributes and, now and then, any JSON in place of one of its parts.
fn nearly_an_event() -> impl Strategy<Value = Value> {
    let attributes =
        prop::collection::btree_map(name(), prop_oneof![any::<String>().prop_map(Value::from), arbitrary()], 0..8);
    let part = prop::sample::select(&["", "", "", "triggerSource", "userName", "request"][..]);
    (attributes, part, arbitrary(), any::<String>()).prop_map(|(attributes, part, anything, user_name)| {
        let mut event: Value = serde_json::from_str(&sample("confirm-sign-up").0).expect("the sample is JSON");
        event["userName"] = json!(user_name);
        event["request"]["userAttributes"] = Value::from(Map::from_iter(attributes));
        if !part.is_empty() {
            event[part] = anything;
        }
        event
    })
}

#[test]
fn any_json_is_answered_with_itself_or_with_invalid_event() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let fixture = runtime.block_on(Fixture::new());
    let function = runtime.block_on(fixture.function(&[("AWS_LAMBDA_LOG_LEVEL", "ERROR".to_owned())]));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop_oneof![arbitrary(), nearly_an_event()], |event| {
        let event = event.to_string();
        match runtime.block_on(invoke(&function, &event, "InvalidEvent")).answer {
            Answer::Response(answer) => prop_assert_eq!(answer, event),
            Answer::Error(error) => prop_assert_eq!(error.error_type, "InvalidEvent"),
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| {
        let log = function.log();
        panic!("{failure}\nthe log's last line:\n{}", log.lines().last().unwrap_or(""))
    });
    let rows = runtime.block_on(fixture.users()).len();
    assert!(rows > 100, "only {rows} of the events made a row: they test too little");
}
