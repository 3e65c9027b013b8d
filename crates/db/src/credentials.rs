//! Logins: from `CONNECTION_URL`, from a secret in AWS Secrets Manager, or with an IAM token.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config as TokenConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use crate::budget::Step;
use crate::settings::{Address, CredentialSource, Login, SecretSource, Settings};
use crate::{AwsError, Budget, Error, roots};

/// The longest wait for an answer of Secrets Manager before the request is retried. It usually takes some 10 ms.
const SECRET_ATTEMPT: Duration = Duration::from_secs(2);

/// First and longest pause before a request to Secrets Manager is retried. The SDK's own, 1 s and 20 s, are too long
/// for a trigger.
const SECRET_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// The logins to try, in this order, for as long as the server refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// The login that was accepted last.
    Known,
    /// The secret's version `AWSCURRENT`, read again.
    Current,
    /// The version `AWSPENDING`: during a rotation, the server may already require it.
    Pending,
}

impl Candidate {
    pub(crate) const ALL: [Self; 3] = [Self::Known, Self::Current, Self::Pending];
}

/// The source of logins, and the login that was accepted last.
#[derive(Debug)]
pub(crate) struct Credentials {
    settings: Settings,
    aws: OnceCell<SdkConfig>,
    known: Mutex<Known>,
}

/// The login that was accepted last.
#[derive(Debug, Default)]
struct Known {
    login: Option<Login>,
    /// True if its server could not be reached since then: the secret may name another one by now.
    doubted: bool,
}

impl Credentials {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { aws: OnceCell::new_with(settings.aws.clone()), settings, known: Mutex::default() }
    }

    /// The login to try, if this source has one of that kind.
    pub(crate) async fn login(&self, candidate: Candidate, budget: &Budget) -> Result<Option<Login>, Error> {
        match (&self.settings.credentials, candidate) {
            (CredentialSource::Secret(_), Candidate::Known) => {
                let known = self.known.lock().await;
                Ok(known.login.clone().filter(|_| !known.doubted))
            }
            (CredentialSource::Secret(secret), Candidate::Current) => {
                match self.secret_login(secret, "AWSCURRENT", budget).await {
                    // The login that was accepted last may still be right.
                    Err(error) if error.is_transient() => self.known.lock().await.login.clone().map(Some).ok_or(error),
                    read => read,
                }
            }
            (CredentialSource::Secret(secret), Candidate::Pending) => {
                self.secret_login(secret, "AWSPENDING", budget).await
            }
            (CredentialSource::Login(login), Candidate::Current) => Ok(Some(login.clone())),
            (CredentialSource::Iam(login), Candidate::Current) => {
                let password = budget.spend(Step::ReadSecret, self.token(login)).await??;
                Ok(Some(Login { password, ..login.clone() }))
            }
            (CredentialSource::Login(_) | CredentialSource::Iam(_), _) => Ok(None),
        }
    }

    async fn secret_login(&self, source: &SecretSource, stage: &str, budget: &Budget) -> Result<Option<Login>, Error> {
        let secret = budget.spend(Step::ReadSecret, self.read(&source.id, stage)).await??;
        secret.map(|secret| source.login(secret.address(&source.id)?, secret.password)).transpose()
    }

    /// Returns whether a refused login may be accepted a moment later.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.settings.credentials, CredentialSource::Secret(_))
    }

    /// Remembers the login that the server accepted.
    pub(crate) async fn accepted(&self, login: Login) {
        *self.known.lock().await = Known { login: Some(login), doubted: false };
    }

    /// Makes the next connection read the secret again, because the server could not be reached.
    pub(crate) async fn doubt(&self) {
        self.known.lock().await.doubted = true;
    }

    /// Reads the version of the secret at this stage, or finds that none is pending. Needs
    /// `secretsmanager:GetSecretValue`, and `kms:Decrypt` where the secret has a key of its own.
    async fn read(&self, id: &str, stage: &str) -> Result<Option<Secret>, Error> {
        let client = Client::new(self.aws().await);
        // Boxed here and below: the SDK's futures are large, and rarely run.
        let answer = Box::pin(client.get_secret_value().secret_id(id).version_stage(stage).send()).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if stage == "AWSPENDING" && error.code() == Some("ResourceNotFoundException") => {
                return Ok(None);
            }
            Err(error) => {
                let source = AwsError::new("secretsmanager:GetSecretValue", &error);
                return Err(Error::SecretUnavailable { id: id.to_owned(), source });
            }
        };
        let text = answer.secret_string.map(SecretString::from).ok_or_else(|| invalid(id, "has no text"))?;
        Secret::parse(id, &text).map(Some)
    }

    /// Makes a token for one new connection: it is valid for 15 minutes, and costs no request. The role needs
    /// `rds-db:connect`.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>
    async fn token(&self, login: &Login) -> Result<SecretString, Error> {
        let refused = |source| Error::TokenUnavailable { source };
        let config = TokenConfig::builder().hostname(&login.host).port(login.port.into()).username(&login.user).build();
        let generator = AuthTokenGenerator::new(config.map_err(refused)?);
        let token = generator.auth_token(self.aws().await).await.map_err(refused)?;
        Ok(token.as_str().into())
    }

    /// The SDK's configuration, as in the environment, but with Amazon's own roots instead of the system's: they are
    /// fewer, so that they are read many times faster.
    async fn aws(&self) -> &SdkConfig {
        let load = async || {
            let trust = TrustStore::empty().with_pem_certificate(roots::AMAZON);
            let tls = TlsContext::builder().with_trust_store(trust).build().expect("a trust store is all it needs");
            let https = aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tls)
                .build_https();
            let (first_pause, longest_pause) = SECRET_PAUSES;
            let retries = RetryConfig::standard().with_initial_backoff(first_pause).with_max_backoff(longest_pause);
            aws_config::defaults(BehaviorVersion::latest())
                .http_client(https)
                .retry_config(retries)
                .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(SECRET_ATTEMPT).build())
                .load()
                .await
        };
        self.aws.get_or_init(|| Box::pin(load())).await
    }
}

