//! `Database::run` ends within its budget, whatever the server does. Time is paused: tokio jumps to the next timer when
//! there is nothing else to do, so the machine's speed decides nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use db::{Budget, Database, Error, Plaintext, Session, Settings, Step};
use testkit::Port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

/// The function's budget for one invocation.
const LIMIT: Duration = Duration::from_millis(4500);

/// `AuthenticationOk` and `ReadyForQuery`: a client waits for nothing else.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const ACCEPTED: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

fn database(port: u16) -> Database {
    let url = format!("postgres://user:password@127.0.0.1:{port}/app?sslmode=disable");
    let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, |_| None::<String>);
    Database::new(settings.expect("a URL"), "test")
}

/// The code of a request to cancel, in place of a protocol version.
const CANCEL_REQUEST: u32 = 80_877_102;

/// `ReadyForQuery`, outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// The answer to an empty statement.
const EMPTY: &[u8] = b"I\0\0\0\x04Z\0\0\0\x05I";

/// A server that accepts every login.
#[derive(Clone)]
struct Server {
    port: u16,
    sessions: Arc<AtomicUsize>,
    cancelled: Arc<AtomicUsize>,
    /// Connections that were reset, not closed.
    reset: Arc<AtomicUsize>,
}

impl Server {
    /// A server that never answers a statement.
    async fn silent() -> Self {
        Self::start(|_| vec![]).await
    }

