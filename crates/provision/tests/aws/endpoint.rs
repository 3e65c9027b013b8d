//! A server in AWS's place, for what no emulator answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use testkit::Identity;

/// Answers every request of its process in one way, and keeps what it was sent.
pub(crate) struct Endpoint {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Answers with what this makes of each request: its head and its body. Nothing closes the connection.
    pub(crate) fn new(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::serve(move |stream, requests| respond(stream, requests, &answer))
    }

    /// The same, inside TLS.
    pub(crate) fn with_tls(identity: &Identity, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let identity = native_tls::Identity::from_pkcs8(identity.certificate.as_bytes(), identity.key.as_bytes());
        let acceptor = native_tls::TlsAcceptor::new(identity.expect("an identity")).expect("an acceptor");
        Self::serve(move |stream, requests| {
            if let Ok(stream) = acceptor.accept(stream) {
                respond(stream, requests, &answer);
            }
        })
    }

    fn serve(serve: impl Fn(TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let requests = Arc::new(Mutex::default());
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &seen);
            }
        });
        Self { port, requests }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The access keys that have signed the requests so far, with the regions that they were for.
    pub(crate) fn signers(&self) -> Vec<String> {
        let requests = self.requests.lock().expect("no panic while it is locked");
        let scopes = requests.iter().filter_map(|request| request.split("Credential=").nth(1));
        let mut signers: Vec<String> = scopes
            .filter_map(|scope| {
                let mut parts = scope.split('/');
                Some(format!("{} in {}", parts.next()?, parts.nth(1)?))
            })
            .collect();
        signers.dedup();
        signers
    }
}

/// Reads one request and answers it; an empty answer closes the connection.
fn respond(stream: impl Read + Write, requests: &Mutex<Vec<String>>, answer: &impl Fn(&str) -> String) {
    let mut stream = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let begin = request.len();
        if stream.read_line(&mut request).is_err() || request.len() == begin {
            return;
        }
        let line = request[begin..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    request.push_str(&String::from_utf8_lossy(&body));
    requests.lock().expect("no panic while it is locked").push(request.clone());
    // A client that is gone needs no answer.
    let _ = stream.get_mut().write_all(answer(&request).as_bytes());
}

/// An HTTP answer with this status, type and body.
pub(crate) fn http(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// An error as Amazon RDS and AWS STS answer it.
pub(crate) fn refusal(code: &str, message: &str) -> String {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    http("400 Bad Request", "text/xml", &body)
}

/// An answer of Amazon RDS: there is no such DB instance.
pub(crate) fn no_instance(_request: &str) -> String {
    refusal("DBInstanceNotFound", "DBInstance not found.")
}
