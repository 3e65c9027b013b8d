//! Errors as the operator sees them: `error: problem: cause` in one line, then `hint:` with the way out.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use db::activities::CreateError;
use db::{AwsCause, AwsError, Error, Kind};

use crate::prompt;
use crate::terminal::harmless;

/// A problem that the operator can solve.
#[derive(Debug)]
pub(crate) struct Problem {
    problem: String,
    remedy: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Problem {
    /// A problem and the one thing to do about it.
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into(), source: None }
    }

    /// The same problem with its cause.
    pub(crate) fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl StdError for Problem {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Prints the error and its hint to standard error.
pub(crate) fn print(error: &anyhow::Error) {
    prompt::announce(&shown(error).trim_end());
}

/// The lines that the operator sees: one for the error, and one for its hint if it has one.
pub(crate) fn shown(error: &anyhow::Error) -> String {
    let hint = remedy(error).map(|remedy| format!("hint: {}\n", harmless(remedy)));
    format!("error: {}\n{}", harmless(format!("{error:#}")), hint.unwrap_or_default())
}

/// The way out, as the outermost part of the error that has one names it.
pub(crate) fn remedy(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(problem) = cause.downcast_ref::<Problem>() {
            Some(problem.remedy.clone())
        } else if let Some(error) = cause.downcast_ref::<Error>() {
            Some(of_database(error).to_owned())
        } else if let Some(CreateError::Database(error)) = cause.downcast_ref() {
            Some(of_database(error).to_owned())
        } else if let Some(CreateError::Invalid(_)) = cause.downcast_ref() {
            Some("correct what the error names; `provision activity create --help` has the rules".to_owned())
        } else {
            cause.downcast_ref().map(|error| of_aws(error).to_owned())
        }
    })
}

/// What an operator does about an error of the database, in the words of this program.
fn of_database(error: &Error) -> &'static str {
    let routine = error.routine().unwrap_or_default();
    match (error.kind(), error.sqlstate()) {
        // A pooler's own error: no command reaches its configuration.
        (_, Some("08P01")) => error.remedy(),
        (Kind::DatabaseMissing, _) if is_of_server(error) => {
            "create it as a superuser with psql (`create database postgres`): provision needs it to create and drop others"
        }
        (Kind::DatabaseMissing, _) => "run `provision db create`, or correct the database's name where it is set",
        // The tables may be the application's own: then a load is refused.
        (Kind::SchemaMissing, None) => {
            "run `provision db load`, or write the function for tables of your own (docs/own-table.md)"
        }
        (Kind::SchemaMissing, _) => "run `provision db load`",
        (_, Some("42501")) => of_privilege(routine, &cause(error)),
        // Another role has the rights of PUBLIC as well.
        (Kind::RoleTooPowerful, _) if error.to_string().contains(" from PUBLIC") => {
            "have the owner of the object revoke it from PUBLIC, or leave it with --keep-public"
        }
        (Kind::RoleTooPowerful, _) if error.to_string().contains("PUBLIC has privileges on ") => {
            "have the owner of the tables revoke their privileges from PUBLIC"
        }
        // What it owns may be an application's tables: nobody is to drop them, and they need their owner.
        (Kind::RoleTooPowerful, _) if error.to_string().contains("it owns objects in ") => {
            "name another role with --role: what this one owns needs its owner"
        }
        (Kind::RoleTooPowerful, _) if error.to_string().contains("it has granted privileges to ") => {
            "run the statements that the error names, or name another role with --role"
        }
        (Kind::RoleTooPowerful, _) => {
            "revoke these rights as the role that granted them, or name another role with --role"
        }
        (_, Some("28P01")) => {
            "correct the user name and the password in the secret, the URL, PGPASSWORD or ~/.pgpass; with DB_AUTH=iam, grant \
             rds_iam to the user"
        }
        (_, Some("55006")) => of_object_in_use(&cause(error)),
        (_, Some("55P03" | "40P01")) => {
            "find the session that holds the lock with `provision db sessions`, and try again"
        }
        // Nothing in the error tells the two apart.
        (_, Some("25006")) => {
            "connect to the writer, or, if this is the writer, reset default_transaction_read_only of the role or database"
        }
        (_, Some("53300")) => of_connection_limit(routine).unwrap_or_else(|| error.remedy()),
        (_, Some("55000")) if is_half_dropped(error) => {
            "run `provision db drop` and `provision db create`: a drop of it was interrupted"
        }
        (_, Some("55000")) => {
            "wait for the `provision db drop` that has closed the database, or open it with `provision db create`"
        }
        (Kind::SecretUnavailable, _) => {
            let aws = StdError::source(error).and_then(|source| source.downcast_ref::<AwsError>());
            aws.map_or_else(|| error.remedy(), of_aws)
        }
        _ => error.remedy(),
    }
}

