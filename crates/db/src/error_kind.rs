//! The kinds of [`Error`](crate::Error): one stable word each, to count and alert by.

use std::fmt::{self, Display, Formatter};

/// Makes the enum, the list of its variants and their words from one list, so that none is missing anywhere.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident,)+) => {
        /// The kind of an [`Error`](crate::Error). Its word is the function's `errorType`; `docs/errors.md` lists all.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The word for it, which never changes.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)+
                }
            }
        }
    };
}

kinds! {
    /// The settings are missing, wrong or contradictory, or the root certificates cannot be used.
    SettingsInvalid,
    /// Secrets Manager did not return the secret.
    SecretUnavailable,
    /// The secret's content is not what RDS or the console write.
    SecretInvalid,
    /// No IAM token could be made.
    TokenUnavailable,
    /// The time was over before the work was done.
    BudgetExceeded,
    /// No server answered, or the connection broke.
    DatabaseUnreachable,
    /// The server could not prove its identity over TLS.
    TlsRefused,
    /// The server refused the user or the password.
    CredentialsRejected,
    /// The server has no such database.
    DatabaseMissing,
    /// A schema, a table, a column or a function is missing.
    SchemaMissing,
    /// The contract's function answered with none of its words.
    ContractBroken,
    /// The role lacks a privilege.
    NotAllowed,
    /// The server only reads.
    DatabaseReadOnly,
    /// The server's or the role's limit of connections is reached.
    TooManyConnections,
    /// The server refused for another reason.
    DatabaseRefused,
    /// `cognito.ensure_user` could be made to do something else with its owner's rights.
    ContractUnsafe,
    /// The role that is meant for the function has more rights than it needs.
    RoleTooPowerful,
    /// The role was changed since its changes were planned.
    RoleChanged,
    /// A migration failed.
    MigrationFailed,
    /// The migrations applied to the database are not this program's.
    MigrationsDiffer,
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
