//! One user: in the pool, on the way, and in the database.

use std::fmt::{self, Debug, Formatter};

use crate::rules::{Rule, Rules};
use crate::table::{Address, Event, Table, Time};

/// A user in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pool {
    #[default]
    Unknown,
    Confirmed(Address),
    Deleted,
}

/// Cognito's call of the function for a confirmation, with the number of the try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Confirmation {
    #[default]
    None,
    Due(u8),
    Called(u8, Event),
}

/// A message in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub(crate) event: Event,
    /// How often it was received.
    pub(crate) receives: u8,
}

/// What a reconciliation has seen of the user in the pool, and when it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Look {
    pub(crate) seen: Option<Address>,
    pub(crate) as_of: Time,
    /// Whether the pool itself was asked, after its list.
    pub(crate) is_asked: bool,
}

/// A difference between the pool and the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    MissingOrStale(Address),
    Orphan,
}

/// One user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct User {
    pub(crate) pool: Pool,
    /// The address before the last change in the pool, which is all that a list knows that lags.
    pub(crate) before: Option<Address>,
    pub(crate) confirmation: Confirmation,
    pub(crate) sign_in: Option<Event>,
    pub(crate) queue: Vec<Message>,
    pub(crate) dead_letters: Vec<Event>,
    pub(crate) table: Table,
    pub(crate) look: Option<Look>,
    /// Whether Cognito or the user was answered as if the row were there, and no operator has forgotten the user since.
    pub(crate) is_promised: bool,
    /// Whether the operator is done with the user: deleted in the pool and forgotten.
    pub(crate) is_gone: bool,
    /// The newest address that the database was asked to store, by the pool's order of things.
    pub(crate) newest: Option<Address>,
}

impl User {
    /// The address in the pool.
    pub(crate) fn address(&self) -> Option<Address> {
        match self.pool {
            Pool::Confirmed(address) => Some(address),
            Pool::Unknown | Pool::Deleted => None,
        }
    }

    /// An event of this moment.
    pub(crate) fn event(&self) -> Option<Event> {
        // Cognito's call of a user who was deleted meanwhile has the attributes as they were.
        let address = self.address().or(self.before)?;
        Some(Event { address, as_of: self.now() })
    }

    /// A time later than all others of this user.
    pub(crate) fn now(&self) -> Time {
        let mut now = 0;
        self.clone().each_time(|time| now = now.max(*time));
        now + 1
    }

    pub(crate) fn ensure(&mut self, event: Event, rules: Rules) {
        self.table.ensure(event, rules);
        let address = event.address;
        let stays = |known: Address| address.version <= known.version || known.is_verified && !address.is_verified;
        self.newest = match self.newest {
            _ if self.table.rows.is_empty() => None,
            Some(known) if stays(known) => Some(known),
            _ => Some(address),
        };
    }

    pub(crate) fn forget(&mut self, rules: Rules) {
        self.table.forget(self.now(), rules);
        self.newest = None;
        self.is_gone |= self.pool == Pool::Deleted;
    }

    /// The difference between what a reconciliation has seen and the table.
    pub(crate) fn finding(&self, seen: Option<Address>) -> Option<Finding> {
        match (seen, self.table.rows.first()) {
            (None, Some(_)) => Some(Finding::Orphan),
            (Some(address), Some(row)) if row.address.is_same(address) => None,
            (Some(address), _) => Some(Finding::MissingOrStale(address)),
            (None, None) => None,
        }
    }

    /// Repairs a finding that was seen at this time.
    pub(crate) fn repair(&mut self, finding: Finding, as_of: Time, rules: Rules) {
        match finding {
            Finding::MissingOrStale(address) => {
                let of_request = rules.hold(Rule::RepairsAreAsOfTheRequest);
                let as_of = if of_request { as_of } else { self.now() };
                self.ensure(Event { address, as_of }, rules);
            }
            Finding::Orphan => self.forget(rules),
        }
    }

    /// Whether nothing is on its way: no call, no message, no reconciliation.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_called = self.confirmation != Confirmation::None || self.sign_in.is_some();
        !is_called && self.queue.is_empty() && self.dead_letters.is_empty() && self.look.is_none()
    }

    /// Renumbers the times from 1, in their order, and sorts the messages: states that differ in nothing else are one.
    pub(crate) fn normalize(&mut self) {
        let mut times = Vec::new();
        self.each_time(|time| times.push(*time));
        times.sort_unstable();
        times.dedup();
        self.each_time(|time| {
            let place = times.iter().position(|other| other == time).expect("each time is among them");
            *time = Time::try_from(place + 1).expect("a user has few times");
        });
        self.queue.sort_unstable();
        self.dead_letters.sort_unstable();
    }

    fn each_time(&mut self, visit: impl FnMut(&mut Time)) {
        let called = match &mut self.confirmation {
            Confirmation::Called(_, event) => Some(event),
            Confirmation::None | Confirmation::Due(_) => None,
        };
        let events =
            called.into_iter().chain(&mut self.sign_in).chain(&mut self.table.rows).chain(&mut self.dead_letters);
        let events =
            events.chain(self.queue.iter_mut().map(|message| &mut message.event)).map(|event| &mut event.as_of);
        let looks = self.look.iter_mut().map(|look| &mut look.as_of);
        events.chain(looks).chain(&mut self.table.tombstone).for_each(visit);
    }
}

impl Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {} receives", self.event, self.receives)
    }
}
