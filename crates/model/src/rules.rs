//! The rules that the design rests on, each of which can be taken out.

/// A rule of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `ensure_user` makes a row only where the user has none.
    OneRowPerUser,
    /// An event that is older than the row changes nothing.
    OlderEventsChangeNothing,
    /// An unverified address never replaces a verified one.
    VerifiedAddressesStay,
    /// `forget_user` leaves a tombstone.
    ForgettingLeavesATombstone,
    /// A tombstone refuses only the events that are not later than it.
    TombstonesAreComparedByTime,
    /// A user is deleted in the pool first, and forgotten afterwards.
    PoolBeforeTable,
    /// A user is forgotten after Cognito's calls of the function have ended.
    CallsEndBeforeForgetting,
    /// The function answers with success only after the queue has the event.
    QueueBeforeAnswer,
    /// A sign-in ensures the row.
    SignInsHeal,
    /// A message whose row did not land stays in the queue (`batchItemFailures`).
    FailedMessagesStay,
    /// SQS moves a message that fails too often to the dead-letter queue.
    DeadLettersAreKept,
    /// The replay sends no event to the queue that it reads from.
    ReplaysNeverSpill,
    /// The replay ensures as of the time at which the function got the event.
    ReplaysAreAsOfTheEvent,
    /// A reconciliation ensures as of the time before it asked the pool.
    RepairsAreAsOfTheRequest,
    /// A reconciliation asks the pool for a user whose row is missing or stale, since the list may be behind.
    FindingsAreAskedFor,
    /// A reconciliation asks the pool for an orphan before its row is deleted.
    OrphansAreAskedFor,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 16] = [
        Self::OneRowPerUser,
        Self::OlderEventsChangeNothing,
        Self::VerifiedAddressesStay,
        Self::ForgettingLeavesATombstone,
        Self::TombstonesAreComparedByTime,
        Self::PoolBeforeTable,
        Self::CallsEndBeforeForgetting,
        Self::QueueBeforeAnswer,
        Self::SignInsHeal,
        Self::FailedMessagesStay,
        Self::DeadLettersAreKept,
        Self::ReplaysNeverSpill,
        Self::ReplaysAreAsOfTheEvent,
        Self::RepairsAreAsOfTheRequest,
        Self::FindingsAreAskedFor,
        Self::OrphansAreAskedFor,
    ];
}

/// The rules that hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// All rules.
    pub const fn all() -> Self {
        Self { without: None }
    }

    /// All rules except this one.
    pub const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
