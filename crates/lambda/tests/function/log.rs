//! The log says what happened to whom it concerns, and nothing about the person.

use serde_json::json;
use testkit::{Answer, Function};

use crate::stage::{Stage, fail, sign_up};

/// Words of these attributes that must never be logged.
const PERSONAL: [&str; 4] = ["Lovelace", "countess", "@example.com", "+441632960961"];

fn personal_event() -> String {
    sign_up(
        "countess",
        &json!({
            "sub": "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95",
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "phone_number": "+441632960961",
        }),
    )
}

#[track_caller]
fn assert_nothing_personal(stage: &Stage, function: &Function) {
    let log = function.log();
    for word in PERSONAL.iter().copied().chain([stage.database.password.as_str()]) {
        assert!(!log.contains(word), "{word:?} stands in the log:\n{log}");
    }
}

/// How many lines are about an invocation, metrics aside: connecting ahead may fail, and is logged as well.
fn log_lines(function: &Function) -> usize {
    function.log().lines().filter(|line| line.contains("\"requestId\"")).count()
}

#[tokio::test]
async fn each_invocation_has_one_line_with_what_is_needed_to_follow_it() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
    for expected in ["created", "unchanged"] {
        let invocation = function.invoke(&personal_event()).await.expect("an answer");
        assert!(matches!(invocation.answer, Answer::Response(_)), "{:?}", invocation.answer);
        let line = function.log_line("requestId", &invocation.request_id).await.expect("a log line");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["triggerSource"], "PostConfirmation_ConfirmSignUp");
        assert_eq!(line["outcome"], expected);
        assert!(line["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{line}");
        assert!(line["timestamp"].is_string(), "{line}");
    }
    assert_eq!(log_lines(&function), 2, "two invocations, two lines:\n{}", function.log());
    assert_nothing_personal(&stage, &function);
}

#[tokio::test]
async fn each_invocation_has_one_line_of_metrics() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
    for (cold, created) in [(1, 1), (0, 0)] {
        let invocation = function.invoke(&personal_event()).await.expect("an answer");
        let line = function.log_line("RequestId", &invocation.request_id).await.expect("a line of metrics");
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Namespace"], "PostConfirmation");
        for metric in declared["Metrics"].as_array().expect("a list of metrics") {
            let name = metric["Name"].as_str().expect("a name");
            assert!(line[name].is_number(), "{name} is declared, and missing in {line}");
        }
        assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
        assert_eq!((&line["ColdStarts"], &line["RowsCreated"]), (&json!(cold), &json!(created)), "{line}");
        assert_eq!(line["Outcome"], if created == 1 { "created" } else { "unchanged" });
    }
}

#[tokio::test]
async fn the_log_keeps_the_trace_header_of_x_ray() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
    let invocation = function.invoke(&personal_event()).await.expect("an answer");
    let line = function.log_line("requestId", &invocation.request_id).await.expect("a log line");
    assert!(line["xrayTraceId"].as_str().is_some_and(|trace| trace.starts_with("Root=1-")), "{line}");
}

#[tokio::test]
async fn even_at_the_finest_level_nothing_personal_is_logged() {
    let stage = Stage::new().await;
    let function =
        stage.function(&[("AWS_LAMBDA_LOG_LEVEL", "TRACE".to_owned()), ("RUST_LOG", "trace".to_owned())]).await;
    let invocation = function.invoke(&personal_event()).await.expect("an answer");
    function.log_line("requestId", &invocation.request_id).await.expect("a log line");
    assert_nothing_personal(&stage, &function);
}

#[tokio::test]
async fn a_value_that_the_database_refuses_is_not_logged() {
    let stage = Stage::new().await;
    stage.execute("alter table users add constraint no_countess check (handle <> 'countess')").await;
    let function = stage.function(&[]).await;
    let line = fail(&function, &personal_event(), "DatabaseRefused").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("no_countess (SQLSTATE 23514)"), "{error}");
    // The constraint's own name holds one of the words.
    let log = function.log().replace("no_countess", "");
    for word in PERSONAL {
        assert!(!log.contains(word), "{word:?} stands in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_cause_and_sqlstate() {
    let stage = Stage::new().await;
    stage.execute("drop table users cascade").await;
    let function = stage.function(&[]).await;
    let line = fail(&function, &personal_event(), "SchemaMissing").await;
    assert_eq!((line["level"].as_str(), line["outcome"].as_str()), (Some("ERROR"), Some("failed")));
    assert_eq!(line["errorType"], "SchemaMissing");
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("relation \"users\" does not exist (SQLSTATE 42P01)"), "{error}");
    assert_eq!(log_lines(&function), 1, "{}", function.log());
    assert_nothing_personal(&stage, &function);
}

#[tokio::test]
async fn without_lambdas_json_setting_the_log_is_text() {
    let stage = Stage::new().await;
    let function = stage.function(&[("AWS_LAMBDA_LOG_FORMAT", "Text".to_owned())]).await;
    let invocation = function.invoke(&personal_event()).await.expect("an answer");
    assert!(matches!(invocation.answer, Answer::Response(_)), "{:?}", invocation.answer);
    let line = function.log();
    assert!(line.contains("outcome=\"created\""), "{line}");
    assert_nothing_personal(&stage, &function);
}
