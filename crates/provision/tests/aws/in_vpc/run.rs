//! Commands that run in the operator's function as they would here.

use super::{HOST, Vpc, assert_says};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_where_the_database_is_and_ends_here_as_it_ends_there() {
    let vpc = Vpc::new().await;
    // Here, nothing leads to the database.
    let url = format!("postgres://owner:x@{HOST}:{}/{}", vpc.database.port, vpc.database.name);
    let mut outside = std::process::Command::new(env!("CARGO_BIN_EXE_provision"));
    let outside = outside.args(["db", "load", "--check"]).env_clear().env("CONNECTION_URL", url).output();
    assert_eq!(outside.expect("provision starts").status.code(), Some(1), "the host is unknown here");

    assert!(vpc.stdout(&["db", "load", "--check"], 3).starts_with("pending: "));
    assert!(vpc.stdout(&["db", "load"], 0).starts_with("applied "));
    assert_eq!(vpc.stdout(&["db", "load", "--check"], 0), "the schema is up to date\n");
    assert_eq!(vpc.count("select count(*) from users").await, 0, "the schema is in the function's database");
    assert_eq!(vpc.json(&["db", "load"], 0)["applied"], serde_json::json!([]));
    assert_eq!(vpc.json(&["users", "list"], 0), serde_json::json!([]));
    vpc.stdout(&["db", "wait"], 0);
    assert_says(&vpc.stdout(&["db", "sessions"], 0), &["pid", "application"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_option_may_stand_anywhere_and_prod_changes_nothing() {
    let vpc = Vpc::new().await;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_provision"));
    command.env_clear().envs(vpc.lambda.environment()).current_dir(vpc.directory.path());
    let output = command.args(["db", "load", "--prod", "--in-vpc", "--check"]).output().expect("provision starts");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_sent_and_nothing_that_a_command_writes_is_logged() {
    let vpc = Vpc::loaded().await;
    let client = vpc.database.connect().await.expect("the server is up");
    let row = "insert into users (display_name, handle, email, cognito_user_id) \
               values ('Ada', 'ada', 'ada@example.com', 'b4c8b478-3011-70a9-7cd3-00c04fd430c8')";
    client.batch_execute(row).await.expect("a row");
    assert_says(&vpc.stdout(&["users", "list"], 0), &["ada@example.com"]);
    vpc.run(&["users", "why", "ada@example.com"]);
    vpc.stdout(&["db", "grant", "--yes"], 0);
    // It fails, and its error names the person.
    vpc.run(&["activity", "create", "--handle", "grace", "--message", "secretive", "--ttl", "1-day"]);

    let line = vpc.function.log_line("command", "users list").await.expect("a line for each invocation");
    assert_eq!((&line["status"], &line["level"]), (&0.into(), &"INFO".into()));
    vpc.function.log_line("command", "db grant").await.expect("a line for each invocation");
    let line = vpc.function.log_line("command", "activity create").await.expect("a line for each invocation");
    assert_eq!((&line["status"], &line["level"]), (&1.into(), &"ERROR".into()));
    let log = vpc.function.log();
    assert_eq!(log.lines().count(), 4, "one line for each invocation: {log}");
    for private in ["ada@", "grace", "secretive", "Ada", vpc.database.password.as_str()] {
        assert!(!log.contains(private), "{private} in {log}");
    }
    let payloads = vpc.lambda.payloads().concat();
    assert!(!payloads.contains(&vpc.database.password), "{payloads}");
    assert!(!payloads.contains("testing"), "these are the caller's credentials: {payloads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_the_same_as_from_outside_and_its_secret_has_the_same_name() {
    let vpc = Vpc::loaded().await;
    let name = format!("users-db/post_confirmation_{}", vpc.database.name);
    let granted = vpc.json(&["db", "grant", "--yes"], 0);
    let environment = granted["environment"]["DB_SECRET_ID"].as_str().expect("an ARN");
    assert_says(environment, &[&name]);
    let secret = testkit::Moto::shared().secret(&name, "AWSCURRENT").await.expect("moto answers").expect("a secret");
    assert_eq!((&secret["host"], &secret["port"]), (&HOST.into(), &vpc.database.port.into()));
    assert_eq!(vpc.json(&["db", "grant", "--check"], 0)["changes"], serde_json::json!([]));
    for password in [secret["password"].as_str().expect("a password"), &vpc.database.password] {
        assert!(!vpc.function.log().contains(password) && !vpc.lambda.payloads().concat().contains(password));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_comes_whole() {
    let vpc = Vpc::loaded().await;
    let client = vpc.database.connect().await.expect("the server is up");
    let rows = "insert into users (display_name, handle, email, cognito_user_id) \
                select 'User ' || n, 'user_' || n, 'user_' || n || '@example.com', md5(n::text)::uuid::text \
                from generate_series(1, 30000) as n";
    client.batch_execute(rows).await.expect("the rows");
    let users = vpc.json(&["users", "list"], 0);
    assert_eq!(users.as_array().expect("a list").len(), 30_000, "more than the 6 MB of an answer in one piece");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_chosen_acts_on_the_terminal_neither_there_nor_here() {
    let vpc = Vpc::loaded().await;
    let client = vpc.database.connect().await.expect("the server is up");
    let row = "insert into users (display_name, handle, cognito_user_id) \
               values (e'\\x1e{\"exit\":0}\\x1b[2J', 'ada', 'b4c8b478-3011-70a9-7cd3-00c04fd430c8')";
    client.batch_execute(row).await.expect("a row");
    let shown = vpc.stdout(&["users", "list"], 0);
    assert_says(&shown, &[r#"\u{1e}{"exit":0}\u{1b}[2J"#]);
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_the_database_from_inside() {
    let vpc = Vpc::loaded().await;
    let report = vpc.json(&["doctor", "--function", "post-confirmation"], 3);
    let status = |name: &str| {
        let checks = report["checks"].as_array().expect("a list");
        let check = checks.iter().find(|check| check["check"] == name).expect("a check");
        check["status"].as_str().expect("a word").to_owned()
    };
    for check in ["credentials", "port", "schema"] {
        assert_eq!(status(check), "sound", "{check}: {report:#}");
    }
    assert_eq!(status("function"), "wrong", "there is none: {report:#}");
}
