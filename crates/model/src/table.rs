//! What the database has of one user, behind the contract: `ensure_user` and `forget_user`.

use std::fmt::{self, Debug, Formatter};

use crate::rules::{Rule, Rules};

/// A logical time. Only the order counts, and only among the times of one user.
pub(crate) type Time = u8;

/// An e-mail address of a user, as the pool has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// How many times the user's address was changed before.
    pub(crate) version: u8,
    pub(crate) email: u8,
    pub(crate) is_verified: bool,
}

/// The address of a user at a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub(crate) address: Address,
    pub(crate) as_of: Time,
}

/// The rows and the tombstone of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Table {
    /// With all rules at most one.
    pub(crate) rows: Vec<Event>,
    pub(crate) tombstone: Option<Time>,
}

impl Address {
    pub(crate) fn is_same(self, other: Self) -> bool {
        (self.email, self.is_verified) == (other.email, other.is_verified)
    }
}

impl Table {
    /// `cognito.ensure_user`
    pub(crate) fn ensure(&mut self, event: Event, rules: Rules) {
        if self.refuses(event, rules) {
            return;
        }
        if rules.hold(Rule::OneRowPerUser)
            && let Some(row) = self.rows.first_mut()
        {
            let is_late = rules.hold(Rule::OlderEventsChangeNothing) && event.as_of < row.as_of;
            let is_worse = row.address.is_verified && !event.address.is_verified;
            let is_refused = rules.hold(Rule::VerifiedAddressesStay) && is_worse;
            // What is right already is not written, so the row keeps its time.
            if !row.address.is_same(event.address) && !is_late && !is_refused {
                *row = event;
            }
        } else if self.rows.len() < 2 {
            // A third row would show nothing more.
            self.rows.push(event);
        }
    }

    /// `cognito.forget_user`
    pub(crate) fn forget(&mut self, now: Time, rules: Rules) {
        self.rows.clear();
        if rules.hold(Rule::ForgettingLeavesATombstone) {
            self.tombstone = Some(now);
        }
    }

    fn refuses(&self, event: Event, rules: Rules) -> bool {
        let by_time = rules.hold(Rule::TombstonesAreComparedByTime);
        self.tombstone.is_some_and(|forgotten| !by_time || event.as_of <= forgotten)
    }
}

impl Debug for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}address {}", if self.is_verified { "" } else { "unverified " }, self.email)
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} as of {}", self.address, self.as_of)
    }
}
