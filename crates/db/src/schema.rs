//! The tables, as migrations that are compiled into this crate.

use refinery::Runner;
use refinery::error::Kind;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::{Error, ServerError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The advisory lock of [`load`]. Any number does, as long as every release locks the same one.
const LOAD_LOCK: i64 = 0x6c6f_6164;

/// The migration that creates the contract.
const CONTRACT_VERSION: i32 = 5;

/// The table that remembers which migrations were applied.
const HISTORY: &str = "cognito.schema_history";

/// Its former name; it was in the schema of the application.
const FORMER_HISTORY: &str = "public.refinery_schema_history";

/// The settings of a session that loads. A migration waits at most 2 s for a lock on a table: sign-ups that queue behind it
/// wait as long, and have 4.5 s. The first migrations name no schema.
const SETTINGS: &str = "set lock_timeout = '2s'; set search_path = public, pg_temp";

/// Applies the migrations that this database does not have yet, each in its own transaction, and returns
/// their names in order. When two programs load at once, one waits for the other and then finds nothing to do.
///
/// `PUBLIC` keeps its rights to create objects: [`crate::role`] asks for them.
///
/// Fails with [`Error::MigrationFailed`] when the server refuses one, with SQLSTATE 55P03 if another session holds a
/// lock that it needs for longer than 2 s; with [`Error::MigrationsDiffer`] when a migration was changed after it was
/// applied, or the database is ahead of this program; with [`Error::ContractForeign`] when the contract is another's.
pub async fn load(client: &mut Client) -> Result<Vec<String>, Error> {
    client.execute("select pg_catalog.pg_advisory_lock($1)", &[&LOAD_LOCK]).await?;
    let search_path: String = client.query_one("show search_path", &[]).await?.get(0);
    client.batch_execute(SETTINGS).await?;
    let applied = migrate(client).await;
    let unlocked = client.execute("select pg_catalog.pg_advisory_unlock($1)", &[&LOAD_LOCK]).await;
    let reset = client
        .execute("select pg_catalog.set_config('search_path', $1, false)", &[&search_path])
        .await
        .and(client.batch_execute("reset lock_timeout").await);
    let applied = applied?;
    unlocked?;
    reset?;
    Ok(applied)
}

async fn migrate(client: &mut Client) -> Result<Vec<String>, Error> {
    let history = History::find(client).await?;
    if pending_in(history, client).await?.is_empty() {
        give_public_rights(client).await?;
        return Ok(Vec::new());
    }
    let transaction = client.transaction().await?;
    if history != History::Kept {
        transaction.batch_execute("create schema if not exists cognito").await?;
    }
    if history == History::Former {
        transaction.batch_execute(include_str!("../sql/schema/move_history.sql")).await?;
    }
    transaction.batch_execute(include_str!("../sql/schema/keep_public_rights.sql")).await?;
    transaction.commit().await?;

    let report = runner(HISTORY).run_async(client).await;
    if report.is_err() && history == History::None && last_applied(client).await.is_ok_and(|version| version == 0) {
        // Other objects in the schema keep it.
        let _ = client.batch_execute(include_str!("../sql/schema/forget.sql")).await;
    }
    // After an error of the connection, the next load gives them.
    let given = give_public_rights(client).await;
    let report = report.map_err(from_refinery)?;
    given?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// Gives `PUBLIC` the rights back that a migration has taken, also in a load that was interrupted.
async fn give_public_rights(client: &Client) -> Result<(), Error> {
    if read_state(client).await?.get("has_public_rights") {
        client.batch_execute(include_str!("../sql/schema/give_public_rights.sql")).await?;
    }
    Ok(())
}

async fn read_state(client: &Client) -> Result<Row, Error> {
    let mut rows = client.query_typed(include_str!("../sql/schema/state.sql"), &[]).await?;
    Ok(rows.pop().expect("there is always one row"))
}

/// The version of the last migration in the history, 0 if it is empty.
async fn last_applied(client: &Client) -> Result<i32, Error> {
    let sql = "select coalesce(max(version), 0)::int4 from cognito.schema_history";
    Ok(client.query_typed(sql, &[]).await?.first().map_or(0, |row| row.get(0)))
}

/// The place of the history of these migrations in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum History {
    Kept,
    Former,
    None,
}

impl History {
    async fn find(client: &Client) -> Result<Self, Error> {
        let state = read_state(client).await?;
        let has_history = state.get("has_history");
        let is_ours = has_history && last_applied(client).await? >= CONTRACT_VERSION;
        if state.get::<_, bool>("has_contract") && !is_ours {
            return Err(Error::ContractForeign);
        }
        if has_history {
            return Ok(Self::Kept);
        }
        // The application may have a history of its own in the table by that name.
        if state.get("has_former_history") {
            let first = runner(HISTORY).get_migrations().iter().min().map(|first| first.checksum().to_string());
            let sql = "select checksum from public.refinery_schema_history where version = 1";
            let rows = client.query_typed(sql, &[]).await?;
            let applied = rows.first().and_then(|row| row.try_get::<_, String>(0).ok());
            return Ok(if applied.is_some() && applied == first { Self::Former } else { Self::None });
        }
        Ok(Self::None)
    }
}

fn runner(history: &str) -> Runner {
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name(history);
    runner
}

/// Returns whether another session is loading, so that [`load`] will wait.
pub async fn is_being_loaded(client: &Client) -> Result<bool, Error> {
    let rows = client.query_typed(include_str!("../sql/schema/loading.sql"), &[(&LOAD_LOCK, Type::INT8)]).await?;
    Ok(rows.first().is_some_and(|row| row.get("is_being_loaded")))
}

/// The names of the migrations that this database does not have yet, in order. Writes nothing.
///
/// Fails with [`Error::MigrationsDiffer`] and [`Error::ContractForeign`] where [`load`] would.
pub async fn pending(client: &mut Client) -> Result<Vec<String>, Error> {
    pending_in(History::find(client).await?, client).await
}

async fn pending_in(history: History, client: &mut Client) -> Result<Vec<String>, Error> {
    let runner = runner(if history == History::Former { FORMER_HISTORY } else { HISTORY });
    let applied = if history == History::None {
        Vec::new()
    } else {
        runner.get_applied_migrations_async(client).await.map_err(from_refinery)?
    };
    let known = runner.get_migrations();
    if let Some(other) = applied.iter().find(|migration| !known.contains(migration)) {
        return Err(Error::MigrationsDiffer {
            source: format!("the applied migration {other} is not this program's").into(),
        });
    }
    let mut pending: Vec<_> = known.iter().filter(|migration| !applied.contains(migration)).collect();
    pending.sort();
    if let (Some(missing), Some(last)) = (pending.first(), applied.iter().max())
        && *missing < last
    {
        return Err(Error::MigrationsDiffer { source: format!("{missing} is missing, and {last} is applied").into() });
    }
    Ok(pending.into_iter().map(ToString::to_string).collect())
}

fn from_refinery(error: refinery::Error) -> Error {
    let Kind::Connection(what, source) = error.kind() else {
        return Error::MigrationsDiffer { source: error.into() };
    };
    match source.downcast_ref().and_then(ServerError::of) {
        Some(source) => match what.strip_prefix("error applying migration ") {
            Some(migration) => Error::MigrationFailed { migration: migration.to_owned(), source },
            None => source.into(),
        },
        None => Error::ConnectionLost { source: error.into() },
    }
}
