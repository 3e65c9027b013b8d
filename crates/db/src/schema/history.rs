//! The table that remembers which migrations were applied, and what else may stand in it.

use refinery::Migration;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::{CONTRACT_VERSION, with_line_ends};
use crate::Error;
use crate::row::{Columns, Lossy};

/// Decides about loading.
pub(super) const STATE: &str =
    concat!(include_str!("../../sql/schema/trusted.sql"), include_str!("../../sql/schema/state.sql"));

/// The place of the history of these migrations in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `cognito.schema_history`
    Kept,
    /// `public.refinery_schema_history`, its former name: the application's schema, where it may have one of its own.
    Former,
    None,
}

/// The history of a database.
#[derive(Debug)]
pub(super) struct History {
    pub(super) place: Place,
    /// Whether there is a schema `cognito`.
    pub(super) has_schema: bool,
    entries: Vec<Entry>,
    /// What is not there of what the applied migrations have created.
    missing: Vec<Missing>,
    /// Whether a load of the release before was interrupted after a migration had taken rights from `PUBLIC`.
    pub(super) has_public_rights: bool,
    /// The statements that give back those of them which `PUBLIC` does not have.
    pub(super) owed_public_rights: Vec<String>,
}

/// An object that this migration has created, and that is not there.
#[derive(Debug)]
struct Missing {
    version: i32,
    object: String,
}

/// One row. Whoever wrote it: each column may be missing, null or anything.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    version: Option<i32>,
    name: String,
    checksum: Option<u64>,
}

impl History {
    /// Finds and reads the history, in a transaction with the settings of a load. Runs no code of other roles.
    ///
    /// Fails with [`Error::HistoryMissing`], [`Error::HistoryForeign`], [`Error::HistoryDamaged`],
    /// [`Error::HistoryElsewhere`], [`Error::HistoryUnsafe`], [`Error::OwnerForeign`] and [`Error::ContractForeign`].
    pub(super) async fn find(client: &impl GenericClient, known: &[Migration]) -> Result<Self, Error> {
        let rows = client.query_typed(STATE, &[]).await?;
        let state = rows.first().expect("there is always one row");
        let (place, entries) = locate(client, state, known).await?;
        if place == Place::None {
            for schema in state.names("others")? {
                if is_of_program(&read(client, &format!("{schema}.refinery_schema_history")).await?, known) {
                    return Err(Error::HistoryElsewhere { schema });
                }
            }
        }
        // Read after the entries: what these name was there when they were committed.
        let missing = client.query_typed(include_str!("../../sql/schema/missing.sql"), &[]).await?;
        let missing =
            missing.iter().map(|row| Ok(Missing { version: row.column("version")?, object: row.column("object")? }));
        let missing = missing.collect::<Result<_, Error>>()?;
        let has_public_rights = state.column("has_public_rights")?;
        let owed_public_rights = if has_public_rights { owed_public_rights(client).await? } else { Vec::new() };
        let has_schema = state.column("has_schema")?;
        Ok(Self { place, has_schema, entries, missing, has_public_rights, owed_public_rights })
    }

    /// The statements that give `PUBLIC` back what it lacks, as one text. None if it lacks nothing.
    pub(super) fn restored_rights(&self) -> Option<String> {
        Some(self.owed_public_rights.join("; ")).filter(|statements| !statements.is_empty())
    }

