//! What is known of one user, and of the deployment around.

use std::time::{Duration, SystemTime};

use cognito::UserEvent;

use super::table::Row;
use super::wording::{Wording, time};
use crate::aws::function::FunctionName;
use crate::aws::log::Report;
use crate::aws::pool_users::{Admission, PoolUser};
use crate::queue::Cause;
use crate::queue::dead_letters::DeadLetter;

/// All that is known of one user.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Cognito's id, or that of a seeded row. Empty for nobody.
    pub(super) sub: String,
    /// As Cognito has the user now.
    pub(super) user: Option<PoolUser>,
    pub(super) row: Option<Row>,
    /// Rows of others that share the address or the handle.
    pub(super) others: Vec<Other>,
    pub(super) forgotten_at: Option<SystemTime>,
    /// What the function has logged of the user, oldest first.
    pub(super) calls: Vec<Call>,
    pub(super) letters: Vec<DeadLetter>,
    /// When Lambda has cut an invocation off about the time at which the user was confirmed.
    pub(super) cut_off_at: Option<SystemTime>,
}

/// The row of another user, or one that is seeded.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) row: Row,
    /// Whether it has the user's verified address.
    pub(super) has_address: bool,
    /// Whether it has the handle that the user would get.
    pub(super) has_handle: bool,
}

/// A call of the function for a user.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) at: SystemTime,
    pub(super) report: Report,
}

/// What is the same for all users.
#[derive(Debug)]
pub(super) struct Deployment {
    /// By the database's clock.
    pub(super) now: SystemTime,
    /// How long a sign-up may take until its row is there.
    pub(super) settle: Duration,
    /// None if the pool cannot be read.
    pub(super) admission: Option<Admission>,
    /// Whether users of the pool can be looked up.
    pub(super) is_pool_readable: bool,
    pub(super) function: Option<FunctionName>,
    pub(super) log: LogState,
    pub(super) queue: Option<Waiting>,
    /// When the function wrote the first row, as far as it is known and matters.
    pub(super) first_as_of: Option<SystemTime>,
}

/// What is known of the function's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogState {
    /// No function is known, or its log cannot be read.
    Unread,
    /// There is no such log group.
    Missing,
    Read {
        since: SystemTime,
    },
}

/// The queue of events that wait, of which nobody knows whose they are.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) name: String,
    /// About how many events there are.
    pub(super) events: u64,
    /// Whether each dead letter was read.
    pub(super) are_letters_read: bool,
}

/// What happened, when, and who says so.
#[derive(Debug, serde::Serialize)]
pub(super) struct Entry {
    #[serde(serialize_with = "super::wording::rfc3339")]
    pub(super) at: SystemTime,
    /// `cognito`, `table`, `log`, `queue` or `dead letters`.
    pub(super) source: &'static str,
    pub(super) event: String,
}

/// How the address of a row compares with Cognito's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    Agrees,
    /// Cognito has a newer one.
    Stale,
    /// Cognito has an unverified one, and that of the row is verified.
    Unverified,
}

impl Call {
    pub(super) fn has_failed(&self) -> bool {
        ["failed", "failed-open", "heal-failed", "spilled", "held", "dead-letter"]
            .contains(&self.report.outcome.as_str())
    }

    /// Whether the user had a row afterwards; of one that was forgotten, `unchanged` does not tell.
    pub(super) fn has_succeeded(&self) -> bool {
        ["created", "changed", "unchanged", "healed"].contains(&self.report.outcome.as_str())
    }

    /// Whether its event has then waited in the queue.
    pub(super) fn waits(&self) -> bool {
        ["spilled", "held"].contains(&self.report.outcome.as_str())
    }

    pub(super) fn cause(&self) -> Cause {
        Cause::of(self.report.error_type.as_deref())
    }

    fn event(&self) -> String {
        let Report { outcome, error_type, error, trigger_source, request_id, version, .. } = &self.report;
        let cause = [error_type, error].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
        let cause = if cause.is_empty() { cause } else { format!(": {cause}") };
        let details = [("", trigger_source), ("request ", request_id), ("version ", version)];
        let details = details.into_iter().filter_map(|(word, value)| Some(format!("{word}{}", value.as_ref()?)));
        format!("{outcome}{cause} ({})", details.collect::<Vec<_>>().join(", "))
    }
}

impl Story {
    /// The last call that says how the user stands.
    pub(super) fn last_call(&self) -> Option<&Call> {
        self.calls.iter().rev().find(|call| call.has_failed() || call.has_succeeded())
    }

    pub(super) fn agreement(&self) -> Option<Agreement> {
        let (user, row) = (self.user.as_ref()?, self.row.as_ref()?);
        let (email, is_verified) = UserEvent::address_of(&user.attributes);
        let is_row_verified = row.email_verified == Some(true);
        let differs = email.is_some()
            && (email != row.email
                || match row.email_verified {
                    Some(known) => known != is_verified,
                    None => row.as_of.is_none_or(|as_of| user.modified_at > as_of),
                });
        Some(match differs {
            false => Agreement::Agrees,
            // An unverified address never replaces a verified one.
            true if is_row_verified && !is_verified => Agreement::Unverified,
            true => Agreement::Stale,
        })
    }

