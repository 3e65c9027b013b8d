//! Users and ids made from the seed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::user::{Status, User};

const DOMAIN: &str = "@example.com";
const USER: &str = "user-";
const HANDLE: &str = "handle-";
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// `SplitMix64`: well mixed bits of two numbers. <https://prng.di.unimi.it/splitmix64.c>
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The `sub` of the n-th user, filled or not.
pub(super) fn sub(seed: u64, number: u64) -> Uuid {
    let half = |part| mix(mix(seed, part), number);
    uuid::Builder::from_random_bytes(Uuid::from_u64_pair(half(1), half(2)).into_bytes()).into_uuid()
}

/// The n-th user of a filled pool: confirmed, with a verified address. Every eighth has no `preferred_username`.
pub(super) fn user(seed: u64, number: u64, username_is_sub: bool, now_ms: u64) -> User {
    let sub = sub(seed, number).to_string();
    let mut attributes = BTreeMap::from([
        ("sub".to_owned(), sub.clone()),
        ("email".to_owned(), format!("{USER}{number}{DOMAIN}")),
        ("email_verified".to_owned(), "true".to_owned()),
        ("name".to_owned(), format!("User {number}")),
    ]);
    if number % 8 != 7 {
        attributes.insert("preferred_username".to_owned(), format!("{HANDLE}{number}"));
    }
    let created_ms = now_ms - 1 - mix(seed ^ number, 3) % YEAR_MS;
    User {
        username: if username_is_sub { sub.clone() } else { format!("{USER}{number}") },
        sub,
        status: Status::Confirmed,
        enabled: true,
        attributes,
        created_ms,
        modified_ms: created_ms,
    }
}

/// The number of the filled user to whom a username, a handle or an address belongs, unless it was changed.
pub(super) fn number(name: &str) -> Option<u64> {
    let name = name.strip_suffix(DOMAIN).unwrap_or(name);
    name.strip_prefix(USER).or_else(|| name.strip_prefix(HANDLE))?.parse().ok()
}