    /// The migrations that are not applied yet, in order.
    ///
    /// Fails with [`Error::MigrationsDiffer`], [`Error::HistoryForeign`], [`Error::HistoryDamaged`] and
    /// [`Error::ObjectMissing`].
    pub(super) fn pending(&self, known: &[Migration]) -> Result<Vec<Migration>, Error> {
        let is_known = |entry: &Entry| known.iter().any(|migration| entry.names(migration));
        if let Some(foreign) = self.entries.first().filter(|_| !self.entries.iter().any(is_known)) {
            return Err(Error::HistoryForeign { sign: foreign.shown() });
        }
        let newest = known.last().map(Migration::version);
        for entry in &self.entries {
            let Some(migration) = known.iter().find(|migration| entry.names(migration)) else {
                return Err(if entry.version > newest {
                    Error::MigrationsDiffer {
                        source: format!("the applied migration {} is newer", entry.shown()).into(),
                    }
                } else {
                    entry.damage()
                });
            };
            if entry.checksum.is_none() {
                return Err(entry.damage());
            }
            if !entry.is_of(migration) {
                let source = format!("the applied migration {migration} is not this program's");
                return Err(Error::MigrationsDiffer { source: source.into() });
            }
        }
        let is_applied = |migration: &&Migration| self.entries.iter().any(|entry| entry.names(migration));
        let pending: Vec<_> = known.iter().filter(|migration| !is_applied(migration)).collect();
        if let (Some(missing), Some(last)) = (pending.first(), known.iter().rfind(is_applied))
            && *missing < last
        {
            return Err(Error::MigrationsDiffer {
                source: format!("{missing} is missing, and {last} is applied").into(),
            });
        }
        for migration in known.iter().filter(is_applied) {
            if let Some(missing) = self.missing.iter().find(|missing| missing.version == migration.version()) {
                return Err(Error::ObjectMissing { migration: migration.to_string(), object: missing.object.clone() });
            }
        }
        Ok(pending.into_iter().cloned().collect())
    }
}

impl Entry {
    fn names(&self, migration: &Migration) -> bool {
        self.version == Some(migration.version()) && self.name == migration.name()
    }

    /// Whether this migration was applied, from a check-out with whatever line ends.
    fn is_of(&self, migration: &Migration) -> bool {
        let is_checksum = |migration: &Migration| self.checksum == Some(migration.checksum());
        self.names(migration) && (is_checksum(migration) || is_checksum(&with_line_ends(migration, "\r\n")))
    }

    fn damage(&self) -> Error {
        Error::HistoryDamaged { fault: format!("has an entry that no load has written: {}", self.shown()) }
    }

    fn shown(&self) -> String {
        let version = self.version.map_or_else(|| "?".to_owned(), |version| version.to_string());
        format!("V{version}__{}", self.name)
    }
}

/// Finds the history of these migrations and reads it.
async fn locate(client: &impl GenericClient, state: &Row, known: &[Migration]) -> Result<(Place, Vec<Entry>), Error> {
    let has_contract: bool = state.column("has_contract")?;
    let is_ours: bool = state.column("is_of_program")?;
    let kind: Option<&str> = state.column("history_kind")?;
    let (mut place, mut entries) = (Place::None, Vec::new());
    if let Some(owner) = name(state, "schema_owner")? {
        // Tables of an application's own: its contract is no danger, as nothing is loaded beside it.
        let is_foreign = has_contract && kind.is_none();
        let object = "the schema cognito".to_owned();
        return Err(if is_foreign { Error::ContractForeign } else { Error::OwnerForeign { object, owner } });
    }
    match kind {
        None => {}
        Some("a table") => {
            if let Some(owner) = name(state, "history_owner")? {
                return Err(Error::OwnerForeign { object: "the table cognito.schema_history".to_owned(), owner });
            }
            if !state.column::<bool>("has_history_columns")? {
                return Err(Error::HistoryForeign { sign: "its cognito.schema_history has other columns".to_owned() });
            }
            ensure_no_code(client, "cognito", "schema_history").await?;
            (place, entries) = (Place::Kept, read(client, "cognito.schema_history").await?);
        }
        Some(kind) => {
            return Err(Error::HistoryForeign { sign: format!("its cognito.schema_history is {kind}") });
        }
    }
    if entries.is_empty() && is_ours {
        return Err(Error::HistoryMissing);
    }
    if !entries.iter().any(|entry| entry.version >= Some(CONTRACT_VERSION)) {
        if is_ours && is_of_program(&entries, known) {
            let applied = known.iter().find(|migration| migration.version() == CONTRACT_VERSION);
            let applied = applied.map(ToString::to_string).unwrap_or_default();
            return Err(Error::HistoryDamaged { fault: format!("lacks {applied}, which is applied") });
        }
        if has_contract {
            return Err(Error::ContractForeign);
        }
    }
    if place == Place::None {
        if let Some(owner) = name(state, "former_owner")? {
            return Err(Error::OwnerForeign { object: "the table public.refinery_schema_history".to_owned(), owner });
        }
        if state.column("has_hidden_history")? {
            ensure_no_code(client, "public", "refinery_schema_history").await?;
        }
        if state.column("has_former_history")? {
            let former = read(client, "public.refinery_schema_history").await?;
            if is_of_program(&former, known) {
                ensure_no_code(client, "public", "refinery_schema_history").await?;
                (place, entries) = (Place::Former, former);
            }
        }
    }
    Ok((place, entries))
}

