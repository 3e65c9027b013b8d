//! The whole: users, database, queue, and how much may still happen.

use stateright::{Model, Property};

use crate::action::Action;
use crate::property;
use crate::rules::Rules;
use crate::user::{Message, User};

/// How often something may happen, all users together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Limits {
    /// Sign-ups and new passwords.
    pub confirmations: u8,
    /// Changes of an address in the pool.
    pub renames: u8,
    /// Sign-ins.
    pub sign_ins: u8,
    /// Calls of `forget_user` by the operator, also for users who are still in the pool.
    pub forgets: u8,
    /// Users that a reconciliation lists.
    pub looks: u8,
}

/// The size of the model. Outages, deletions and replays of dead letters have no limit.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Users.
    pub users: usize,
    /// How often Cognito calls the function for one confirmation.
    pub tries: u8,
    /// After how many receives SQS moves a message to the dead-letter queue.
    pub receives: u8,
    /// Whether the second change of an address leads back to the first address.
    pub addresses_return: bool,
    /// How often something may happen.
    pub limits: Limits,
}

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct World {
    pub(crate) users: Vec<User>,
    /// What may still happen.
    pub(crate) left: Limits,
}

impl World {
    /// All messages in the queue.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (usize, Message)> {
        let users = self.users.iter().enumerate();
        users.flat_map(|(id, user)| user.queue.iter().map(move |message| (id, *message)))
    }
}

/// The design that is checked.
#[derive(Clone, Debug)]
pub struct Design {
    /// Its rules.
    pub rules: Rules,
    /// How much may happen.
    pub bounds: Bounds,
}

impl Model for Design {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let users = vec![User::default(); self.bounds.users];
        vec![World { users, left: self.bounds.limits }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for id in 0..world.users.len() {
            Action::of_user(id, world, self.rules, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        action.apply(&mut next, &self.bounds, self.rules);
        next.users.iter_mut().for_each(User::normalize);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        property::all()
    }
}
