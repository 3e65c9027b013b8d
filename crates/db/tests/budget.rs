//! `Database::run` ends within its budget, whatever the server does. Time is paused: tokio jumps to the next timer when
//! there is nothing else to do, so the machine's speed decides nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use db::{Budget, Database, Error, Plaintext, Session, Settings};
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
    let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, |_| None);
    Database::new(settings.expect("a URL"), "test")
}

/// A server that accepts every login and never answers a statement.
async fn accepting_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let length = stream.read_u32().await.expect("the startup message");
                let mut message = vec![0; usize::try_from(length).expect("it is short") - 4];
                stream.read_exact(&mut message).await.expect("the rest of it");
                stream.write_all(ACCEPTED).await.expect("the client reads");
                // Until the client is gone.
                let _ = stream.read_to_end(&mut message).await;
            });
        }
    });
    port
}

async fn never(_: &Session) -> Result<(), Error> {
    std::future::pending().await
}

/// Runs the operation, and fails unless it ends with this error and has used most of the budget, and no more. Returns
/// the number of attempts.
async fn assert_ends_in_time(
    database: &Database,
    operation: impl AsyncFnMut(&Session) -> Result<(), Error>,
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

#[tokio::test(start_paused = true)]
async fn an_operation_that_never_ends_is_given_up_in_time() {
    let database = database(accepting_server().await);
    let step = "waiting for the answer to the statement";
    let attempts = assert_ends_in_time(&database, never, "BudgetExceeded", step).await;
    assert_eq!(attempts, 1, "a new connection may use the whole budget");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_never_ends_on_a_kept_connection_is_given_up_in_time() {
    let database = database(accepting_server().await);
    database.connect_ahead(&Budget::new(LIMIT)).await.expect("the server accepts");
    let step = "waiting for the answer to the statement";
    let attempts = assert_ends_in_time(&database, never, "BudgetExceeded", step).await;
    assert_eq!(attempts, 2, "a kept connection is tried once");
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_stalls_leaves_time_for_a_new_one() {
    let database = database(accepting_server().await);
    database.connect_ahead(&Budget::new(LIMIT)).await.expect("the server accepts");
    let (budget, started) = (Budget::new(LIMIT), Instant::now());
    let mut is_first = true;
    let operation = async |_: &Session| {
        if std::mem::take(&mut is_first) { std::future::pending().await } else { Ok(()) }
    };
    database.run(&budget, operation).await.expect("the second attempt succeeds");
    assert_eq!(budget.spent().attempts, 2);
    assert!(started.elapsed() < LIMIT / 2, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_within_the_budget_is_used() {
    let port = accepting_server().await;
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
