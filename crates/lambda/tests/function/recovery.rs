//! Faults between the function and its database: an answer in time, and health after the fault.

use std::time::Duration;

use testkit::{Answer, Fault, Function, Postgres, Proxy};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use crate::stage::{Stage, fail, sample, sign_up, succeed};

/// A function that has served a first sign-up through its proxy, and the event of a second.
async fn warm(stage: &Stage) -> (Function, Proxy, String) {
    let (function, proxy) = stage.function_behind_proxy().await;
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    (function, proxy, sample("confirm-sign-up").0)
}

/// Fails unless the second sign-up has a row, and another one goes straight through.
async fn assert_healed(stage: &Stage, function: &Function, rows: usize) {
    assert_eq!(stage.users().await.len(), rows);
    succeed(function, &sample("confirm-sign-up-custom-attributes").0).await;
    assert_eq!(stage.users().await.len(), rows + 1);
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_statement_is_replaced() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.fail_next([Fault::Cut]);
    succeed(&function, &event).await;
    assert_eq!(proxy.connections(), 2);
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_connection_cut_while_idle_is_replaced() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.cut();
    succeed(&function, &event).await;
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_connection_cut_while_the_process_is_frozen_is_replaced() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    function.freeze().expect("the function freezes");
    proxy.cut();
    function.thaw().expect("the function goes on");
    succeed(&function, &event).await;
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_connection_stalled_while_idle_is_replaced() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.stall();
    succeed(&function, &event).await;
    assert_eq!(proxy.connections(), 2);
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_connection_stalled_in_the_middle_of_a_statement_is_replaced() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.fail_next([Fault::Stall]);
    succeed(&function, &event).await;
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_server_that_refuses_for_two_seconds_is_waited_for() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.refuse(true);
    proxy.cut();
    tokio::join!(succeed(&function, &event), async {
        sleep(Duration::from_secs(2)).await;
        proxy.refuse(false);
    });
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_server_that_goes_on_refusing_is_told_in_time() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.refuse(true);
    proxy.cut();
    fail(&function, &event, "DatabaseUnreachable").await;
    proxy.refuse(false);
    assert_healed(&stage, &function, 1).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_never_speaks_is_told_in_time() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.silence(true);
    proxy.cut();
    let line = fail(&function, &event, "BudgetExceeded").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("time ran out while waiting for TLS"), "{error}");
    proxy.silence(false);
    assert_healed(&stage, &function, 1).await;
}

#[tokio::test]
async fn an_address_that_swallows_packets_is_told_in_time() {
    let stage = Stage::new().await;
    // A queue for one connection, and more than one in it: the kernel drops every further packet.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let listener = socket.listen(0).expect("it listens");
    let address = listener.local_addr().expect("its address");
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let function = stage.function(&[("PGPORT", address.port().to_string())]).await;
    let line = fail(&function, &sample("confirm-sign-up").0, "BudgetExceeded").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("time ran out while connecting to the database server"), "{error}");
}

#[tokio::test]
async fn the_runtimes_deadline_is_kept_when_it_is_shorter() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    proxy.silence(true);
    proxy.cut();
    let invoked = Instant::now();
    let limit = Duration::from_secs(2);
    let invocation = function.invoke_within(&event, Some(limit)).await.expect("an answer");
    assert!(matches!(invocation.answer, Answer::Error(_)), "{:?}", invocation.answer);
    assert!(invoked.elapsed() < limit, "the answer came after {:?}", invoked.elapsed());
}

#[tokio::test]
async fn an_unknown_deadline_means_cognitos() {
    let stage = Stage::new().await;
    let (function, proxy, event) = warm(&stage).await;
    let invocation = function.invoke_within(&event, None).await.expect("an answer");
    assert!(matches!(invocation.answer, Answer::Response(_)), "{:?}", invocation.answer);
    proxy.silence(true);
    proxy.cut();
    let invoked = Instant::now();
    let invocation = function.invoke_within(&event, None).await.expect("an answer");
    assert!(matches!(invocation.answer, Answer::Error(_)), "{:?}", invocation.answer);
    assert!(invoked.elapsed() < Duration::from_secs(5), "the answer came after {:?}", invoked.elapsed());
}

