//! Faults between the function and its database: the invocation survives them or reports them, and the next ones
//! succeed. How long that may take is tested with paused time, in the crate `db`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testkit::{Answer, Fault, Function, PgBouncer, Postgres, Proxy, SampleRow};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use crate::fixture::{
    Fixture, fail, run_out_of_time, sample, sign_up, succeed, try_succeed, try_succeed_after, undisturbed,
};

/// The time that Cognito waits for an answer. Only a busy machine stretches an answer beyond it, and not each time.
const COGNITO_LIMIT: Duration = Duration::from_secs(5);

/// A function that has served a first sign-up through its proxy, and the event of a second.
async fn warm(fixture: &Fixture) -> (Function, Proxy, String) {
    let (function, proxy) = fixture.function_behind_proxy().await;
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    (function, proxy, sample("confirm-sign-up").0)
}

/// Fails unless there are this many rows, and one more after another sign-up.
async fn assert_healed(fixture: &Fixture, function: &Function, rows: usize) {
    assert_eq!(fixture.users().await.len(), rows);
    succeed(function, &sample("confirm-sign-up-custom-attributes").0).await;
    assert_eq!(fixture.users().await.len(), rows + 1);
}

/// Fails unless a warm function survives the fault within one invocation, on a new connection.
async fn assert_replaced(make_fault: impl Fn(&Function, &Proxy)) {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, proxy, event) = warm(&fixture).await;
        let before = proxy.connections();
        make_fault(&function, &proxy);
        try_succeed(&function, &event).await?;
        assert!(proxy.connections() > before, "a new connection is opened");
        assert_healed(&fixture, &function, 2).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_statement_is_replaced() {
    assert_replaced(|_, proxy| proxy.fail_next([Fault::Cut])).await;
}

#[tokio::test]
async fn a_connection_cut_while_idle_is_replaced() {
    assert_replaced(|_, proxy| proxy.cut()).await;
}

#[tokio::test]
async fn a_connection_cut_while_the_process_is_frozen_is_replaced() {
    assert_replaced(|function, proxy| {
        function.freeze().expect("the function freezes");
        proxy.cut();
        function.thaw().expect("the function goes on");
    })
    .await;
}

#[tokio::test]
async fn a_connection_stalled_while_idle_is_replaced() {
    assert_replaced(|_, proxy| proxy.stall()).await;
}

#[tokio::test]
async fn a_connection_stalled_in_the_middle_of_a_statement_is_replaced() {
    assert_replaced(|_, proxy| proxy.fail_next([Fault::Stall])).await;
}

#[tokio::test]
async fn a_server_that_refuses_for_a_while_is_waited_for() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, proxy, event) = warm(&fixture).await;
        proxy.refuse(true);
        proxy.cut();
        let refused = async { proxy.until_refused(3).await.expect("the function tries again and again") };
        try_succeed_after(&function, &event, refused, async { proxy.refuse(false) }).await?;
        assert_healed(&fixture, &function, 2).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_on_refusing_is_reported() {
    let fixture = Fixture::new().await;
    let (function, proxy, event) = warm(&fixture).await;
    proxy.refuse(true);
    proxy.cut();
    fail(&function, &event, "DatabaseUnreachable").await;
    proxy.refuse(false);
    assert_healed(&fixture, &function, 1).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_reported() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, proxy, event) = warm(&fixture).await;
        proxy.silence(true);
        proxy.cut();
        run_out_of_time(&function, &event, "waiting for TLS").await?;
        proxy.silence(false);
        assert_healed(&fixture, &function, 1).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_address_that_swallows_packets_is_reported() {
    let fixture = Fixture::new().await;
    // A queue for no connection, and one in it: the kernel drops every further packet.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let listener = socket.listen(0).expect("it listens");
    let address = listener.local_addr().expect("its address");
    let _waiting = TcpStream::connect(address).await.expect("a connection in the queue");
    let function = fixture.function(&[("PGPORT", address.port().to_string())]).await;
    let event = sample("confirm-sign-up").0;
    undisturbed(async || run_out_of_time(&function, &event, "connecting to the database server").await).await;
}

