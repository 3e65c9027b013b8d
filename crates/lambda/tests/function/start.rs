//! The start of the process: for an event that waits, ahead of any, or for a snapshot; and Lambda's settings.

use std::time::Duration;

use serde_json::Value;
use testkit::{Function, Proxy, Registration, RuntimeApi};
use tokio::time::{Instant, sleep};

use crate::fixture::{Fixture, sample, succeed, try_succeed, undisturbed};

/// The time that Cognito waits for an answer. Only a busy machine stretches an answer beyond it, and not each time.
const COGNITO_LIMIT: Duration = Duration::from_secs(5);

const INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// A function that was started for this reason, whose database is behind a proxy, and that is ready for an event.
async fn started_for(fixture: &Fixture, reason: &str) -> (Function, Proxy) {
    let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
    let changes = [("PGPORT", proxy.port().to_string()), (INITIALIZATION_TYPE, reason.to_owned())];
    let function = fixture.function(&changes).await;
    function.until_ready().await.expect("it starts");
    (function, proxy)
}

/// The report of a sign-up that succeeds.
async fn report(function: &Function) -> Value {
    let (event, row) = sample("confirm-sign-up");
    succeed(function, &event).await;
    function.log_line("sub", row.cognito_user_id).await.expect("a report")
}

#[tokio::test]
async fn an_answer_comes_in_time_however_long_the_start_took() {
    let fixture = Fixture::new().await;
    let event = sample("confirm-sign-up").0;
    for stopped in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)] {
        undisturbed(async || {
            let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
            proxy.silence(true);
            let started = Instant::now();
            let function = fixture.function(&[("PGPORT", proxy.port().to_string())]).await;
            let stop = async {
                function.freeze().expect("the function stops");
                sleep(stopped).await;
                function.thaw().expect("the function goes on");
            };
            let (invocation, ()) = tokio::join!(function.invoke(&event), stop);
            let elapsed = started.elapsed();
            invocation.expect("an answer");
            let line = function.log_line("outcome", "failed").await.expect("a report");
            assert_eq!(line["coldStart"], true, "{line}");
            if elapsed < COGNITO_LIMIT { Ok(()) } else { Err(format!("stopped {stopped:?}, answered {elapsed:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_is_slow_to_log_in_is_waited_for_from_the_start_on() {
    let fixture = Fixture::new().await;
    undisturbed(async || {
        let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
        // Seven round trips take less than three seconds: more than half of the time.
        proxy.delay(Duration::from_millis(400));
        let function = fixture.function(&[("PGPORT", proxy.port().to_string())]).await;
        try_succeed(&function, &sample("confirm-sign-up").0).await
    })
    .await;
}

#[tokio::test]
async fn a_process_that_was_started_on_demand_connects_ahead_and_is_cold() {
    let fixture = Fixture::new().await;
    let (function, proxy) = started_for(&fixture, "on-demand").await;
    proxy.until_connections(1).await.expect("it connects before there is an event");
    let line = report(&function).await;
    assert_eq!(line["coldStart"], true, "{line}");
}

#[tokio::test]
async fn a_process_that_was_started_ahead_connects_ahead_and_is_not_cold() {
    let fixture = Fixture::new().await;
    let (function, proxy) = started_for(&fixture, "provisioned-concurrency").await;
    proxy.until_connections(1).await.expect("it connects before there is an event");
    let line = report(&function).await;
    assert_eq!(line["coldStart"], false, "{line}");
}

#[tokio::test]
async fn a_snapshot_holds_no_session() {
    let fixture = Fixture::new().await;
    let (function, proxy) = started_for(&fixture, "snap-start").await;
    assert_eq!(proxy.connections(), 0, "nothing is connected before the first event");
    let line = report(&function).await;
    assert_eq!(line["coldStart"], false, "{line}");
    assert_eq!(line.get("connectAhead"), None, "{line}");
}

#[tokio::test]
async fn a_registration_that_fails_harms_no_sign_up() {
    let fixture = Fixture::new().await;
    for registration in [Registration::Refused(403), Registration::Refused(500), Registration::Silent] {
        let api = RuntimeApi::start_with(registration).await.expect("a Runtime API");
        let function = fixture.function_on(api, &[]);
        succeed(&function, &sample("confirm-sign-up").0).await;
        let warning = function.log_line("level", "WARN").await.expect("a warning");
        let message = warning["message"].as_str().expect("a message");
        assert!(message.starts_with("not registered for SIGTERM"), "{registration:?}: {warning}");
        let status = function.end().await.expect("it ends");
        assert!(status.success(), "{registration:?}: {status}");
    }
    assert_eq!(fixture.users().await.len(), 1);
}

#[tokio::test]
async fn an_environment_for_many_events_at_once_serves_them_all() {
    let fixture = Fixture::new().await;
    let changes =
        [("AWS_LAMBDA_MAX_CONCURRENCY", "4".to_owned()), (INITIALIZATION_TYPE, "lambda-managed-instances".to_owned())];
    let function = fixture.function(&changes).await;
    let events = ["confirm-sign-up", "confirm-sign-up-phone", "confirm-sign-up-names", "confirm-sign-up-only-sub"];
    futures::future::join_all(events.map(|name| {
        let function = &function;
        async move { succeed(function, &sample(name).0).await }
    }))
    .await;
    assert_eq!(fixture.users().await.len(), 4);
}

#[tokio::test]
async fn a_timeout_in_lambda_that_is_shorter_than_cognitos_is_warned_of_once() {
    let fixture = Fixture::new().await;
    let event = sample("confirm-sign-up").0;
    for (limit, warnings) in [(Some(3), 1), (Some(60), 0), (None, 0)] {
        let function = fixture.function(&[]).await;
        for _ in 0..2 {
            function.invoke_within(&event, limit.map(Duration::from_secs)).await.expect("an answer");
        }
        let log = function.log();
        assert_eq!(log.matches("timeout in Lambda is shorter").count(), warnings, "{limit:?}:\n{log}");
    }
}
