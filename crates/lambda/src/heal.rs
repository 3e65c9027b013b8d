//! What spares the database at a sign-in: the users who were right a moment ago, and a breaker while it fails.
//!
//! Ages count by the wall clock, because the monotonic one may stand still while Lambda has frozen the process. Where the
//! wall clock was set back, an age is unknown, and the database is asked.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use cognito::Event;

/// How long a user counts as right after the database has said so. A row that is deleted meanwhile is made again after
/// it.
const REMEMBERED: Duration = Duration::from_mins(5);

/// The most users that are remembered: some 550 kB.
const MOST_REMEMBERED: usize = 10_000;

/// Failures in a row after which the database is not asked.
const FAILURES: u32 = 3;

/// How long it is not asked then. After it, one sign-in tries.
const PAUSE: Duration = Duration::from_secs(30);

/// What the function knows from the sign-ins before.
#[derive(Debug, Default)]
pub(crate) struct Heals {
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct State {
    /// With which attributes each user was right, and when. Only the last ones: a user who goes back to others is asked
    /// about, as the row has followed meanwhile.
    right: HashMap<u64, Right>,
    failures: u32,
    failed: Option<SystemTime>,
}

/// A user's row was right.
#[derive(Clone, Copy, Debug)]
struct Right {
    attributes: u64,
    at: SystemTime,
}

/// What to do at a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Ask the database.
    Ask,
    /// Nothing: the user was right a moment ago.
    Known,
    /// Nothing: the database has failed a moment ago.
    Skip,
}

impl Heals {
    /// Advises on this sign-in. Whoever is told to ask, and does so, reports how it ended.
    pub(crate) fn advise(&self, event: &Event, now: SystemTime) -> Advice {
        let (user, attributes) = self.fingerprint(event);
        let mut state = self.state();
        let right = state.right.get(&user).filter(|right| right.attributes == attributes);
        if is_within(REMEMBERED, right.map(|right| right.at), now) {
            return Advice::Known;
        }
        // Even a failure may change the row.
        state.right.remove(&user);
        if state.failures >= FAILURES {
            if is_within(PAUSE, state.failed, now) {
                return Advice::Skip;
            }
            // Only one tries: any other at the same time finds the pause begun anew.
            state.failed = Some(now);
        }
        Advice::Ask
    }

    /// Remembers that the user's row was right.
    pub(crate) fn was_right(&self, event: &Event, now: SystemTime) {
        let (user, attributes) = self.fingerprint(event);
        let mut state = self.state();
        state.remember(user, Right { attributes, at: now });
        state.failures = 0;
    }

    /// Forgets the user, whose row another event may have changed.
    pub(crate) fn forget(&self, event: &Event) {
        let (user, _) = self.fingerprint(event);
        self.state().right.remove(&user);
    }

    /// Remembers that the database answered, though not about this user.
    pub(crate) fn answered(&self) {
        self.state().failures = 0;
    }

    /// Remembers that the database failed.
    pub(crate) fn failed(&self, now: SystemTime) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.failed = Some(now);
    }

    /// The user, and all that may decide about the row: another address, verified or not, and any other attribute is another
    /// fingerprint. Nothing of it can be read back. Two users share one with a chance of one in 10¹⁵, for as long as both are
    /// remembered, and then they must have the same attributes too.
    fn fingerprint(&self, event: &Event) -> (u64, u64) {
        (self.hasher.hash_one(event.attributes.get("sub")), self.hasher.hash_one(&event.attributes))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is locked")
    }
}

impl State {
    fn remember(&mut self, user: u64, right: Right) {
        if self.right.len() >= MOST_REMEMBERED {
            self.right.retain(|_, former| is_within(REMEMBERED, Some(former.at), right.at));
        }
        // Rare, and costs a read for each of them.
        if self.right.len() >= MOST_REMEMBERED {
            self.right.clear();
        }
        self.right.insert(user, right);
    }
}

