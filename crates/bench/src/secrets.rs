//! Secrets Manager, as far as a function reads its login there: one answer, at once.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use native_tls::{Identity, TlsAcceptor};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Authority;

use crate::http;

/// How a function reaches Secrets Manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS, and a root that functions are told by variables.
    Https,
}

/// What [`Scheme`] is without an option.
pub(crate) const SCHEME: Scheme = Scheme::Https;

/// A stand-in for Secrets Manager.
#[derive(Debug)]
pub(crate) struct Secrets {
    scheme: Scheme,
    port: u16,
    shared: Arc<Shared>,
    directory: TempDir,
}

#[derive(Debug, Default)]
struct Shared {
    secrets: Mutex<HashMap<String, Value>>,
    first_connection: Mutex<Option<Instant>>,
}

impl Secrets {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(scheme: Scheme) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (port, directory) = (listener.local_addr()?.port(), TempDir::with_prefix("secrets-")?);
        let authority = Authority::new("root of the Secrets Manager stand-in")?;
        std::fs::write(directory.path().join("root.pem"), authority.root_certificate())?;
        let identity = authority.issue("localhost")?;
        let identity = Identity::from_pkcs8(identity.certificate.as_bytes(), identity.key.as_bytes())?;
        let acceptor = (scheme == Scheme::Https).then(|| TlsAcceptor::new(identity)).transpose()?;
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.first_connection.lock().expect("no panic while it is locked").get_or_insert_with(Instant::now);
                let (serving, acceptor) = (Arc::clone(&serving), acceptor.clone());
                thread::spawn(move || {
                    // A process that is killed leaves a broken connection behind: no reason to fail.
                    let _ = stream.set_nodelay(true);
                    match acceptor {
                        None => serving.serve(stream),
                        Some(acceptor) => {
                            acceptor.accept(stream).context("no TLS").and_then(|stream| serving.serve(stream))
                        }
                    }
                });
            }
        });
        Ok(Self { scheme, port, shared, directory })
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
        let endpoint = match self.scheme {
            Scheme::Http => format!("http://127.0.0.1:{}", self.port),
            Scheme::Https => format!("https://localhost:{}", self.port),
        };
        let trust = [("AWS_CA_BUNDLE", root.clone()), ("NODE_EXTRA_CA_CERTS", root)];
        let access = [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ];
        access.into_iter().chain(trust.into_iter().filter(|_| self.scheme == Scheme::Https)).collect()
    }

    /// Forgets when the first connection was opened.
    pub(crate) fn forget(&self) {
        *self.shared.first_connection.lock().expect("no panic while it is locked") = None;
    }

    /// When the first connection since then was opened.
    pub(crate) fn first_connection(&self) -> Option<Instant> {
        *self.shared.first_connection.lock().expect("no panic while it is locked")
    }
}

impl Shared {
    fn serve(&self, stream: impl Read + Write) -> anyhow::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = http::read(&mut stream)? {
            let request: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let id = request["SecretId"].as_str().unwrap_or_default();
            let secret = self.secrets.lock().expect("no panic while it is locked").get(id).cloned();
            let headers = "content-type: application/x-amz-json-1.1\r\n";
            let (status, answer) = secret.map_or_else(
                || ("400 Bad Request", json!({"__type": "ResourceNotFoundException", "Message": "no such secret"})),
                |secret| ("200 OK", secret),
            );
            http::answer(stream.get_mut(), status, headers, &answer.to_string())?;
        }
        Ok(())
    }
}
