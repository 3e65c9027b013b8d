//! What an action does.

use crate::action::{Action, Reached};
use crate::rules::{Rule, Rules};
use crate::table::{Address, Event};
use crate::user::{Confirmation, Look, Message, Pool, User};
use crate::world::{Bounds, World};

impl Action {
    /// What the world is afterwards.
    pub(crate) fn apply(self, world: &mut World, bounds: &Bounds, rules: Rules) {
        let left = &mut world.left;
        match self {
            Self::SignUp(id) => {
                left.confirmations -= 1;
                let user = &mut world.users[id];
                user.pool = Pool::Confirmed(Address { version: 0, email: 0, is_verified: true });
                user.confirmation = Confirmation::Due(1);
            }
            Self::NewPassword(id) => {
                left.confirmations -= 1;
                world.users[id].confirmation = Confirmation::Due(1);
            }
            Self::Call(id) => {
                let user = &mut world.users[id];
                if let (Confirmation::Due(number), Some(event)) = (user.confirmation, user.event()) {
                    user.confirmation = Confirmation::Called(number, event);
                }
            }
            Self::Answer { user, reached, in_time } => world.users[user].answer(reached, in_time, bounds, rules),
            Self::Crash(id) => world.users[id].miss_answer(bounds),
            Self::SignIn(id) => {
                left.sign_ins -= 1;
                let user = &mut world.users[id];
                user.sign_in = user.event();
            }
            Self::Heal { user, lands } => world.users[user].heal(lands, rules),
            Self::Rename { user, is_verified } => {
                left.renames -= 1;
                world.users[user].rename(is_verified, bounds);
            }
            Self::Delete(id) => {
                let user = &mut world.users[id];
                user.before = user.address();
                user.pool = Pool::Deleted;
                user.is_promised = false;
                // An operator who forgets first takes the user for gone now.
                user.is_gone |= !rules.hold(Rule::PoolBeforeTable) && user.table.tombstone.is_some();
            }
            Self::Forget(id) => {
                left.forgets -= 1;
                let user = &mut world.users[id];
                user.forget(rules);
                user.is_promised = false;
            }
            Self::Replay { lands, fails, once } => {
                if let Some((user, message)) = lands {
                    world.users[user].land(message, once, bounds, rules);
                }
                if let Some((user, message)) = fails {
                    world.users[user].fail(message, lands.is_some(), bounds, rules);
                }
            }
            Self::Redrive { user, letter } => {
                let user = &mut world.users[user];
                user.dead_letters.retain(|other| *other != letter);
                user.queue.push(Message { event: letter, receives: 0 });
            }
            Self::List { user, lags } => {
                left.looks -= 1;
                let user = &mut world.users[user];
                let seen = if lags { user.before } else { user.address() };
                user.look = Some(Look { seen, as_of: user.now(), is_asked: false });
            }
            Self::Ask(id) => {
                let user = &mut world.users[id];
                user.look = Some(Look { seen: user.address(), as_of: user.now(), is_asked: true });
            }
            Self::Repair(id) => {
                let user = &mut world.users[id];
                if let Some(look) = user.look.take()
                    && let Some(finding) = user.finding(look.seen)
                {
                    user.repair(finding, look.as_of, rules);
                }
            }
        }
    }
}

impl User {
    /// The function at *Post confirmation*.
    fn answer(&mut self, reached: Reached, in_time: bool, bounds: &Bounds, rules: Rules) {
        let Confirmation::Called(_, event) = self.confirmation else { return };
        match reached {
            Reached::Database => self.ensure(event, rules),
            Reached::Queue => self.queue.push(Message { event, receives: 0 }),
            Reached::Nothing => {}
        }
        let is_success = reached != Reached::Nothing || !rules.hold(Rule::QueueBeforeAnswer);
        if in_time {
            // An error is final: Cognito shows it, and calls no more.
            self.confirmation = Confirmation::None;
            self.is_promised |= is_success && self.address().is_some();
        } else {
            self.miss_answer(bounds);
        }
    }

    /// Cognito calls again, until the last try.
    fn miss_answer(&mut self, bounds: &Bounds) {
        let Confirmation::Called(number, _) = self.confirmation else { return };
        self.confirmation = if number < bounds.tries { Confirmation::Due(number + 1) } else { Confirmation::None };
    }

    /// The function at a sign-in, which succeeds in any case.
    fn heal(&mut self, lands: bool, rules: Rules) {
        let Some(event) = self.sign_in.take() else { return };
        if !lands {
            return;
        }
        if rules.hold(Rule::SignInsHeal) {
            self.ensure(event, rules);
        }
        let is_forgotten_since = self.table.tombstone.is_some_and(|forgotten| event.as_of <= forgotten);
        self.is_promised |= self.address().is_some() && !is_forgotten_since;
    }

    fn rename(&mut self, is_verified: bool, bounds: &Bounds) {
        let Some(old) = self.address() else { return };
        let version = old.version + 1;
        let email = if bounds.addresses_return { version % 2 } else { version };
        self.before = Some(old);
        self.pool = Pool::Confirmed(Address { version, email, is_verified });
    }

    /// The replay of a message whose row lands.
    fn land(&mut self, message: Message, once: bool, bounds: &Bounds, rules: Rules) {
        let Event { address, as_of } = message.event;
        let of_event = rules.hold(Rule::ReplaysAreAsOfTheEvent);
        self.ensure(Event { address, as_of: if of_event { as_of } else { self.now() } }, rules);
        self.remove(message);
        if !once {
            self.deliver_again(message, bounds, rules);
        }
    }

    /// The replay of a message whose row does not land.
    fn fail(&mut self, message: Message, another_landed: bool, bounds: &Bounds, rules: Rules) {
        if !rules.hold(Rule::ReplaysNeverSpill) {
            self.queue.push(Message { event: message.event, receives: 0 });
        }
        self.remove(message);
        // One answer for the batch says that all of it is done.
        if rules.hold(Rule::FailedMessagesStay) || !another_landed {
            self.deliver_again(message, bounds, rules);
        }
    }

    fn remove(&mut self, message: Message) {
        if let Some(place) = self.queue.iter().position(|other| *other == message) {
            self.queue.remove(place);
        }
    }

    fn deliver_again(&mut self, message: Message, bounds: &Bounds, rules: Rules) {
        let Message { event, receives } = message;
        if receives + 1 < bounds.receives {
            self.queue.push(Message { event, receives: receives + 1 });
        } else if rules.hold(Rule::DeadLettersAreKept) {
            self.dead_letters.push(event);
        }
    }
}
