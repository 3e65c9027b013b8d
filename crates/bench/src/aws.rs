//! AWS, as far as a function reaches it: Secrets Manager, which answers at once, and the root certificate of its services.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use native_tls::{Identity, TlsAcceptor};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Authority;

use crate::http::{self, Answer, Request};
use crate::queue::Queue;

/// How a function reaches AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS, and its root certificate in variables.
    Https,
}

/// What [`Scheme`] is without an option.
pub(crate) const SCHEME: Scheme = Scheme::Https;

/// A stand-in for AWS.
pub(crate) struct Aws {
    /// None without TLS.
    tls: Option<TlsAcceptor>,
    endpoint: String,
    shared: Arc<Shared>,
    directory: TempDir,
}

#[derive(Debug, Default)]
struct Shared {
    secrets: Mutex<HashMap<String, Value>>,
    first_connection: Mutex<Option<Instant>>,
}

impl Aws {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(scheme: Scheme) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("aws-")?;
        let authority = Authority::new("root of the stand-in for AWS")?;
        std::fs::write(directory.path().join("root.pem"), authority.root_certificate())?;
        let identity = authority.issue("localhost")?;
        let identity = Identity::from_pkcs8(identity.certificate.as_bytes(), identity.key.as_bytes())?;
        let tls = (scheme == Scheme::Https).then(|| TlsAcceptor::new(identity)).transpose()?;
        let shared = Arc::new(Shared::default());
        let (opening, serving) = (Arc::clone(&shared), Arc::clone(&shared));
        let opened = move || {
            opening.first_connection.lock().expect("no panic while it is locked").get_or_insert_with(Instant::now);
        };
        let endpoint = http::listen(tls.clone(), opened, move |request| Ok(serving.answer(&request)))?;
        Ok(Self { tls, endpoint, shared, directory })
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
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.endpoint.clone()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ];
        access.into_iter().chain(trust.into_iter().filter(|_| self.tls.is_some())).collect()
    }

    /// A queue that is reached in the same way, through connections of its own, as on AWS.
    pub(crate) fn queue(&self) -> anyhow::Result<Queue> {
        Queue::start(self.tls.clone())
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

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        let request: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let id = request["SecretId"].as_str().unwrap_or_default();
        let secret = self.secrets.lock().expect("no panic while it is locked").get(id).cloned();
        let (status, answer) = secret.map_or_else(
            || ("400 Bad Request", json!({"__type": "ResourceNotFoundException", "Message": "no such secret"})),
            |secret| ("200 OK", secret),
        );
        (status, "content-type: application/x-amz-json-1.1\r\n", answer.to_string())
    }
}
