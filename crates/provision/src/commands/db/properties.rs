//! What a database has beside its data, and keeps when it is created again: owner, locale, privileges, settings, comment.

use anyhow::ensure;
use db::Error;
use db::row::{Columns, Lossy};
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::Type;

use crate::error::Problem;
use crate::target::{Session, Target};

/// The properties of a database that exists.
#[derive(Debug)]
pub(super) struct Properties {
    /// Creates the database with all that has to be said at that moment.
    pub(super) statement: String,
    /// Each restores one property of the new database.
    statements: Vec<Statement>,
    /// What the new database will not have, in words.
    pub(super) lost: Vec<String>,
}

#[derive(Debug)]
struct Statement {
    /// The property, in words and without its value.
    property: String,
    sql: String,
}

impl Properties {
    /// Reads the properties of the target's database, if it exists. Fails if this login cannot create it again with the
    /// same owner.
    ///
    /// Finds what this login cannot restore by restoring everything on the database itself, and rolling back.
    pub(super) async fn read(target: &Target, session: &Session) -> anyhow::Result<Option<Self>> {
        let parameters = [(&target.login.dbname as _, Type::TEXT)];
        let rows = session.query_typed(include_str!("properties.sql"), &parameters).await.map_err(Error::from)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let is = |column| row.column::<bool>(column);
        let (user, name) = (&target.login.user, target.name());
        let Lossy(owner) = row.column("owner")?;
        ensure!(
            is("may_create")?,
            Problem::new(
                format!("{user} may drop {name}, but not create it again"),
                format!(
                    "log in as a role that has CREATEDB, or have one grant it: alter role {} createdb",
                    escape_identifier(user)
                )
            )
        );
        ensure!(
            is("may_set_owner")?,
            Problem::new(
                format!("{user} may drop {name}, but not create it again for its owner {owner}"),
                // Up to PostgreSQL 15, the privileges of a role include this one.
                format!(
                    "have an administrator run: grant {} to {} with set true",
                    escape_identifier(&owner),
                    escape_identifier(user)
                )
            )
        );
        let statement = row.column("statement")?;
        let lost = row.column("lost")?;
        let rows = session.query_typed(include_str!("property_statements.sql"), &parameters).await;
        let rows = rows.map_err(Error::from)?.into_iter();
        let statements = rows.map(|row| Ok(Statement { property: row.column("what")?, sql: row.column("statement")? }));
        let statements = statements.collect::<Result<_, Error>>()?;
        let mut properties = Self { statement, statements, lost };
        session.batch_execute("begin").await.map_err(Error::from)?;
        let refused = properties.try_all(session).await;
        session.batch_execute("rollback").await.map_err(Error::from)?;
        let refused = refused?;
        properties.statements.retain(|statement| !refused.contains(&statement.property));
        properties.lost.extend(refused);
        Ok(Some(properties))
    }

    /// The properties that can be restored, in words.
    pub(super) fn restorable(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().map(|statement| statement.property.as_str())
    }

    /// Restores the properties of the new database. Returns those that the server refuses all the same.
    pub(super) async fn restore(&self, session: &Session) -> Result<Vec<String>, Error> {
        session.batch_execute("begin").await?;
        let refused = self.try_all(session).await?;
        session.batch_execute("commit").await?;
        Ok(refused)
    }

    /// Runs all statements in the open transaction. Returns the properties that the server refuses to restore.
    async fn try_all(&self, session: &Session) -> Result<Vec<String>, Error> {
        let mut refused = Vec::new();
        for Statement { property, sql } in &self.statements {
            session.batch_execute("savepoint property").await?;
            let restored = session.batch_execute(sql).await.map_err(Error::from);
            let ending = if restored.is_ok() { "release property" } else { "rollback to property" };
            match restored {
                Err(error) if error.sqlstate().is_none() => return Err(error),
                Err(_) => refused.push(property.clone()),
                Ok(()) => {}
            }
            session.batch_execute(ending).await?;
        }
        Ok(refused)
    }
}
