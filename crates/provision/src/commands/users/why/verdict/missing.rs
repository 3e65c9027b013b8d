//! Why a user of the pool has no row.

use super::{Case, Verdict, remedy};
use crate::aws::pool_users::{Admission, PoolUser};
use crate::commands::users::reason::{in_words, reason};
use crate::commands::users::why::story::{Call, LogState};
use crate::commands::users::why::wording::time;

/// The difference of two dates of Cognito within which a user was confirmed when it was created.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(2);

impl Case<'_> {
    pub(super) fn without_row(self, user: &PoolUser) -> Verdict {
        let rules: [fn(Self, &PoolUser) -> Option<Verdict>; 12] = [
            Self::is_forgotten,
            Self::is_seeded,
            Self::is_dead_letter,
            Self::has_called,
            Self::is_under_way,
            Self::has_signed_up_again,
            Self::is_not_attached,
            Self::is_never_called,
            Self::is_cut_off,
            Self::fires_no_trigger,
            Self::is_before_log,
            Self::has_no_log,
        ];
        let by_rules = || rules.iter().find_map(|rule| rule(self, user));
        of_status(user).or_else(by_rules).unwrap_or_else(|| self.has_no_line())
    }

    /// An event that is not later than the tombstone makes no row, and answers `unchanged`.
    fn is_forgotten(self, _: &PoolUser) -> Option<Verdict> {
        let at = self.story.forgotten_at?;
        let is_later = |call: &Call| call.at > at && call.report.outcome != "unchanged";
        if self.story.calls.iter().any(is_later) {
            return None;
        }
        let why = format!("the row was forgotten at {}, and Cognito still has the user", time(at));
        let hint = "if the user is to be deleted, delete it in Cognito too (`aws cognito-idp admin-delete-user`), since the \
                    next sign-in can make a row again; if the user is to stay, this makes the row:";
        Some(Verdict::open("forgotten", why, self.wording.reconcile("")).hint(hint))
    }

    fn is_seeded(self, _: &PoolUser) -> Option<Verdict> {
        let other = self.story.others.iter().find(|other| other.row.is_seeded())?;
        let (by, shared) = if other.has_handle { ("handle", "handle") } else { ("email", "verified address") };
        let why = format!("a seeded row with the user's {shared} waits to be linked to the user");
        let hint = "it shows each pair, and asks; without the link, the user would get a second row";
        Some(Verdict::open("seeded", why, self.wording.reconcile(&format!(" --link-by {by}"))).hint(hint))
    }

    fn is_dead_letter(self, _: &PoolUser) -> Option<Verdict> {
        let letter = self.story.letters.first()?;
        let cause = letter.cause.as_str();
        let at = letter.began_at().map(|at| format!(" of {}", time(at))).unwrap_or_default();
        let why = format!("the event{at} is a dead letter, because of {cause}");
        let next = self.wording.queue(&format!("replay --cause {cause}"));
        Some(Verdict::open("dead_letter", why, next).hint(remedy(letter.cause)))
    }

    /// What the last call of the log says.
    fn has_called(self, _: &PoolUser) -> Option<Verdict> {
        let call = self.story.last_call()?;
        let (at, cause) = (time(call.at), call.cause());
        let queue = self.deployment.queue.as_ref();
        let reconcile = self.wording.reconcile("");
        if call.has_succeeded() {
            let why =
                format!("the function made or found the row at {at}, and it was deleted since, without a tombstone");
            return Some(Verdict::open("row_deleted", why, reconcile).hint("find what deletes rows of the table"));
        }
        // The queue's counts are approximate only for a minute after a change.
        let is_gone = queue.is_some_and(|queue| queue.events == 0 && queue.are_letters_read);
        let name = cause.as_str();
        let verdict = match (call.waits(), call.report.outcome.as_str()) {
            (true, _) if is_gone => {
                let why = format!(
                    "the event went to the queue at {at} ({name}), and neither it nor the dead letters have it"
                );
                Verdict::open("lost_event", why, reconcile)
            }
            (true, _) => {
                let why =
                    format!("the event waits in the queue since {at}, because of {name}: its replay makes the row");
                Verdict::open("waiting", why, self.wording.queue("show"))
            }
            (false, "dead-letter") if is_gone => {
                let why = format!("the event became a dead letter at {at} ({name}), and was dropped or has expired");
                Verdict::open("lost_event", why, reconcile)
            }
            (false, "dead-letter") => {
                let why = format!("the event became a dead letter at {at}, because of {name}");
                Verdict::open("dead_letter", why, self.wording.queue(&format!("replay --cause {name}")))
            }
            _ => {
                let why = format!("the call of the function failed at {at}, because of {name}");
                Verdict::open("failed", why, reconcile)
            }
        };
        Some(verdict.hint(remedy(cause)))
    }

    fn is_under_way(self, user: &PoolUser) -> Option<Verdict> {
        let age = self.deployment.now.duration_since(user.modified_at).unwrap_or_default();
        (age < self.deployment.settle).then(|| {
            let why = "the user has changed a moment ago, and the row may be on its way";
            Verdict::open("under_way", why, self.wording.again())
        })
    }

    /// Another row has the address, and Cognito no user of it.
    fn has_signed_up_again(self, _: &PoolUser) -> Option<Verdict> {
        self.story.others.iter().find(|other| other.has_address && !other.row.is_seeded())?;
        let why = "the table has the address under another sub, which Cognito does not have: a former account's";
        let hint = "this makes a row of its own; what the application keeps for the former one stays there";
        Some(Verdict::open("other_sub", why, self.wording.reconcile("")).hint(hint))
    }

    fn is_not_attached(self, _: &PoolUser) -> Option<Verdict> {
        let called = &self.deployment.admission.as_ref()?.post_confirmation;
        let function = self.deployment.function.as_ref();
        let (why, options) = match (called, function) {
            (None, _) => ("the pool calls no function when a user is confirmed", ""),
            (Some(arn), Some(function)) if !function.is_called_by(arn) => {
                ("the pool calls another function when a user is confirmed", " --replace")
            }
            _ => return None,
        };
        let hint = "then give the users who were confirmed before their rows: `provision users reconcile`";
        Some(Verdict::open("not_attached", why, self.wording.trigger("attach") + options).hint(hint))
    }

    fn is_never_called(self, _: &PoolUser) -> Option<Verdict> {
        (self.deployment.log == LogState::Missing).then(|| {
            let why = "the function has no log: Cognito has never called it, or it may write none";
            let hint = "this tells whether Cognito may call it; then reconcile";
            Verdict::open("never_called", why, self.wording.trigger("show")).hint(hint)
        })
    }

    fn is_cut_off(self, _: &PoolUser) -> Option<Verdict> {
        let at = self.story.cut_off_at?;
        let why =
            format!("Lambda has cut an invocation off at {}, when the user was confirmed: it timed out", time(at));
        let hint =
            "set the function's time limit to 6 s or more, and look for what is slow with `provision db sessions`";
        Some(Verdict::open("timed_out", why, self.wording.reconcile("")).hint(hint))
    }

    /// The ways to become confirmed for which Cognito calls no trigger, as far as they can be told.
    fn fires_no_trigger(self, user: &PoolUser) -> Option<Verdict> {
        let admission = self.deployment.admission.as_ref();
        let is = |setting: fn(&Admission) -> bool| admission.is_some_and(setting);
        let was_at_once = user.modified_at.duration_since(user.created_at).is_ok_and(|time| time < AT_ONCE);
        let (cause, why) = match reason(user, self.deployment.first_as_of) {
            "trigger" if is(|admission| admission.is_by_administrators) => {
                ("admin_created", "created by an administrator, for which Cognito calls no trigger")
            }
            "trigger" if is(|admission| admission.migrates) && was_at_once => {
                ("migrated", "migrated from another directory, for which Cognito calls no trigger")
            }
            "trigger" => return None,
            reason => (reason, in_words(reason)),
        };
        let why = format!("the user has no row: {why}");
        Some(Verdict::open(cause, why, self.wording.reconcile("")))
    }

    fn is_before_log(self, user: &PoolUser) -> Option<Verdict> {
        let LogState::Read { since } = self.deployment.log else { return None };
        (user.modified_at < since).then(|| {
            let why = format!("the user was confirmed before {}, and the log was read from then on only", time(since));
            let hint = "a longer --since may tell why, as far as the log is kept";
            Verdict::open("before_log", why, self.wording.reconcile("")).hint(hint)
        })
    }

    fn has_no_log(self, _: &PoolUser) -> Option<Verdict> {
        (self.deployment.log == LogState::Unread).then(|| {
            let why = "the user has no row, and why is not known without the function's log";
            let hint = "the notes say why the log was not read";
            Verdict::open("log_unread", why, self.wording.reconcile("")).hint(hint)
        })
    }

    fn has_no_line(self) -> Verdict {
        let why = "Cognito has the user confirmed, and the function has logged no call: it was throttled, or Cognito made none, \
                   as for users whom an administrator creates";
        let hint = "look at the function's metric Throttles about that time";
        Verdict::open("no_call", why, self.wording.reconcile("")).hint(hint)
    }
}

/// The statuses that `provision users reconcile` leaves out.
fn of_status(user: &PoolUser) -> Option<Verdict> {
    let (cause, why) = match user.status.as_str() {
        "CONFIRMED" | "EXTERNAL_PROVIDER" | "RESET_REQUIRED" => return None,
        "UNCONFIRMED" => ("unconfirmed", "the user has not confirmed the sign-up, and is to have no row before"),
        "FORCE_CHANGE_PASSWORD" => (
            "force_change_password",
            "an administrator has created the user, who has not replaced the temporary password yet: no row is due",
        ),
        "ARCHIVED" => ("archived", "Cognito has archived the user: no row is due"),
        "COMPROMISED" => {
            ("compromised", "Cognito has locked the user, as the password is known to others: no row is due")
        }
        _ => ("unknown_status", "Cognito does not say whether the user is confirmed: no row is due"),
    };
    Some(Verdict::fine(cause, why))
}
