//! What must hold in every state, and what some state must show.

use stateright::Property;

use crate::rules::Rules;
use crate::table::Address;
use crate::user::{Pool, User};
use crate::world::{Design, World};

/// Never lost: whose confirmation or sign-in was answered as if the row were there has it, or it waits in the queue or
/// among the dead letters.
pub const NEVER_LOST: &str = "never lost";
/// Repaired: when nothing is on its way, one reconciliation makes the table the pool.
pub const REPAIRED: &str = "repaired";
/// Never doubled: a user has one row at most, and an event one message.
pub const NEVER_DOUBLED: &str = "never doubled";
/// Never raised: a user who is deleted and forgotten has no row, and no event from before a forgetting makes one.
pub const NEVER_RAISED: &str = "never raised from the dead";
/// Newest wins: no row goes back to an address that is older than one that the database was asked to store.
pub const NEWEST_WINS: &str = "the newest wins";
/// Verified stays: no row loses a verified address to an unverified one.
pub const VERIFIED_STAYS: &str = "verified stays";

pub(crate) fn all() -> Vec<Property<Design>> {
    vec![
        Property::always(NEVER_LOST, |_, world: &World| world.users.iter().all(is_kept)),
        Property::always(REPAIRED, |design: &Design, world: &World| {
            world.users.iter().all(|user| !user.is_quiet() || is_right(&reconciled(user, design.rules)))
        }),
        Property::always(NEVER_DOUBLED, |_, world: &World| world.users.iter().all(is_single)),
        Property::always(NEVER_RAISED, |_, world: &World| world.users.iter().all(is_at_rest)),
        Property::always(NEWEST_WINS, |_, world: &World| world.users.iter().all(has_newest)),
        Property::always(VERIFIED_STAYS, |_, world: &World| world.users.iter().all(has_verified)),
        Property::sometimes("an event waits in the queue", |_, world: &World| {
            world.users.iter().any(|user| user.is_promised && !user.queue.is_empty())
        }),
        Property::sometimes("an event waits among the dead letters", |_, world: &World| {
            world.users.iter().any(|user| user.is_promised && !user.dead_letters.is_empty())
        }),
        Property::sometimes("a message is older than the row and differs from it", |_, world: &World| {
            world.users.iter().any(|user| {
                let rows = user.table.rows.iter();
                rows.zip(&user.queue).any(|(row, message)| {
                    message.event.as_of < row.as_of && !message.event.address.is_same(row.address)
                })
            })
        }),
        Property::sometimes("a message outlives its user", |_, world: &World| {
            world.users.iter().any(|user| user.is_gone && !user.queue.is_empty())
        }),
        Property::sometimes("a user who was forgotten is back", |_, world: &World| {
            world.users.iter().any(|user| user.table.tombstone.is_some() && !user.table.rows.is_empty())
        }),
        Property::sometimes("each user has a message", |_, world: &World| {
            world.users.iter().all(|user| !user.queue.is_empty())
        }),
    ]
}

fn is_kept(user: &User) -> bool {
    let is_waiting = !user.queue.is_empty() || !user.dead_letters.is_empty();
    !user.is_promised || is_waiting || !user.table.rows.is_empty()
}

/// The user after a reconciliation that nothing disturbs.
fn reconciled(user: &User, rules: Rules) -> User {
    let mut after = user.clone();
    if let Some(finding) = after.finding(after.address()) {
        after.repair(finding, after.now(), rules);
    }
    after
}

fn is_right(user: &User) -> bool {
    match (user.pool, user.table.rows.as_slice()) {
        (Pool::Confirmed(address), [row]) => {
            row.address.is_same(address) || row.address.is_verified && !address.is_verified
        }
        (Pool::Unknown | Pool::Deleted, []) => true,
        _ => false,
    }
}

fn is_single(user: &User) -> bool {
    let waiting = user.queue.iter().map(|message| &message.event).chain(&user.dead_letters);
    let mut times: Vec<_> = waiting.map(|event| event.as_of).collect();
    let messages = times.len();
    times.sort_unstable();
    times.dedup();
    user.table.rows.len() <= 1 && times.len() == messages
}

fn is_at_rest(user: &User) -> bool {
    let rows = &user.table.rows;
    let is_old = user.table.tombstone.is_some_and(|forgotten| rows.iter().any(|row| row.as_of <= forgotten));
    (rows.is_empty() || !user.is_gone) && !is_old
}

fn has_newest(user: &User) -> bool {
    let is_older = |address: &Address| {
        user.newest.is_some_and(|newest| newest.email != address.email && newest.version > address.version)
    };
    !user.table.rows.iter().any(|row| is_older(&row.address))
}

fn has_verified(user: &User) -> bool {
    let is_verified = user.newest.is_some_and(|newest| newest.is_verified);
    user.table.rows.iter().all(|row| row.address.is_verified || !is_verified)
}
