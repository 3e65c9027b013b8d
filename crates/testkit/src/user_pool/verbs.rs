//! What people, administrators and identity providers do.
//!
//! A verb that fires the PostConfirmation trigger returns its event. The others do not: AWS's table of trigger sources
//! has no other.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-identity-pools-working-with-lambda-trigger-sources.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::rules::Moment;
use super::trigger::{self, TokenSource};
use super::user::{Status, User};
use super::{State, UserPool};

/// Each verb panics when there is no such user, or one whose status does not permit it: the test is wrong then. A user
/// is named by username, `sub` or address. Every change renews `UserLastModifiedDate`.
impl UserPool {
    /// Fills the pool with more users: confirmed, with verified addresses, made from the seed and listed at once. Their
    /// names are `user-0`, `user-1` and so on, unless the username is the `sub`; their addresses `user-0@example.com`.
    pub fn fill(&self, count: usize) {
        self.state().directory.fill(count);
    }

    /// `SignUp`: UNCONFIRMED. `name` is the address where users sign in with it.
    #[track_caller]
    pub fn sign_up(&self, name: &str, attributes: &[(&str, &str)]) -> User {
        self.state().create(name, Status::Unconfirmed, attributes)
    }

    /// `ConfirmSignUp` with the code from the e-mail: CONFIRMED, and the address is verified.
    #[track_caller]
    pub fn confirm(&self, name: &str) -> String {
        self.confirm_as(name, true)
    }

    /// `AdminConfirmSignUp`: CONFIRMED, and the address is not verified.
    #[track_caller]
    pub fn admin_confirm(&self, name: &str) -> String {
        self.confirm_as(name, false)
    }

    #[track_caller]
    fn confirm_as(&self, name: &str, verifies: bool) -> String {
        let mut state = self.state();
        let user = state.change(name, |user| {
            assert_eq!(user.status, Status::Unconfirmed, "only an unconfirmed user can be confirmed");
            user.status = Status::Confirmed;
            if verifies && user.get("email").is_some() {
                user.set("email_verified", "true");
            }
        });
        trigger::post_confirmation(&state.id, "ConfirmSignUp", &user)
    }

    /// `ConfirmForgotPassword` with the code from the e-mail: CONFIRMED, and the address is verified.
    #[track_caller]
    pub fn confirm_forgot_password(&self, name: &str) -> String {
        let mut state = self.state();
        let user = state.change(name, |user| {
            let may = matches!(user.status, Status::Confirmed | Status::ResetRequired);
            assert!(may, "a user who is {} has no password to forget", user.status);
            user.status = Status::Confirmed;
            if user.get("email").is_some() {
                user.set("email_verified", "true");
            }
        });
        trigger::post_confirmation(&state.id, "ConfirmForgotPassword", &user)
    }

    /// `AdminCreateUser`: `FORCE_CHANGE_PASSWORD`. The first sign-in is [`TokenSource::NewPasswordChallenge`].
    #[track_caller]
    pub fn admin_create(&self, name: &str, attributes: &[(&str, &str)]) -> User {
        self.state().create(name, Status::ForceChangePassword, attributes)
    }

    /// `AdminSetUserPassword` with `Permanent`: CONFIRMED.
    #[track_caller]
    pub fn set_password(&self, name: &str) {
        self.state().change(name, |user| {
            assert!(user.is_local(), "the pool does not keep the password of a federated user");
            user.status = Status::Confirmed;
        });
    }

    /// An import job: `RESET_REQUIRED`.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-using-import-tool.html>
    #[track_caller]
    pub fn import(&self, name: &str, attributes: &[(&str, &str)]) -> User {
        self.state().create(name, Status::ResetRequired, attributes)
    }

    /// The user migration trigger with the final status CONFIRMED.
    #[track_caller]
    pub fn migrate(&self, name: &str, attributes: &[(&str, &str)]) -> User {
        self.state().create(name, Status::Confirmed, attributes)
    }

    /// A federated sign-in: `EXTERNAL_PROVIDER`, with the attributes that the provider sends. Only the first one fires
    /// the trigger; each later one writes the attributes again.
    #[track_caller]
    pub fn federated(&self, provider: &str, id: &str, attributes: &[(&str, &str)]) -> Option<String> {
        let username = format!("{}_{id}", provider.to_lowercase());
        let mut state = self.state();
        if state.directory.find_any(&username).is_some() {
            state.change(&username, |user| attributes.iter().for_each(|(name, value)| user.set(name, value)));
            return None;
        }
        let identities = Value::from(vec![identity(provider, id, true, state.clock.now_ms())]).to_string();
        let attributes: Vec<_> = attributes.iter().copied().chain([("identities", identities.as_str())]).collect();
        let user = state.create_named(username, Status::ExternalProvider, &attributes, None);
        Some(trigger::post_confirmation(&state.id, "ConfirmSignUp", &user))
    }

    /// `AdminLinkProviderForUser`: the provider's sign-ins lead to this local user from now on.
    #[track_caller]
    pub fn link(&self, name: &str, provider: &str, id: &str) {
        let mut state = self.state();
        let now_ms = state.clock.now_ms();
        state.change(name, |user| {
            let linked = user.get("identities").and_then(|identities| serde_json::from_str(identities).ok());
            let mut identities: Vec<Value> = linked.unwrap_or_default();
            identities.push(identity(provider, id, false, now_ms));
            user.set("identities", &Value::from(identities).to_string());
        });
    }

