//! What can go wrong, each with its remedy. `Display` says this layer's part, `source` the cause below it.

use tokio_postgres::error::SqlState;

use crate::budget::Step;
use crate::settings::Login;

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
    /// The root certificates cannot be used.
    #[error("cannot use the root certificates ({origin}); set PGSSLROOTCERT to a PEM file with one or more of them")]
    RootCertificatesInvalid {
        /// The file, or which of the built-in ones.
        origin: String,
        /// What is wrong with them.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Secrets Manager did not give the secret.
    #[error("cannot read the secret {id}; {remedy}")]
    SecretUnavailable {
        /// Name or ARN of the secret.
        id: String,
        /// What to do, by the AWS error code.
        remedy: &'static str,
        /// Whether it may pass by itself.
        transient: bool,
        /// The SDK's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No IAM token could be made.
    #[error("cannot make an IAM token for the database; give this process AWS credentials and a region")]
    TokenUnavailable {
        /// The SDK's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The time was over before the work was done.
    #[error("time ran out while {step}; {}", step.remedy())]
    BudgetExceeded {
        /// What was being done.
        step: Step,
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
    #[error("there is no database {dbname} on {host}; run `provision db create`, or correct its name where it is set")]
    DatabaseMissing {
        /// Host name or address of the server.
        host: String,
        /// Name of the database that is not there.
        dbname: String,
        /// The server's answer.
        source: ServerError,
    },
    /// A table, column or function is missing (SQLSTATE 42P01, 42703, 42883).
    #[error("the database lacks a table, column or function; run `provision db load`")]
    SchemaMissing {
        /// The server's answer.
        source: ServerError,
    },
    /// The role may not do this (SQLSTATE 42501).
    #[error(
        "the database role may not do this; log in as the one that owns the database and made the function's role, or, \
         if this is the function, run `provision db grant`"
    )]
    NotAllowed {
        /// The server's answer.
        source: ServerError,
    },
    /// The server refused for another reason.
    #[error("the database server refused; {}", source.remedy())]
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
    /// The role that is meant for the function may do too much.
    #[error(
        "the role {role} has rights that the function does not need: {rights}; revoke them as who gave them, or give the \
         function another role"
    )]
    RoleTooPowerful {
        /// The role's name.
        role: String,
        /// Its rights, for people.
        rights: String,
    },
    /// A migration failed, and nothing of it stays. Those before it do.
    #[error("the migration {migration} failed, and nothing of it stays; {}", source.remedy())]
    MigrationFailed {
        /// Its name.
        migration: String,
        /// The server's answer.
        source: ServerError,
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
    pub(super) const CREDENTIALS: &str = "correct the user name and the password in the secret or the URL; \
                                          with DB_AUTH=iam, grant rds_iam to the user and allow rds-db:connect";
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
            Self::TokenUnavailable { .. } => "TokenUnavailable",
            Self::BudgetExceeded { .. } => "BudgetExceeded",
            Self::Unreachable { .. } | Self::ConnectionLost { .. } => "DatabaseUnreachable",
            Self::TlsRefused { .. } => "TlsRefused",
            Self::CredentialsRejected { .. } => "CredentialsRejected",
            Self::DatabaseMissing { .. } => "DatabaseMissing",
            Self::SchemaMissing { .. } => "SchemaMissing",
            Self::NotAllowed { .. } => "NotAllowed",
            Self::Refused { source } => match source.code {
                SqlState::READ_ONLY_SQL_TRANSACTION => "DatabaseReadOnly",
                SqlState::TOO_MANY_CONNECTIONS => "TooManyConnections",
                _ => "DatabaseRefused",
            },
            Self::RoleTooPowerful { .. } => "RoleTooPowerful",
            Self::MigrationFailed { .. } => "MigrationFailed",
            Self::MigrationsDiffer { .. } => "MigrationsDiffer",
        }
    }

    /// Whether the same may succeed on a new connection, a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::ConnectionLost { .. } | Self::BudgetExceeded { .. } => true,
            Self::SecretUnavailable { transient, .. } => *transient,
            Self::Refused { source } => source.is_transient(),
            _ => false,
        }
    }

    /// What stopped a new connection for this login.
    pub(crate) fn from_connect(error: tokio_postgres::Error, login: &Login) -> Self {
        let Login { host, port, dbname, user, .. } = login;
        let host = host.clone();
        if let Some(source) = ServerError::of(&error) {
            return match source.code {
                SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    Self::CredentialsRejected { host, user: user.clone(), source }
                }
                SqlState::INVALID_CATALOG_NAME => Self::DatabaseMissing { host, dbname: dbname.clone(), source },
                _ => Self::Refused { source },
            };
        }
        // tokio-postgres has no public kind for a TLS error, only this sentence.
        let tls_failed = error.to_string() == "error performing TLS handshake";
        match error.into_source() {
            Some(source) if tls_failed && !is_cut(source.as_ref()) => Self::tls_refused(&host, source.as_ref()),
            source => {
                let source = source.unwrap_or_else(|| "the server closed the connection".into());
                Self::Unreachable { host, port: *port, source }
            }
        }
    }

    /// What the TLS library found wrong with the server.
    pub(crate) fn tls_refused(host: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        // It says all of it in its `Display`, and then says it again in its `source`.
        let cause = error.to_string();
        let remedy = if cause.contains("mismatch") {
            remedy::WRONG_NAME
        } else if ["issuer", "self-signed", "signature failure"].iter().any(|word| cause.contains(word)) {
            remedy::UNKNOWN_CA
        } else if cause.contains("does not support TLS") {
            remedy::NO_TLS
        } else {
            remedy::TLS
        };
        Self::TlsRefused { host: host.to_owned(), remedy, source: cause.into() }
    }
}