/// Returns whether it was so short a time ago.
fn is_within(limit: Duration, moment: Option<SystemTime>, now: SystemTime) -> bool {
    moment.and_then(|moment| now.duration_since(moment).ok()).is_some_and(|age| age < limit)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn user(sub: &str, email: &str, verified: &str) -> Event {
        let attributes = json!({"sub": sub, "email": email, "email_verified": verified});
        let event = json!({
            "triggerSource": "TokenGeneration_RefreshTokens",
            "request": {"userAttributes": attributes},
        });
        let event = RawValue::from_string(event.to_string()).expect("a value is JSON");
        Event::parse(&event).expect("it has a trigger source")
    }

    fn ada() -> Event {
        user("a", "ada@example.com", "true")
    }

    /// The number of sign-ins of different users that are told to ask.
    fn asking(heals: &Heals, now: SystemTime) -> usize {
        let advice = |number: usize| heals.advise(&user(&number.to_string(), "", "false"), now);
        (0..100).filter(|&number| advice(number) == Advice::Ask).count()
    }

    #[test]
    fn a_user_who_was_right_is_known_for_five_minutes() {
        let heals = Heals::default();
        assert_eq!(heals.advise(&ada(), at(0)), Advice::Ask);
        heals.was_right(&ada(), at(0));
        assert_eq!(heals.advise(&ada(), at(299)), Advice::Known);
        assert_eq!(heals.advise(&ada(), at(300)), Advice::Ask);
    }

    #[test]
    fn another_address_and_another_verification_are_asked_about_at_once() {
        let heals = Heals::default();
        heals.was_right(&ada(), at(0));
        for (sub, email, verified) in [
            ("a", "countess@example.com", "true"),
            ("a", "ada@example.com", "false"),
            ("b", "ada@example.com", "true"),
            ("a", "", "true"),
        ] {
            let event = user(sub, email, verified);
            assert_eq!(heals.advise(&event, at(1)), Advice::Ask, "{sub} {email} {verified}");
        }
    }

    #[test]
    fn a_user_who_goes_back_to_former_attributes_is_asked_about() {
        let (heals, other) = (Heals::default(), user("a", "countess@example.com", "true"));
        heals.was_right(&ada(), at(0));
        heals.was_right(&other, at(1));
        assert_eq!(heals.advise(&ada(), at(2)), Advice::Ask);
        heals.was_right(&ada(), at(2));
        assert_eq!(heals.advise(&other, at(3)), Advice::Ask, "and it may fail after the row has changed");
        assert_eq!(heals.advise(&ada(), at(4)), Advice::Ask);
    }

    #[test]
    fn a_user_who_is_forgotten_is_asked_about() {
        let (heals, grace) = (Heals::default(), user("b", "grace@example.com", "true"));
        heals.was_right(&ada(), at(0));
        heals.was_right(&grace, at(0));
        heals.forget(&user("a", "countess@example.com", "true"));
        assert_eq!(heals.advise(&ada(), at(1)), Advice::Ask);
        assert_eq!(heals.advise(&grace, at(1)), Advice::Known, "others are not forgotten");
    }

    #[test]
    fn an_age_that_the_clock_cannot_tell_is_no_reason_to_know_or_to_skip() {
        let heals = Heals::default();
        heals.was_right(&ada(), at(100));
        assert_eq!(heals.advise(&ada(), at(99)), Advice::Ask);
        for _ in 0..FAILURES {
            heals.failed(at(100));
        }
        assert_eq!(asking(&heals, at(99)), 1);
    }

    #[test]
    fn after_three_failures_in_a_row_none_asks_for_30_s_and_then_one_does() {
        let heals = Heals::default();
        for failures in 0..FAILURES {
            assert_eq!(asking(&heals, at(0)), 100, "after {failures} failures");
            heals.failed(at(0));
        }
        assert_eq!(asking(&heals, at(0)), 0);
        assert_eq!(asking(&heals, at(29)), 0);
        assert_eq!(asking(&heals, at(30)), 1, "one tries");
        heals.failed(at(31));
        assert_eq!(asking(&heals, at(60)), 0, "a failure begins the pause again");
        assert_eq!(asking(&heals, at(61)), 1);
        heals.was_right(&ada(), at(61));
        assert_eq!(asking(&heals, at(61)), 100, "a success ends it");
    }

    #[test]
    fn failures_that_are_not_in_a_row_open_nothing() {
        let heals = Heals::default();
        for _ in 0..10 {
            heals.failed(at(0));
            heals.failed(at(0));
            heals.answered();
        }
        assert_eq!(asking(&heals, at(0)), 100);
    }

    #[test]
    fn a_known_user_is_known_while_the_database_fails() {
        let heals = Heals::default();
        heals.was_right(&ada(), at(0));
        (0..FAILURES).for_each(|_| heals.failed(at(0)));
        assert_eq!(heals.advise(&ada(), at(1)), Advice::Known);
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_old_ones_first() {
        const MOST: u64 = MOST_REMEMBERED as u64;
        let mut state = State::default();
        let right = |seconds| Right { attributes: 0, at: at(seconds) };
        (0..MOST / 2).for_each(|user| state.remember(user, right(0)));
        (MOST / 2..MOST).for_each(|user| state.remember(user, right(200)));
        state.remember(MOST, right(400));
        assert_eq!(state.right.len(), MOST_REMEMBERED / 2 + 1, "those of 400 s ago are forgotten");
        for user in 0..3 * MOST {
            state.remember(user, right(400));
            assert!(state.right.len() <= MOST_REMEMBERED);
        }
    }
}
