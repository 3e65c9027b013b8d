//! What can go wrong, each with its remedy. `Display` says this layer's part, `source` the cause below it.

use std::path::PathBuf;

use tokio_postgres::error::SqlState;

/// Why the database could not be used. No variant ever holds a password or a value of a user's row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The environment does not say, or contradicts itself about, which database to use and how to enter it.
    #[error("{problem}; {remedy}")]
    SettingsInvalid {
        /// What is wrong, naming the variable.
        problem: String,
        /// What to set instead.
        remedy: &'static str,
    },
    /// The file with the root certificates cannot be used.
    #[error("cannot read root certificates from {path}; set PGSSLROOTCERT to a PEM file with one or more of them", path = path.display())]
    RootCertificatesInvalid {
        /// The file that `PGSSLROOTCERT` or the URL's `sslrootcert` names.
        path: PathBuf,
        /// The file's or the parser's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Secrets Manager did not give the secret.
    #[error("cannot read the secret {id}; {remedy}")]
    SecretUnavailable {
        /// Name or ARN of the secret.
        id: String,
        /// What to do, by the AWS error code.
        remedy: &'static str,
        /// The SDK's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The secret was read and is not what RDS or the console write.
    #[error("the secret {id} {problem}; write JSON with `username` and `password`, and maybe `host`, `port`, `dbname`")]
    SecretInvalid {
        /// Name or ARN of the secret.
        id: String,
        /// What is wrong with it, without quoting it.
        problem: String,
    },
    /// No server answered there.
    #[error("cannot reach the database server {host}:{port}; {}", remedy::UNREACHABLE)]
    Unreachable {
        /// Host name or address that was tried.
        host: String,
        /// Port that was tried.
        port: u16,
        /// The network's or the protocol's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server is there, but it is not proven to be the right one, or cannot speak TLS.
    #[error("no verified TLS connection to {host}; {remedy}")]
    TlsRefused {
        /// Host name or address the certificate must be for.
        host: String,
        /// What to do, by what the check found.
        remedy: &'static str,
        /// The TLS library's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused the user or the password (SQLSTATE 28P01, 28000).
    #[error("the database server {host} refused the user {user}; {}", remedy::CREDENTIALS)]
    CredentialsRejected {
        /// Host name or address of the server.
        host: String,
        /// The role that was refused.
        user: String,
        /// The server's answer.
        source: ServerError,
    },
    /// The server has no such database (SQLSTATE 3D000).
    #[error("there is no database {dbname} on {host}; create it, or correct PGDATABASE or the `dbname` in use")]
    DatabaseMissing {
        /// Host name or address of the server.
        host: String,
        /// Name of the database that is not there.
        dbname: String,
        /// The server's answer.
        source: ServerError,
    },
    /// A table or column is missing (SQLSTATE 42P01, 42703).
    #[error("the database lacks a table or column; run `provision db load`")]
    SchemaMissing {
        /// The server's answer.
        source: ServerError,
    },
    /// The role may not do this (SQLSTATE 42501).
    #[error("the database role may not do this; grant it the right, or use another role")]
    NotAllowed {
        /// The server's answer.
        source: ServerError,
    },
    /// The server refused, for a reason with no remedy of its own here: its SQLSTATE tells more.
    #[error("the database server refused; look its SQLSTATE up in PostgreSQL's list of error codes")]
    Refused {
        /// The server's answer.
        source: ServerError,
    },
    /// An open connection broke.
    #[error("the connection to the database broke; {}", remedy::UNREACHABLE)]
    ConnectionLost {
        /// The network's or the protocol's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The migrations applied to this database are not the ones this program knows.
    #[error("the applied migrations differ from this program's; use the release that wrote them, or a newer one")]
    MigrationsDiffer {
        /// What differs.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

mod remedy {
    pub(super) const UNREACHABLE: &str =
        "check that it runs, its host and port, and that its security group lets this network in";
    pub(super) const CREDENTIALS: &str = "correct the user name and the password in the secret or in CONNECTION_URL";
    pub(super) const UNKNOWN_CA: &str = "set PGSSLROOTCERT to a PEM file with the root that signed its certificate";
    pub(super) const WRONG_NAME: &str = "set PGHOST to a name that its certificate holds";
    pub(super) const NO_TLS: &str = "turn TLS on at the server (`ssl = on`)";
    pub(super) const TLS: &str = "check the server's certificate and its validity, and this machine's clock";
}

impl Error {
    /// One stable word for the cause, to count and alert by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SettingsInvalid { .. } | Self::RootCertificatesInvalid { .. } => "SettingsInvalid",
            Self::SecretUnavailable { .. } => "SecretUnavailable",
            Self::SecretInvalid { .. } => "SecretInvalid",
            Self::Unreachable { .. } | Self::ConnectionLost { .. } => "DatabaseUnreachable",
            Self::TlsRefused { .. } => "TlsRefused",
            Self::CredentialsRejected { .. } => "CredentialsRejected",
            Self::DatabaseMissing { .. } => "DatabaseMissing",
            Self::SchemaMissing { .. } => "SchemaMissing",
            Self::NotAllowed { .. } => "NotAllowed",
            Self::Refused { .. } => "DatabaseRefused",
            Self::MigrationsDiffer { .. } => "MigrationsDiffer",
        }
    }

    /// What stopped a new connection to `host`.
    pub(crate) fn from_connect(error: tokio_postgres::Error, host: &str, port: u16, user: &str, dbname: &str) -> Self {
        let host = host.to_owned();
        if let Some(source) = ServerError::of(&error) {
            return match source.code {
                SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    Self::CredentialsRejected { host, user: user.to_owned(), source }
                }
                SqlState::INVALID_CATALOG_NAME => Self::DatabaseMissing { host, dbname: dbname.to_owned(), source },
                _ => Self::Refused { source },
            };
        }
        // tokio-postgres has no public kind for a TLS error, only this sentence.
        if error.to_string() != "error performing TLS handshake" {
            return Self::Unreachable { host, port, source: error.into() };
        }
        // The TLS library's error says all of it in its `Display`, and then says it again in its `source`.
        let cause = error.into_source().map_or_else(String::new, |source| source.to_string());
        let remedy = if cause.contains("mismatch") {
            remedy::WRONG_NAME
        } else if ["issuer", "self-signed", "signature failure"].iter().any(|word| cause.contains(word)) {
            remedy::UNKNOWN_CA
        } else if cause.contains("does not support TLS") {
            remedy::NO_TLS
        } else {
            remedy::TLS
        };
        Self::TlsRefused { host, remedy, source: cause.into() }
    }
}

impl From<tokio_postgres::Error> for Error {
    /// What stopped a statement on an open connection.
    fn from(error: tokio_postgres::Error) -> Self {
        ServerError::of(&error).map_or_else(|| Self::ConnectionLost { source: error.into() }, Self::from)
    }
}

impl From<ServerError> for Error {
    /// What the server said about a statement.
    fn from(source: ServerError) -> Self {
        match source.code {
            SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => Self::SchemaMissing { source },
            SqlState::INSUFFICIENT_PRIVILEGE => Self::NotAllowed { source },
            _ => Self::Refused { source },
        }
    }
}

/// An error answer of the PostgreSQL server, stripped of everything that may quote a user's data.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {})", code.code())]
pub struct ServerError {
    code: SqlState,
    message: String,
}

impl ServerError {
    /// The server's part of `error`, if it has one.
    pub(crate) fn of(error: &tokio_postgres::Error) -> Option<Self> {
        let answer = error.as_db_error()?;
        // Classes 22 (data exception) and 23 (integrity constraint violation) quote the offending value.
        let quotes_data = ["22", "23"].contains(&&answer.code().code()[..2]);
        let message = match answer.constraint() {
            Some(constraint) => format!("the data violates {constraint}"),
            None if quotes_data => "the server refuses the data".to_owned(),
            None => answer.message().to_owned(),
        };
        Some(Self { code: answer.code().clone(), message })
    }

    /// The five characters that name the error, see PostgreSQL's appendix "Error Codes".
    pub fn sqlstate(&self) -> &str {
        self.code.code()
    }
}