    /// A server that sends this once for whatever the session of this number asks for. The first one is 0.
    async fn start(answer: impl Fn(usize) -> Vec<u8> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let server = Self { port, sessions: Arc::default(), cancelled: Arc::default(), reset: Arc::default() };
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream, answer.clone()));
            }
        });
        server
    }

    async fn serve(self, mut stream: TcpStream, answer: impl Fn(usize) -> Vec<u8>) {
        let length = stream.read_u32().await.expect("a message's length");
        let mut message = vec![0; usize::try_from(length).expect("it is short") - 4];
        stream.read_exact(&mut message).await.expect("the rest of the message");
        if message.starts_with(&CANCEL_REQUEST.to_be_bytes()) {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        stream.write_all(ACCEPTED).await.expect("the client reads");
        let mut request = [0; 1024];
        // Until the client is gone.
        loop {
            match stream.read(&mut request).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => {
                    self.reset.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            let answer = answer(number);
            if stream.write_all(&answer).await.is_err() || answer.starts_with(b"E") && !answer.ends_with(READY) {
                return;
            }
        }
    }

    fn database(&self) -> Database {
        database(self.port)
    }

    /// How many sessions were opened, and how many statements were cancelled.
    fn counts(&self) -> (usize, usize) {
        (self.sessions.load(Ordering::Relaxed), self.cancelled.load(Ordering::Relaxed))
    }
}

/// A database with a kept session.
async fn connected(server: &Server) -> Database {
    let database = server.database();
    database.connect_ahead(&Budget::new(LIMIT)).await.expect("the server accepts");
    database
}

async fn never(_: &Session) -> Result<(), Error> {
    std::future::pending().await
}

/// Runs the operation, and fails unless it ends with this error and has used most of the budget, and no more. Returns
/// the number of attempts.
async fn assert_ends_in_time(
    database: &Database,
    operation: impl AsyncFn(&Session) -> Result<(), Error>,
    kind: &str,
    problem: &str,
) -> u32 {
    let (budget, started) = (Budget::new(LIMIT), Instant::now());
    let error = database.run(&budget, operation).await.expect_err("it cannot succeed");
    let elapsed = started.elapsed();
    assert_eq!(error.kind().to_string(), kind, "{error}");
    assert!(error.to_string().contains(problem), "expected {problem:?} in {error}");
    assert!(elapsed <= LIMIT, "{elapsed:?}");
    assert!(elapsed > LIMIT / 2, "{error} after {elapsed:?}, with time left for another attempt");
    budget.spent().attempts
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_never_answers_is_given_up_in_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let database = database(listener.local_addr().expect("its address").port());
    assert_ends_in_time(&database, never, "BudgetExceeded", "waiting for TLS").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_is_given_up_in_time() {
    let port = Port::reserve().expect("a port");
    let database = database(port.number());
    assert_ends_in_time(&database, never, "DatabaseUnreachable", "cannot reach the database server").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_every_connection_is_given_up_in_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let database = database(listener.local_addr().expect("its address").port());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    assert_ends_in_time(&database, never, "DatabaseUnreachable", "cannot reach the database server").await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_swallows_packets_is_given_up_in_time() {
    // A queue for no connection, and one in it: the kernel drops every further packet.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let listener = socket.listen(0).expect("it listens");
    let address = listener.local_addr().expect("its address");
    let _waiting = TcpStream::connect(address).await.expect("a connection in the queue");
    let database = database(address.port());
    assert_ends_in_time(&database, never, "BudgetExceeded", "connecting to the database server").await;
}

const QUERY: &str = "waiting for the answer to the statement";

#[tokio::test(start_paused = true)]
async fn an_operation_that_never_ends_is_given_up_in_time_and_cancelled_on_both_sessions() {
    let server = Server::silent().await;
    for database in [server.database(), connected(&Server::silent().await).await] {
        let attempts = assert_ends_in_time(&database, never, "BudgetExceeded", QUERY).await;
        assert_eq!(attempts, 2, "a new session is asked as well, and no more than one");
    }
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_kept_session_that_stalls_is_left_within_a_second_and_its_statement_cancelled() {
    let server = Server::silent().await;
    let database = connected(&server).await;
    let (budget, started, calls) = (Budget::new(LIMIT), Instant::now(), AtomicUsize::new(0));
    let operation = async |_: &Session| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 { std::future::pending().await } else { Ok(()) }
    };
    database.run(&budget, operation).await.expect("the new session answers");
    assert_eq!(budget.spent().attempts, 2);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(server.counts(), (2, 1));
    database.run(&Budget::new(LIMIT), operation).await.expect("the new session is kept");
    assert_eq!(server.counts(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_session_that_stalls_in_its_statement_is_left_within_a_second_as_well() {
    let server = Server::silent().await;
    let database = server.database();
    let (budget, started, calls) = (Budget::new(LIMIT), Instant::now(), AtomicUsize::new(0));
    let operation = async |_: &Session| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 { std::future::pending().await } else { Ok(()) }
    };
    database.run(&budget, operation).await.expect("the other new session answers");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(server.counts(), (2, 1), "two sessions, and one statement cancelled");
}

/// Runs a statement on the kept session that takes this long on any, and fails unless the kept one's answer counts.
/// Returns the number of attempts.
async fn run_slowly(database: &Database, time: Duration) -> u32 {
    let (budget, calls) = (Budget::new(LIMIT), AtomicUsize::new(0));
    let operation = async |_: &Session| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        Ok(call)
    };
    assert_eq!(database.run(&budget, operation).await.expect("it is waited for"), 0, "the kept session answers first");
    budget.spent().attempts
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_waited_for_and_then_asked_only_once() {
    let server = Server::silent().await;
    let database = connected(&server).await;
    let slow = Duration::from_secs(2);
    let mut attempts = Vec::new();
    for _ in 0..4 {
        attempts.push(run_slowly(&database, slow).await);
    }
    assert_eq!(attempts, [2, 1, 1, 1], "a second session is asked until it is clear that the server is slow");
    assert_eq!(server.counts(), (2, 1), "the second session's statement is cancelled");
    run_slowly(&database, Duration::from_millis(5)).await;
    assert_eq!(run_slowly(&database, slow).await, 2, "after a fast answer the server counts as fast");
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_waited_for_while_no_new_session_can_be_had() {
    let server = Server::silent().await;
    let gate = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let database = database(gate.local_addr().expect("its address").port());
    // The first connection is passed on, every other is closed.
    tokio::spawn(async move {
        let mut passed = false;
        while let Ok((mut client, _)) = gate.accept().await {
            if !std::mem::replace(&mut passed, true) {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).await.expect("it listens");
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        }
    });
    database.connect_ahead(&Budget::new(LIMIT)).await.expect("the server accepts");
    assert!(run_slowly(&database, Duration::from_secs(3)).await > 1, "new sessions are tried");
}

/// A gate before the server that passes the bytes of each connection on only after this long. The first one is 0.
async fn gate(server: &Server, delay: impl Fn(usize) -> Duration + Send + 'static) -> u16 {
    let gate = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let (port, target) = (gate.local_addr().expect("its address").port(), server.port);
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((mut client, _)) = gate.accept().await else { return };
            let delay = delay(number);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await.expect("it listens");
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_log_in_is_waited_for() {
    let server = Server::silent().await;
    let database = database(gate(&server, |_| Duration::from_secs(3)).await);
    database.run(&Budget::new(LIMIT), async |_: &Session| Ok(())).await.expect("it is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dead_is_given_up_for_a_new_one() {
    let server = Server::silent().await;
    let delay = |number| if number == 0 { Duration::from_hours(1) } else { Duration::ZERO };
    let database = database(gate(&server, delay).await);
    database.run(&Budget::new(LIMIT), async |_: &Session| Ok(())).await.expect("the second one is not dead");
}

/// A server that accepts connections and never answers, and the number of them.
async fn stalled() -> (Database, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let database = database(listener.local_addr().expect("its address").port());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            open.push(stream);
        }
    });
    (database, connections)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_gets_two_connections_of_a_use_and_one_if_time_is_short() {
    for (limit, expected) in [(LIMIT, 2), (Duration::from_millis(1100), 2), (Duration::from_millis(900), 1)] {
        let (database, connections) = stalled().await;
        for uses in 1..=3 {
            database.run(&Budget::new(limit), never).await.expect_err("it cannot succeed");
            assert_eq!(connections.load(Ordering::Relaxed), uses * expected, "use {uses} within {limit:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_gets_three_connections_of_a_cold_sign_up() {
    let (database, connections) = stalled().await;
    let ahead = Budget::new(LIMIT);
    let budget = Budget::new(LIMIT);
    let run = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        (database.run(&budget, never).await, budget.spent().attempts)
    };
    let (connected, (answer, attempts)) = tokio::join!(database.connect_ahead(&ahead), run);
    connected.expect_err("it cannot succeed");
    let error = answer.expect_err("it cannot succeed");
    assert!(matches!(error, Error::BudgetExceeded { step: Step::Authenticate }), "{error}");
    assert_eq!(connections.load(Ordering::Relaxed), 3, "two ahead, and one of the event after half of its time");
    assert_eq!(attempts, 2, "waiting for the connection ahead, and connecting");
}

#[tokio::test(start_paused = true)]
async fn uses_at_once_of_a_server_that_stalls_wait_for_the_first_connection_before_they_open_more() {
    let (database, connections) = stalled().await;
    let budget = Budget::new(LIMIT);
    let (one, another, third) =
        tokio::join!(database.run(&budget, never), database.run(&budget, never), database.run(&budget, never));
    one.and(another).and(third).expect_err("it cannot succeed");
    assert_eq!(connections.load(Ordering::Relaxed), 4, "two of the first use, and one of each other");
}

#[tokio::test(start_paused = true)]
async fn an_event_connects_as_soon_as_connecting_ahead_has_failed() {
    let server = Server::silent().await;
    let gate = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let database = database(gate.local_addr().expect("its address").port());
    // The first connection is closed after a second, every other is passed on.
    let port = server.port;
    tokio::spawn(async move {
        let first = gate.accept().await.expect("a connection");
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        while let Ok((mut client, _)) = gate.accept().await {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("it listens");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let (ahead, budget) = (Budget::new(LIMIT), Budget::new(LIMIT));
    let (connected, answer) =
        tokio::join!(database.connect_ahead(&ahead), database.run(&budget, async |_: &Session| Ok(())));
    connected.expect_err("its connection is closed");
    answer.expect("the next connection stands");
    assert_eq!(budget.spent().attempts, 1, "it does not wait for half of its time");
}

#[tokio::test(start_paused = true)]
async fn no_answer_waits_for_a_surplus_session_to_be_closed() {
    let server = Server::silent().await;
    let database = connected(&server).await;
    let both = tokio::sync::Barrier::new(2);
    // A session that waits for an answer takes 200 ms to close.
    let operation = async |session: &Session| {
        both.wait().await;
        let answer = tokio::time::timeout(Duration::from_millis(10), session.batch_execute("")).await;
        answer.expect_err("it never answers");
        Ok(())
    };
    let (budget, started) = (Budget::new(LIMIT), Instant::now());
    let (one, other) = tokio::join!(database.run(&budget, operation), database.run(&budget, operation));
    one.and(other).expect("both succeed");
    assert_eq!(server.counts().0, 2, "each has a session of its own");
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_being_opened_ahead_is_taken_over() {
    let server = Server::silent().await;
    let delay = |number| if number == 0 { Duration::from_secs(2) } else { Duration::from_hours(1) };
    let database = database(gate(&server, delay).await);
    let ahead = Budget::new(LIMIT);
    let run = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        database.run(&Budget::new(LIMIT), async |_: &Session| Ok(())).await
    };
    let (connected, answer) = tokio::join!(database.connect_ahead(&ahead), run);
    connected.and(answer).expect("the first connection stands after 2 s");
    assert_eq!(server.counts().0, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_the_statement_is_being_cancelled_counts() {
    let server = Server::silent().await;
    let operation = async |_: &Session| {
        tokio::time::sleep(Duration::from_millis(4400)).await;
        Ok(())
    };
    server.database().run(&Budget::new(LIMIT), operation).await.expect("it was done in time");
    assert_eq!(server.counts(), (2, 2), "it was cancelled on both sessions");
}

#[tokio::test(start_paused = true)]
async fn two_uses_at_once_do_not_wait_for_each_other() {
    let server = Server::silent().await;
    let database = connected(&server).await;
    let (started, budget) = (Instant::now(), Budget::new(LIMIT));
    let operation = async |_: &Session| {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    };
    let (one, other) = tokio::join!(database.run(&budget, operation), database.run(&budget, operation));
    one.and(other).expect("both succeed");
    assert_eq!(started.elapsed().as_millis() / 100, 5, "{:?}", started.elapsed());
    assert_eq!(server.counts().0, 2);
    database.run(&budget, operation).await.expect("it succeeds");
    assert_eq!(server.counts().0, 2, "one of the sessions is kept");
}

/// An error of this severity, which stands in it twice: in the server's language, and for programs.
fn error(severity: &str, sqlstate: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{sqlstate}\0Mfor a test\0\0");
    let length = u32::try_from(fields.len() + 4).expect("it is short");
    let ready: &[u8] = if severity == "FATAL" { b"" } else { READY };
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes(), ready].concat()
}

#[tokio::test]
async fn a_kept_session_that_the_server_ends_for_any_reason_is_replaced() {
    for sqlstate in ["57P05", "57P01", "25P03", "25P04", "53100", "53300", "08P01", "28000", "42501", "XX000"] {
        let server =
            Server::start(move |number| if number == 0 { error("FATAL", sqlstate) } else { EMPTY.to_vec() }).await;
        let database = connected(&server).await;
        let budget = Budget::new(LIMIT);
        let operation = async |session: &Session| Ok(session.batch_execute("").await?);
        database.run(&budget, operation).await.unwrap_or_else(|error| panic!("{sqlstate}: {error}"));
        assert_eq!(server.counts().0, 2, "{sqlstate}");
    }
}

#[tokio::test]
async fn a_new_session_that_a_timeout_of_the_server_ends_is_replaced() {
    for sqlstate in ["57P05", "25P03", "25P04"] {
        let server =
            Server::start(move |number| if number == 0 { error("FATAL", sqlstate) } else { EMPTY.to_vec() }).await;
        let operation = async |session: &Session| Ok(session.batch_execute("").await?);
        let answer = server.database().run(&Budget::new(LIMIT), operation).await;
        answer.unwrap_or_else(|error| panic!("{sqlstate}: {error}"));
        assert_eq!(server.counts().0, 2, "{sqlstate}");
    }
}

#[tokio::test]
async fn a_race_for_a_unique_value_is_run_again_on_the_same_session() {
    // The third answer is another.
    let answers = Arc::new(AtomicUsize::new(0));
    let answer =
        move |_| if answers.fetch_add(1, Ordering::Relaxed) < 2 { error("ERROR", "23505") } else { EMPTY.to_vec() };
    let server = Server::start(answer).await;
    let operation = async |session: &Session| Ok(session.batch_execute("").await?);
    server.database().run(&Budget::new(LIMIT), operation).await.expect("the third call succeeds");
    assert_eq!(server.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_kept_session_that_fails_for_good_is_replaced_in_the_same_use() {
    // Its role was dropped and made again, or its backend is broken: new ones are fine.
    for sqlstate in ["42501", "42883", "XX000", "53200", "0A000"] {
        let server = Server::start(move |number| if number == 0 { error("ERROR", sqlstate) } else { vec![] }).await;
        let database = connected(&server).await;
        let calls = AtomicUsize::new(0);
        let operation = async |session: &Session| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 { Ok(session.batch_execute("").await?) } else { Ok(()) }
        };
        database.run(&Budget::new(LIMIT), operation).await.expect(sqlstate);
        assert_eq!(server.counts().0, 2, "{sqlstate}");
    }
}

#[tokio::test]
async fn a_unique_value_that_is_always_taken_is_an_error_and_the_session_is_kept() {
    let server = Server::start(|_| error("ERROR", "23505")).await;
    let database = server.database();
    for _ in 0..2 {
        let operation = async |session: &Session| Ok(session.batch_execute("").await?);
        let error = database.run(&Budget::new(LIMIT), operation).await.expect_err("it is taken");
        assert_eq!(error.sqlstate(), Some("23505"), "{error}");
    }
    assert_eq!(server.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_given_up_is_reset_and_one_that_is_closed_is_not() {
    let server = Server::silent().await;
    let resets = async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        server.reset.load(Ordering::Relaxed)
    };
    let session = server.database().connect(&Budget::new(LIMIT)).await.expect("the server accepts");
    session.close().await;
    assert_eq!(resets().await, 0, "the server gets the message");
    server.database().run(&Budget::new(LIMIT), never).await.expect_err("it never ends");
    assert_eq!(resets().await, 2, "the kernel drops what it has not sent yet, on both sessions");
}

#[tokio::test(start_paused = true)]
async fn closing_a_session_that_waits_for_an_answer_has_a_limit() {
    let server = Server::silent().await;
    let session = server.database().connect(&Budget::new(LIMIT)).await.expect("the server accepts");
    tokio::time::timeout(Duration::from_millis(10), session.batch_execute("")).await.expect_err("it never answers");
    let started = Instant::now();
    session.close().await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_within_the_budget_is_used() {
    let port = Server::silent().await.port;
    let gate = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let database = database(gate.local_addr().expect("its address").port());
    // Closes every connection for two seconds, and passes the next ones on.
    let opened = Instant::now() + Duration::from_secs(2);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = gate.accept().await {
            if Instant::now() >= opened {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("it listens");
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        }
    });
    let started = Instant::now();
    database.run(&Budget::new(LIMIT), async |_: &Session| Ok(())).await.expect("the server is back");
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_secs(2) && elapsed <= LIMIT, "{elapsed:?}");
}

/// The function's budget for one sign-in.
const SHORT: Duration = Duration::from_millis(280);

/// Runs the operation briefly, and fails unless it ends with this error within the short budget.
async fn assert_ends_briefly(database: &Database, operation: impl AsyncFn(&Session) -> Result<(), Error>, kind: &str) {
    let (budget, started) = (Budget::new(SHORT), Instant::now());
    let error = database.run_briefly(&budget, operation).await.expect_err("it cannot succeed");
    let elapsed = started.elapsed();
    assert_eq!(error.kind().to_string(), kind, "{error}");
    assert!(elapsed <= SHORT, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_brief_use_ends_in_time_whatever_the_server_does_and_opens_one_connection() {
    let port = Port::reserve().expect("a port");
    assert_ends_briefly(&database(port.number()), never, "DatabaseUnreachable").await;
    let (database, connections) = stalled().await;
    for uses in 1..=3 {
        assert_ends_briefly(&database, never, "BudgetExceeded").await;
        assert_eq!(connections.load(Ordering::Relaxed), uses);
    }
    let server = Server::silent().await;
    assert_ends_briefly(&server.database(), never, "BudgetExceeded").await;
    assert_eq!(server.counts(), (1, 1), "one session, whose statement is cancelled");
    let server = Server::silent().await;
    assert_ends_briefly(&connected(&server).await, never, "BudgetExceeded").await;
    assert_eq!(server.counts(), (1, 1), "the kept session, and no other is asked");
}

#[tokio::test(start_paused = true)]
async fn a_brief_use_takes_over_a_connection_that_is_being_opened_and_opens_none_itself() {
    for (delay, is_in_time) in [(Duration::from_millis(100), true), (Duration::from_secs(2), false)] {
        let server = Server::silent().await;
        let database = database(gate(&server, move |_| delay).await);
        let (ahead, budget) = (Budget::new(LIMIT), Budget::new(SHORT));
        let brief = database.run_briefly(&budget, async |_: &Session| Ok(()));
        let (connected, answer) = tokio::join!(database.connect_ahead(&ahead), brief);
        connected.expect("it is waited for");
        assert_eq!(answer.is_ok(), is_in_time, "{delay:?}");
        assert_eq!(server.counts().0, 1, "{delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_brief_use_that_is_given_up_teaches_nothing_about_the_server() {
    let server = Server::silent().await;
    let database = connected(&server).await;
    let slow = Duration::from_secs(2);
    assert_eq!(run_slowly(&database, slow).await, 2, "the server counts as slow from here on");
    assert_ends_briefly(&database, never, "BudgetExceeded").await;
    database.connect_ahead(&Budget::new(LIMIT)).await.expect("the server accepts");
    assert_eq!(run_slowly(&database, slow).await, 1, "it still does");
}

#[tokio::test(start_paused = true)]
async fn a_brief_use_replaces_a_kept_session_that_the_server_has_ended() {
    let server = Server::start(|number| if number == 0 { error("FATAL", "57P05") } else { EMPTY.to_vec() }).await;
    let database = connected(&server).await;
    let operation = async |session: &Session| Ok(session.batch_execute("").await?);
    database.run_briefly(&Budget::new(SHORT), operation).await.expect("the new session answers");
    assert_eq!(server.counts(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_brief_use_that_the_server_refuses_opens_no_other_session() {
    for sqlstate in ["42501", "42883", "23514"] {
        let server = Server::start(move |_| error("ERROR", sqlstate)).await;
        let database = connected(&server).await;
        let operation = async |session: &Session| Ok(session.batch_execute("").await?);
        let refused = database.run_briefly(&Budget::new(SHORT), operation).await.expect_err("it is refused");
        assert_eq!(refused.sqlstate(), Some(sqlstate));
        assert_eq!(server.counts(), (1, 0), "{sqlstate}");
    }
}
