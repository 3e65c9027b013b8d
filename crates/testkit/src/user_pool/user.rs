//! A user's profile.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// A user of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The username.
    pub username: String,
    /// The id that never changes. Also among the attributes.
    pub sub: String,
    /// The status.
    pub status: Status,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// All attributes, under Cognito's names.
    pub attributes: BTreeMap<String, String>,
    /// `UserCreateDate` in milliseconds since 1970.
    pub created_ms: u64,
    /// `UserLastModifiedDate` in milliseconds since 1970.
    pub modified_ms: u64,
}

impl User {
    /// An attribute's value.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    pub(super) fn set(&mut self, attribute: &str, value: &str) {
        self.attributes.insert(attribute.to_owned(), value.to_owned());
    }

    /// Whether the pool itself keeps the user's password.
    pub(super) fn is_local(&self) -> bool {
        self.status != Status::ExternalProvider
    }
}

/// The statuses that the stand-in has verbs for.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserType.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Signed up and not confirmed.
    Unconfirmed,
    /// Confirmed.
    Confirmed,
    /// Comes from an identity provider.
    ExternalProvider,
    /// Imported: must reset the password before the first sign-in.
    ResetRequired,
    /// Made by an administrator: must change the temporary password at the first sign-in.
    ForceChangePassword,
}

impl Status {
    /// Cognito's word, such as `FORCE_CHANGE_PASSWORD`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ExternalProvider => "EXTERNAL_PROVIDER",
            Self::ResetRequired => "RESET_REQUIRED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
        }
    }
}

impl Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
