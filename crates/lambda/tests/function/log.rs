//! The report of an invocation says how it ended and for which user, and nothing personal.

use serde_json::{Value, json};
use testkit::Function;

use crate::fixture::{Fixture, fail, sign_up, undisturbed};

/// The user of [`personal_event`].
const SUB: &str = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";

/// Words of these attributes that must never be logged.
const PERSONAL: [&str; 4] = ["Lovelace", "countess", "@example.com", "+441632960961"];

fn personal_event() -> String {
    sign_up(
        "countess",
        &json!({
            "sub": SUB,
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "phone_number": "+441632960961",
        }),
    )
}

#[track_caller]
fn assert_nothing_personal(fixture: &Fixture, function: &Function) {
    let log = function.log();
    for word in PERSONAL.iter().copied().chain([fixture.database.password.as_str()]) {
        assert!(!log.contains(word), "{word:?} is in the log:\n{log}");
    }
}

/// The lines about one invocation.
fn lines_about(function: &Function, request_id: &str) -> Vec<Value> {
    let log = function.log();
    log.lines().filter(|line| line.contains(request_id)).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Fails unless CloudWatch can make metrics of the line: every declared metric is a number in it, and every dimension
/// a text that is not empty.
#[track_caller]
fn assert_valid_metrics(line: &Value) {
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().expect("a list of directives");
    let [directive] = directives.as_slice() else { panic!("{} directives in {line}", directives.len()) };
    assert_eq!(directive["Namespace"], "PostConfirmation");
    assert_eq!(directive["Dimensions"], json!([["FunctionName", "Outcome"]]));
    for dimension in ["FunctionName", "Outcome"] {
        assert!(line[dimension].as_str().is_some_and(|value| !value.is_empty()), "{dimension} is missing in {line}");
    }
    let metrics = directive["Metrics"].as_array().expect("a list of metrics");
    assert!(!metrics.is_empty(), "{line}");
    for metric in metrics {
        let name = metric["Name"].as_str().expect("a name");
        assert!(line[name].is_number(), "{name} is declared, and missing in {line}");
    }
}

#[tokio::test]
async fn one_line_for_each_invocation_holds_record_and_metrics() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let function = fixture.function(&[]).await;
        for (expected, is_cold) in [("created", true), ("unchanged", false)] {
            let invocation = function.invoke(&personal_event()).await.expect("an answer");
            let line = function.log_line("requestId", &invocation.request_id).await.expect("a report");
            if line["attempts"] != 1 {
                // On a slow machine the first statement is given up, and the row is there when it is sent again.
                return Err(line.to_string());
            }
            assert_eq!(lines_about(&function, &invocation.request_id), std::slice::from_ref(&line));
            assert_eq!(line["level"], "INFO");
            assert_eq!(line["triggerSource"], "PostConfirmation_ConfirmSignUp");
            assert_eq!((&line["outcome"], &line["Outcome"]), (&json!(expected), &json!(expected)));
            assert_eq!((&line["sub"], &line["userPoolId"]), (&json!(SUB), &json!("eu-central-1_aB3dE5gH7")));
            assert_eq!((&line["coldStart"], &line["FunctionName"]), (&json!(is_cold), &json!("post-confirmation")));
            assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
            assert!(line["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{line}");
            assert!(line["steps"]["query"].as_f64().is_some_and(|time| time > 0.0), "{line}");
            assert_eq!(line["connectAhead"].is_object(), is_cold, "connecting ahead is told once: {line}");
            for absent in ["errorType", "error", "remedy"] {
                assert_eq!(line.get(absent), None, "{line}");
            }
            assert_valid_metrics(&line);
        }
        assert_nothing_personal(&fixture, &function);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_report_has_the_root_of_the_x_ray_trace() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let invocation = function.invoke(&personal_event()).await.expect("an answer");
    let line = function.log_line("requestId", &invocation.request_id).await.expect("a report");
    let root = line["xrayTraceId"].as_str().expect("a root");
    assert!(root.starts_with("1-") && !root.contains(';'), "{line}");
}

#[tokio::test]
async fn even_at_the_finest_level_nothing_personal_is_logged() {
    let fixture = Fixture::new().await;
    let function =
        fixture.function(&[("AWS_LAMBDA_LOG_LEVEL", "TRACE".to_owned()), ("RUST_LOG", "trace".to_owned())]).await;
    let invocation = function.invoke(&personal_event()).await.expect("an answer");
    function.log_line("requestId", &invocation.request_id).await.expect("a report");
    assert_nothing_personal(&fixture, &function);
}

#[tokio::test]
async fn a_value_that_the_database_refuses_is_not_logged() {
    let fixture = Fixture::new().await;
    fixture.execute("alter table users add constraint no_countess check (handle <> 'countess')").await;
    let function = fixture.function(&[]).await;
    let line = fail(&function, &personal_event(), "DatabaseRefused").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("no_countess (SQLSTATE 23514)"), "{error}");
    // The constraint's own name holds one of the words.
    let log = function.log().replace("no_countess", "");
    for word in PERSONAL {
        assert!(!log.contains(word), "{word:?} is in the log:\n{log}");
    }
}

