//! The tables, as migrations that are compiled into this crate.

mod history;
mod lock;
mod statements;
mod trust;

use std::time::Duration;

use postgres_protocol::escape::escape_identifier;
use refinery::Migration;
use tokio::time::sleep;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, IsolationLevel, Transaction};

pub(crate) use self::lock::holders_of;
pub use self::lock::{Holder, holders};
pub use self::trust::{Access, ensure_trusted};

use self::history::{History, Place};
use crate::row::Columns;
use crate::{Error, ServerError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The migration that creates the contract.
const CONTRACT_VERSION: i32 = 5;

/// Removes the table in which the release before has kept the rights that a load had taken from `PUBLIC`.
const FORGET_PUBLIC_RIGHTS: &str = "drop table cognito.public_rights";

/// How often a migration is begun again because another session changed the same entry of a catalog.
const MOST_ATTEMPTS: usize = 5;

/// The pause before another look at a lock that another load holds.
const PAUSE: Duration = Duration::from_millis(200);

/// The outcome of [`advance`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This migration was applied, or these statements, which give `PUBLIC` back the rights that an interrupted load of the
    /// release before has taken. There may be more.
    Applied(String),
    /// Other sessions are loading, and nothing was done.
    Busy(Vec<Holder>),
    /// Every migration is applied.
    Complete,
}

/// Applies the migrations that this database does not have yet, each in its own transaction, and returns their names in
/// order. While another session loads, it waits without an end.
///
/// Fails as [`advance`] does.
pub async fn load(client: &mut Client) -> Result<Vec<String>, Error> {
    let mut applied = Vec::new();
    loop {
        match advance(client, None).await? {
            Step::Applied(migration) => applied.push(migration),
            Step::Busy(_) => sleep(PAUSE).await,
            Step::Complete => return Ok(applied),
        }
    }
}

/// Applies the next migration that this database does not have yet, in one transaction with its entry in the history. Only
/// one session of all applies one at a time; the lock for it ends with the transaction, also behind a pooler.
///
/// With a `role`, the transaction acts as that one, and what it makes belongs to the role. Nothing stays in the connection.
///
/// `PUBLIC` keeps its rights to create objects: [`crate::role`] asks for them.
///
/// Fails with [`Error::MigrationFailed`] when the server refuses it, with SQLSTATE 55P03 if another session holds a lock
/// that it needs for longer than 2 s; with [`Error::MigrationsDiffer`] when a migration was changed after it was applied, or
/// the database is ahead of this program; with [`Error::HistoryForeign`], [`Error::HistoryDamaged`],
/// [`Error::HistoryMissing`] or [`Error::HistoryElsewhere`] when the history is not that of these migrations; with
/// [`Error::OwnerForeign`] or [`Error::HistoryUnsafe`] when another role's code would run with the rights of this login; with
/// [`Error::ObjectMissing`] when something has removed what they created; with [`Error::ContractForeign`] when the
/// contract is another's.
pub async fn advance(client: &mut Client, role: Option<&str>) -> Result<Step, Error> {
    let mut attempts = 1;
    loop {
        match attempt(client, role).await {
            Err(error) if error.is_concurrent_change() && attempts < MOST_ATTEMPTS => attempts += 1,
            step => return step,
        }
    }
}

async fn attempt(client: &mut Client, role: Option<&str>) -> Result<Step, Error> {
    // Each statement sees what was committed before it, also if the role has another level: the history is read after the
    // lock is taken.
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    transaction.batch_execute(include_str!("../sql/schema/settings.sql")).await?;
    if let Some(role) = role {
        transaction.batch_execute(&format!("set local role {}", escape_identifier(role))).await?;
    }
    if !lock::take(&transaction).await? {
        return Ok(Step::Busy(lock::holders(&transaction).await?));
    }
    let history = History::find(&transaction, &known()).await?;
    let pending = history.pending(&known())?;
    let restored = restore_public_rights(&transaction, &history).await?;
    let step = match (restored, pending.first()) {
        (Some(statements), _) => Step::Applied(statements),
        (None, Some(migration)) => {
            prepare(&transaction, &history).await?;
            if history.place != Place::None {
                let failed = |error| match error {
                    Error::Refused { source } => Error::MigrationFailed { migration: migration.to_string(), source },
                    error => error,
                };
                ensure_trusted(&transaction, Access::Write).await.map_err(failed)?;
            }
            apply(&transaction, migration).await?;
            Step::Applied(migration.to_string())
        }
        (None, None) => Step::Complete,
    };
    transaction.commit().await?;
    Ok(step)
}

