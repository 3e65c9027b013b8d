//! What a server, a pooler or another service says to a login, and what is made of it: the kind, the way out, and
//! whether it is tried again. Time is paused.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::time::Duration;

use db::{Budget, Database, Error, Kind, Plaintext, Session, Settings};
use openssl::pkey::PKey;
use openssl::ssl::{HandshakeError, SslAcceptor, SslAcceptorBuilder, SslMethod, SslOptions, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use testkit::Authority;
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

/// The same from this function of PostgreSQL's sources.
fn refusal_by(routine: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{sqlstate}\0M{text}\0R{routine}\0\0").as_bytes())
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
    let settings =
        Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, |_| None::<String>).expect("a URL");
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

/// A server that asks for TLS as `configure` says, and refuses every client in it.
fn tls_server(authority: &Authority, configure: impl FnOnce(&mut SslAcceptorBuilder)) -> u16 {
    let identity = authority.issue("localhost").expect("a certificate");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("a server of TLS");
    let key = PKey::private_key_from_pem(identity.key.as_bytes()).expect("a key");
    acceptor.set_private_key(&key).expect("its key");
    acceptor.set_certificate(&X509::from_pem(identity.certificate.as_bytes()).expect("PEM")).expect("its certificate");
    configure(&mut acceptor);
    let acceptor = acceptor.build();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.read_exact(&mut [0; 8]).expect("the request for TLS");
            stream.write_all(b"S").expect("the client waits for it");
            let Err(HandshakeError::Failure(refused)) = acceptor.accept(stream) else { panic!("expected a refusal") };
            let mut stream = refused.get_ref();
            // To close with something unread would reset the connection, and the alert might be lost.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

// Time is not paused: the server is a thread of its own.
#[tokio::test]
async fn a_server_that_refuses_this_client_in_tls_is_no_unreachable_server() {
    let authority = Authority::new("login").expect("an authority");
    let roots = format!("{}/login-roots.pem", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&roots, authority.root_certificate()).expect("a file of its own");
    let demand = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    let demanding = |version: SslVersion| {
        tls_server(&authority, |acceptor| {
            acceptor.set_verify(demand);
            acceptor.set_min_proto_version(Some(version)).expect("a version");
            acceptor.set_max_proto_version(Some(version)).expect("a version");
        })
    };
    let old = tls_server(&authority, |acceptor| {
        acceptor.set_cipher_list("ALL:@SECLEVEL=0").expect("ciphers");
        acceptor.clear_options(SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1);
        acceptor.set_min_proto_version(Some(SslVersion::TLS1)).expect("a version");
        acceptor.set_max_proto_version(Some(SslVersion::TLS1_1)).expect("a version");
    });
    for (port, remedy) in [
        (demanding(SslVersion::TLS1_3), "the server demands a client certificate: turn that off"),
        (demanding(SslVersion::TLS1_2), "demand no client certificate"),
        (old, "let the server speak TLS 1.2"),
    ] {
        let url = format!("postgres://fn:hunter2@localhost:{port}/app");
        let variable = |name: &str| match name {
            "PGSSLROOTCERT" => Some(roots.clone()),
            "PGHOSTADDR" => Some("127.0.0.1".to_owned()),
            _ => None,
        };
        let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::Refused, variable).expect("a URL");
        let budget = Budget::new(Duration::from_mins(1));
        let answer = Database::new(settings, "test").run(&budget, async |_: &Session| Ok(())).await;
        let error = answer.expect_err("a refusal");
        assert_eq!((error.kind(), budget.spent().attempts), (Kind::TlsRefused, 1), "{error:?}");
        assert!(error.remedy().contains(remedy), "expected {remedy:?} in {:?} of {error:?}", error.remedy());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_postgresqls_is_no_unreachable_server() {
    for answer in [request(99, &[]), b"R\0\0\0\x02".to_vec(), b"R\xff\xff\xff\xff".to_vec(), message(b'!', b"welcome")]
    {
        assert_final(answer, Kind::DatabaseRefused, "check the port: what answers is not PostgreSQL").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_quotes_no_login_that_is_not_plain() {
    for (user, dbname) in [("fn%3Ahunter2", "app"), ("fn", "user%3Dfn%20hunter2"), ("fn", "db%3A5432%3Aapp%3Ahunter2")]
    {
        for (sqlstate, text) in [
            ("3D000", "database \"hunter2\" does not exist"),
            ("28P01", "password authentication failed for user \"hunter2\""),
            ("53300", "too many connections for role \"hunter2\""),
            ("08P01", "no such database: hunter2"),
            ("08P01", "something about hunter2"),
            ("XX000", "something about hunter2"),
        ] {
            let answer = refusal(sqlstate, text);
            let url = format!("postgres://{user}:pw@127.0.0.1:{}/{dbname}?sslmode=disable", server(answer).await);
            let settings =
                Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, |_| None::<String>).expect("a URL");
            let connected = Database::new(settings, "test").connect(&Budget::new(LIMIT)).await;
            let error = connected.expect_err("a refusal");
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(!format!("{error} {cause}").contains("hunter2"), "the password is in {error}: {cause}");
            assert!(cause.contains(sqlstate), "expected {sqlstate} in {cause}");
        }
    }
    let (error, _) = log_in(refusal("3D000", "database \"app\" does not exist")).await;
    let cause = std::error::Error::source(&error).expect("the server's answer").to_string();
    assert_eq!(cause, "database \"app\" does not exist (SQLSTATE 3D000)");
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
async fn a_server_that_demands_tls_refuses_no_login() {
    // In whatever language it answers.
    for text in [
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"user\", database \"app\", no encryption",
        "kein pg_hba.conf-Eintrag für Host »127.0.0.1«, Benutzer »user«, Datenbank »app«, keine Verschlüsselung",
    ] {
        let refusal = refusal_by("ClientAuthentication", "28000", text);
        assert_final(refusal, Kind::TlsRefused, "write sslmode=verify-full in the URL").await;
    }
    for routine in ["auth_failed", "InitializeSessionUserId"] {
        let refusal = refusal_by(routine, "28000", "Rolle »user« hat keine Berechtigung zum Einloggen");
        assert_final(refusal, Kind::CredentialsRejected, "check that the user has LOGIN").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_the_remedy_of_its_sqlstate() {
    for text in [
        "no pg_hba.conf entry for host \"10.0.0.1\", user \"user\", database \"app\", SSL encryption",
        "role \"user\" is not permitted to log in",
        "connection requires a valid client certificate",
    ] {
        assert_final(refusal("28000", text), Kind::CredentialsRejected, "without a client certificate").await;
    }
    let password = refusal("28P01", "password authentication failed for user \"user\"");
    assert_final(password, Kind::CredentialsRejected, "correct the user name and the password").await;
}
