//! The maintenance database: the one to connect to while another one is created or dropped.

use anyhow::ensure;
use clap::Args;
use db::{Error, Kind, Login, parse_identifier};

use super::{Session, Target};
use crate::error::Problem;

/// The databases that are tried, in this order. `createdb` and `dropdb` try the first two, and some hosted servers have the
/// third in place of the first.
/// <https://www.postgresql.org/docs/current/app-dropdb.html>,
/// <https://github.com/lightningdevkit/vss-server/issues/70>
const USUAL: [&str; 3] = ["postgres", "template1", "defaultdb"];

/// The option that names it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct MaintenanceArgs {
    /// Database to connect to meanwhile; without it postgres, template1 or defaultdb: the first that accepts the login
    #[arg(long, value_name = "NAME")]
    maintenance_db: Option<String>,
}

impl MaintenanceArgs {
    /// Opens a session on the server of the target's database, outside that database.
    pub(super) async fn open(&self, target: &Target) -> anyhow::Result<Session> {
        let dbname = &target.login.dbname;
        if let Some(name) = &self.maintenance_db {
            return open_named(target, &parse_identifier("--maintenance-db", name)?).await;
        }
        let mut failures = Vec::new();
        for name in USUAL.iter().filter(|name| *name != dbname) {
            match target.open(in_database(target, name)).await {
                Err(error) if is_about_database(&error) => failures.push((name, error)),
                opened => return opened,
            }
        }
        let problem = format!("no database to connect to while {} is created or dropped", target.name());
        // Refused for each database, the login is refused for a reason of its own.
        if failures.iter().all(|(_, error)| is_refused_login(error)) {
            return Err(failures.swap_remove(0).1.context(problem));
        }
        let causes: Vec<String> = failures.iter().map(|(name, error)| format!("{name}: {error:#}")).collect();
        let remedy = "name one that this login may connect to with --maintenance-db";
        Err(Problem::new(format!("{problem}: {}", causes.join("; ")), remedy).into())
    }
}

async fn open_named(target: &Target, name: &str) -> anyhow::Result<Session> {
    ensure!(
        *name != target.login.dbname,
        Problem::new(
            "--maintenance-db is the database to create or drop itself",
            "name another one, or leave the option out"
        )
    );
    target.open(in_database(target, name)).await.map_err(|error| {
        if is_about_database(&error) && !is_refused_login(&error) {
            let problem = format!("cannot connect to the maintenance database {name}");
            Problem::new(problem, "name another one with --maintenance-db, or leave the option out")
                .because(error)
                .into()
        } else {
            error
        }
    })
}

fn in_database(target: &Target, name: &str) -> Login {
    Login { dbname: name.to_owned(), ..target.login.clone() }
}

/// Returns whether another database of the same server may accept the login.
fn is_about_database(error: &anyhow::Error) -> bool {
    // pg_hba.conf, no CONNECT privilege, closed to connections.
    const PER_DATABASE: [&str; 3] = ["28000", "42501", "55000"];
    error.downcast_ref::<Error>().is_some_and(|error| match error.sqlstate() {
        // The limit of a role or of the server is the same everywhere.
        Some("53300") => error.routine() == Some("CheckMyDatabase"),
        code => error.kind() == Kind::DatabaseMissing || code.is_some_and(|code| PER_DATABASE.contains(&code)),
    })
}

/// Returns whether the login is refused whatever the database: not by a line of `pg_hba.conf`, which may name databases, but
/// for a wrong password or a role without LOGIN.
fn is_refused_login(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| {
        error.kind() == Kind::CredentialsRejected && error.routine() != Some("ClientAuthentication")
    })
}
