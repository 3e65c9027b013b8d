//! The verdict: one cause, and the one next command. Each rule looks at the whole story, and the first that applies decides.

mod missing;

use std::time::Duration;

use serde::Serialize;

use super::story::{Agreement, Deployment, Story};
use super::wording::{Wording, time};
use crate::error::of_kind;
use crate::queue::Cause;

/// How long the pool's list may be behind: a row that was written within this time is believed more, as
/// `provision users reconcile` does.
const LAG: Duration = Duration::from_mins(10);

/// Why the user is as the story tells, and what to do.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// A word for programs.
    pub(super) cause: &'static str,
    /// The cause in a sentence.
    pub(super) why: String,
    /// What to do before, or what else there is to know.
    pub(super) hint: Option<String>,
    /// The next command. None if there is nothing to do.
    pub(super) next: Option<String>,
}

/// What a rule knows.
#[derive(Clone, Copy)]
struct Case<'a> {
    story: &'a Story,
    deployment: &'a Deployment,
    wording: &'a Wording<'a>,
}

impl Verdict {
    /// Judges the story.
    pub(super) fn of(story: &Story, deployment: &Deployment, wording: &Wording<'_>) -> Self {
        let case = Case { story, deployment, wording };
        match (&story.user, &story.row) {
            (None, _) if !deployment.is_pool_readable => case.pool_unreadable(),
            (None, None) if story.calls.is_empty() && story.letters.is_empty() && story.forgotten_at.is_none() => {
                case.nobody()
            }
            (None, _) => case.without_user(),
            (Some(_), Some(_)) => case.with_row(),
            (Some(user), None) => case.without_row(user),
        }
    }

    fn fine(cause: &'static str, why: impl Into<String>) -> Self {
        Self { cause, why: why.into(), hint: None, next: None }
    }

    fn open(cause: &'static str, why: impl Into<String>, next: String) -> Self {
        Self { next: Some(next), ..Self::fine(cause, why) }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Case<'_> {
    fn pool_unreadable(self) -> Verdict {
        let row = match (&self.story.row, self.story.forgotten_at) {
            (Some(_), _) => "the table has a row",
            (None, Some(_)) => "the user was forgotten",
            (None, None) => "the table has no row",
        };
        let why = format!("{row}, and whether Cognito has the user is unknown, because the pool cannot be read");
        Verdict::open("pool_unreadable", why, self.wording.again())
            .hint("do first what the note about the user pool says")
    }

    fn nobody(self) -> Verdict {
        let Self { wording, .. } = self;
        let why = format!("neither the pool (looked for {}) nor the table has such a user", wording.who.places());
        let hint = "correct the spelling; a user who has changed the address is found by sub or handle, and another pool or \
                    region has users of its own";
        let next = if wording.is_production {
            "aws cognito-idp list-user-pools --max-results 60".to_owned()
        } else {
            wording.in_production()
        };
        Verdict::open("nobody", why, next).hint(hint)
    }

    /// The pool has no such user.
    fn without_user(self) -> Verdict {
        let Self { story, deployment, wording } = self;
        let Some(row) = &story.row else {
            return match story.forgotten_at {
                Some(at) => {
                    let why =
                        format!("the user is deleted: Cognito has none, and the row was forgotten at {}", time(at));
                    Verdict::fine("deleted", why)
                }
                None => Verdict::fine("deleted", "the user is deleted: neither Cognito nor the table has the user now"),
            };
        };
        if row.is_seeded() {
            let why = "the row is seeded, and waits for a user of the pool with its handle or address";
            return Verdict::fine("waits_for_user", why);
        }
        if row.as_of.is_some_and(|as_of| as_of + LAG > deployment.now) {
            let why = "the row was written within the last 10 minutes, and the pool's list may not have its user yet";
            return Verdict::open("too_recent", why, wording.again());
        }
        let why = "there is a row, and Cognito has no such user: it was deleted there alone";
        let hint = "first look whether another user pool has the user; to delete this row alone, run `select \
                    cognito.forget_user('SUB')` with its sub";
        Verdict::open("orphan", why, wording.reconcile(" --forget-orphans")).hint(hint)
    }

    fn with_row(self) -> Verdict {
        let Self { story, wording, .. } = self;
        match story.agreement() {
            Some(Agreement::Stale) => {
                let why = "the row has another address than Cognito, or another state of it: no trigger is called for a change";
                return Verdict::open("stale", why, wording.reconcile(""));
            }
            Some(Agreement::Unverified) => {
                let why = "the row keeps its verified address, because the one in Cognito is not verified";
                return Verdict::fine("unverified_address", why).hint("the row follows once the user has verified it");
            }
            _ => {}
        }
        if story.user.as_ref().is_some_and(|user| !user.enabled) {
            let why = "the user has a row that agrees with Cognito, and may not sign in: disabled";
            return Verdict::fine("disabled", why);
        }
        let Some(failed) = story.calls.iter().find(|call| call.has_failed()) else {
            return Verdict::fine("agrees", "the user has a row, and it agrees with Cognito");
        };
        let (at, cause) = (time(failed.at), failed.cause().as_str());
        let later = story.calls.iter().rev().find(|call| call.at >= failed.at && call.has_succeeded());
        match later {
            Some(call) if failed.waits() && call.report.message_id.is_some() => {
                let why = format!(
                    "the event has waited in the queue since {at} ({cause}), and made the row at {}",
                    time(call.at)
                );
                Verdict::fine("replayed", why)
            }
            Some(call) => {
                let why = format!("a call failed at {at} ({cause}), and a later one made the row at {}", time(call.at));
                Verdict::fine("healed", why)
            }
            None => {
                let why =
                    format!("a call failed at {at} ({cause}), and the row was made since: it agrees with Cognito");
                Verdict::fine("healed", why)
            }
        }
    }
}

/// What to do about the cause of a failed call or of a dead letter.
fn remedy(cause: Cause) -> String {
    match cause {
        Cause::Kind(kind) => of_kind(kind).to_owned(),
        Cause::InvalidEvent => {
            "the event itself identifies no user, and can be dropped with `provision queue drop`".to_owned()
        }
        Cause::Unknown => "look the error type in the log up in docs/errors.md".to_owned(),
    }
}

#[cfg(test)]
mod tests;
