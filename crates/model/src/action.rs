//! What can happen, and when.

use crate::rules::{Rule, Rules};
use crate::table::Event;
use crate::user::{Confirmation, Finding, Message, Pool};
use crate::world::World;

/// A user's number.
pub(crate) type Id = usize;

/// What the function reaches. An outage is each call of its time that reaches less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The database.
    Database,
    /// The queue alone.
    Queue,
    /// Neither.
    Nothing,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user confirms the sign-up.
    SignUp(Id),
    /// A user confirms a new password, which is the same trigger.
    NewPassword(Id),
    /// Cognito calls the function for a confirmation.
    Call(Id),
    /// The function ensures the row, or spills the event, or fails. Its answer may come too late.
    Answer {
        /// Of whom.
        user: Id,
        /// What it reaches.
        reached: Reached,
        /// Whether Cognito still waits for it.
        in_time: bool,
    },
    /// The call was throttled, or the function crashed.
    Crash(Id),
    /// A user signs in.
    SignIn(Id),
    /// The function heals at the sign-in.
    Heal {
        /// Whom.
        user: Id,
        /// Whether it reaches the database in its short time.
        lands: bool,
    },
    /// A user's address changes in the pool.
    Rename {
        /// Whose.
        user: Id,
        /// Whether the new address is verified.
        is_verified: bool,
    },
    /// The operator deletes a user in the pool.
    Delete(Id),
    /// The operator calls `forget_user`.
    Forget(Id),
    /// The replay receives a batch: a message whose row lands, one whose row does not, or both.
    Replay {
        /// Of whom the message is whose row lands, and which one.
        lands: Option<(Id, Message)>,
        /// Of whom the other is, and which one.
        fails: Option<(Id, Message)>,
        /// Whether SQS deletes what has landed. It may deliver it again.
        once: bool,
    },
    /// The operator replays a dead letter.
    Redrive {
        /// Of whom.
        user: Id,
        /// Which one.
        letter: Event,
    },
    /// A reconciliation lists the user. The list may be behind by one change.
    List {
        /// Whom.
        user: Id,
        /// Whether it is behind.
        lags: bool,
    },
    /// A reconciliation asks the pool for the user.
    Ask(Id),
    /// A reconciliation repairs what differs.
    Repair(Id),
}

impl Action {
    /// Appends what can happen to this user.
    pub(crate) fn of_user(id: Id, world: &World, rules: Rules, actions: &mut Vec<Self>) {
        let (user, left) = (&world.users[id], &world.left);
        let is_confirmed = user.address().is_some();
        let is_idle = user.confirmation == Confirmation::None;
        let mut may = |condition: bool, action: Self| {
            if condition {
                actions.push(action);
            }
        };
        let may_confirm = left.confirmations > 0 && is_idle;
        may(may_confirm && user.pool == Pool::Unknown, Self::SignUp(id));
        may(may_confirm && is_confirmed, Self::NewPassword(id));
        may(matches!(user.confirmation, Confirmation::Due(_)), Self::Call(id));
        if matches!(user.confirmation, Confirmation::Called(..)) {
            for reached in [Reached::Database, Reached::Queue, Reached::Nothing] {
                may(true, Self::Answer { user: id, reached, in_time: true });
                may(reached != Reached::Nothing, Self::Answer { user: id, reached, in_time: false });
            }
            may(true, Self::Crash(id));
        }
        may(left.sign_ins > 0 && is_confirmed && user.sign_in.is_none(), Self::SignIn(id));
        for lands in [true, false] {
            may(user.sign_in.is_some(), Self::Heal { user: id, lands });
        }
        if left.renames > 0 && is_confirmed {
            may(true, Self::Rename { user: id, is_verified: true });
            may(true, Self::Rename { user: id, is_verified: false });
        }
        may(is_confirmed, Self::Delete(id));
        let may_forget = is_idle || !rules.hold(Rule::CallsEndBeforeForgetting);
        may(left.forgets > 0 && user.pool != Pool::Unknown && may_forget, Self::Forget(id));
        for message in user.queue.iter().map(|message| (id, *message)) {
            may(true, Self::Replay { lands: Some(message), fails: None, once: true });
            may(true, Self::Replay { lands: Some(message), fails: None, once: false });
            may(true, Self::Replay { lands: None, fails: Some(message), once: true });
            for other in world.messages().filter(|other| *other != message) {
                may(true, Self::Replay { lands: Some(message), fails: Some(other), once: true });
            }
        }
        for letter in &user.dead_letters {
            may(true, Self::Redrive { user: id, letter: *letter });
        }
        match user.look {
            None => {
                let may_list = left.looks > 0 && user.pool != Pool::Unknown;
                may(may_list, Self::List { user: id, lags: false });
                may(may_list, Self::List { user: id, lags: true });
            }
            Some(look) => {
                let must_ask = match user.finding(look.seen) {
                    Some(Finding::MissingOrStale(_)) => rules.hold(Rule::FindingsAreAskedFor),
                    Some(Finding::Orphan) => rules.hold(Rule::OrphansAreAskedFor),
                    None => false,
                };
                let must_wait = user.finding(look.seen) == Some(Finding::Orphan) && !may_forget;
                may(must_ask && !look.is_asked, Self::Ask(id));
                may((look.is_asked || !must_ask) && !must_wait, Self::Repair(id));
            }
        }
    }
}
