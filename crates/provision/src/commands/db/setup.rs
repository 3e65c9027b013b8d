//! `provision db setup`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::create::{self, Created, create};
use super::drop::{Dropped, drop_database, question};
use super::load::{DEFAULT_TIMEOUT, Loaded, load};
use super::obstacles;
use super::properties::Properties;
use super::seed::{Seed, Seeded};
use crate::cli::Context;
use crate::error::{Problem, remedy};
use crate::prompt::Consent;
use crate::target::{MaintenanceArgs, Session, Target};
use crate::terminal::harmless;

/// Drop, create, load and seed the database
///
/// The new database has the owner, locale, privileges, settings and comment of the former one; the question names what
/// cannot be restored. Never in production.
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
    /// What the drop ends and takes along, in words.
    consequences: String,
}

impl Setup {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<SetUp> {
        let target = context.target().await?;
        let examine = async |session: &mut Session| self.examine(target, session).await;
        let former = target.with_outside_session(&self.maintenance, examine).await?;
        let ask = |former: Replaceable| anyhow::Ok((former.ask(context, target)?, former.properties));
        let former = former.map(ask).transpose()?;
        // The question may have waited for longer than a token is valid.
        let target = &target.renewed().await?;
        let replace = async |session: &mut Session| self.replace(target, session, former.as_ref()).await;
        let (drop, create, lost) = target.with_outside_session(&self.maintenance, replace).await?;
        let load = load(target, DEFAULT_TIMEOUT).await.map_err(|error| {
            stopped(&drop, "created, but not loaded", "`provision db load` and `provision db seed`", error)
        })?;
        let seed = Seed {}.run(context).await;
        let seed =
            seed.map_err(|error| stopped(&drop, "created and loaded, but not seeded", "`provision db seed`", error))?;
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
        if target.find(session).await?.is_none() {
            return Ok(None);
        }
        let consequences = obstacles::examine(target, session, self.force).await?;
        let properties = Properties::read(target, session).await?;
        Ok(properties.map(|properties| Replaceable { properties, consequences }))
    }

    /// Drops the former database, and creates the new one. Returns also what is lost.
    async fn replace(
        &self,
        target: &Target,
        session: &Session,
        former: Option<&(Consent, Properties)>,
    ) -> anyhow::Result<(Dropped, Created, Vec<String>)> {
        let (database, server) = (target.login.dbname.clone(), target.server());
        let Some((consent, properties)) = former else {
            let dropped = Dropped { database, server, dropped: false, snapshot: None };
            return Ok((dropped, create(target, session, &create::statement(target)).await?, Vec::new()));
        };
        drop_database(session, target, self.force, consent).await?;
        let dropped = Dropped { database, server, dropped: true, snapshot: None };
        let had = match properties.restorable().collect::<Vec<_>>().as_slice() {
            [] => String::new(),
            properties => format!("; it had {}", properties.join(", ")),
        };
        let created = create(target, session, &properties.statement).await.map_err(|error| {
            let problem = format!("the database {} is dropped, and not created{had}", target.name());
            Problem::new(problem, format!("create it with: {}", properties.statement)).because(error)
        })?;
        let refused = properties.restore(session).await.map_err(|error| {
            let problem = format!("the database {} is dropped and created, but not as it was{had}", target.name());
            let remedy = "restore that with psql, then run `provision db load` and `provision db seed`";
            Problem::new(problem, remedy).because(error)
        })?;
        let lost = properties.lost.iter().cloned().chain(refused).collect();
        Ok((dropped, created, lost))
    }
}

impl Replaceable {
    fn ask(&self, context: &Context, target: &Target) -> anyhow::Result<Consent> {
        let Self { properties, consequences } = self;
        let lost = match properties.lost.as_slice() {
            [] => String::new(),
            lost => format!("; the new one will not have {}", lost.join(", ")),
        };
        context.confirm(&question(target, "", &format!("{consequences}{lost}")), &target.login.dbname)
    }
}

/// The error of a later step, with what was done before.
fn stopped(drop: &Dropped, done: &str, rest: &str, error: anyhow::Error) -> anyhow::Error {
    let Dropped { database, server, dropped, .. } = drop;
    let first = if *dropped { "dropped and " } else { "" };
    let way_out = remedy(&error).unwrap_or_else(|| "correct the cause".to_owned());
    let problem = format!("the database {database} on {server} is {first}{done}");
    Problem::new(problem, format!("{way_out}; then run {rest}")).because(error).into()
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