/// Statements of a trigger of the application's that fail with the row's data in their message, and the error type and
/// the SQLSTATE that are reported.
const INDISCRETIONS: [(&str, &str, &str); 16] = [
    (
        "raise exception '% of % is banned', new.email, new.display_name",
        "DatabaseRefused",
        "raise_exception (SQLSTATE P0001)",
    ),
    ("raise exception 'no %', new.email using errcode = '28000'", "CredentialsRejected", "(SQLSTATE 28000)"),
    ("raise exception 'no %', new.email using errcode = '0A000'", "DatabaseRefused", "(SQLSTATE 0A000)"),
    ("raise exception 'no %', new.email using errcode = '22023'", "DatabaseRefused", "(SQLSTATE 22023)"),
    ("raise exception 'no %', new.email using errcode = '42501'", "NotAllowed", "(SQLSTATE 42501)"),
    ("raise exception 'no %', new.email using errcode = '42P01'", "SchemaMissing", "(SQLSTATE 42P01)"),
    ("raise exception 'no %', new.email using errcode = '53100'", "DatabaseRefused", "disk_full (SQLSTATE 53100)"),
    ("raise exception 'no %', new.email using errcode = 'XX000'", "DatabaseRefused", "(SQLSTATE XX000)"),
    ("raise exception 'no %', new.email using errcode = 'UE001'", "DatabaseRefused", "(SQLSTATE UE001)"),
    (
        "raise check_violation using constraint = new.email, table = new.display_name",
        "DatabaseRefused",
        "(SQLSTATE 23514)",
    ),
    (
        "raise not_null_violation using column = new.email, schema = 's', datatype = 't'",
        "DatabaseRefused",
        "(SQLSTATE 23502)",
    ),
    ("raise exception 'no' using detail = new.email, hint = new.display_name", "DatabaseRefused", "(SQLSTATE P0001)"),
    ("execute format('select from %I', 'tenant_' || new.email)", "SchemaMissing", "(SQLSTATE 42P01)"),
    ("execute format('select %I', new.email)", "SchemaMissing", "(SQLSTATE 42703)"),
    ("perform to_date(new.email, 'YYYY')", "DatabaseRefused", "(SQLSTATE 22007)"),
    ("perform quote_ident(new.email)::regclass", "SchemaMissing", "(SQLSTATE 42P01)"),
];

#[tokio::test]
async fn data_in_the_message_of_the_databases_own_code_is_not_logged() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    for (statement, error_type, expected) in INDISCRETIONS {
        let trigger = format!(
            "create or replace function indiscreet() returns trigger language plpgsql as
                 $body$ begin {statement}; return new; end $body$;
             drop trigger if exists indiscreet on users;
             create trigger indiscreet before insert on users for each row execute function indiscreet()"
        );
        fixture.execute(&trigger).await;
        let line = fail(&function, &personal_event(), error_type).await;
        let error = line["error"].as_str().expect("a chain of causes");
        assert!(error.contains(expected), "{statement}: expected {expected:?} in {error:?}");
        assert_nothing_personal(&fixture, &function);
    }
}

#[tokio::test]
async fn the_column_that_refuses_a_row_is_named() {
    let fixture = Fixture::new().await;
    fixture.execute("alter table users add tenant integer not null").await;
    let function = fixture.function(&[]).await;
    let line = fail(&function, &personal_event(), "DatabaseRefused").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("public.users.tenant (SQLSTATE 23502)"), "{error}");
    assert_nothing_personal(&fixture, &function);
}

#[tokio::test]
async fn a_failure_is_reported_once_with_cause_sqlstate_remedy_and_user() {
    let fixture = Fixture::new().await;
    fixture.execute("drop table users cascade").await;
    // Lambda itself drops the lines below these levels; what the function writes must not depend on that.
    for level in ["INFO", "ERROR", "FATAL"] {
        let function = fixture.function(&[("AWS_LAMBDA_LOG_LEVEL", level.to_owned())]).await;
        let line = fail(&function, &personal_event(), "SchemaMissing").await;
        assert_eq!((line["level"].as_str(), line["outcome"].as_str()), (Some("ERROR"), Some("failed")), "{level}");
        assert_eq!(line["errorType"], "SchemaMissing");
        let error = line["error"].as_str().expect("a chain of causes");
        assert!(error.contains("relation \"public.users\" does not exist (SQLSTATE 42P01)"), "{error}");
        assert!(line["remedy"].as_str().is_some_and(|remedy| remedy.contains("provision db load")), "{line}");
        assert_eq!((&line["sub"], &line["userPoolId"]), (&json!(SUB), &json!("eu-central-1_aB3dE5gH7")));
        let request_id = line["requestId"].as_str().expect("a request id");
        assert_eq!(lines_about(&function, request_id), std::slice::from_ref(&line));
        assert_valid_metrics(&line);
        assert_nothing_personal(&fixture, &function);
    }
}

#[tokio::test]
async fn diagnostics_follow_the_level_fatal_too() {
    let fixture = Fixture::new().await;
    for (level, is_logged) in [("WARN", true), ("ERROR", false), ("FATAL", false)] {
        let changes = [("DB_SECRET_ID", String::new()), ("AWS_LAMBDA_LOG_LEVEL", level.to_owned())];
        let function = fixture.function(&changes).await;
        // It connects ahead before the first invocation, so that line would be there by now.
        fail(&function, &personal_event(), "SettingsInvalid").await;
        assert_eq!(function.log().contains("not connected yet"), is_logged, "{level}:\n{}", function.log());
    }
}

#[tokio::test]
async fn without_lambdas_json_setting_diagnostics_are_text_and_the_report_stays_json() {
    let fixture = Fixture::new().await;
    let changes = [("DB_SECRET_ID", String::new()), ("AWS_LAMBDA_LOG_FORMAT", "Text".to_owned())];
    let function = fixture.function(&changes).await;
    let line = fail(&function, &personal_event(), "SettingsInvalid").await;
    assert_eq!(line["level"], "ERROR");
    assert_valid_metrics(&line);
    let log = function.log();
    let diagnostic = log.lines().find(|line| line.contains("not connected yet")).expect("a diagnostic");
    assert!(diagnostic.contains("errorType=\"SettingsInvalid\"") && !diagnostic.starts_with('{'), "{diagnostic}");
    assert_nothing_personal(&fixture, &function);
}