/// Whether a handshake ended because the connection did.
fn is_cut(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.is::<std::io::Error>() || cause.to_string().to_lowercase().contains("unexpected eof"))
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
            SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_FUNCTION => {
                Self::SchemaMissing { source }
            }
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
        let mut error = Self { code: answer.code().clone(), message: answer.message().to_owned() };
        if let Some(constraint) = answer.constraint() {
            error.message = format!("the data violates {constraint}");
        } else if error.quotes_data() {
            "the server refuses the data".clone_into(&mut error.message);
        }
        Some(error)
    }

    /// Whether the server's message quotes the offending value, as those of the classes 22 (data exception) and 23
    /// (integrity constraint violation) do; but not 22023, which is about a statement's own words.
    fn quotes_data(&self) -> bool {
        self.code != SqlState::INVALID_PARAMETER_VALUE
            && (self.sqlstate().starts_with("22") || self.sqlstate().starts_with("23"))
    }

    /// Whether another server, or this one a moment later, may answer otherwise.
    fn is_transient(&self) -> bool {
        // Class 08: connection exception.
        self.sqlstate().starts_with("08")
            || [
                SqlState::READ_ONLY_SQL_TRANSACTION,
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::TOO_MANY_CONNECTIONS,
                SqlState::QUERY_CANCELED,
                SqlState::LOCK_NOT_AVAILABLE,
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
            ]
            .contains(&self.code)
    }

    /// What to do about it.
    fn remedy(&self) -> &'static str {
        match self.code {
            SqlState::READ_ONLY_SQL_TRANSACTION => "connect to the writer: this server or role only reads",
            SqlState::TOO_MANY_CONNECTIONS => {
                "end some with `provision db sessions --kill idle`, or allow more, for the server or for the role"
            }
            SqlState::CANNOT_CONNECT_NOW => "the server is starting or stopping: try again in a moment",
            SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => {
                "somebody ended the session or the server: find out who, and try again"
            }
            SqlState::QUERY_CANCELED => "it was cancelled or took too long: try again",
            SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED => {
                "look for what holds locks with `provision db sessions`, and try again"
            }
            SqlState::OBJECT_IN_USE => "end the sessions that use it with --force or `provision db sessions --kill`",
            SqlState::DUPLICATE_TABLE | SqlState::DUPLICATE_OBJECT | SqlState::DUPLICATE_FUNCTION => {
                "something else by this name is in the way: rename it, or use another database"
            }
            SqlState::INSUFFICIENT_PRIVILEGE => "log in as the role that owns the database and its tables",
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => {
                "a closed database is one that `provision db drop` is about to drop, or that its snapshot has held: wait \
                 for the drop, or open it with `provision db create`"
            }
            SqlState::DISK_FULL | SqlState::OUT_OF_MEMORY => "give the server more storage or memory",
            SqlState::UNDEFINED_OBJECT => "check that the server has what is named here",
            _ if self.quotes_data() => "correct the data: it is not what the tables may hold",
            _ => "look the SQLSTATE up in PostgreSQL's list of error codes",
        }
    }

    /// The five characters that name the error, see PostgreSQL's appendix "Error Codes".
    pub fn sqlstate(&self) -> &str {
        self.code.code()
    }
}
