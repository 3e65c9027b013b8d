//! What happens to the users of a pool, and to the trigger's calls.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::user_pool::TokenSource;

/// The people. The last two sign in through an identity provider.
pub(super) const PEOPLE: [&str; 8] = ["ada", "grace", "alan", "edsger", "barbara", "user-3", "lise", "emmy"];

/// The first person who signs in through an identity provider.
pub(super) const FIRST_FEDERATED: usize = 6;

/// Few, so that they come again.
pub(super) const ADDRESSES: [&str; 5] =
    ["a@example.com", "b@example.com", "Grace@example.com", "d@example.com", "user-3@example.com"];

/// Two look alike, and two are usernames too.
pub(super) const HANDLES: [&str; 4] = ["ada", "Ada", "countess", "handle-3"];

/// All of one history.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) climate: Climate,
    pub(super) steps: Vec<Step>,
    /// A run that is disturbed, if there is one.
    pub(super) disturbed: Option<Disturbed>,
    /// Whether an hour passes before the run that is not disturbed.
    pub(super) is_late: bool,
}

/// How the pool answers.
#[derive(Clone, Debug)]
pub(super) struct Climate {
    pub(super) seed: u64,
    /// Whether the users sign in with an address.
    pub(super) has_address_names: bool,
    /// More users, so that there are more pages.
    pub(super) filled: usize,
    pub(super) short_pages: u64,
    /// In requests of `ListUsers`.
    pub(super) lag: u64,
    pub(super) sub_finds_local_users: bool,
    /// Which of the tables there is.
    pub(super) table: usize,
}

/// A run while the pool and the rows change.
#[derive(Clone, Debug)]
pub(super) struct Disturbed {
    pub(super) is_dry_run: bool,
    pub(super) forgets: bool,
    pub(super) incidents: Vec<Incident>,
    /// After how many polls of its future a process is killed, one after the other.
    pub(super) kills: Vec<usize>,
}

/// Something that happens at a request of a run.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    /// The request, counted from 1 over all processes of the run.
    pub(super) request: usize,
    /// Whether it happens after the pool's answer, and not before.
    pub(super) is_after: bool,
    pub(super) trouble: Trouble,
}

#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Steps(Vec<Step>),
    TokensExpire,
    Throttled(usize),
    Fails(usize),
    CredentialsExpire,
}

/// One step. What the pool does not permit at this moment is left out.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Begins(usize, Origin, Profile, Call),
    Confirms(usize, Call),
    IsConfirmed(usize, Call),
    ForgetsPassword(usize, Call),
    ChangesPassword(usize, Call),
    GetsPassword(usize),
    IsLinked(usize),
    IsRenamed(usize, usize),
    Moves(usize, usize),
    Verifies(usize),
    IsDisabled(usize),
    IsEnabled(usize),
    IsDeleted(usize),
    /// The application deletes the user in the pool, and then the row.
    Leaves(usize),
    GetsToken(usize, TokenSource, Call),
    /// A new address, its verification, back again, and a token.
    Wavers(usize, usize),
    /// The oldest call that is delayed arrives.
    Arrives,
    /// An hour passes.
    Hour,
}

/// How a user comes into the pool.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    SignUp,
    AdminCreate,
    Import,
    Migration,
    Federation,
}

/// The attributes at the begin, as indexes of [`ADDRESSES`] and [`HANDLES`].
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) address: Option<usize>,
    pub(super) is_verified: bool,
    pub(super) handle: Option<usize>,
}

/// What becomes of a call of the trigger.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Answered,
    Lost,
    /// Its transaction is rolled back.
    Failed,
    Doubled,
    /// It reaches the function later.
    Delayed,
    /// The function has it, and its statement reaches the server later.
    Stalled,
}

pub(super) fn any_history() -> impl Strategy<Value = History> {
    (climate(), vec(step(), 0..40), option::weighted(0.6, disturbed()), prop::bool::weighted(0.7))
        .prop_map(|(climate, steps, disturbed, is_late)| History { climate, steps, disturbed, is_late })
}

