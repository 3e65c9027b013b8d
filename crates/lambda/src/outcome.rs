//! The outcome of an invocation.

use db::users::Ensured;

/// The outcome of an invocation that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The user has a row.
    Ensured(Ensured),
    /// The trigger source is none of PostConfirmation's.
    Ignored,
}

impl Outcome {
    /// The word of an invocation that failed.
    pub(crate) const FAILED: &str = "failed";

    /// The word of an invocation that failed and answered with the event all the same.
    pub(crate) const FAILED_OPEN: &str = "failed-open";

    /// The word for it, which never changes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ensured(Ensured::Created) => "created",
            Self::Ensured(Ensured::Changed) => "changed",
            Self::Ensured(Ensured::Unchanged) => "unchanged",
            Self::Ignored => "ignored",
        }
    }
}