/// What an operator does about an error of the function in production, of which only the kind is left.
pub(crate) fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::SettingsInvalid => "correct the variable of the function that `remedy` in its log names",
        Kind::SecretUnavailable => {
            "look the AWS error code in the function's log up in docs/errors.md: the secret's name, the role's rights, the \
             way out of the VPC"
        }
        Kind::SecretInvalid => "write the secret again with `provision db grant --prod --rotate`",
        Kind::TokenUnavailable => "give the function a role, and set AWS_REGION to the database's region",
        Kind::BudgetExceeded => {
            "look for locks and load with `provision db sessions --prod`, then at security groups and routes"
        }
        Kind::DatabaseUnreachable => {
            "look whether the server runs with `provision instance status`, then at its security group with `provision \
             access list`"
        }
        Kind::TlsRefused => {
            "do what `remedy` in the function's log says: it is about root certificates, host name or port"
        }
        Kind::CredentialsRejected => "finish the secret's rotation, or run `provision db grant --prod --rotate`",
        Kind::DatabaseMissing => "run `provision db create --prod`, or correct PGDATABASE or the secret's `dbname`",
        Kind::SchemaMissing => "run `provision db load --prod`, or your own migrations",
        Kind::ContractBroken => {
            "let cognito.ensure_user return `created`, `changed` or `unchanged` on every path (docs/own-table.md)"
        }
        Kind::NotAllowed => "run `provision db grant --prod`",
        Kind::DatabaseReadOnly => "let the function connect to the writer; after a failover it passes by itself",
        Kind::TooManyConnections => {
            "find the clients that hold connections with `provision db sessions --prod`, or raise the limit"
        }
        Kind::DatabaseRefused => {
            "look the SQLSTATE in the function's log up in docs/errors.md, and correct the table or the data"
        }
        // The function never reports these.
        Kind::ContractUnsafe
        | Kind::RoleTooPowerful
        | Kind::RoleChanged
        | Kind::MigrationFailed
        | Kind::MigrationsDiffer => "look it up in docs/errors.md",
    }
}

/// The server's own words. In another language than English they match nothing below, and the general remedy is left: where
/// the routine tells as much, it decides.
fn cause(error: &Error) -> String {
    StdError::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Whether the server refuses a connection because a drop of the database was interrupted. That a database is closed is
/// reported by another routine.
pub(crate) fn is_half_dropped(error: &Error) -> bool {
    error.sqlstate() == Some("55000") && matches!(error.routine(), Some("InitPostgres" | "AlterDatabase"))
}

/// The remedy of the error, as the first half of a longer one.
pub(crate) fn first(error: &anyhow::Error) -> String {
    remedy(error).map(|remedy| format!("{remedy}; then ")).unwrap_or_default()
}

/// The routines that refuse to act as a role: up to PostgreSQL 15, and from 16 on.
pub(crate) const SET_ROLE: [&str; 2] = ["check_is_member_of_role", "check_can_set_role"];

/// Whether the database that is missing is one that every server has in the beginning, which `provision db create` refuses.
fn is_of_server(error: &Error) -> bool {
    matches!(error, Error::DatabaseMissing { dbname, .. } if dbname == "postgres")
}

/// What a login that lacks a privilege can do, which is not to log in as itself again.
fn of_privilege(routine: &str, cause: &str) -> &'static str {
    match routine {
        "CreateRole" => "log in as a role with CREATEROLE, such as RDS's master user",
        "AlterRole" => {
            "log in as a role with CREATEROLE, such as RDS's master user, or as an administrator of that role"
        }
        // Up to PostgreSQL 15, and from 16 on.
        "pg_terminate_backend" | "TerminateOtherDBBackends"
            if cause.contains("superuser process") || cause.contains("SUPERUSER attribute may terminate") =>
        {
            "end the superusers' sessions as a superuser; on RDS wait, because only RDS itself has one"
        }
        "pg_terminate_backend" | "TerminateOtherDBBackends" => {
            "log in as the role whose session it is, or have an administrator grant pg_signal_backend to this login; only a \
             superuser ends a superuser's session"
        }
        // The owner of the contract, which another login has created for another database.
        _ if SET_ROLE.contains(&routine) => {
            "have an administrator grant the role that the error names to this login (`grant ROLE to LOGIN`)"
        }
        // Its owner sees every row, unless it has FORCE ROW LEVEL SECURITY.
        "check_enable_rls" | "ExecWithCheckOptions" => {
            "log in as the owner of the table, or, if that one is refused too, as a role with BYPASSRLS"
        }
        _ if cause.contains("must be owner of") => "log in as the owner of what the error names",
        _ => "log in as the owner of what the error names, or have the owner grant the privilege to this login",
    }
}

