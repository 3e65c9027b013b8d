//! Errors: `Display` is the problem, `source` the cause below it, [`Error::remedy`] the way out.

mod kind;
mod remedy;

use std::net::IpAddr;

use crate::Kind;
use crate::aws_error::AwsError;
use crate::budget::Step;
use crate::login::AddressOf;
use crate::name::shown;
use crate::server_error::ServerError;
use crate::sqlstate;

/// An error of using the database. No variant ever holds a password or a value of a user's row.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment is incomplete or contradictory about which database to use and how to log in.
    #[error("{problem}")]
    SettingsInvalid {
        /// The problem, naming the variable.
        problem: String,
        /// The value to set instead.
        remedy: &'static str,
    },
    /// The root certificates cannot be used.
    #[error("cannot use the root certificates ({origin})")]
    RootCertificatesInvalid {
        /// The file, or which of the built-in ones.
        origin: String,
        /// The fault in them.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Secrets Manager did not return the secret.
    #[error("cannot read the secret {}", shown_id(id))]
    SecretUnavailable {
        /// Name or ARN of the secret.
        id: String,
        /// AWS's error.
        source: AwsError,
    },
    /// No IAM token could be made.
    #[error("cannot make an IAM token for the database")]
    TokenUnavailable {
        /// The SDK's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The time was over before the work was done.
    #[error("time ran out while {step}")]
    BudgetExceeded {
        /// The step that was under way.
        step: Step,
    },
    /// The secret was read and is not what RDS or the console write.
    #[error("the secret {} {problem}", shown_id(id))]
    SecretInvalid {
        /// Name or ARN of the secret.
        id: String,
        /// The fault in it, without quoting it.
        problem: String,
    },
    /// No server answered.
    #[error("cannot reach the database server {}:{port}{}", shown(host), AddressOf { host, address: *address })]
    Unreachable {
        /// Host name or address that was tried.
        host: String,
        /// The address that was tried in its place.
        address: Option<IpAddr>,
        /// Port that was tried.
        port: u16,
        /// The network's or the protocol's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not prove its identity, or does not support TLS.
    #[error("no verified TLS connection to {}", shown(host))]
    TlsRefused {
        /// Host name or address the certificate must be for.
        host: String,
        /// The way out, by what the check found.
        remedy: &'static str,
        /// The TLS library's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server and this client have no way to log in that both support, or the server did not prove that it knows the
    /// password.
    #[error("no way to log in to the database server {}", shown(host))]
    LoginUnsupported {
        /// Host name or address of the server.
        host: String,
        /// The way out, by what was missing.
        remedy: &'static str,
        /// The driver's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused the user or the password (SQLSTATE 28P01, 28000, or what PgBouncer says in their place).
    #[error("the database server {} refused the user {}", shown(host), shown(user))]
    CredentialsRejected {
        /// Host name or address of the server.
        host: String,
        /// The role that was refused.
        user: String,
        /// The server's answer.
        source: ServerError,
    },
    /// The server has no such database (SQLSTATE 3D000).
    #[error("there is no database {} on {}", shown(dbname), shown(host))]
    DatabaseMissing {
        /// Host name or address of the server.
        host: String,
        /// Name of the database that is missing.
        dbname: String,
        /// The server's answer.
        source: ServerError,
    },
    /// The server is not the one that `target_session_attrs` asks for.
    #[error("the database server {} is not {wanted}, as target_session_attrs asks for", shown(host))]
    AnotherTarget {
        /// Host name or address of the server.
        host: String,
        /// The property that it lacks.
        wanted: &'static str,
    },
    /// A schema, a table, a column or a function is missing (SQLSTATE 3F000, 42P01, 42703, 42883).
    #[error("the database lacks a schema, table, column or function")]
    SchemaMissing {
        /// The server's answer.
        source: ServerError,
    },
    /// The database has a contract, or a part of one, that these migrations did not create: its tables are the application's
    /// own.
    #[error("the schema cognito has functions that no migration of this program created")]
    ContractForeign,
    /// There is no `cognito.ensure_user`.
    #[error("the database has no cognito.ensure_user")]
    ContractMissing,
    /// `cognito.ensure_user` could be made to do something else with its owner's rights, or cannot do what it is for.
    #[error("cognito.ensure_user has faults: {faults}")]
    ContractUnsafe {
        /// The faults, in words.
        faults: String,
    },
    /// `cognito.ensure_user` answered with something else than `created`, `changed` or `unchanged`.
    #[error("cognito.ensure_user returned none of `created`, `changed` and `unchanged`")]
    ContractBroken,
    /// The role lacks a privilege (SQLSTATE 42501).
    #[error("the database role lacks a privilege")]
    NotAllowed {
        /// The server's answer.
        source: ServerError,
    },
    /// The server refused for another reason.
    #[error("the database server refused")]
    Refused {
        /// The server's answer.
        source: ServerError,
    },
    /// An open connection broke.
    #[error("the connection to the database broke")]
    ConnectionLost {
        /// The network's or the protocol's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The role that is meant for the function has more rights than it needs.
    #[error("the role {role} has rights that the function does not need: {rights}")]
    RoleTooPowerful {
        /// The role's name.
        role: String,
        /// Its rights, in words.
        rights: String,
    },
    /// The role was changed since its changes were planned.
    #[error("the role {role} was changed meanwhile, so nothing was done")]
    RoleChanged {
        /// The role's name.
        role: String,
    },
    /// A migration failed, and nothing of it stays. Those before it do.
    #[error("the migration {migration} failed, and nothing of it stays")]
    MigrationFailed {
        /// Its name.
        migration: String,
        /// The server's answer.
        source: ServerError,
    },
    /// The history of the migrations is another program's.
    #[error("the database holds the schema of another program: {sign}")]
    HistoryForeign {
        /// Its first migration, or what its table is instead.
        sign: String,
    },
    /// The history of the migrations has an entry that no load of any release has written, or lacks one.
    #[error("cognito.schema_history {fault}")]
    HistoryDamaged {
        /// The fault, with the migration's name.
        fault: String,
    },
    /// A load would run code with the rights of this login, which the owner of this object, an untrusted role, decides about.
    #[error("{object} belongs to {owner}, whose code would run with the rights of this login")]
    OwnerForeign {
        /// The schema, table or function, or the code of a trigger, in words.
        object: String,
        /// The role, quoted where it must be.
        owner: String,
    },
    /// Something would run when the history is written, and no load of any release has created it.
    #[error("{table} has parts that would run with the rights of this login: {code}")]
    HistoryUnsafe {
        /// The table of the history, with its schema.
        table: String,
        /// The parts, in words.
        code: String,
    },
    /// There is no history of the migrations, and the tables are those of these migrations.
    #[error("the history of the schema is missing: cognito.schema_history")]
    HistoryMissing,
    /// An applied migration has created this, and something has removed it.
    #[error("{migration} is applied, but {object} is missing")]
    ObjectMissing {
        /// The migration's name.
        migration: String,
        /// The table or function, with its schema.
        object: String,
    },
    /// An early release has loaded its tables into another schema, where the `search_path` of its login led.
    #[error("an earlier release has loaded the tables into the schema {schema}, not into public")]
    HistoryElsewhere {
        /// The schema, quoted where it must be.
        schema: String,
    },
    /// A column of the server's answer is not what the statement promises.
    #[error("cannot read the column {column} of the server's answer")]
    AnswerUnreadable {
        /// The column.
        column: &'static str,
        /// The driver's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The migrations applied to this database are not this program's.
    #[error("the applied migrations differ from this program's")]
    MigrationsDiffer {
        /// The difference.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Returns whether the same may succeed on a new connection, a moment later. Refused credentials do not count: only
    /// a secret that is being rotated makes them pass.
    pub fn is_transient(&self) -> bool {
        match self {
            // After a failover, the name soon leads to the new primary.
            Self::Unreachable { .. }
            | Self::ConnectionLost { .. }
            | Self::BudgetExceeded { .. }
            | Self::AnotherTarget { .. } => true,
            Self::SecretUnavailable { source, .. } => source.is_transient(),
            Self::Refused { source } => source.meaning().passes_by_itself,
            _ => false,
        }
    }

    /// Returns whether the server ended the session with this error.
    pub(crate) fn is_fatal(&self) -> bool {
        self.server_error().is_some_and(ServerError::is_fatal)
    }

    /// Returns whether the statement's own data is at fault (classes 22 and 23), so that no other server or login would
    /// help.
    pub fn is_about_the_data(&self) -> bool {
        self.sqlstate().is_some_and(sqlstate::is_about_data)
    }

    /// Returns whether another session changed the same entry of a catalog at the same moment: the same transaction, begun
    /// again, sees what that one has done.
    pub fn is_concurrent_change(&self) -> bool {
        self.server_error().is_some_and(ServerError::is_concurrent_change)
    }

    /// Returns whether the server, or a pooler before it, refused the login.
    pub(crate) fn is_refused_login(&self) -> bool {
        // A pooler may call it a broken protocol, in words that this crate does not know.
        self.kind() == Kind::CredentialsRejected || self.sqlstate().is_some_and(|code| code.starts_with("08"))
    }

    /// The server's SQLSTATE, if the server answered.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server_error().map(ServerError::sqlstate)
    }

    /// Whether a value that must be unique is taken, SQLSTATE 23505: by another transaction of the same moment, or for good.
    pub(crate) fn is_unique_violation(&self) -> bool {
        self.sqlstate() == Some(tokio_postgres::error::SqlState::UNIQUE_VIOLATION.code())
    }

    /// The function in PostgreSQL's sources that reports the error, if the server answered. It tells apart what has one
    /// SQLSTATE, in every language of the server.
    pub fn routine(&self) -> Option<&str> {
        self.server_error().and_then(ServerError::routine)
    }

    fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::CredentialsRejected { source, .. }
            | Self::DatabaseMissing { source, .. }
            | Self::SchemaMissing { source }
            | Self::NotAllowed { source }
            | Self::Refused { source }
            | Self::MigrationFailed { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The id of a secret as an error may quote it: it was checked at the edge, unless the caller made it.
fn shown_id(id: &str) -> &str {
    crate::name::Name::Secret.parse(id).map_or("(not a plain name)", |_| id)
}

impl From<tokio_postgres::Error> for Error {
    /// The error of a statement on an open connection.
    fn from(error: tokio_postgres::Error) -> Self {
        ServerError::of_statement(&error).map_or_else(|| Self::ConnectionLost { source: error.into() }, Self::from)
    }
}

impl From<ServerError> for Error {
    /// The server's answer to a statement.
    fn from(source: ServerError) -> Self {
        match source.meaning().kind {
            Kind::SchemaMissing => Self::SchemaMissing { source },
            Kind::NotAllowed => Self::NotAllowed { source },
            _ => Self::Refused { source },
        }
    }
}
