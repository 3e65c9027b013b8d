//! The outcome of an invocation.

use cognito::{Event, Occasion};
use db::users::Ensured;

/// The trigger source of a user who has a new password. The user has signed up before, and has a row as a rule.
const FORGOT_PASSWORD: &str = "PostConfirmation_ConfirmForgotPassword";

/// The outcome of an invocation that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The user has a row.
    Ensured(Ensured),
    /// The user had no row, and has one since this sign-in.
    Healed,
    /// The user's row was right a moment ago, so that the database was not asked.
    Known,
    /// The database was not asked, because it has failed a moment ago or because there was no time left.
    Skipped,
    /// A machine got a token, which is for no user.
    Machine,
    /// The event is one of another trigger.
    Ignored,
}

/// The outcome of an event whose row is not ensured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The answer is the error, which Cognito reports to the user.
    Closed,
    /// The event is answered all the same: the password is changed already, and an error would be the only thing that its
    /// owner sees.
    Open,
    /// The event is answered all the same: it waits in the spill queue, and its row is ensured later.
    Spilled,
    /// A message of the queue that is received again.
    Held,
    /// A message of the queue that no database could ensure, which goes to the dead letters.
    Dead,
    /// The event of a sign-in is answered all the same: an error would keep the person out, and the next one heals.
    Unhealed,
}

impl Outcome {
    /// The word for it, which never changes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ensured(ensured) => ensured.as_str(),
            Self::Healed => "healed",
            Self::Known => "known",
            Self::Skipped => "skipped",
            Self::Machine | Self::Ignored => "ignored",
        }
    }
}

impl Failed {
    /// That of this event, or of JSON that is none and is of this occasion.
    pub(crate) fn of(event: Option<&Event>, occasion: Occasion) -> Self {
        match occasion {
            Occasion::SignIn => Self::Unhealed,
            _ if event.is_some_and(|event| event.trigger_source == FORGOT_PASSWORD) => Self::Open,
            _ => Self::Closed,
        }
    }

    /// The word for it, which never changes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "failed",
            Self::Open => "failed-open",
            Self::Spilled => "spilled",
            Self::Held => "held",
            Self::Dead => "dead-letter",
            Self::Unhealed => "heal-failed",
        }
    }
}
