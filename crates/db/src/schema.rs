//! The tables, as migrations that this crate carries inside it.

use refinery::error::Kind;
use tokio_postgres::Client;

use crate::{Error, ServerError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Any number will do, as long as every release locks the same one.
const LOAD_LOCK: i64 = 0x6c6f_6164;

/// Applies the migrations that this database does not have yet, each in its own transaction, and returns
/// their names in order. When two programs load at once, one waits for the other and then finds nothing to do.
///
/// Fails with [`Error::MigrationFailed`] when the server refuses one, [`Error::MigrationsDiffer`] when a migration was changed after it was applied, or the database is
/// ahead of this program.
pub async fn load(client: &mut Client) -> Result<Vec<String>, Error> {
    client.execute("select pg_advisory_lock($1)", &[&LOAD_LOCK]).await?;
    let report = embedded::migrations::runner().run_async(client).await;
    client.execute("select pg_advisory_unlock($1)", &[&LOAD_LOCK]).await?;
    let report = report.map_err(from_refinery)?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// The names of the migrations that this database does not have yet, in order. Writes nothing.
///
/// Fails as [`load`] would.
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
            source: format!("the applied migration {other} is not this one's").into(),
        });
    }
    let mut pending: Vec<_> = known.iter().filter(|migration| !applied.contains(migration)).collect();
    pending.sort();
    Ok(pending.into_iter().map(ToString::to_string).collect())
}

fn from_refinery(error: refinery::Error) -> Error {
    let Kind::Connection(what, source) = error.kind() else {
        return Error::MigrationsDiffer { source: error.into() };
    };
    match source.downcast_ref().and_then(ServerError::of) {
        Some(source) if what.contains("applying") => Error::MigrationFailed { migration: what.clone(), source },
        Some(answer) => answer.into(),
        None => Error::ConnectionLost { source: error.into() },
    }
}
