//! What a server, a pooler or another service says to a login, and what is made of it: the kind, the way out, and
//! whether it is tried again. Time is paused.

use std::net::Ipv4Addr;
use std::time::Duration;

use db::{Budget, Database, Error, Kind, Plaintext, Session, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The function's budget for one invocation.
const LIMIT: Duration = Duration::from_millis(4500);

/// A message of the server: its letter, and what follows the length.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("it is short").to_be_bytes();
    [&[letter], &length[..], body].concat()
}

/// `ErrorResponse`.
fn refusal(sqlstate: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{sqlstate}\0M{text}\0\0").as_bytes())
}

/// `AuthenticationRequest` of this method.
fn request(method: u8, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&[0, 0, 0, method], rest].concat())
}

/// A server that gives this answer to every startup message.
async fn server(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            // A client that is gone needs no answer.
            tokio::spawn(async move { answer_once(stream, &answer).await.ok() });
        }
    });
    port
}

async fn answer_once(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let length = stream.read_u32().await?;
    let mut message = vec![0; usize::try_from(length).expect("it is short") - 4];
    stream.read_exact(&mut message).await?;
    stream.write_all(answer).await?;
    stream.read_to_end(&mut message).await.map(drop)
}

/// Logs in to a server with this answer; returns the error, and the number of attempts.
async fn log_in(answer: Vec<u8>) -> (Error, u32) {
    let url = format!("postgres://user:hunter2@127.0.0.1:{}/app?sslmode=disable", server(answer).await);
    let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, |_| None).expect("a URL");
    let budget = Budget::new(LIMIT);
    let error = Database::new(settings, "test").run(&budget, async |_: &Session| Ok(())).await.expect_err("a refusal");
    assert!(!format!("{error:?}").contains("hunter2"), "the password is in {error:?}");
    (error, budget.spent().attempts)
}

async fn assert_final(answer: Vec<u8>, kind: Kind, remedy: &str) {
    let (error, attempts) = log_in(answer).await;
    assert_eq!((error.kind(), attempts), (kind, 1), "{error:?}");
    assert!(error.remedy().contains(remedy), "expected {remedy:?} in {:?}", error.remedy());
}

#[tokio::test(start_paused = true)]
async fn a_method_that_is_not_supported_is_no_unreachable_server() {
    let remedy = "let pg_hba.conf ask this user for scram-sha-256";
    for method in [
        // Kerberos, GSSAPI and SSPI.
        request(2, &[]),
        request(7, &[]),
        request(9, &[]),
        // SASL with no mechanism but this one.
        request(10, b"OAUTHBEARER\0\0"),
    ] {
        assert_final(method, Kind::DatabaseRefused, remedy).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_prove_that_it_knows_the_password_is_not_used() {
    let nonsense = [request(10, b"SCRAM-SHA-256\0\0"), request(11, b"r=another,s=AAAA,i=4096")].concat();
    assert_final(nonsense, Kind::DatabaseRefused, "did not prove that it knows the password").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_belongs_elsewhere_is_no_unreachable_server() {
    // `ReadyForQuery` in place of a request to log in.
    assert_final(message(b'Z', b"I"), Kind::DatabaseRefused, "check the port").await;
}

#[tokio::test(start_paused = true)]
async fn what_pgbouncer_says_is_reported_by_its_meaning() {
    let pooler = |text: &str| refusal("08P01", text);
    assert_final(pooler("SASL authentication failed"), Kind::CredentialsRejected, "the pooler's auth_file").await;
    assert_final(pooler("password authentication failed"), Kind::CredentialsRejected, "the pooler's auth_file").await;
    assert_final(pooler("no such user"), Kind::CredentialsRejected, "the pooler's auth_file").await;
    assert_final(pooler("no such database: app"), Kind::DatabaseMissing, "in the pooler's configuration").await;
    for (text, kind, remedy) in [
        ("no more connections allowed (max_client_conn)", Kind::TooManyConnections, "raise the limit"),
        ("database \"app\" is disabled", Kind::DatabaseRefused, "enable the database"),
        ("server login has been failing, cached error: x (server_login_retry)", Kind::DatabaseRefused, "the proxy"),
    ] {
        let (error, attempts) = log_in(pooler(text)).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(attempts > 3, "it passes by itself: {error:?} after {attempts} attempts");
        assert!(error.remedy().contains(remedy), "expected {remedy:?} in {:?}", error.remedy());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_the_remedy_of_its_sqlstate() {
    for text in [
        "no pg_hba.conf entry for host \"10.0.0.1\", user \"user\", database \"app\", no encryption",
        "role \"user\" is not permitted to log in",
        "connection requires a valid client certificate",
    ] {
        assert_final(refusal("28000", text), Kind::CredentialsRejected, "without a client certificate").await;
    }
    let password = refusal("28P01", "password authentication failed for user \"user\"");
    assert_final(password, Kind::CredentialsRejected, "correct the user name and the password").await;
}
