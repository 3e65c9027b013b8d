//! The users, each as it is now and as `ListUsers` sees it.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::generated;
use super::key::Keys;
use super::rules::{Due, Lag, Moment, Rules};
use super::user::User;

/// A filled user costs 32 bytes until it is changed.
#[derive(Debug)]
pub(super) struct Directory {
    seed: u64,
    username_is_sub: bool,
    began_ms: u64,
    keys: Keys,
    entries: BTreeMap<u128, Entry>,
    /// Who has, or once had, a name: a username, an address or a handle. Without those of filled users.
    names: HashMap<String, Vec<u128>>,
    count: usize,
    /// How many subs were made: by [`Directory::fill`], and one by one.
    filled: u64,
    made: u64,
}

#[derive(Debug)]
enum Entry {
    /// As [`generated::user`] makes it.
    Filled(u64),
    Kept(Box<Versions>),
}

/// What `ListUsers` sees, and what it will see. None where there is no user.
#[derive(Debug, Default)]
struct Versions {
    listed: Option<Arc<User>>,
    pending: VecDeque<(Due, Option<Arc<User>>)>,
}

impl Versions {
    fn settle(&mut self, now: Moment) {
        while let Some((_, user)) = self.pending.pop_front_if(|(due, _)| due.is_past(now)) {
            self.listed = user;
        }
    }

    fn latest(&self) -> Option<Arc<User>> {
        self.pending.back().map_or(&self.listed, |(_, user)| user).clone()
    }
}

impl Directory {
    pub(super) fn new(seed: u64, username_is_sub: bool, began_ms: u64) -> Self {
        Self {
            seed,
            username_is_sub,
            began_ms,
            keys: Keys::new(seed),
            entries: BTreeMap::new(),
            names: HashMap::new(),
            count: 0,
            filled: 0,
            made: 0,
        }
    }

    pub(super) fn username_is_sub(&self) -> bool {
        self.username_is_sub
    }