/// Whose limit of connections is reached, and how it ends; none for the server's own.
fn of_connection_limit(routine: &str) -> Option<&'static str> {
    match routine {
        "CheckMyDatabase" => {
            Some("end sessions of the database, or raise its limit: alter database … connection limit …")
        }
        "InitializeSessionUserId" => {
            Some("end sessions of the role, or raise its limit: alter role … connection limit …")
        }
        _ => None,
    }
}

/// What keeps a database from being dropped, and how it ends. Only sessions can be ended by this program.
fn of_object_in_use(cause: &str) -> &'static str {
    if cause.contains("prepared transaction") {
        "end the prepared transactions that pg_prepared_xacts lists (`rollback prepared`)"
    } else if cause.contains("replication slot") {
        "stop the consumer of the replication slot that pg_replication_slots lists, and drop the slot"
    } else if cause.contains("subscription") {
        "drop the subscription that pg_subscription lists (`drop subscription`)"
    } else if cause.contains("other session") {
        "end the sessions that use it with --force or `provision db sessions --kill all-others`"
    } else {
        // In another language. The command looks for each of them before it begins.
        "run this again: it names what uses the database now"
    }
}

/// What an operator does about an error of AWS, where this program knows more than the library.
fn of_aws(error: &AwsError) -> &'static str {
    match (error.cause(), error.code()) {
        (_, Some("InvalidDBInstanceState")) => {
            "look at `provision instance status`, wait with `provision instance wait`, and try again"
        }
        (_, Some("KMS.AccessDeniedException" | "KmsAccessDenied")) => {
            "allow kms:Decrypt and kms:GenerateDataKey on the queue's key to these credentials"
        }
        // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
        (_, Some("OverLimit")) => {
            "120,000 messages of the queue are with readers, the most that AWS allows: run this again once they are back"
        }
        (AwsCause::Expired, Some("RequestExpired")) => {
            "if the credentials are in the environment, export them again, or unset AWS_ACCESS_KEY_ID, \
             AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to use a profile; if they are a profile's, renew them (`aws sso \
             login --profile NAME`); if it is refused as before, correct this machine's clock"
        }
        (AwsCause::Expired, _) => {
            "if they are in the environment, export them again, or unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
             AWS_SESSION_TOKEN to use a profile; if they are a profile's, renew them (`aws sso login --profile NAME`)"
        }
        (AwsCause::NoCredentials, _) => "log in (`aws sso login`), or name a profile with --profile or AWS_PROFILE",
        (AwsCause::Invalid, Some("AuthFailure" | "InvalidClientTokenId" | "UnrecognizedClientException")) => {
            "correct the AWS credentials, or choose others with --profile; a region that is not enabled for their account \
             refuses them as well"
        }
        (AwsCause::Invalid, _) => "correct the AWS credentials, or choose others with --profile",
        (AwsCause::Denied, _) => "allow the action to these credentials; infra/iam has the policies",
        (AwsCause::Unreachable | AwsCause::Silent, _) => {
            "check the network, the proxy in HTTPS_PROXY if there is one, the region and AWS_ENDPOINT_URL"
        }
        (AwsCause::Untrusted, _) => {
            "name a PEM file with the root certificates of your network's proxy in AWS_CA_BUNDLE, or in ca_bundle of the \
             profile"
        }
        _ => error.remedy(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_privilege_that_lacks_has_the_remedy_of_what_lacks() {
        // In the words of PostgreSQL 15 and of 18, and in German.
        for (routine, cause, expected) in [
            (
                "CreateRole",
                "permission denied to create role: Only roles with the CREATEROLE attribute …",
                "CREATEROLE",
            ),
            ("CreateRole", "keine Berechtigung, um Rolle zu erzeugen", "log in as a role with CREATEROLE"),
            ("AlterRole", "keine Berechtigung", "or as an administrator of that role"),
            (
                "pg_terminate_backend",
                "must be a superuser to terminate superuser process",
                "end the superusers' sessions",
            ),
            (
                "TerminateOtherDBBackends",
                "permission denied to terminate process: Only roles with the SUPERUSER attribute may terminate processes \
                 of roles with the SUPERUSER attribute.",
                "end the superusers' sessions",
            ),
            (
                "pg_terminate_backend",
                "must be a member of the role whose process is being terminated or member of pg_signal_backend",
                "grant pg_signal_backend",
            ),
            ("pg_terminate_backend", "nur Superuser können Prozesse eines Superusers beenden", "only a superuser ends"),
            ("check_is_member_of_role", "Berechtigung nur für Mitglied von Rolle »w«", "grant ROLE to LOGIN"),
            ("check_can_set_role", "must be able to SET ROLE \"cognito_writer\"", "grant ROLE to LOGIN"),
            ("check_enable_rls", "Policy für Sicherheit auf Zeilenebene für Tabelle »t« …", "BYPASSRLS"),
            ("aclcheck_error", "must be owner of database app", "the owner"),
            ("aclcheck_error", "permission denied for schema cognito", "the owner"),
            ("aclcheck_error", "keine Berechtigung für Schema cognito", "the owner"),
        ] {
            let remedy = of_privilege(routine, cause);
            assert!(remedy.contains(expected), "expected {expected:?} for {cause:?}, not {remedy:?}");
        }
    }

    #[test]
    fn the_limit_of_connections_that_is_reached_is_named() {
        for (routine, expected) in [
            ("CheckMyDatabase", Some("alter database")),
            ("InitializeSessionUserId", Some("alter role")),
            ("InitProcess", None),
        ] {
            let remedy = of_connection_limit(routine);
            assert_eq!(remedy.is_some(), expected.is_some(), "{routine}");
            assert!(remedy.unwrap_or_default().contains(expected.unwrap_or_default()), "{routine}: {remedy:?}");
        }
    }

    #[test]
    fn what_keeps_a_database_from_being_dropped_is_named() {
        for (cause, expected) in [
            (
                "database \"a\" is being accessed by other users: There is 1 other session using the database.",
                "--force",
            ),
            (
                "database \"a\" is being accessed by other users: There is 1 prepared transaction using the database.",
                "rollback",
            ),
            ("database \"a\" is being used by prepared transactions", "rollback"),
            ("database \"a\" is used by an active logical replication slot: There is 1 active slot.", "slot"),
            ("database \"a\" is being used by logical replication subscription", "drop subscription"),
            ("auf Datenbank »a« wird von anderen Benutzern zugegriffen: 1 andere Sitzung …", "run this again"),
        ] {
            let remedy = of_object_in_use(cause);
            assert!(remedy.contains(expected), "expected {expected:?} for {cause:?}, not {remedy:?}");
        }
    }

    #[test]
    fn the_outermost_remedy_wins() {
        let inner = Problem::new("the file is missing", "write it");
        let outer = Problem::new("nothing was done", "begin again").because(inner);
        assert_eq!(remedy(&anyhow!(outer)).as_deref(), Some("begin again"));
    }

    #[test]
    fn a_remedy_is_found_below_a_context() {
        let error = Err::<(), _>(Problem::new("the file is missing", "write it")).context("nothing was done");
        let error = error.expect_err("an error");
        assert_eq!(format!("{error:#}"), "nothing was done: the file is missing");
        assert_eq!(remedy(&error).as_deref(), Some("write it"));
    }

    #[test]
    fn an_error_is_one_line_and_its_hint_another() {
        let error = Problem::new("\u{1b}[2J\nhint: run x", "y\nhint: run \u{202e}x").because("a\r\nerror: b");
        let expected = "error: \\u{1b}[2J\\nhint: run x: a\\r\\nerror: b\nhint: y\\nhint: run \\u{202e}x\n";
        assert_eq!(shown(&error.into()), expected);
    }

    #[test]
    fn a_draft_that_is_refused_has_a_hint() {
        let error = CreateError::Invalid([db::activities::Problem::MessageBlank].into());
        assert!(shown(&error.into()).contains("\nhint: correct what the error names"));
    }

    #[test]
    fn an_error_without_a_remedy_has_no_hint() {
        assert_eq!(remedy(&anyhow!("broken")), None);
    }
}