/// Fails with [`Error::HistoryUnsafe`] if something would run when this history is written.
async fn ensure_no_code(client: &impl GenericClient, schema: &str, table: &str) -> Result<(), Error> {
    let parameters = [(&schema as _, Type::TEXT), (&table as _, Type::TEXT)];
    let rows = client.query_typed(include_str!("../../sql/schema/code.sql"), &parameters).await?;
    let code = rows.iter().map(|row| Ok(row.column::<Lossy>("code")?.0)).collect::<Result<Vec<_>, Error>>()?;
    if code.is_empty() {
        return Ok(());
    }
    Err(Error::HistoryUnsafe { table: format!("{schema}.{table}"), code: code.join(", ") })
}

async fn owed_public_rights(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    let rows = client.query_typed(include_str!("../../sql/schema/owed_public_rights.sql"), &[]).await?;
    rows.iter().map(|row| row.column("statement")).collect()
}

fn name(state: &Row, column: &'static str) -> Result<Option<String>, Error> {
    Ok(state.column::<Option<Lossy>>(column)?.map(|Lossy(name)| name))
}

fn is_of_program(entries: &[Entry], known: &[Migration]) -> bool {
    entries.iter().any(|entry| known.iter().any(|migration| entry.is_of(migration)))
}

/// Reads the history with this name, which is quoted where it must be.
async fn read(client: &impl GenericClient, table: &str) -> Result<Vec<Entry>, Error> {
    let sql = include_str!("../../sql/schema/history.sql").replace("HISTORY", table);
    let rows = client.query_typed(&sql, &[]).await?;
    let entries = rows.iter().map(|row| {
        let text = |column| row.column::<Option<String>>(column);
        Ok(Entry {
            version: text("version")?.and_then(|version| version.parse().ok()),
            name: text("name")?.unwrap_or_else(|| "?".to_owned()),
            checksum: text("checksum")?.and_then(|checksum| checksum.parse().ok()),
        })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: i32, name: &str, checksum: &str) -> Entry {
        Entry { version: Some(version), name: name.to_owned(), checksum: checksum.parse().ok() }
    }

    #[test]
    fn a_history_from_a_check_out_with_crlf_is_the_same() {
        let known = super::super::known();
        let first = known.first().expect("a first migration");
        // As refinery has computed them, of the released file with either line end.
        for checksum in ["11213926581318719385", "14085991243023947319"] {
            let entry = entry(1, "users", checksum);
            assert!(entry.is_of(first), "{checksum}");
            let history = History {
                place: Place::Kept,
                has_schema: true,
                entries: vec![entry],
                missing: Vec::new(),
                has_public_rights: false,
                owed_public_rights: Vec::new(),
            };
            assert_eq!(history.pending(&known).expect("it is ours").len(), known.len() - 1);
        }
        assert!(!entry(1, "users", "1").is_of(first));
    }

    #[test]
    fn a_program_that_was_compiled_from_crlf_has_the_same_migrations() {
        for migration in super::super::known() {
            let crlf = with_line_ends(&migration, "\r\n");
            assert_ne!(crlf.checksum(), migration.checksum());
            assert_eq!(with_line_ends(&crlf, "\n").checksum(), migration.checksum());
        }
    }
}