#[tokio::test]
async fn the_runtimes_deadline_is_kept_when_it_is_shorter() {
    const DEADLINE: Duration = Duration::from_secs(1);
    /// Between the runtime's deadline and Cognito's.
    const LIMIT: Duration = Duration::from_secs(4);
    let fixture = Fixture::new().await;
    undisturbed(async || {
        let (function, proxy, event) = warm(&fixture).await;
        proxy.silence(true);
        proxy.cut();
        let invoked = Instant::now();
        let invocation = function.invoke_within(&event, Some(DEADLINE)).await.expect("an answer");
        assert!(matches!(invocation.answer, Answer::Error(_)), "{:?}", invocation.answer);
        let elapsed = invoked.elapsed();
        if elapsed < LIMIT { Ok(()) } else { Err(format!("the answer came after {elapsed:?}")) }
    })
    .await;
}

#[tokio::test]
async fn without_a_known_deadline_sign_ups_succeed_and_faults_are_reported() {
    let fixture = Fixture::new().await;
    let (function, proxy, event) = warm(&fixture).await;
    undisturbed(async || match function.invoke_within(&event, None).await.expect("an answer").answer {
        Answer::Response(_) => Ok(()),
        Answer::Error(error) => Err(format!("{error:?}")),
    })
    .await;
    proxy.silence(true);
    proxy.cut();
    undisturbed(async || {
        let invoked = Instant::now();
        let invocation = function.invoke_within(&event, None).await.expect("an answer");
        assert!(matches!(invocation.answer, Answer::Error(_)), "{:?}", invocation.answer);
        let elapsed = invoked.elapsed();
        if elapsed < COGNITO_LIMIT { Ok(()) } else { Err(format!("the answer came after {elapsed:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_was_restarted_is_used_again() {
    let postgres = Postgres::start().expect("a server of this test's own");
    undisturbed(async || {
        let fixture = Fixture::on(&postgres).await;
        let function = fixture.function(&[]).await;
        let events = [sample("confirm-sign-up").0, sample("confirm-sign-up-phone").0];
        for (mode, event) in ["immediate", "fast"].into_iter().zip(&events) {
            postgres.stop(mode).expect("the server stops");
            postgres.start_again().expect("the server starts");
            try_succeed(&function, event).await?;
        }
        assert_healed(&fixture, &function, 2).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_restarts_during_the_invocation_is_waited_for() {
    let postgres = Arc::new(Postgres::start().expect("a server of this test's own"));
    undisturbed(async || {
        let fixture = Fixture::on(&postgres).await;
        let (function, proxy, event) = warm(&fixture).await;
        postgres.stop("fast").expect("the server stops");
        let (tried, stopped) = (proxy.connections() + 2, Arc::clone(&postgres));
        let tried = async { proxy.until_connections(tried).await.expect("the function tries again and again") };
        let restart = async {
            let restart = tokio::task::spawn_blocking(move || stopped.start_again());
            restart.await.expect("no panic").expect("the server starts");
        };
        let answer = try_succeed_after(&function, &event, tried, restart).await;
        if !postgres.is_running() {
            postgres.start_again().expect("the server starts");
        }
        answer?;
        assert_healed(&fixture, &function, 2).await;
        Ok(())
    })
    .await;
}

/// A role that may have this many connections, and the secret with its login.
async fn limited_role(fixture: &Fixture, connections: u32) -> String {
    let role = format!("limited_{}", fixture.database.name);
    fixture.execute(&format!("create role {role} login password 'limited' connection limit {connections}")).await;
    fixture.allow(&role).await;
    let mut secret = fixture.database.secret();
    secret["username"] = role.as_str().into();
    secret["password"] = "limited".into();
    fixture.store_secret(&role, secret).await;
    role
}

#[tokio::test]
async fn a_free_connection_is_waited_for_and_its_lack_is_reported() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let role = limited_role(&fixture, 1).await;
        let first = fixture.function(&[("DB_SECRET_ID", role.clone())]).await;
        succeed(&first, &sample("confirm-sign-up-phone").0).await;
        let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
        let second = fixture.function(&[("DB_SECRET_ID", role), ("PGPORT", proxy.port().to_string())]).await;
        let event = sample("confirm-sign-up").0;
        fail(&second, &event, "TooManyConnections").await;
        let tried = proxy.connections() + 2;
        let tried = async { proxy.until_connections(tried).await.expect("the function tries again and again") };
        try_succeed_after(&second, &event, tried, async { drop(first) }).await?;
        assert_healed(&fixture, &second, 2).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn more_functions_than_connections_lose_no_sign_up() {
    let postgres =
        Postgres::start_with("max_connections = 4\nsuperuser_reserved_connections = 0\nmax_wal_senders = 0\n");
    let postgres = postgres.expect("a server of this test's own");
    let fixture = Fixture::on(&postgres).await;
    let mut functions = Vec::new();
    for number in 0..8 {
        let event = sign_up("x", &serde_json::json!({"sub": format!("sub-{number}"), "name": format!("{number}")}));
        functions.push((fixture.function(&[]).await, event));
    }
    let answers = futures::future::join_all(
        functions.iter().map(async |(function, event)| function.invoke(event).await.expect("an answer").answer),
    );
    let mut failed = Vec::new();
    for ((function, event), answer) in functions.iter().zip(answers.await) {
        if let Answer::Error(error) = answer {
            // On a slow machine the time is over before the server has refused.
            let expected = ["TooManyConnections", "BudgetExceeded"];
            assert!(expected.contains(&error.error_type.as_str()), "{error:?}; the log:\n{}", function.log());
            failed.push(event.clone());
        }
    }
    assert!(failed.len() >= 4, "four connections serve no more than four functions, and {} failed", failed.len());
    // With the other functions gone, one function serves all that failed.
    drop(functions);
    let function = fixture.function(&[]).await;
    for event in &failed {
        succeed(&function, event).await;
    }
    assert_eq!(fixture.users().await.len(), 8);
}

#[tokio::test]
async fn a_connection_to_a_server_that_became_read_only_is_replaced() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let name = &fixture.database.name;
        // A failover as the function sees it: the kept connection is read-only, a new one is not.
        fixture.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
        let (function, proxy) = fixture.function_behind_proxy().await;
        let event = sample("confirm-sign-up").0;
        fail(&function, &event, "DatabaseReadOnly").await;
        let client = fixture.database.connect().await.expect("the database is up");
        client.batch_execute("set transaction_read_only = off").await.expect("a session may write");
        let reset = format!("begin read write; alter database {name} reset default_transaction_read_only; commit");
        client.batch_execute(&reset).await.expect("the database may be written to");
        let before = proxy.connections();
        try_succeed(&function, &event).await?;
        assert!(proxy.connections() > before, "a new connection is opened");
        assert_healed(&fixture, &function, 1).await;
        Ok(())
    })
    .await;
}

/// A second event of the user of `confirm-sign-up`, whose address has changed. It is answered with an error if it fails.
fn another_address() -> (String, SampleRow) {
    let (event, row) = sample("confirm-forgot-password");
    (event.replace("PostConfirmation_ConfirmForgotPassword", "PostConfirmation_ConfirmSignUp"), row)
}

/// A transaction that locks the row of this user until it ends.
async fn lock(fixture: &Fixture, cognito_user_id: &str) -> tokio_postgres::Client {
    let holder = fixture.database.connect().await.expect("the database is up");
    let lock = format!("begin; select from users where cognito_user_id = '{cognito_user_id}' for update");
    holder.batch_execute(&lock).await.expect("the row is there");
    holder
}

#[tokio::test]
async fn a_lock_on_the_row_is_waited_for_and_reported() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, _proxy, _) = warm(&fixture).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        let (event, row) = another_address();
        let holder = lock(&fixture, row.cognito_user_id).await;
        give_up(&function, &event).await?;
        fixture.until_none_is_blocked().await;
        let blocked = async {
            fixture.until_blocked(&[]).await;
        };
        let release = async { holder.batch_execute("commit").await.expect("the lock is released") };
        try_succeed_after(&function, &event, blocked, release).await?;
        let row = fixture.row_of(row.cognito_user_id).await.expect("one row");
        assert_eq!(row.2.as_deref(), Some("ada.lovelace@example.com"));
        assert_healed(&fixture, &function, 2).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_the_servers_timeout_ends_is_sent_again() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        fixture
            .execute(&format!("alter role function_{} set statement_timeout = '300ms'", fixture.database.name))
            .await;
        let (function, _proxy, _) = warm(&fixture).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        let (event, row) = another_address();
        let holder = lock(&fixture, row.cognito_user_id).await;
        let line = fail(&function, &event, "DatabaseRefused").await;
        assert!(line["error"].as_str().is_some_and(|error| error.contains("SQLSTATE 57014")), "{line}");
        let given_up = fixture.blocked().await;
        let blocked_twice = async {
            let ended = [fixture.until_blocked(&given_up).await];
            fixture.until_blocked(&[&given_up[..], &ended].concat()).await;
        };
        let release = async { holder.batch_execute("commit").await.expect("the lock is released") };
        try_succeed_after(&function, &event, blocked_twice, release).await?;
        assert_healed(&fixture, &function, 2).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_data_is_not_tried_again() {
    let fixture = Fixture::new().await;
    fixture.execute("alter table users add constraint no_ada check (handle <> 'ada')").await;
    let (function, proxy, ada) = warm(&fixture).await;
    // The function would try again on another connection. It also opens one when a statement takes a second.
    undisturbed(async || {
        let before = proxy.connections();
        fail(&function, &ada, "DatabaseRefused").await;
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        let opened = proxy.connections() - before;
        if opened == 0 { Ok(()) } else { Err(format!("{opened} connections were opened")) }
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_ended_closes_its_connection_in_order() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let function = fixture.function(&[]).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        let status = function.end().await.expect("the function ends");
        assert!(status.success(), "{status}");

        let client = fixture.database.connect().await.expect("the database is up");
        let statistics = "select sessions_abandoned from pg_stat_database where datname = current_database()";
        let sessions = "select count(*) from pg_stat_activity where application_name = 'post-confirmation'
                        and datname = current_database()";
        while client.query_one(sessions, &[]).await.expect("a count").get::<_, i64>(0) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        // The function also abandons a connection when a statement takes a second.
        match client.query_one(statistics, &[]).await.expect("the statistics are readable").get::<_, i64>(0) {
            0 => Ok(()),
            abandoned => Err(format!("{abandoned} connections were closed without a message to the server")),
        }
    })
    .await;
}

/// Sends an event whose statement waits for a lock, for [`undisturbed`], and insists on an error that says so.
async fn give_up(function: &Function, event: &str) -> Result<(), String> {
    let invocation = function.invoke(event).await.expect("an answer");
    let Answer::Error(_) = invocation.answer else { panic!("it succeeded; the log:\n{}", function.log()) };
    let line = function.log_line("requestId", &invocation.request_id).await.expect("a log line");
    let error = line["error"].as_str().expect("a chain of causes");
    // The role's own time limit for locks comes first if the function takes long to connect.
    let expected = ["waiting for the answer to the statement", "SQLSTATE 55P03"];
    if expected.iter().any(|expected| error.contains(expected)) { Ok(()) } else { Err(error.to_owned()) }
}

/// A transaction that locks the whole table until it ends, as a migration does.
async fn lock_table(fixture: &Fixture) -> tokio_postgres::Client {
    let holder = fixture.database.connect().await.expect("the database is up");
    holder.batch_execute("begin; lock table users").await.expect("the lock is free");
    holder
}

/// Sends an event while the table is locked, and fails unless the server gives it up as well.
async fn give_up_while_locked(fixture: &Fixture, function: &Function) -> Result<(), String> {
    let holder = lock_table(fixture).await;
    let sub = "c0ffee00-0000-4000-8000-000000000001";
    let event = sign_up("ada", &json!({"sub": sub, "email": "ada@example.com"}));
    give_up(function, &event).await?;
    fixture.until_none_is_blocked().await;
    holder.batch_execute("commit").await.expect("the lock is released");
    assert_eq!(fixture.row_of(sub).await, None, "a sign-up that was reported as failed is not written later");
    succeed(function, &event).await;
    assert!(fixture.row_of(sub).await.is_some(), "the user has a row");
    Ok(())
}

#[tokio::test]
async fn what_the_function_gives_up_the_server_gives_up_too() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, _proxy, _) = warm(&fixture).await;
        give_up_while_locked(&fixture, &function).await
    })
    .await;
}

