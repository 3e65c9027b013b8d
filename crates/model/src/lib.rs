//! A state model of the design: Cognito's calls, the function, the database, the queue, the replay, sign-ins,
//! reconciliations and deletions, for a user or two. A checker visits every state, so every order of events within the
//! bounds. `docs/guarantee.md` says what the model covers.
//!
//! It states the rules in its own words and shares no code with the programs. [`Rules::without`] takes one of them out,
//! which breaks a property: so each rule is needed.
//!
//! | File | Content |
//! |---|---|
//! | `rules.rs` | The rules |
//! | `property.rs` | What must hold in every state |
//! | `world.rs` | The state, the bounds, and the model for the checker |
//! | `user.rs` | One user: in the pool, on the way, in the database |
//! | `table.rs` | The contract with the database |
//! | `action.rs` | What can happen, and when |
//! | `effect.rs` | What it does |
//!
//! Between the time of an event, `as_of`, and its effect, anything else may happen. The effect itself is one action,
//! since the database has it in one transaction.

mod action;
mod effect;
mod property;
mod rules;
mod table;
mod user;
mod world;

pub use self::action::{Action, Reached};
pub use self::property::{NEVER_DOUBLED, NEVER_LOST, NEVER_RAISED, NEWEST_WINS, REPAIRED, VERIFIED_STAYS};
pub use self::rules::{Rule, Rules};
pub use self::table::{Address, Event};
pub use self::user::Message;
pub use self::world::{Bounds, Design, Limits, World};
