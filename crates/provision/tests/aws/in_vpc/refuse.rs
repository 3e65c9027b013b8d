//! What does not run in the VPC, and what goes wrong on the way.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{FUNCTION, Vpc, assert_says};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_into_the_vpc_is_refused_here_with_the_way_to_go() {
    let vpc = Vpc::new().await;
    for (command, remedy) in [
        (&["db", "url"][..], "may hold a password"),
        (&["db", "connect"], "through `provision db tunnel`"),
        (&["db", "drop"], "through `provision db tunnel`"),
        (&["db", "setup"], "for development"),
        (&["trigger", "show", "--pool", "eu-central-1_a", "--function", "f"], "without --in-vpc"),
        (&["queue", "show", "--queue", "q"], "without --in-vpc"),
    ] {
        assert_says(&vpc.error(command), &["does not run in the VPC\nhint: ", remedy]);
    }
    let output = vpc.run(&["db", "load", "--chekc"]);
    assert_eq!(output.status.code(), Some(2), "a mistyped option is refused here");
    vpc.declare("identifier = \"users-db\"\nidentifer = \"x\"\n");
    assert_says(&vpc.error(&["db", "load"]), &["error: infra/rds.toml is invalid: line 2: unknown field"]);
    assert!(vpc.lambda.payloads().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_than_the_declared_one_is_not_touched() {
    let vpc = Vpc::new().await;
    vpc.declare(&format!("identifier = \"other-db\"\ndatabase = \"{}\"\n", vpc.database.name));
    let error = vpc.error(&["db", "load"]);
    assert_says(&error, &["on users-db, and", "on other-db is declared\nhint: name the function", "--operator"]);
    vpc.declare("identifier = \"users-db\"\ndatabase = \"other\"\n");
    assert_says(&vpc.error(&["db", "load"]), &["other on users-db is declared"]);
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(vpc.count(tables).await, 0);
    // Without a declaration the function's database is the only one.
    std::fs::remove_file(vpc.directory.path().join("infra/rds.toml")).expect("it is removed");
    vpc.stdout(&["db", "load"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_there_is_shown_here_as_it_is() {
    let vpc = Vpc::new().await;
    let error = vpc.error(&["users", "list"]);
    assert_says(&error, &["error: ", "hint: run `provision db load`"]);
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_not_there_or_not_allowed_is_reported_with_the_way_out() {
    let vpc = Vpc::new().await;
    let error = vpc.error(&["db", "load", "--operator", "other"]);
    assert_says(
        &error,
        &["there is no operator's function other\nhint: deploy it with infra/template.yaml", "--operator"],
    );
    let mut command = vpc.command(&["db", "load"]);
    let output = command.env("OPERATOR_FUNCTION", "third").output().expect("provision starts");
    assert_says(&String::from_utf8_lossy(&output.stderr), &["there is no operator's function third"]);
    vpc.lambda.refuse("AccessDeniedException");
    let error = vpc.error(&["db", "load"]);
    assert_says(&error, &["lambda:InvokeFunction", "AccessDeniedException", "infra/iam has the policies"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arn_is_the_function_of_its_account_and_region_and_no_other_of_the_same_name() {
    let vpc = Vpc::new().await;
    let arn = |region: &str, account: &str| format!("arn:aws:lambda:{region}:{account}:function:{FUNCTION}");
    let elsewhere = vpc.error(&["db", "load", "--operator", &arn("eu-west-1", "123456789012")]);
    assert_says(&elsewhere, &["lies in eu-west-1, and requests go to eu-central-1\nhint: "]);
    let of_others = vpc.error(&["db", "load", "--operator", &arn("eu-central-1", "210987654321")]);
    assert_says(&of_others, &[&format!("there is no operator's function {FUNCTION}\n")]);
    assert!(vpc.lambda.payloads().is_empty(), "nothing was sent to the function of this name here");
    vpc.stdout(&["db", "load", "--operator", &arn("eu-central-1", "123456789012")], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_lambda_has_put_to_sleep_is_waited_for() {
    let vpc = Vpc::new().await;
    for code in ["ResourceNotReadyException", "ResourceConflictException"] {
        vpc.lambda.refuse_next(code);
    }
    let output = vpc.run(&["db", "load"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let waiting = format!("the operator's function {FUNCTION} is busy or waking up; waiting for it\n");
    assert_eq!(stderr.matches(&waiting).count(), 1, "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_says_that_the_command_may_go_on_and_where_to_look() {
    let vpc = Vpc::new().await;
    vpc.lambda.break_next();
    let output = vpc.run(&["db", "load"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let lost = format!(
        "error: the connection to the operator's function {FUNCTION} was lost, and `provision db load` may go on"
    );
    assert_says(&stderr, &[&lost, "hint: look with `provision --in-vpc db load --check`"]);
    // It has gone on. The hint leads out: nothing is applied twice.
    vpc.function.log_line("command", "db load").await.expect("it ends");
    assert_eq!(vpc.stdout(&["db", "load", "--check"], 0), "the schema is up to date\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_here_says_that_the_command_may_go_on_there() {
    let vpc = Vpc::new().await;
    let mut command = vpc.command(&["db", "wait"]);
    let caller = command.stderr(Stdio::piped()).spawn().expect("provision starts");
    let sessions = "select count(*) from pg_stat_activity where application_name = 'provision'";
    while vpc.count(sessions).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let interrupted = Command::new("kill").args(["-s", "INT", &caller.id().to_string()]).status().expect("kill starts");
    assert!(interrupted.success());
    let output = caller.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_says(&stderr, &["error: interrupted here, and `provision db wait` may go on there\nhint: run it again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_ended_before_the_function_is() {
    let vpc = Vpc::new().await;
    vpc.lambda.limit_next(Duration::from_secs(8));
    // Nobody loads the schema.
    let output = vpc.run(&["db", "wait", "--timeout", "10m"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let ended = format!("error: the time limit of the operator's function {FUNCTION} has ended `provision db wait`");
    assert_says(&stderr, &[&ended, "hint: run it through `provision db tunnel`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_caller_sends_is_answered_with_an_error_and_no_crash() {
    let vpc = Vpc::new().await;
    for (payload, status, expected) in [
        (json!({"arguments": ["db", "laod"]}), 2, "unrecognized subcommand"),
        (json!({"arguments": []}), 2, "Usage"),
        (json!({"arguments": ["db", "drop"]}), 1, "does not run in the VPC"),
        (json!({"arguments": ["db", "url"]}), 1, "does not run in the VPC"),
        (json!({"arguments": ["db", "load"], "variables": {"PROD_CONNECTION_URL": "x"}}), 1, "is not accepted"),
        (json!({"arguments": ["db", "load"], "shell": "x"}), 1, "does not know this request"),
        (json!("db load"), 1, "does not know this request"),
    ] {
        let mut parts = vpc.function.invoke_streaming(&payload.to_string(), Duration::from_mins(15)).expect("sent");
        let mut answer = Vec::new();
        while let Some(part) = parts.recv().await {
            answer.extend(part.expect("no error of the function"));
        }
        let answer = String::from_utf8(answer).expect("UTF-8");
        let (_, lines) = answer.rsplit_once('\0').expect("a head");
        let frames: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a frame")).collect();
        assert_eq!(frames.last(), Some(&json!({"exit": status})), "{payload}: {lines}");
        assert_says(lines, &[expected]);
    }
    assert_eq!(vpc.stdout(&["db", "load", "--check"], 3).lines().count(), 1, "the function goes on");
}