/// The JSON that RDS, its rotation functions and the console write. A secret that RDS manages holds only the user name
/// and the password.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html>
#[derive(Deserialize)]
struct Secret {
    username: String,
    password: SecretString,
    host: Option<String>,
    port: Option<Port>,
    dbname: Option<String>,
}

/// A port, which some writers quote.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Secret {
    fn parse(id: &str, text: &SecretString) -> Result<Self, Error> {
        // The parser's own message may quote the secret.
        serde_json::from_str(text.expose_secret())
            .map_err(|error| invalid(id, format!("is malformed at column {}", error.column())))
    }

    /// The parts of an address that the secret holds.
    fn address(&self, id: &str) -> Result<Address, Error> {
        let port = match &self.port {
            None => None,
            Some(Port::Number(port)) => Some(*port),
            Some(Port::Text(port)) => Some(port.parse().map_err(|_| invalid(id, "has an invalid `port`"))?),
        };
        Ok(Address {
            host: self.host.clone(),
            host_address: None,
            port,
            dbname: self.dbname.clone(),
            user: Some(self.username.clone()),
        })
    }
}

fn invalid(id: &str, problem: impl Into<String>) -> Error {
    Error::SecretInvalid { id: id.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Secret, Error> {
        Secret::parse("app", &text.into())
    }

    fn port(text: &str) -> Result<Option<u16>, Error> {
        parse(text).and_then(|secret| secret.address("app")).map(|address| address.port)
    }

    #[test]
    fn a_secret_as_rds_writes_it_is_read() {
        let secret = parse(
            r#"{"engine": "postgres", "username": "ada", "password": "hunter2", "host": "db.example.com",
                "port": 6432, "dbname": "app", "dbInstanceIdentifier": "app-db"}"#,
        )
        .expect("the usual shape");
        assert_eq!(secret.password.expose_secret(), "hunter2");
        let address = secret.address("app").expect("a good port");
        assert_eq!(
            (address.host.as_deref(), address.port, address.dbname.as_deref(), address.user.as_deref()),
            (Some("db.example.com"), Some(6432), Some("app"), Some("ada"))
        );
    }

    #[test]
    fn a_secret_with_only_user_and_password_is_read() {
        let secret = parse(r#"{"username": "ada", "password": "hunter2"}"#).expect("the shape of a managed secret");
        let address = secret.address("app").expect("no port is fine");
        assert_eq!((address.host, address.port, address.dbname), (None, None, None));
    }

    #[test]
    fn a_quoted_port_is_a_port() {
        assert_eq!(port(r#"{"username": "a", "password": "p", "port": "6432"}"#).expect("a good port"), Some(6432));
    }

    #[test]
    fn an_invalid_secret_is_reported_without_quoting_it() {
        for text in [
            "hunter2",
            r#"{"password": "hunter2"}"#,
            r#"{"username": "ada", "password": {"hunter2": 1}}"#,
            r#"{"username": ["hunter2"], "password": "hunter2"}"#,
            r#"{"username": "ada", "password": "hunter2", "port": "hunter2"}"#,
        ] {
            let error = port(text).expect_err("this secret is wrong");
            assert!(!format!("{error:?}").contains("hunter2"), "the secret is in {error:?}");
            assert!(error.remedy().contains("write JSON with `username` and `password`"), "{}", error.remedy());
        }
    }
}
