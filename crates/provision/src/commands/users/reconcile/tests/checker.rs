//! The rules in the checker's own words: who must have a row, and with which address and handle. It knows the pool, the
//! calls that reached the function, and nothing of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::Value;
use testkit::user_pool::{Status, User};

/// The rows by `sub`.
pub(super) type Rows = BTreeMap<String, Row>;

/// A row of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) email: Option<String>,
    pub(super) is_verified: bool,
    pub(super) handle: String,
    /// When the pool said so.
    pub(super) as_of: SystemTime,
}

/// What the function, or a reconciliation, was told about a user.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) sub: String,
    pub(super) email: Option<String>,
    pub(super) is_verified: bool,
    wanted: String,
}

impl Told {
    /// By an event of Cognito's.
    pub(super) fn by_event(event: &Value) -> Self {
        let attributes = event["request"]["userAttributes"].as_object().expect("attributes");
        let attribute = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
        Self::by(event["userName"].as_str().expect("a name"), attribute)
    }

    /// By the pool itself.
    pub(super) fn by_pool(user: &User) -> Self {
        Self::by(&user.username, |name| user.get(name).map(str::to_owned))
    }

    fn by(username: &str, attribute: impl Fn(&str) -> Option<String>) -> Self {
        let sub = attribute("sub").expect("each user has one");
        let is_own_choice = attribute("identities").is_none() && username != sub;
        let username = is_own_choice.then(|| username.to_owned());
        let wanted = attribute("preferred_username").or(username).unwrap_or_else(|| format!("user-{}", &sub[..8]));
        let email = attribute("email");
        let is_verified = email.is_some() && attribute("email_verified").as_deref() == Some("true");
        Self { sub, email, is_verified, wanted }
    }

    /// The handles that this user may have, the best first: a taken one is followed by a part of the id.
    fn handles(&self) -> Vec<String> {
        let digits = self.sub.replace('-', "");
        let longer = [4, 8, 16, 32].map(|length| format!("{}-{}", self.wanted, &digits[..length]));
        std::iter::once(self.wanted.clone()).chain(longer).collect()
    }

    pub(super) fn may_have(&self, handle: &str) -> bool {
        self.handles().iter().any(|own| own == handle)
    }
}

/// When the row of a user was last deleted on purpose, by `sub`.
pub(super) type Tombstones = BTreeMap<String, SystemTime>;

/// The same as [`hear`], unless the user was forgotten since.
pub(super) fn hear_late(rows: &mut Rows, tombstones: &Tombstones, told: &Told, as_of: SystemTime) -> &'static str {
    if tombstones.get(&told.sub).is_some_and(|at| as_of <= *at) { "unchanged" } else { hear(rows, told, as_of) }
}

/// Writes what was told, and returns the word for it.
pub(super) fn hear(rows: &mut Rows, told: &Told, as_of: SystemTime) -> &'static str {
    let taken: BTreeSet<String> = rows.values().map(|row| row.handle.to_lowercase()).collect();
    let Some(row) = rows.get_mut(&told.sub) else {
        let is_free = |handle: &String| !taken.contains(&handle.to_lowercase());
        let handle = told.handles().into_iter().find(is_free).expect("the id is the user's alone");
        let row = Row { email: told.email.clone(), is_verified: told.is_verified, handle, as_of };
        rows.insert(told.sub.clone(), row);
        return "created";
    };
    let is_news = (&row.email, row.is_verified) != (&told.email, told.is_verified);
    // An absent address erases none, a late word changes nothing, and an unverified address replaces no verified one.
    if told.email.is_none() || !is_news || as_of < row.as_of || row.is_verified && !told.is_verified {
        return "unchanged";
    }
    (row.email, row.is_verified, row.as_of) = (told.email.clone(), told.is_verified, as_of);
    "changed"
}

/// Whether this user must have a row.
pub(super) fn counts(user: &User) -> bool {
    matches!(user.status, Status::Confirmed | Status::ExternalProvider | Status::ResetRequired)
}

/// What is wrong with the row of a user whose present state was heard, if something is.
pub(super) fn fault(rows: &Rows, user: &User) -> Option<String> {
    let told = Told::by_pool(user);
    let Some(row) = rows.get(&told.sub) else { return Some(format!("{} has no row", user.username)) };
    let is_right = match (&told.email, told.is_verified) {
        (None, _) => true,
        (email, true) => row.is_verified && row.email == *email,
        (email, false) => row.is_verified || row.email == *email,
    };
    (!is_right).then(|| format!("{} has {:?} {}, and the row {row:?}", user.username, told.email, told.is_verified))
}

/// The rows after a reconciliation of rows that were `before`, while nothing else happens. `forgettable` are the rows
/// that may be deleted.
pub(super) fn mirrored(before: &Rows, users: &[User], now: SystemTime, is_forgettable: impl Fn(&Row) -> bool) -> Rows {
    let mut rows = before.clone();
    let subs: BTreeSet<&str> = users.iter().map(|user| user.sub.as_str()).collect();
    for user in users.iter().filter(|user| counts(user)) {
        hear(&mut rows, &Told::by_pool(user), now);
    }
    rows.retain(|sub, row| subs.contains(sub.as_str()) || !is_forgettable(row));
    rows
}

/// How the rows differ from those that are expected, if they do. A handle that was chosen in another order is no
/// difference, as long as it is the user's own.
pub(super) fn difference(expected: &Rows, rows: &Rows, fits: impl Fn(&str, &Row, &Row) -> bool) -> Option<String> {
    let subs: BTreeSet<&String> = expected.keys().chain(rows.keys()).collect();
    let different: Vec<String> = subs
        .into_iter()
        .filter(|sub| match (expected.get(*sub), rows.get(*sub)) {
            (Some(expected), Some(row)) => {
                (&expected.email, expected.is_verified) != (&row.email, row.is_verified) || !fits(sub, expected, row)
            }
            _ => true,
        })
        .map(|sub| format!("{sub}: expected {:?}, found {:?}", expected.get(sub), rows.get(sub)))
        .collect();
    (!different.is_empty()).then(|| different.join("\n"))
}
