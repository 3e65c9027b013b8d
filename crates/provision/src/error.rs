//! Errors as the operator sees them: `error: problem: cause` in one line, then `hint:` with the way out.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};

use db::activities::CreateError;
use db::{AwsCause, AwsError, Error, Kind};

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
    // A closed standard error has no reader.
    let _ = write!(io::stderr(), "{}", shown(error));
}

/// The lines that the operator sees.
pub(crate) fn shown(error: &anyhow::Error) -> String {
    let hint = remedy(error).map(|remedy| format!("hint: {remedy}\n")).unwrap_or_default();
    format!("error: {error:#}\n{hint}")
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
        } else {
            cause.downcast_ref().map(|error| of_aws(error).to_owned())
        }
    })
}

/// What an operator does about an error of the database, in the words of this program.
fn of_database(error: &Error) -> &'static str {
    match (error.kind(), error.sqlstate()) {
        // A pooler's own error: no command reaches its configuration.
        (_, Some("08P01")) => error.remedy(),
        (Kind::DatabaseMissing, _) => "run `provision db create`, or correct the database's name where it is set",
        // The tables may be the application's own: then a load is refused.
        (Kind::SchemaMissing, None) => {
            "run `provision db load`, or write the function for tables of your own (docs/own-table.md)"
        }
        (Kind::SchemaMissing, _) => "run `provision db load`",
        (Kind::NotAllowed, _) => "log in as the role that owns the database and created the function's role",
        (Kind::RoleTooPowerful, _) => {
            "revoke these rights as the role that granted them, or name another role with --role"
        }
        (_, Some("55006")) => "end the sessions that use it with --force or `provision db sessions --kill`",
        (_, Some("55P03" | "40P01")) => {
            "find the session that holds the lock with `provision db sessions`, and try again"
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

/// What an operator does about an error of AWS.
fn of_aws(error: &AwsError) -> &'static str {
    match error.cause() {
        _ if error.code() == Some("InvalidDBInstanceState") => {
            "look at `provision instance status`, wait with `provision instance wait`, and try again"
        }
        AwsCause::NoCredentials => "log in (`aws sso login`), or name a profile with --profile or AWS_PROFILE",
        AwsCause::Expired => "log in again (`aws sso login`)",
        AwsCause::Invalid => "correct the AWS credentials, or choose others with --profile",
        AwsCause::Denied => "allow the action to these credentials; infra/iam has the policies",
        AwsCause::Unreachable => "check the network, the region and AWS_ENDPOINT_URL",
        _ => error.remedy(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

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
    fn an_error_without_a_remedy_has_no_hint() {
        assert_eq!(remedy(&anyhow!("broken")), None);
    }
}