fn climate() -> impl Strategy<Value = Climate> {
    let filled = prop_oneof![4 => Just(0), 1 => 61..140_usize];
    let lag = prop_oneof![2 => Just(0), 1 => 1..6_u64];
    (any::<u64>(), any::<bool>(), filled, 0..3_u64, lag, any::<bool>(), 0..2_usize).prop_map(
        |(seed, has_address_names, filled, short_pages, lag, sub_finds_local_users, table)| Climate {
            seed,
            has_address_names,
            filled,
            short_pages,
            lag,
            sub_finds_local_users,
            table,
        },
    )
}

fn disturbed() -> impl Strategy<Value = Disturbed> {
    let kills = vec(prop_oneof![3 => 1..60_usize, 1 => 60..400_usize], 0..3);
    (prop::bool::weighted(0.25), any::<bool>(), vec(incident(), 0..8), kills).prop_map(
        |(is_dry_run, forgets, incidents, kills)| Disturbed {
            is_dry_run,
            forgets: forgets && !is_dry_run,
            incidents,
            kills,
        },
    )
}

fn incident() -> impl Strategy<Value = Incident> {
    let trouble = prop_oneof![
        12 => vec(step(), 1..5).prop_map(Trouble::Steps),
        2 => Just(Trouble::TokensExpire),
        2 => (1..3_usize).prop_map(Trouble::Throttled),
        2 => (1..3_usize).prop_map(Trouble::Fails),
        1 => Just(Trouble::CredentialsExpire),
    ];
    (2..25_usize, any::<bool>(), trouble).prop_map(|(request, is_after, trouble)| Incident {
        request,
        is_after,
        trouble,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let person = || 0..PEOPLE.len();
    let address = || 0..ADDRESSES.len();
    prop_oneof![
        8 => (person(), origin(), profile(), call()).prop_map(|(p, origin, profile, call)| Step::Begins(p, origin, profile, call)),
        6 => (person(), call()).prop_map(|(p, call)| Step::Confirms(p, call)),
        2 => (person(), call()).prop_map(|(p, call)| Step::IsConfirmed(p, call)),
        2 => (person(), call()).prop_map(|(p, call)| Step::ForgetsPassword(p, call)),
        1 => (person(), call()).prop_map(|(p, call)| Step::ChangesPassword(p, call)),
        1 => person().prop_map(Step::GetsPassword),
        1 => person().prop_map(Step::IsLinked),
        2 => (person(), 0..HANDLES.len()).prop_map(|(p, handle)| Step::IsRenamed(p, handle)),
        4 => (person(), address()).prop_map(|(p, address)| Step::Moves(p, address)),
        4 => person().prop_map(Step::Verifies),
        1 => person().prop_map(Step::IsDisabled),
        1 => person().prop_map(Step::IsEnabled),
        3 => person().prop_map(Step::IsDeleted),
        2 => person().prop_map(Step::Leaves),
        6 => (person(), select(TokenSource::ALL.to_vec()), call()).prop_map(|(p, source, call)| Step::GetsToken(p, source, call)),
        2 => (person(), address()).prop_map(|(p, address)| Step::Wavers(p, address)),
        3 => Just(Step::Arrives),
        1 => Just(Step::Hour),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        4 => Just(Origin::SignUp),
        1 => Just(Origin::AdminCreate),
        1 => Just(Origin::Import),
        1 => Just(Origin::Migration),
        2 => Just(Origin::Federation),
    ]
}

fn profile() -> impl Strategy<Value = Profile> {
    (option::weighted(0.8, 0..ADDRESSES.len()), any::<bool>(), option::weighted(0.6, 0..HANDLES.len()))
        .prop_map(|(address, is_verified, handle)| Profile { address, is_verified, handle })
}

/// A fifth is lost, and a fifth comes twice, late or to nothing.
fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        12 => Just(Call::Answered),
        4 => Just(Call::Lost),
        1 => Just(Call::Failed),
        1 => Just(Call::Doubled),
        1 => Just(Call::Delayed),
        1 => Just(Call::Stalled),
    ]
}
