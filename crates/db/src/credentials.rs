//! User name and password from AWS Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::Error;
use crate::settings::Address;

/// The JSON that RDS, its rotation functions and the console write. A secret that RDS manages itself holds
/// only the user name and the password.
#[derive(Deserialize)]
pub(crate) struct Secret {
    username: String,
    pub(crate) password: SecretString,
    host: Option<String>,
    port: Option<Port>,
    dbname: Option<String>,
}

/// Some writers quote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Secret {
    /// Reads the secret's current version. Needs `secretsmanager:GetSecretValue`, and `kms:Decrypt` where the
    /// secret has a key of its own.
    pub(crate) async fn fetch(client: &Client, id: &str) -> Result<Self, Error> {
        let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
            let remedy = remedy(error.code());
            Error::SecretUnavailable { id: id.to_owned(), remedy, source: error.into() }
        })?;
        let text = answer.secret_string.map(SecretString::from).ok_or_else(|| invalid(id, "holds no text"))?;
        Self::parse(id, &text)
    }

    fn parse(id: &str, text: &SecretString) -> Result<Self, Error> {
        // The parser's own message may quote the secret.
        serde_json::from_str(text.expose_secret())
            .map_err(|error| invalid(id, format!("is not what is expected at column {}", error.column())))
    }

    /// The address in the secret, as far as it names one.
    pub(crate) fn address(&self, id: &str) -> Result<Address, Error> {
        let port = match &self.port {
            None => None,
            Some(Port::Number(port)) => Some(*port),
            Some(Port::Text(port)) => Some(port.parse().map_err(|_| invalid(id, "has a `port` that is no port"))?),
        };
        Ok(Address { host: self.host.clone(), port, dbname: self.dbname.clone(), user: Some(self.username.clone()) })
    }
}

fn invalid(id: &str, problem: impl Into<String>) -> Error {
    Error::SecretInvalid { id: id.to_owned(), problem: problem.into() }
}

/// What to do about an AWS error code of `GetSecretValue`; without a code, no answer came.
fn remedy(code: Option<&str>) -> &'static str {
    match code {
        Some("ResourceNotFoundException") => "check DB_SECRET_ID, and that the secret is in this region and account",
        Some("AccessDeniedException") => {
            "allow this role secretsmanager:GetSecretValue on it, and kms:Decrypt if it has its own key"
        }
        Some("DecryptionFailure" | "KMSAccessDeniedException") => "allow this role kms:Decrypt on the secret's key",
        Some("InvalidRequestException") => "it may be marked for deletion: restore it, or correct DB_SECRET_ID",
        Some(_) => "look the AWS error code up in the documentation of GetSecretValue",
        None => {
            "check the region, the AWS credentials, and the way to Secrets Manager: a function inside a VPC needs an \
             interface endpoint or a NAT gateway"
        }
    }
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
    fn the_shape_rds_writes_is_read() {
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
    fn a_secret_that_rds_manages_has_only_user_and_password() {
        let secret = parse(r#"{"username": "ada", "password": "hunter2"}"#).expect("the shape of a managed secret");
        let address = secret.address("app").expect("no port is fine");
        assert_eq!((address.host, address.port, address.dbname), (None, None, None));
    }

    #[test]
    fn a_quoted_port_is_a_port() {
        assert_eq!(port(r#"{"username": "a", "password": "p", "port": "6432"}"#).expect("a good port"), Some(6432));
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_told_without_quoting_it() {
        for text in [
            "hunter2",
            r#"{"password": "hunter2"}"#,
            r#"{"username": "ada", "password": {"hunter2": 1}}"#,
            r#"{"username": ["hunter2"], "password": "hunter2"}"#,
            r#"{"username": "ada", "password": "hunter2", "port": "hunter2"}"#,
        ] {
            let error = port(text).expect_err("this secret is wrong").to_string();
            assert!(!error.contains("hunter2"), "the secret stands in {error:?}");
            assert!(error.contains("write JSON with `username` and `password`"), "no remedy in {error:?}");
        }
    }
}
