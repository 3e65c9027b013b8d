//! Reconciliations that outlast an invocation, by hand and by schedule.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::Answer;

use super::{Vpc, assert_says};

/// Users of the pool. Each has no row, and is asked for once more before: 15 s at 40 requests a second.
const USERS: usize = 600;

/// So little time that not all of them are: half of it is left for the end.
const SHORT: Duration = Duration::from_secs(6);

const ROWS: &str = "select count(*) from users";

impl Vpc {
    /// Invokes the function with a schedule's event.
    async fn schedule(&self, limit: Duration) -> Answer {
        let event = json!({"scheduled": "reconcile"}).to_string();
        self.function.invoke_within(&event, Some(limit)).await.expect("an answer").answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconciliation_goes_on_in_the_next_invocation_until_it_is_done() {
    let vpc = Vpc::loaded().await;
    vpc.pool.fill(USERS);
    vpc.lambda.limit_next(SHORT);
    vpc.lambda.limit_next(SHORT);
    let arguments = ["users", "reconcile", "--settle", "0s", "--rps", "10", "--output", "json"];
    let output = vpc.run(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_says(&stderr, &["the invocation's time is over after page", "going on in the next one"]);
    assert!(!stderr.contains("error"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(report["missing"]["repaired"], report["counted"]);
    assert_eq!(vpc.lambda.payloads().len(), 3, "{stderr}");
    assert_eq!(vpc.count(ROWS).await, report["counted"].as_i64().expect("a number"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_time_limit_counts_over_all_invocations() {
    let vpc = Vpc::loaded().await;
    vpc.pool.fill(USERS);
    for _ in 0..10 {
        vpc.lambda.limit_next(SHORT);
    }
    let error = vpc.error(&["users", "reconcile", "--settle", "0s", "--rps", "0.5", "--timeout", "5s"]);
    assert_says(&error, &["the time is over", "hint: run the same command again: it goes on from there"]);
    assert_eq!(vpc.lambda.payloads().len(), 2, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_repairs_and_leaves_metrics_and_no_person_in_the_log() {
    let vpc = Vpc::loaded().await;
    vpc.pool.fill(3);
    let client = vpc.database.connect().await.expect("the server is up");
    let row = "insert into users (display_name, handle, cognito_user_id) \
               values ('Gone', 'gone', '5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95')";
    client.batch_execute(row).await.expect("a row");
    let confirmed = vpc.pool.users();
    let users: Vec<_> = confirmed.iter().map(|user| user.sub.clone()).collect();

    let answer = vpc.schedule(Duration::from_mins(15)).await;
    assert_eq!(answer, Answer::Response(json!({"finished": true}).to_string()));
    let line = vpc.function.log_line("message", "reconciled").await.expect("metrics");
    let declared = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (&declared["Namespace"], &declared["Dimensions"]),
        (&"PostConfirmation".into(), &json!([["FunctionName"]]))
    );
    let repaired = vpc.count(ROWS).await - 1;
    assert!(repaired > 0, "users of the pool have rows");
    assert_eq!(line["UsersWithoutRow"], repaired);
    assert_eq!(line["UsersRepaired"], repaired);
    assert_eq!((&line["RowsWithoutUser"], &line["ReconcileFinished"]), (&1.into(), &1.into()));
    assert_eq!(line["OldestUserWithoutRowAge"], 0, "nobody is left without a row");

    // Later in the same night.
    vpc.pool.import("late", &[("email", "late@example.com")]);
    vpc.pool.set_password("late");
    vpc.schedule(Duration::from_mins(15)).await;
    assert_eq!(vpc.count(ROWS).await - 1, repaired, "the night's run has finished");
    let log = vpc.function.log();
    assert_eq!(log.matches("ReconcileFinished\":1").count(), 1, "{log}");
    for private in users.iter().map(String::as_str).chain(["example.com", vpc.database.password.as_str()]) {
        assert!(!log.contains(private), "{private} in {log}");
    }
    // By hand, whenever one wants.
    vpc.stdout(&["users", "reconcile", "--settle", "0s", "--rps", "1000"], 0);
    assert_eq!(vpc.count(ROWS).await - 1, repaired + 1);
    // The next night.
    client
        .batch_execute("update cognito.last_reconcile set ended_at = now() - interval '21 hours'")
        .await
        .expect("time");
    vpc.schedule(Duration::from_mins(15)).await;
    // Its last lines may come after its answer.
    let finished = || vpc.function.log().matches("ReconcileFinished\":1").count();
    let logged = async {
        while finished() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let is_logged = tokio::time::timeout(Duration::from_secs(20), logged).await.is_ok();
    assert!(is_logged && finished() == 2, "{}", vpc.function.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedules_slice_that_does_not_finish_leaves_no_metrics_and_the_next_one_goes_on() {
    let vpc = Vpc::loaded().await;
    // At the command's default of 10 requests a second these take longer than the slice has.
    vpc.pool.fill(60 * 100);
    let answer = vpc.schedule(SHORT).await;
    assert_eq!(answer, Answer::Response(json!({"finished": false}).to_string()));
    assert!(!vpc.function.log().contains("_aws"), "{}", vpc.function.log());
    assert_eq!(vpc.count("select count(*) from cognito.reconcile_run").await, 1, "the next slice goes on with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_fails_is_an_error_of_the_function() {
    // Without a schema.
    let vpc = Vpc::new().await;
    let Answer::Error(error) = vpc.schedule(Duration::from_mins(15)).await else { panic!("it fails") };
    assert_eq!(error.error_type, "ReconcileFailed");
    assert_says(&error.error_message, &["provision --in-vpc users reconcile"]);
    let line = vpc.function.log_line("command", "users reconcile").await.expect("a line");
    assert_eq!((&line["status"], &line["level"]), (&1.into(), &"ERROR".into()));
}