    /// When the pool was made, in milliseconds since 1970.
    pub(super) fn began_ms(&self) -> u64 {
        self.began_ms
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn fill(&mut self, count: usize) {
        let first = self.filled;
        self.filled += count as u64;
        let (seed, keys) = (self.seed, &self.keys);
        let filled = (first..self.filled).map(|number| (keys.key(generated::sub(seed, number)), Entry::Filled(number)));
        self.entries.append(&mut filled.collect());
        self.count += count;
    }

    /// A new `sub`.
    pub(super) fn next_sub(&mut self) -> String {
        self.made += 1;
        // From the other end of the numbers, so that no filled user has it.
        generated::sub(self.seed, u64::MAX - self.made).to_string()
    }

    /// Keeps a new or a changed user.
    pub(super) fn put(&mut self, user: User, lag: Lag, now: Moment) {
        let key = self.keys.key(Uuid::parse_str(&user.sub).expect("a sub is a UUID"));
        for name in Self::names_of(&user) {
            let keys = self.names.entry(name).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        self.change(key, Some(user), lag, now);
    }

    pub(super) fn remove(&mut self, key: u128, lag: Lag, now: Moment) {
        self.change(key, None, lag, now);
    }

    fn names_of(user: &User) -> impl Iterator<Item = String> + use<> {
        let attributes = ["email", "phone_number", "preferred_username"].map(|name| user.get(name).map(str::to_owned));
        // A federated user has another one also where users sign in with an address.
        let username = (user.username != user.sub).then(|| user.username.clone());
        attributes.into_iter().flatten().chain(username)
    }

    fn change(&mut self, key: u128, user: Option<User>, lag: Lag, now: Moment) {
        let was = self.latest(key);
        self.count = self.count + usize::from(user.is_some()) - usize::from(was.is_some());
        let user = user.map(Arc::new);
        let slot = self.entries.entry(key);
        let Some(due) = lag.due(now) else {
            match (user, slot) {
                (None, Slot::Occupied(occupied)) => drop(occupied.remove()),
                (None, Slot::Vacant(_)) => {}
                (listed, slot) => {
                    slot.insert_entry(Entry::Kept(Box::new(Versions { listed, pending: VecDeque::new() })));
                }
            }
            return;
        };
        let entry = slot.or_insert_with(|| Entry::Kept(Box::default()));
        if let Entry::Filled(_) = entry {
            *entry = Entry::Kept(Box::new(Versions { listed: was, pending: VecDeque::new() }));
        }
        if let Entry::Kept(versions) = entry {
            versions.pending.push_back((due, user));
        }
    }

    fn generate(&self, number: u64) -> User {
        generated::user(self.seed, number, self.username_is_sub, self.began_ms)
    }

    fn latest(&self, key: u128) -> Option<Arc<User>> {
        match self.entries.get(&key)? {
            Entry::Filled(number) => Some(Arc::new(self.generate(*number))),
            Entry::Kept(versions) => versions.latest(),
        }
    }

    pub(super) fn users(&self) -> impl Iterator<Item = Arc<User>> {
        self.entries.keys().filter_map(|key| self.latest(*key))
    }

    /// The users that `ListUsers` sees from this key on, in the order of the list, and their keys. None stands for a
    /// user who cannot be seen: not yet, or no more.
    pub(super) fn listed(
        &mut self,
        range: RangeInclusive<u128>,
        now: Moment,
    ) -> impl Iterator<Item = (u128, Option<Arc<User>>)> {
        let (seed, username_is_sub, began_ms) = (self.seed, self.username_is_sub, self.began_ms);
        self.entries.range_mut(range).map(move |(key, entry)| {
            let user = match entry {
                Entry::Filled(number) => Some(Arc::new(generated::user(seed, *number, username_is_sub, began_ms))),
                Entry::Kept(versions) => {
                    versions.settle(now);
                    versions.listed.clone()
                }
            };
            (*key, user)
        })
    }

    pub(super) fn range_of_subs(&self, prefix: &str) -> RangeInclusive<u128> {
        self.keys.range(prefix)
    }

    /// The user whom a test means: by username, `sub`, or address.
    pub(super) fn find_any(&self, name: &str) -> Option<(u128, Arc<User>)> {
        self.find(name, |user| user.username == name)
            .or_else(|| self.find(name, |user| user.sub == name))
            .or_else(|| self.find(name, |user| user.get("email") == Some(name)))
    }

    /// The user whom `AdminGetUser` finds. An address is a name once it is verified.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html#user-pool-settings-aliases>
    pub(super) fn find_by_rules(&self, name: &str, rules: &Rules) -> Option<Arc<User>> {
        let is_alias = |user: &User| {
            rules.aliases.iter().any(|alias| {
                let is_verified =
                    *alias == "preferred_username" || user.get(&format!("{alias}_verified")) == Some("true");
                user.get(alias) == Some(name) && is_verified
            })
        };
        // An address to sign in with is one at once, because the username is not the person's own choice.
        let is_address = |user: &User| self.username_is_sub && user.is_local() && user.get("email") == Some(name);
        let is_sub = |user: &User| rules.sub_finds_local_users && user.is_local() && user.sub == name;
        self.find(name, |user| user.username == name)
            .or_else(|| self.find(name, |user| is_alias(user) || is_address(user)))
            .or_else(|| self.find(name, is_sub))
            .map(|(_, user)| user)
    }

    fn find(&self, name: &str, matches: impl Fn(&User) -> bool) -> Option<(u128, Arc<User>)> {
        let kept = self.names.get(name).into_iter().flatten().rev().copied();
        let filled = generated::number(name).map(|number| self.keys.key(generated::sub(self.seed, number)));
        let by_sub = Uuid::parse_str(name).ok().map(|sub| self.keys.key(sub));
        kept.chain(filled)
            .chain(by_sub)
            .find_map(|key| self.latest(key).filter(|user| matches(user)).map(|user| (key, user)))
    }
}
