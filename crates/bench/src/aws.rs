//! AWS, as far as a function asks it when it starts: Secrets Manager for its login, and Amazon SQS whether its queue is there.
//! One answer each, at once.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use native_tls::{Identity, TlsAcceptor};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Authority;

use crate::http;

/// How a function reaches AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS, and a root that functions are told by variables.
    Https,
}

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Secrets,
    Queue,
}

/// What [`Scheme`] is without an option.
pub(crate) const SCHEME: Scheme = Scheme::Https;

/// A stand-in for AWS.
#[derive(Debug)]
pub(crate) struct Aws {
    scheme: Scheme,
    /// Of Secrets Manager.
    port: u16,
    /// Of Amazon SQS: on AWS, too, the two have no connection in common.
    queue_port: u16,
    shared: Arc<Shared>,
    directory: TempDir,
}

#[derive(Debug, Default)]
struct Shared {
    secrets: Mutex<HashMap<String, Value>>,
    first_connection: Mutex<Option<Instant>>,
    queue_checks: AtomicUsize,
}

impl Aws {
    /// Listens on free ports of 127.0.0.1.
    pub(crate) fn start(scheme: Scheme) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("aws-")?;
        let authority = Authority::new("root of the stand-in for AWS")?;
        std::fs::write(directory.path().join("root.pem"), authority.root_certificate())?;
        let identity = authority.issue("localhost")?;
        let identity = Identity::from_pkcs8(identity.certificate.as_bytes(), identity.key.as_bytes())?;
        let acceptor = (scheme == Scheme::Https).then(|| TlsAcceptor::new(identity)).transpose()?;
        let shared = Arc::new(Shared::default());
        let port = listen(Service::Secrets, acceptor.clone(), Arc::clone(&shared))?;
        let queue_port = listen(Service::Queue, acceptor, Arc::clone(&shared))?;
        Ok(Self { scheme, port, queue_port, shared, directory })
    }

    /// Keeps a secret.
    pub(crate) fn put(&self, id: &str, secret: &Value) {
        let answer = json!({
            "ARN": format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:{id}-a1b2c3"),
            "CreatedDate": 1_800_000_000,
            "Name": id,
            "SecretString": secret.to_string(),
            "VersionId": "3c9f9a12-5b1e-4f6e-9d3c-0a1b2c3d4e5f",
            "VersionStages": ["AWSCURRENT"],
        });
        self.shared.secrets.lock().expect("no panic while it is locked").insert(id.to_owned(), answer);
    }

    /// The variables that lead an AWS SDK here, with the root to trust.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let root: PathBuf = self.directory.path().join("root.pem");
        let root = root.to_string_lossy().into_owned();
        let trust = [("AWS_CA_BUNDLE", root.clone()), ("NODE_EXTRA_CA_CERTS", root)];
        let access = [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.endpoint(self.port)),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ];
        access.into_iter().chain(trust.into_iter().filter(|_| self.scheme == Scheme::Https)).collect()
    }

    /// The variables that tell this project's function its spill queue.
    pub(crate) fn queue_environment(&self) -> [(&'static str, String); 2] {
        let endpoint = self.endpoint(self.queue_port);
        [("SPILL_QUEUE_URL", format!("{endpoint}/123456789012/sign-ups")), ("AWS_ENDPOINT_URL_SQS", endpoint)]
    }

    /// How often a function has asked whether the queue is there, and was told that it is.
    pub(crate) fn queue_checks(&self) -> usize {
        self.shared.queue_checks.load(Ordering::Relaxed)
    }

    fn endpoint(&self, port: u16) -> String {
        match self.scheme {
            Scheme::Http => format!("http://127.0.0.1:{port}"),
            Scheme::Https => format!("https://localhost:{port}"),
        }
    }

    /// Forgets when the first connection to Secrets Manager was opened.
    pub(crate) fn forget(&self) {
        *self.shared.first_connection.lock().expect("no panic while it is locked") = None;
    }

    /// When the first one since then was opened.
    pub(crate) fn first_connection(&self) -> Option<Instant> {
        *self.shared.first_connection.lock().expect("no panic while it is locked")
    }
}

/// Starts a service, and returns its port.
fn listen(service: Service, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if service == Service::Secrets {
                shared.first_connection.lock().expect("no panic while it is locked").get_or_insert_with(Instant::now);
            }
            let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
            thread::spawn(move || {
                // A process that is killed leaves a broken connection behind: no reason to fail.
                let _ = stream.set_nodelay(true);
                match acceptor {
                    None => shared.serve(service, stream),
                    Some(acceptor) => {
                        acceptor.accept(stream).context("no TLS").and_then(|stream| shared.serve(service, stream))
                    }
                }
            });
        }
    });
    Ok(port)
}

impl Shared {
    fn serve(&self, service: Service, stream: impl Read + Write) -> anyhow::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = http::read(&mut stream)? {
            let (version, answer) = match service {
                Service::Secrets => {
                    let request: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                    let id = request["SecretId"].as_str().unwrap_or_default();
                    ("1.1", self.secrets.lock().expect("no panic while it is locked").get(id).cloned())
                }
                Service::Queue => {
                    let is_check = request.target.as_deref() == Some("AmazonSQS.GetQueueAttributes");
                    self.queue_checks.fetch_add(usize::from(is_check), Ordering::Relaxed);
                    let attributes = json!({"QueueArn": "arn:aws:sqs:eu-central-1:123456789012:sign-ups"});
                    ("1.0", is_check.then(|| json!({ "Attributes": attributes })))
                }
            };
            let headers = format!("content-type: application/x-amz-json-{version}\r\n");
            let (status, answer) = answer.map_or_else(
                || ("400 Bad Request", json!({"__type": "ResourceNotFoundException", "Message": "no such thing"})),
                |answer| ("200 OK", answer),
            );
            http::answer(stream.get_mut(), status, &headers, &answer.to_string())?;
        }
        Ok(())
    }
}