/// Gives `PUBLIC` back what an interrupted load of the release before has taken, and returns the statements.
async fn restore_public_rights(transaction: &Transaction<'_>, history: &History) -> Result<Option<String>, Error> {
    if !history.has_public_rights {
        return Ok(None);
    }
    for statement in &history.owed_public_rights {
        transaction.batch_execute(statement).await?;
    }
    transaction.batch_execute(FORGET_PUBLIC_RIGHTS).await?;
    Ok(history.restored_rights())
}

/// Makes the places for tables and history.
async fn prepare(transaction: &Transaction<'_>, history: &History) -> Result<(), Error> {
    if history.place == Place::Kept {
        return Ok(());
    }
    if !history.has_schema {
        transaction.batch_execute(include_str!("../sql/schema/create_schema.sql")).await?;
    }
    transaction.batch_execute("create schema if not exists public").await?;
    let statements = match history.place {
        Place::Former => include_str!("../sql/schema/move_history.sql"),
        _ => include_str!("../sql/schema/create_history.sql"),
    };
    Ok(transaction.batch_execute(statements).await?)
}

async fn apply(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), Error> {
    let before = public_rights(transaction).await?;
    transaction.batch_execute(include_str!("../sql/schema/migrate.sql")).await?;
    transaction.batch_execute(&statements::of(migration)).await.map_err(|error| match ServerError::of(&error) {
        Some(source) => Error::MigrationFailed { migration: migration.to_string(), source },
        None => error.into(),
    })?;
    transaction.batch_execute(include_str!("../sql/schema/settings.sql")).await?;
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&migration.version(), Type::INT4),
        (&migration.name(), Type::TEXT),
        (&migration.checksum().to_string(), Type::TEXT),
    ];
    transaction.query_typed(include_str!("../sql/schema/remember.sql"), &parameters).await?;
    let after = public_rights(transaction).await?;
    for lost in before.iter().filter(|statement| !after.contains(statement)) {
        transaction.batch_execute(lost).await?;
    }
    Ok(())
}

/// The statements that give `PUBLIC` the rights to create objects which it has now.
async fn public_rights(transaction: &Transaction<'_>) -> Result<Vec<String>, Error> {
    let rows = transaction.query_typed(include_str!("../sql/schema/public_rights.sql"), &[]).await?;
    rows.iter().map(|row| row.column("statement")).collect()
}

/// What [`load`] would return, in order. Writes nothing. The transaction has other settings afterwards, until its end.
///
/// Fails where [`advance`] would before it writes.
pub async fn pending(transaction: &Transaction<'_>) -> Result<Vec<String>, Error> {
    transaction.batch_execute(include_str!("../sql/schema/settings.sql")).await?;
    let history = History::find(transaction, &known()).await?;
    let pending = history.pending(&known())?;
    if history.place != Place::None && !pending.is_empty() {
        ensure_trusted(transaction, Access::Read).await?;
    }
    Ok(history.restored_rights().into_iter().chain(pending.iter().map(ToString::to_string)).collect())
}

/// The statement after which no load gives `PUBLIC` back what an interrupted one has taken. None if none would.
pub(crate) async fn forget_public_rights(client: &impl GenericClient) -> Result<Option<&'static str>, Error> {
    let rows = client.query_typed(history::STATE, &[]).await?;
    let state = rows.first().expect("there is always one row");
    Ok(state.column::<bool>("has_public_rights")?.then_some(FORGET_PUBLIC_RIGHTS))
}

/// The migrations of this program in order, with LF at the end of each line wherever it was compiled.
fn known() -> Vec<Migration> {
    let of_checkout = embedded::migrations::runner();
    let mut known: Vec<_> =
        of_checkout.get_migrations().iter().map(|migration| with_line_ends(migration, "\n")).collect();
    known.sort();
    known
}

/// The migration as a check-out with these line ends has it, which decide about its checksum.
fn with_line_ends(migration: &Migration, line_end: &str) -> Migration {
    let sql = migration.sql().expect("a migration of this program has its statements");
    let sql = sql.replace("\r\n", "\n").replace('\n', line_end);
    Migration::unapplied(&migration.to_string(), &sql).expect("it has the name of a migration")
}
