//! What a person does, and the event that Cognito sends of it.

use testkit::UserPool;
use testkit::user_pool::{TokenSource, User};

/// What a person did: the sign-up is the first, each later one a new password with a new address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) user: u64,
    pub(crate) number: u32,
}

impl Event {
    /// The user's sign-up.
    pub(crate) fn sign_up(user: u64) -> Self {
        Self { user, number: 0 }
    }

    pub(crate) fn address(self) -> String {
        format!("{}.{}@example.com", self.user, self.number)
    }

    /// Changes the pool's user, and returns what Cognito sends. Every tenth user asks for the same handle.
    pub(crate) fn occur(self, user_pool: &UserPool) -> String {
        let (name, address) = (name(self.user), self.address());
        if self.number > 0 {
            user_pool.change_address(&name, &address);
            return user_pool.confirm_forgot_password(&name);
        }
        let handle = if self.user.is_multiple_of(10) { "ada" } else { &name };
        user_pool.sign_up(&name, &[("email", &address), ("preferred_username", handle)]);
        user_pool.confirm(&name)
    }
}

/// The user's name in the pool.
fn name(user: u64) -> String {
    format!("person-{user}")
}

/// The pool's user.
pub(crate) fn user(user: u64, user_pool: &UserPool) -> User {
    user_pool.user(&name(user)).expect("who did something is in the pool")
}

/// The event of a token for the user.
pub(crate) fn sign_in(user: u64, user_pool: &UserPool) -> String {
    user_pool.token(&name(user), TokenSource::Authentication)
}