#[tokio::test]
async fn behind_pgbouncer_too_the_server_gives_up_what_the_function_gives_up() {
    let postgres = Postgres::start().expect("a server of this test's own");
    undisturbed(async || {
        let fixture = Fixture::on(&postgres).await;
        let pgbouncer = PgBouncer::start(&postgres, &fixture.database, 5).expect("a pooler");
        // The pooler knows the owner alone.
        let id = format!("pooled-{}", fixture.database.name);
        fixture.store_secret(&id, fixture.database.secret()).await;
        let function = fixture.function(&[("DB_SECRET_ID", id), ("PGPORT", pgbouncer.port().to_string())]).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        give_up_while_locked(&fixture, &function).await
    })
    .await;
}

#[tokio::test]
async fn an_event_that_was_given_up_does_not_overwrite_a_newer_one() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, _proxy, _) = warm(&fixture).await;
        let sub = "c0ffee00-0000-4000-8000-000000000001";
        let event = |address: &str| sign_up("ada", &json!({"sub": sub, "email": address}));
        succeed(&function, &event("first@example.com")).await;
        let holder = lock_table(&fixture).await;
        for _ in 0..2 {
            give_up(&function, &event("old@example.com")).await?;
        }
        let blocked = async {
            fixture.until_blocked(&[]).await;
        };
        let release = async { holder.batch_execute("commit").await.expect("the lock is released") };
        try_succeed_after(&function, &event("new@example.com"), blocked, release).await?;
        fixture.until_none_is_blocked().await;
        let row = fixture.row_of(sub).await.expect("one row");
        assert_eq!(row.2.as_deref(), Some("new@example.com"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_sign_up_on_a_slow_server_is_waited_for_and_reported_as_created() {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let (function, _proxy, _) = warm(&fixture).await;
        let slow = "create function slow() returns trigger language plpgsql as \
                    $$ begin perform pg_sleep(2); return new; end $$; \
                    create trigger slow before insert on users for each row execute function slow()";
        fixture.execute(slow).await;
        for number in 0..2 {
            let sub = format!("c0ffee00-0000-4000-8000-00000000000{number}");
            let event = sign_up("grace", &json!({"sub": sub, "preferred_username": format!("grace-{number}")}));
            try_succeed(&function, &event).await?;
            let line = function.log_line("sub", &sub).await.expect("a log line");
            assert_eq!(line["outcome"], "created", "{line}");
            // A second session is asked once, as long as the first may be dead. Then it is known that it is slow.
            if number > 0 && line["attempts"] != 1 {
                return Err(line.to_string());
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_ended_on_a_dead_path_ends() {
    let fixture = Fixture::new().await;
    let (function, proxy, _) = warm(&fixture).await;
    proxy.stall();
    let status = function.end().await.expect("the function ends");
    assert!(status.success(), "{status}");
}