    /// A new `preferred_username`.
    #[track_caller]
    pub fn rename(&self, name: &str, preferred_username: &str) {
        self.state().change(name, |user| user.set("preferred_username", preferred_username));
    }

    /// A new address, which is not verified until [`verify`](Self::verify).
    #[track_caller]
    pub fn change_address(&self, name: &str, email: &str) {
        self.state().change(name, |user| {
            user.set("email", email);
            user.set("email_verified", "false");
        });
    }

    /// `VerifyUserAttribute` for the address.
    #[track_caller]
    pub fn verify(&self, name: &str) {
        self.state().change(name, |user| {
            assert!(user.get("email").is_some(), "there is no address to verify");
            user.set("email_verified", "true");
        });
    }

    /// `AdminDisableUser`.
    #[track_caller]
    pub fn disable(&self, name: &str) {
        self.state().change(name, |user| user.enabled = false);
    }

    /// `AdminEnableUser`.
    #[track_caller]
    pub fn enable(&self, name: &str) {
        self.state().change(name, |user| user.enabled = true);
    }

    /// `AdminDeleteUser`, or `DeleteUser`. A user who signs up again under the name has another `sub`.
    #[track_caller]
    pub fn delete(&self, name: &str) {
        let mut state = self.state();
        let (key, _) = state.find(name);
        let (lag, now) = (state.rules.lag, state.moment());
        state.directory.remove(key, lag, now);
    }

    /// The event of the pre token generation trigger when the user gets tokens in this way. After an administrator's
    /// temporary password, [`TokenSource::NewPasswordChallenge`] makes the user CONFIRMED.
    #[track_caller]
    pub fn token(&self, name: &str, source: TokenSource) -> String {
        let mut state = self.state();
        let (_, mut user) = state.find(name);
        assert!(user.enabled, "a disabled user gets no token");
        if source == TokenSource::NewPasswordChallenge {
            assert_eq!(user.status, Status::ForceChangePassword, "there is no challenge without a temporary password");
            user = Arc::new(state.change(name, |user| user.status = Status::Confirmed));
        }
        let may = matches!(user.status, Status::Confirmed | Status::ExternalProvider);
        assert!(may, "a user who is {} gets no token", user.status);
        trigger::token_generation(&state.id, source, &user, state.rules.token_event_version)
    }
}

impl State {
    pub(super) fn moment(&self) -> Moment {
        Moment { instant: tokio::time::Instant::now(), requests: self.traffic.list_requests() }
    }

    #[track_caller]
    fn find(&self, name: &str) -> (u128, Arc<User>) {
        self.directory.find_any(name).unwrap_or_else(|| panic!("the pool has no user {name:?}"))
    }

    #[track_caller]
    fn create(&mut self, name: &str, status: Status, attributes: &[(&str, &str)]) -> User {
        assert!(self.directory.find_any(name).is_none(), "the pool has a user {name:?} already");
        if self.directory.username_is_sub() {
            assert!(name.contains('@'), "users of this pool sign in with an e-mail address");
            let sub = self.directory.next_sub();
            let attributes: Vec<_> = [("email", name)].into_iter().chain(attributes.iter().copied()).collect();
            return self.create_named(sub.clone(), status, &attributes, Some(sub));
        }
        self.create_named(name.to_owned(), status, attributes, None)
    }

    fn create_named(
        &mut self,
        username: String,
        status: Status,
        attributes: &[(&str, &str)],
        sub: Option<String>,
    ) -> User {
        let sub = sub.unwrap_or_else(|| self.directory.next_sub());
        let now_ms = self.clock.now_ms();
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut attributes: BTreeMap<_, _> = attributes.chain([("sub".to_owned(), sub.clone())]).collect();
        for address in ["email", "phone_number"] {
            if attributes.contains_key(address) {
                attributes.entry(format!("{address}_verified")).or_insert_with(|| "false".to_owned());
            }
        }
        let user = User { username, sub, status, enabled: true, attributes, created_ms: now_ms, modified_ms: now_ms };
        let (lag, now) = (self.rules.lag, self.moment());
        self.directory.put(user.clone(), lag, now);
        user
    }

    #[track_caller]
    fn change(&mut self, name: &str, change: impl FnOnce(&mut User)) -> User {
        let (_, user) = self.find(name);
        let mut user = User::clone(&user);
        change(&mut user);
        // Two changes within a millisecond have two dates all the same.
        user.modified_ms = self.clock.now_ms().max(user.modified_ms + 1);
        let (lag, now) = (self.rules.lag, self.moment());
        self.directory.put(user.clone(), lag, now);
        user
    }
}

/// An entry of `identities`.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-identity-federation-consolidate-users.html>
fn identity(provider: &str, id: &str, is_primary: bool, now_ms: u64) -> Value {
    json!({
        "userId": id,
        "providerName": provider,
        "providerType": provider,
        "issuer": null,
        "primary": is_primary,
        "dateCreated": now_ms,
    })
}