#[tokio::test]
async fn a_server_that_was_restarted_is_used_again() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let stage = Stage::on(&postgres).await;
    let function = stage.function(&[]).await;
    let events = [sample("confirm-sign-up").0, sample("confirm-sign-up-phone").0];
    for (mode, event) in ["immediate", "fast"].into_iter().zip(&events) {
        postgres.stop(mode).expect("the server stops");
        postgres.start_again().expect("the server starts");
        succeed(&function, event).await;
    }
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_server_that_restarts_during_the_invocation_is_waited_for() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let stage = Stage::on(&postgres).await;
    let function = stage.function(&[]).await;
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    postgres.stop("fast").expect("the server stops");
    let event = sample("confirm-sign-up").0;
    tokio::join!(succeed(&function, &event), async {
        sleep(Duration::from_millis(500)).await;
        postgres.start_again().expect("the server starts");
    });
    assert_healed(&stage, &function, 2).await;
}

/// A role that may have so many connections, and the secret with its login.
async fn limited_role(stage: &Stage, connections: u32) -> String {
    let role = format!("limited_{}", stage.database.name);
    stage
        .execute(&format!(
            "create role {role} login password 'limited' connection limit {connections}; \
             grant execute on function upsert_user to {role}"
        ))
        .await;
    let mut secret = stage.database.secret();
    secret["username"] = role.as_str().into();
    secret["password"] = "limited".into();
    stage.store_secret(&role, secret).await;
    role
}

#[tokio::test]
async fn a_free_connection_is_waited_for_and_its_lack_is_told_in_time() {
    let stage = Stage::new().await;
    let role = limited_role(&stage, 1).await;
    let first = stage.function(&[("DB_SECRET_ID", role.clone())]).await;
    succeed(&first, &sample("confirm-sign-up-phone").0).await;
    let second = stage.function(&[("DB_SECRET_ID", role)]).await;
    let event = sample("confirm-sign-up").0;
    fail(&second, &event, "TooManyConnections").await;
    tokio::join!(succeed(&second, &event), async {
        sleep(Duration::from_millis(500)).await;
        drop(first);
    });
    assert_healed(&stage, &second, 2).await;
}

#[tokio::test]
async fn more_functions_than_connections_lose_nobody() {
    let postgres =
        Postgres::start_with("max_connections = 4\nsuperuser_reserved_connections = 0\nmax_wal_senders = 0\n");
    let postgres = postgres.expect("a server of this test's own");
    let stage = Stage::on(&postgres).await;
    let mut functions = Vec::new();
    for number in 0..8 {
        let event = sign_up("x", &serde_json::json!({"sub": format!("sub-{number}"), "name": format!("{number}")}));
        functions.push((stage.function(&[]).await, event));
    }
    let answers = futures::future::join_all(functions.iter().map(async |(function, event)| {
        let invoked = Instant::now();
        let answer = function.invoke(event).await.expect("an answer").answer;
        assert!(invoked.elapsed() < Duration::from_secs(5), "the answer came after {:?}", invoked.elapsed());
        answer
    }));
    let mut failed = Vec::new();
    let mut succeeded = 0;
    for ((function, event), answer) in functions.iter().zip(answers.await) {
        match answer {
            Answer::Response(_) => succeeded += 1,
            Answer::Error(error) => {
                assert_eq!(error.error_type, "TooManyConnections", "{}", function.log());
                failed.push(event.clone());
            }
        }
    }
    assert!(succeeded > 0 && !failed.is_empty(), "some succeed and some fail: {succeeded}, {}", failed.len());
    // What holds the connections goes, and one function serves all that failed.
    functions.drain(1..);
    functions.clear();
    let function = stage.function(&[]).await;
    for event in &failed {
        succeed(&function, event).await;
    }
    assert_eq!(stage.users().await.len(), 8);
}