    /// What has happened, by time.
    pub(super) fn timeline(&self, deployment: &Deployment, wording: &Wording<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut add = |at, source, event: String| entries.push(Entry { at, source, event });
        if let Some(user) = &self.user {
            add(user.created_at, "cognito", "the user is created".to_owned());
            add(user.modified_at, "cognito", state(user, wording));
        }
        if let Some(row) = &self.row {
            for (at, event) in of_row(row, self.agreement(), deployment.now, wording) {
                add(at, "table", event);
            }
        }
        for Other { row, has_handle, .. } in &self.others {
            let shared = if *has_handle { "handle" } else { "address" };
            let whose = if row.is_seeded() { "a seeded row" } else { "the row of another user" };
            let at = row.created_at.or(row.as_of).unwrap_or(deployment.now);
            add(at, "table", format!("{whose}, {}, has the same {shared}", wording.other(&row.sub)));
        }
        if let Some(at) = self.forgotten_at {
            add(at, "table", "the user is forgotten (cognito.forget_user)".to_owned());
        }
        for call in &self.calls {
            add(call.at, "log", call.event());
        }
        if let Some(at) = self.cut_off_at {
            add(
                at,
                "log",
                "an invocation is cut off at the function's time limit; the log does not say whose".to_owned(),
            );
        }
        for letter in &self.letters {
            let source = letter.trigger_source.as_deref().unwrap_or("of an unknown trigger");
            let sent = letter.sent_at.filter(|_| letter.event_at.is_some());
            let sent = sent.map(|at| format!(", in a queue since {}", time(at))).unwrap_or_default();
            let event = format!("the event is a dead letter: {} ({source}{sent})", letter.cause.as_str());
            add(letter.began_at().unwrap_or(deployment.now), "dead letters", event);
        }
        if let Some(Waiting { name, events, .. }) = deployment.queue.as_ref().filter(|queue| queue.events > 0) {
            let event = format!("{events} in {name}; whose they are, only the replay sees");
            add(deployment.now, "queue", event);
        }
        entries.sort_by_key(|entry| entry.at);
        entries
    }
}

/// As Cognito has the user since the last change.
fn state(user: &PoolUser, wording: &Wording<'_>) -> String {
    let (email, is_verified) = UserEvent::address_of(&user.attributes);
    let address = match &email {
        Some(email) => {
            format!("address {} {}", wording.address(email), if is_verified { "verified" } else { "not verified" })
        }
        None => "no address".to_owned(),
    };
    let disabled = if user.enabled { "" } else { ", disabled" };
    let handle = user.attributes.get("preferred_username").filter(|handle| !handle.trim().is_empty());
    let handle = handle.map(|handle| format!(", handle {}", wording.handle(handle))).unwrap_or_default();
    let name = if user.sub() == Some(&user.username) { String::new() } else { wording.user_name(&user.username) };
    let name = if name.is_empty() { name } else { format!(", user name {name}") };
    let providers = providers(user);
    let from = match providers.as_str() {
        "" => String::new(),
        _ if user.status == "EXTERNAL_PROVIDER" => format!(", signs in through {providers}"),
        _ => format!(", linked to {providers}"),
    };
    format!("last change: {}{disabled}, {address}{handle}{name}{from}", user.status)
}

/// The names of the identity providers that the user signs in through.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-identity-federation-consolidate-users.html>
fn providers(user: &PoolUser) -> String {
    let identities = user.attributes.get("identities").map(String::as_str).unwrap_or_default();
    let identities: Vec<serde_json::Value> = serde_json::from_str(identities).unwrap_or_default();
    let names = identities.iter().filter_map(|identity| identity["providerName"].as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn of_row(
    row: &Row,
    agreement: Option<Agreement>,
    now: SystemTime,
    wording: &Wording<'_>,
) -> Vec<(SystemTime, String)> {
    let mut entries = Vec::new();
    if let Some(at) = row.created_at {
        let handle = row.handle.as_ref().map(|handle| format!(" with the handle {}", wording.handle(handle)));
        entries.push((at, format!("the row is made{}", handle.unwrap_or_default())));
    }
    let verified = match row.email_verified {
        Some(true) => " verified",
        Some(false) => " not verified",
        None => "",
    };
    let address = match &row.email {
        Some(email) => format!("the address {}{verified}", wording.address(email)),
        None => "no address".to_owned(),
    };
    let compared = match agreement {
        Some(Agreement::Agrees) => ", which agrees with Cognito",
        Some(Agreement::Stale) => "; Cognito has another one, or another state of it",
        Some(Agreement::Unverified) => "; Cognito has one that is not verified, which replaces no verified one",
        None => "",
    };
    match row.as_of {
        Some(at) => entries.push((at, format!("the row has {address}, as Cognito reported it{compared}"))),
        None => entries.push((row.created_at.unwrap_or(now), format!("the row has {address}{compared}"))),
    }
    entries
}
