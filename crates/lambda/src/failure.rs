//! The failure of an invocation: its error type, the way out for the operator, and the answer for the user.

use std::error::Error;
use std::sync::Arc;

use cognito::{InvalidEvent, InvalidUser};
use db::{AwsCause, AwsError, Kind};
use lambda_runtime::Diagnostic;

/// The error type of an event that does not identify a user. All others are a [`Kind`]'s.
const INVALID_EVENT: &str = "InvalidEvent";

/// The failure of an invocation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The payload is no event.
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    /// A message holds the event of another trigger, such as a sign-in's, which is never spilled.
    #[error("the event is of no confirmation")]
    OtherTrigger,
    /// The event identifies no user.
    #[error(transparent)]
    User(#[from] InvalidUser),
    /// The user's row could not be ensured.
    #[error(transparent)]
    Database(Arc<db::Error>),
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl Failure {
    /// The stable word for the cause; `docs/errors.md` lists all.
    pub(crate) fn error_type(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::OtherTrigger | Self::User(_) => INVALID_EVENT,
            Self::Database(error) => error.kind().as_str(),
        }
    }

    /// The server's SQLSTATE, if it refused.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Database(error) => error.sqlstate(),
            Self::Event(_) | Self::OtherTrigger | Self::User(_) => None,
        }
    }

    /// The way out for the operator.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Event(error) => error.remedy(),
            Self::OtherTrigger => "find what sends it to the spill queue: only the function should",
            Self::User(error) => error.remedy(),
            Self::Database(error) => remedy(error),
        }
    }

    /// The answer that Cognito shows to the user, so it reveals nothing internal. The report has the details under the
    /// same request id.
    pub(crate) fn answer(&self, request_id: &str) -> Diagnostic {
        Diagnostic {
            error_type: self.error_type().to_owned(),
            error_message: format!(
                "We could not finish setting up your account; please contact us and mention {request_id}."
            ),
        }
    }
}

/// The way out of a database's error for the function's operator, in place of `db`'s own where that needs a command of
/// `provision` or a setting of Lambda.
pub(crate) fn remedy(error: &db::Error) -> &'static str {
    match (error.kind(), error.sqlstate()) {
        // A pooler's own error: no command of `provision` reaches its configuration.
        (_, Some("08P01")) => error.remedy(),
        (Kind::DatabaseMissing, _) => {
            "run `provision db create --prod`, or correct PGDATABASE or the secret's `dbname`"
        }
        (Kind::SchemaMissing, _) => {
            "run `provision db load --prod`, or your own migrations; if none is pending, give the trigger functions on the table \
             a search_path of their own"
        }
        (Kind::NotAllowed, _) => {
            "run `provision db grant --prod`; if it changes nothing, grant the owner of cognito.ensure_user what the error \
             names"
        }
        (Kind::TooManyConnections, _) => {
            "find the clients that hold connections with `provision db sessions --prod`, or raise the limit of the server \
             or the role"
        }
        (_, Some("40P01" | "55P03")) => "find the session that holds the lock with `provision db sessions --prod`",
        (_, Some("55000")) => "open the database with `provision db create --prod`",
        (Kind::SecretUnavailable, _) => of_aws(error),
        _ => error.remedy(),
    }
}

/// The way out of AWS's error: a function has a role where an operator has credentials.
fn of_aws(error: &db::Error) -> &'static str {
    let aws = error.source().and_then(|source| source.downcast_ref::<AwsError>());
    match aws.map(AwsError::cause) {
        Some(
            AwsCause::NoCredentials
            | AwsCause::CredentialsFailed
            | AwsCause::EndpointFailed
            | AwsCause::Expired
            | AwsCause::Invalid,
        ) => "check that the function has an execution role, and that no variable of its own sets AWS credentials",
        Some(AwsCause::Denied | AwsCause::KeyDenied) => {
            "allow the action in the function's role, as infra/iam/function.json does, and in the VPC endpoint's policy; \
             and kms:Decrypt for a secret with a key of its own"
        }
        _ => error.remedy(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The error types that the documentation lists: a table's rows begin with them.
    fn documented() -> BTreeSet<&'static str> {
        let (_, section) =
            include_str!("../../../docs/errors.md").split_once("\n## Error types\n").expect("a section of error types");
        let (section, _) = section.split_once("\n## ").expect("a section after it");
        section.lines().filter_map(|row| row.strip_prefix("| `")?.split_once('`')).map(|(word, _)| word).collect()
    }

    #[test]
    fn every_error_type_is_documented_and_no_other() {
        let known = Kind::ALL.iter().map(|kind| kind.as_str()).chain([INVALID_EVENT]).collect();
        assert_eq!(documented(), known);
    }

    #[test]
    fn the_answer_names_the_error_type_and_the_request_only() {
        let answer = Failure::from(InvalidUser::SubMissing).answer("8f5f-1");
        assert_eq!(answer.error_type, "InvalidEvent");
        let message = "We could not finish setting up your account; please contact us and mention 8f5f-1.";
        assert_eq!(answer.error_message, message);
    }
}