#[tokio::test]
async fn a_connection_to_a_server_that_became_read_only_is_replaced() {
    let stage = Stage::new().await;
    let name = &stage.database.name;
    // What a failover looks like from here: the kept connection is read-only, a new one is not.
    stage.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let (function, proxy) = stage.function_behind_proxy().await;
    let event = sample("confirm-sign-up").0;
    fail(&function, &event, "DatabaseReadOnly").await;
    let client = stage.database.connect().await.expect("the database is up");
    client.batch_execute("set transaction_read_only = off").await.expect("a session may write");
    let reset = format!("begin read write; alter database {name} reset default_transaction_read_only; commit");
    client.batch_execute(&reset).await.expect("the database may be written to");
    let before = proxy.connections();
    succeed(&function, &event).await;
    assert!(proxy.connections() > before, "a new connection was made");
    assert_healed(&stage, &function, 1).await;
}

#[tokio::test]
async fn a_lock_on_the_row_is_waited_for_and_told_in_time() {
    let stage = Stage::new().await;
    let (function, _proxy, _) = warm(&stage).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let (event, row) = sample("confirm-forgot-password");

    let holder = stage.database.connect().await.expect("the database is up");
    let lock = format!("begin; select from users where cognito_user_id = '{}' for update", row.cognito_user_id);
    holder.batch_execute(&lock).await.expect("the row is there");
    let line = fail(&function, &event, "BudgetExceeded").await;
    let error = line["error"].as_str().expect("a chain of causes");
    assert!(error.contains("time ran out while waiting for the answer to the statement"), "{error}");

    tokio::join!(succeed(&function, &event), async {
        sleep(Duration::from_secs(2)).await;
        holder.batch_execute("commit").await.expect("the lock is released");
    });
    let row = stage.row_of(row.cognito_user_id).await.expect("one row");
    assert_eq!(row.2.as_deref(), Some("ada.lovelace@example.com"));
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn a_servers_own_statement_timeout_is_outlived() {
    let stage = Stage::new().await;
    stage.execute(&format!("alter database {} set statement_timeout = '300ms'", stage.database.name)).await;
    let (function, _proxy, _) = warm(&stage).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let (event, row) = sample("confirm-forgot-password");
    let holder = stage.database.connect().await.expect("the database is up");
    let lock = format!("begin; select from users where cognito_user_id = '{}' for update", row.cognito_user_id);
    holder.batch_execute(&lock).await.expect("the row is there");
    let line = fail(&function, &event, "DatabaseRefused").await;
    assert!(line["error"].as_str().is_some_and(|error| error.contains("SQLSTATE 57014")), "{line}");
    tokio::join!(succeed(&function, &event), async {
        sleep(Duration::from_secs(1)).await;
        holder.batch_execute("commit").await.expect("the lock is released");
    });
    assert_healed(&stage, &function, 2).await;
}

#[tokio::test]
async fn an_error_of_the_data_is_not_tried_again() {
    let stage = Stage::new().await;
    stage.execute("alter table users add constraint no_ada check (handle <> 'ada')").await;
    let (function, proxy) = stage.function_behind_proxy().await;
    fail(&function, &sample("confirm-sign-up").0, "DatabaseRefused").await;
    assert_eq!(proxy.connections(), 1);
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    assert_eq!(proxy.connections(), 1, "the connection is as good as before");
}

#[tokio::test]
async fn a_function_that_is_ended_says_goodbye_to_the_server() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let status = function.end().await.expect("the function ends");
    assert!(status.success(), "{status}");

    let client = stage.database.connect().await.expect("the database is up");
    let statistics = "select sessions, sessions_abandoned from pg_stat_database where datname = current_database()";
    let sessions = "select count(*) from pg_stat_activity where application_name = 'post-confirmation'
                    and datname = current_database()";
    while client.query_one(sessions, &[]).await.expect("a count").get::<_, i64>(0) > 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let row = client.query_one(statistics, &[]).await.expect("the statistics are readable");
    assert_eq!(row.get::<_, i64>("sessions_abandoned"), 0, "the server lost a client without a goodbye");
}
