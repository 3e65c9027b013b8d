//! `provision db setup`

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::create::{self, Created, create};
use super::drop::{Dropped, question};
use super::load::{DEFAULT_TIMEOUT, Loaded, load};
use super::load_obstacles::{self, Loadable};
use super::obstacles;
use super::properties::Properties;
use super::replacement::Replacement;
use super::seed::{Seeded, seed};
use crate::cli::Context;
use crate::error::{Problem, remedy};
use crate::interrupt::in_spite_of_interruption;
use crate::prompt::{Consent, progress};
use crate::target::{MaintenanceArgs, Session, Target};
use crate::terminal::harmless;

/// Drop, create, load and seed the database
///
/// The new database has the owner, locale, privileges, settings and comment of the former one; the question names what
/// cannot be restored, such as the privileges of the function's role on its objects. Never in production.
#[derive(Debug, Args)]
pub(super) struct Setup {
    /// End the sessions that are open
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    maintenance: MaintenanceArgs,
}

/// The results of the four steps.
#[derive(Debug, Serialize)]
pub(super) struct SetUp {
    drop: Dropped,
    create: Created,
    load: Loaded,
    seed: Seeded,
    /// What the former database had and the new one has not, in words.
    lost: Vec<String>,
}

/// A database that this login can drop and create again.
struct Replaceable {
    properties: Properties,
    loadable: Loadable,
    is_half_dropped: bool,
    /// What the drop ends and takes along, in words.
    consequences: String,
}

/// The new database.
struct Replaced {
    drop: Dropped,
    create: Created,
    lost: Vec<String>,
    is_interrupted: bool,
}

impl Setup {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<SetUp> {
        let target = context.target().await?;
        let examine = async |session: &mut Session| self.examine(target, session).await;
        let former = target.with_outside_session(&self.maintenance, examine).await?;
        let ask = |former: Replaceable| anyhow::Ok((former.ask(context, target)?, former));
        let former = former.map(ask).transpose()?;
        // The question may have waited for longer than a token is valid.
        let target = &target.renewed().await?;
        let replace = async |session: &mut Session| self.replace(target, session, former.as_ref()).await;
        let Replaced { drop, create, lost, is_interrupted } =
            target.with_outside_session(&self.maintenance, replace).await?;
        let (created, loaded) = ("created, but not loaded", "created and loaded, but not seeded");
        let (load_and_seed, seed_only) = ("`provision db load` and `provision db seed`", "`provision db seed`");
        if is_interrupted {
            return Err(interrupted(&drop, created, load_and_seed));
        }
        let actor = former.as_ref().and_then(|(_, former)| former.loadable.actor.as_deref());
        let load = Box::pin(load(target, actor, DEFAULT_TIMEOUT, &Cell::default())).await;
        let load = load.map_err(|error| stopped(&drop, created, load_and_seed, error))?;
        let load = load.ok_or_else(|| interrupted(&drop, created, load_and_seed))?;
        let seed = seed(context, target).await.map_err(|error| stopped(&drop, loaded, seed_only, error))?;
        let seed = seed.ok_or_else(|| interrupted(&drop, loaded, seed_only))?;
        Ok(SetUp { drop, create, load, seed, lost })
    }

    /// None if the database does not exist. Fails if it must not or cannot be replaced.
    async fn examine(&self, target: &Target, session: &Session) -> anyhow::Result<Option<Replaceable>> {
        ensure!(
            !session.is_production(),
            Problem::new(
                format!("{} is in production, and setup begins with a drop", target.name()),
                "use create, load and seed one by one"
            )
        );
        let Some(found) = target.find(session).await? else { return Ok(None) };
        let consequences = obstacles::examine(target, session, self.force).await?;
        let properties = Properties::read(target, session, found.is_half_dropped).await?;
        let loadable = load_obstacles::examine(target, session).await?;
        let is_half_dropped = found.is_half_dropped;
        Ok(properties.map(|properties| Replaceable { properties, loadable, is_half_dropped, consequences }))
    }

    /// Drops the former database, and creates the new one.
    async fn replace(
        &self,
        target: &Target,
        session: &Session,
        former: Option<&(Consent, Replaceable)>,
    ) -> anyhow::Result<Replaced> {
        let (database, server) = (target.login.dbname.clone(), target.server());
        let Some((consent, former)) = former else {
            let drop = Dropped { database, server, dropped: false, snapshot: None };
            let create = create(target, session, &create::statement(target, session).await?).await?;
            return Ok(Replaced { drop, create, lost: Vec::new(), is_interrupted: false });
        };
        // What stops a drop or a load may have come while the question waited.
        let current = self.examine(target, session).await?;
        ensure!(
            current.is_none_or(|current| current.is_the_same(former)),
            Problem::new(
                format!("{} was changed meanwhile, so nothing was done", target.name()),
                "run this again: it looks at the database as it is now"
            )
        );
        let Replaceable { properties, loadable, .. } = former;
        if let Some(statements) = properties.all_shown() {
            progress(&format!("if this is cut short, these statements make {} again: {statements}", target.name()));
        }
        let replacement = Replacement { target, properties, force: self.force, consent, stage: Cell::default() };
        let (replaced, is_interrupted) =
            in_spite_of_interruption(Box::pin(replacement.run(session, &self.maintenance))).await;
        let (create, refused) = replaced?;
        let drop = Dropped { database, server, dropped: true, snapshot: None };
        let lost = properties.lost.iter().chain(&loadable.lost).cloned().chain(refused).collect();
        Ok(Replaced { drop, create, lost, is_interrupted })
    }
}

impl Replaceable {
    fn ask(&self, context: &Context, target: &Target) -> anyhow::Result<Consent> {
        let Self { properties, loadable, is_half_dropped, consequences } = self;
        let lost: Vec<_> = properties.lost.iter().chain(&loadable.lost).map(String::as_str).collect();
        let lost = match lost.as_slice() {
            [] => String::new(),
            lost => format!("; the new one will not have {}", lost.join(", ")),
        };
        // Nothing can be tried on half of a database.
        let unknown = if *is_half_dropped { "; what this login may not restore is found only afterwards" } else { "" };
        context.confirm(&question(target, "", &format!("{consequences}{lost}{unknown}")), &target.login.dbname)
    }

    /// Whether a confirmation of this is one of the other. Who is connected decides nothing.
    fn is_the_same(&self, other: &Self) -> bool {
        (&self.properties, &self.loadable) == (&other.properties, &other.loadable)
    }
}

/// The error of a later step, with what was done before.
fn stopped(drop: &Dropped, state: &str, rest: &str, error: anyhow::Error) -> anyhow::Error {
    let way_out = remedy(&error).unwrap_or_else(|| "correct the cause".to_owned());
    Problem::new(done(drop, state), format!("{way_out}; then run {rest}")).because(error).into()
}

/// The error of an interruption, with what was done before.
fn interrupted(drop: &Dropped, state: &str, rest: &str) -> anyhow::Error {
    Problem::new(format!("interrupted: {}", done(drop, state)), format!("run {rest}")).into()
}

fn done(drop: &Dropped, state: &str) -> String {
    let Dropped { database, server, dropped, .. } = drop;
    let first = if *dropped { "dropped and " } else { "" };
    format!("the database {database} on {server} is {first}{state}")
}

impl Display for SetUp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { drop, create, load, seed, lost } = self;
        write!(f, "{}\n{}\n", harmless(drop), harmless(create))?;
        if !lost.is_empty() {
            writeln!(f, "the new database lacks {}", harmless(lost.join(", ")))?;
        }
        write!(f, "{load}\n{}", harmless(seed))
    }
}
