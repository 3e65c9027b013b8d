//! The tables, as migrations that are compiled into this crate.

use refinery::error::Kind;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::{Error, ServerError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The advisory lock of [`load`]. Any number does, as long as every release locks the same one.
const LOAD_LOCK: i64 = 0x6c6f_6164;

/// The longest wait of a migration for a lock on a table. Sign-ups that queue behind it wait as long, and have 4.5 s.
const LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";

/// Applies the migrations that this database does not have yet, each in its own transaction, and returns
/// their names in order. When two programs load at once, one waits for the other and then finds nothing to do.
///
/// Fails with [`Error::MigrationFailed`] when the server refuses one, with SQLSTATE 55P03 if another session holds a
/// lock that it needs for longer than 2 s; with [`Error::MigrationsDiffer`] when a migration was changed after it was
/// applied, or the database is ahead of this program.
pub async fn load(client: &mut Client) -> Result<Vec<String>, Error> {
    client.execute("select pg_advisory_lock($1)", &[&LOAD_LOCK]).await?;
    client.batch_execute(LOCK_TIMEOUT).await?;
    let report = embedded::migrations::runner().run_async(client).await;
    let unlocked = client.execute("select pg_advisory_unlock($1)", &[&LOAD_LOCK]).await;
    let reset = client.batch_execute("reset lock_timeout").await;
    let report = report.map_err(from_refinery)?;
    unlocked?;
    reset?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// Returns whether another session is loading, so that [`load`] will wait.
pub async fn is_being_loaded(client: &Client) -> Result<bool, Error> {
    let rows = client.query_typed(include_str!("../sql/schema/loading.sql"), &[(&LOAD_LOCK, Type::INT8)]).await?;
    Ok(rows.first().is_some_and(|row| row.get("is_being_loaded")))
}

/// The names of the migrations that this database does not have yet, in order. Writes nothing.
///
/// Fails with [`Error::MigrationsDiffer`] where [`load`] would.
pub async fn pending(client: &mut Client) -> Result<Vec<String>, Error> {
    let runner = embedded::migrations::runner();
    let rows = client.query_typed("select to_regclass('refinery_schema_history') is not null", &[]).await?;
    let has_history: bool = rows.first().expect("one row").get(0);
    let applied = if has_history {
        runner.get_applied_migrations_async(client).await.map_err(from_refinery)?
    } else {
        Vec::new()
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
