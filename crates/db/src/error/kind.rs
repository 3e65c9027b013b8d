//! The kind of an [`Error`].

use crate::{Error, Kind};

impl Error {
    /// The kind, to count and alert by.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SettingsInvalid { .. } | Self::RootCertificatesInvalid { .. } => Kind::SettingsInvalid,
            Self::SecretUnavailable { .. } => Kind::SecretUnavailable,
            Self::SecretInvalid { .. } => Kind::SecretInvalid,
            Self::TokenUnavailable { .. } => Kind::TokenUnavailable,
            Self::BudgetExceeded { .. } => Kind::BudgetExceeded,
            Self::Unreachable { .. } | Self::ConnectionLost { .. } => Kind::DatabaseUnreachable,
            Self::TlsRefused { .. } => Kind::TlsRefused,
            Self::LoginUnsupported { .. } | Self::AnswerUnreadable { .. } => Kind::DatabaseRefused,
            Self::CredentialsRejected { source, .. }
            | Self::DatabaseMissing { source, .. }
            | Self::SchemaMissing { source }
            | Self::NotAllowed { source }
            | Self::Refused { source } => source.meaning().kind,
            Self::AnotherTarget { .. } => Kind::DatabaseReadOnly,
            Self::ContractMissing => Kind::SchemaMissing,
            Self::ContractUnsafe { .. } => Kind::ContractUnsafe,
            Self::ContractBroken => Kind::ContractBroken,
            Self::RoleTooPowerful { .. } => Kind::RoleTooPowerful,
            Self::RoleChanged { .. } => Kind::RoleChanged,
            Self::MigrationFailed { .. } => Kind::MigrationFailed,
            Self::MigrationsDiffer { .. }
            | Self::HistoryForeign { .. }
            | Self::HistoryDamaged { .. }
            | Self::OwnerForeign { .. }
            | Self::HistoryUnsafe { .. }
            | Self::HistoryMissing
            | Self::HistoryElsewhere { .. }
            | Self::ObjectMissing { .. }
            | Self::ContractForeign => Kind::MigrationsDiffer,
        }
    }
}
