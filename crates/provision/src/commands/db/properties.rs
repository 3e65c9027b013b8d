//! What a database has beside its data, and keeps when it is created again: owner, locale, privileges, settings, comment.

use anyhow::ensure;
use db::Error;
use db::row::{Columns, Lossy};
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::Type;

use super::create;
use super::obstacles::{createdb_remedy, is_functions};
use crate::error::Problem;
use crate::target::{Session, Target};

/// How often the restoring is tried while other sessions change the same entries of the catalog.
const TRIES: u32 = 5;

/// The properties of a database that exists. Those in [`Self::lost`] depend on the login.
#[derive(Debug, PartialEq)]
pub(super) struct Properties {
    /// The database's number.
    pub(super) oid: u32,
    /// Whether another setup by the same login would make the same.
    is_usual: bool,
    /// Creates the database with all that has to be said at that moment.
    pub(super) statement: String,
    /// Each restores one property of the new database.
    statements: Vec<Statement>,
    /// What the new database will not have, in words.
    pub(super) lost: Vec<String>,
}

#[derive(Debug, PartialEq)]
struct Statement {
    /// The property, in words and without its value.
    property: String,
    /// The statement up to its value.
    sql: String,
    /// What ends the statement.
    value: String,
    /// Whether the value is never shown: an application may keep a secret in a setting of its own.
    is_hidden: bool,
}

impl Properties {
    /// Reads the properties of the target's database, if it exists. Fails if this login cannot create it again with the
    /// same owner.
    ///
    /// Finds what this login cannot restore by restoring everything on the database itself, and rolling back; one that is
    /// half dropped cannot be changed.
    pub(super) async fn read(
        target: &Target,
        session: &Session,
        is_half_dropped: bool,
    ) -> anyhow::Result<Option<Self>> {
        let usual = create::statement(target, session).await?;
        let parameters = [(&target.login.dbname as _, Type::TEXT), (&usual as _, Type::TEXT)];
        let rows = session.query_typed(include_str!("properties.sql"), &parameters).await.map_err(Error::from)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let is = |column| row.column::<bool>(column);
        let name = target.name();
        let (Lossy(user), Lossy(owner)) = (row.column("login")?, row.column("owner")?);
        ensure!(
            is("may_create")?,
            Problem::new(format!("{user} may drop {name}, but not create it again"), createdb_remedy(&user))
        );
        ensure!(
            is("may_set_owner")?,
            Problem::new(
                format!("{user} may drop {name}, but not create it again for its owner {owner}"),
                if is("owner_is_superuser")? || is_functions(&user) {
                    format!("log in as {owner}")
                } else {
                    // Up to PostgreSQL 15, the privileges of a role include this one.
                    let (owner, user) = (escape_identifier(&owner), escape_identifier(&user));
                    format!("have an administrator run: grant {owner} to {user} with set true")
                }
            )
        );
        let Lossy(statement) = row.column("statement")?;
        ensure!(
            !statement.contains(char::REPLACEMENT_CHARACTER),
            Problem::new(
                format!("{name} cannot be created again, because a name in its properties is not UTF-8: {statement}"),
                "rename its owner, or change it: alter database … owner to …"
            )
        );
        let (oid, is_usual, lost) = (row.column("oid")?, is("is_usual")?, row.names("lost")?);
        let rows = session.query_typed(include_str!("property_statements.sql"), &parameters[..1]).await;
        let rows = rows.map_err(Error::from)?.into_iter();
        let statements = rows.map(|row| {
            let (Lossy(property), Lossy(sql), Lossy(value)) =
                (row.column("what")?, row.column("statement")?, row.column("value")?);
            Ok(Statement { property, sql, value, is_hidden: row.column("is_hidden")? })
        });
        let statements = statements.collect::<Result<_, Error>>()?;
        let mut properties = Self { oid, is_usual, statement, statements, lost };
        let refused = if is_half_dropped { Vec::new() } else { properties.run(session, "rollback").await? };
        properties.statements.retain(|statement| !refused.contains(&statement.property));
        properties.lost.extend(refused);
        Ok(Some(properties))
    }

    /// The properties that can be restored, in words.
    pub(super) fn restorable(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().map(|statement| statement.property.as_str())
    }

    /// The statements that restore the properties, without the values that may be secret.
    pub(super) fn shown(&self) -> String {
        let shown = self
            .statements
            .iter()
            .map(|Statement { sql, value, is_hidden, .. }| format!("{sql}{}", if *is_hidden { "…" } else { value }));
        shown.collect::<Vec<_>>().join("; ")
    }

    /// All statements that make the database again, without the values that may be secret; none if another setup does the same.
    pub(super) fn all_shown(&self) -> Option<String> {
        match self.shown() {
            rest if rest.is_empty() => (!self.is_usual).then(|| self.statement.clone()),
            rest => Some(format!("{}; {rest}", self.statement)),
        }
    }

    /// Restores the properties of the new database. Returns those that the server refuses all the same.
    pub(super) async fn restore(&self, session: &Session) -> Result<Vec<String>, Error> {
        self.run(session, "commit").await
    }

    /// Runs all statements in a transaction that ends like this. Returns the properties that the server refuses to restore.
    async fn run(&self, session: &Session, ending: &str) -> Result<Vec<String>, Error> {
        let mut tries = 1;
        loop {
            session.batch_execute("begin").await?;
            match self.try_all(session).await {
                Ok(refused) => {
                    session.batch_execute(ending).await?;
                    return Ok(refused);
                }
                Err(error) => {
                    session.batch_execute("rollback").await?;
                    if tries == TRIES || !error.is_concurrent_change() {
                        return Err(error);
                    }
                }
            }
            tries += 1;
        }
    }

    /// Runs all statements in the open transaction. Returns the properties that the server refuses to restore.
    async fn try_all(&self, session: &Session) -> Result<Vec<String>, Error> {
        let mut refused = Vec::new();
        for Statement { property, sql, value, .. } in &self.statements {
            session.batch_execute("savepoint property").await?;
            let restored = session.batch_execute(&format!("{sql}{value}")).await.map_err(Error::from);
            let ending = if restored.is_ok() { "release property" } else { "rollback to property" };
            match restored {
                Err(error) if is_refusal(&error) => refused.push(property.clone()),
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            session.batch_execute(ending).await?;
        }
        Ok(refused)
    }
}

/// Whether the server refuses this statement for good: no privilege, a role that does not exist, a value that this server
/// does not know, a setting that it does not let a database have. Another error, such as of a lock, says nothing of it.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_refusal(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| code == "55P02" || code.starts_with("22") || code.starts_with("42"))
}
