//! The ways out of what has no SQLSTATE and no AWS error code, and which remedy an [`Error`] has.

use crate::{Error, Kind};

const ROOTS: &str = "set PGSSLROOTCERT to a PEM file with one or more root certificates";
const SECRET: &str =
    "write JSON with `username` and `password` to the secret, and optionally `host`, `port` and `dbname`";
const TOKEN: &str = "give this process AWS credentials and a region";
const UNREACHABLE: &str =
    "check that the server runs, its host and port, and that its security group allows this network";
const TARGET: &str = "use the host name of the server that writes, or leave target_session_attrs out";
const FOREIGN: &str = "load nothing here: the application's own migrations keep this contract (docs/own-table.md)";
const MISSING: &str = "load the schema, or write the function for tables of your own (docs/own-table.md)";
const UNSAFE: &str = "correct it as docs/own-table.md shows: after each `create or replace`, the settings are missing";
const CONTRACT: &str = "make cognito.ensure_user return one of these words on every path";
const ROLE: &str = "revoke these rights as the role that granted them, or use another role";
const ROLE_CHANGED: &str = "run this again to see what has to change now";
const MIGRATED_OBJECT: &str =
    "restore the object that the error names: an earlier migration created it, and something removed it";
const MIGRATIONS: &str = "use the release that applied them, or a newer one";
const OTHER_PROGRAM: &str = "use another database: this one is that program's";
const DAMAGED: &str = "restore the table cognito.schema_history from a backup, or use another database";
const LOST: &str = "restore the table cognito.schema_history from a backup, or, if public.users is gone too, begin anew: drop the \
                    schema cognito, and activities and upsert_user in public, then load the schema again";
const OWNER: &str = "log in as that owner, or, if you trust it, have an administrator run `grant OWNER to LOGIN`, on \
                     PostgreSQL 16 and later `grant OWNER to LOGIN with inherit true`";
const TRIGGER: &str = "drop that trigger, if you do not trust its author; otherwise make the owner of the database the owner of \
                       its function (`alter function … owner to`)";
const HISTORY_CODE: &str = "find out who added these, and drop them: a history needs none";
const LOST_USERS: &str = "restore it from a backup, or begin anew: drop the schema cognito, and activities and upsert_user in \
                          public, then load the schema again";
const LOST_ACTIVITIES: &str =
    "restore it from a backup, or create it again, empty, as V2__activities and V4__activities_expire do";
const LOST_FUNCTION: &str = "restore it from a backup, or create it again as this migration does";
const ELSEWHERE: &str =
    "move its tables, its function and its history to public (`alter … set schema public`), or drop that schema";
const UNREADABLE: &str = "use a database with the encoding UTF8: this one may hold text in another one";

impl Error {
    /// The way out. It names no command of any program: the program that prints it may know a better one
    /// for this [`Self::kind`].
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::SettingsInvalid { remedy, .. }
            | Self::TlsRefused { remedy, .. }
            | Self::LoginUnsupported { remedy, .. } => remedy,
            Self::RootCertificatesInvalid { .. } => ROOTS,
            Self::SecretUnavailable { source, .. } => source.remedy(),
            Self::SecretInvalid { .. } => SECRET,
            Self::TokenUnavailable { .. } => TOKEN,
            Self::BudgetExceeded { step } => step.remedy(),
            Self::Unreachable { .. } | Self::ConnectionLost { .. } => UNREACHABLE,
            // To load the schema is what has just failed.
            Self::MigrationFailed { source, .. } if source.meaning().kind == Kind::SchemaMissing => MIGRATED_OBJECT,
            Self::CredentialsRejected { source, .. }
            | Self::DatabaseMissing { source, .. }
            | Self::SchemaMissing { source }
            | Self::NotAllowed { source }
            | Self::Refused { source }
            | Self::MigrationFailed { source, .. } => source.meaning().remedy,
            Self::AnotherTarget { .. } => TARGET,
            Self::ContractForeign => FOREIGN,
            Self::ContractMissing => MISSING,
            Self::ContractUnsafe { .. } => UNSAFE,
            Self::ContractBroken => CONTRACT,
            Self::RoleTooPowerful { .. } => ROLE,
            Self::RoleChanged { .. } => ROLE_CHANGED,
            Self::MigrationsDiffer { .. } => MIGRATIONS,
            Self::HistoryForeign { .. } => OTHER_PROGRAM,
            Self::HistoryDamaged { .. } => DAMAGED,
            Self::OwnerForeign { object, .. } if object.starts_with("the code of the trigger") => TRIGGER,
            Self::OwnerForeign { .. } => OWNER,
            Self::HistoryUnsafe { .. } => HISTORY_CODE,
            Self::HistoryMissing => LOST,
            Self::ObjectMissing { object, .. } if object.ends_with(')') => LOST_FUNCTION,
            Self::ObjectMissing { object, .. } if object.ends_with("activities") => LOST_ACTIVITIES,
            Self::ObjectMissing { .. } => LOST_USERS,
            Self::HistoryElsewhere { .. } => ELSEWHERE,
            Self::AnswerUnreadable { .. } => UNREADABLE,
        }
    }
}
