//! What stops a load into a database that is created again as it was, found before it is dropped.

use anyhow::{bail, ensure};
use db::Error;
use db::row::{Columns, Lossy};
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::Type;

use crate::error::{Problem, SET_ROLE};
use crate::target::{Session, Target};

/// A load that is possible.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Loadable {
    /// The owner of the database, for a load that acts as this role, because its tables were the owner's.
    pub(super) actor: Option<String>,
    /// What the former database had inside and the new one will not have, in words.
    pub(super) lost: Vec<String>,
}

/// Fails if this login cannot load the database after it was created with the same owner, privileges and settings.
pub(super) async fn examine(target: &Target, session: &Session) -> anyhow::Result<Loadable> {
    let parameters = [(&target.login.dbname as _, Type::TEXT)];
    let rows = session.query_typed(include_str!("load_obstacles.sql"), &parameters).await.map_err(Error::from)?;
    // None if it was dropped meanwhile.
    let Some(row) = rows.first() else { return Ok(Loadable::default()) };
    let is = |column| row.column::<bool>(column);
    let database = escape_identifier(&target.login.dbname);
    let (Lossy(login), Lossy(loader)) = (row.column("login")?, row.column("loader")?);
    let cannot_load = format!("{} could be dropped and created again, but not loaded", target.name());
    if let Some(Lossy(origin)) = row.column("read_only_origin")? {
        bail!(Problem::new(
            format!("{cannot_load}: its sessions only read (default_transaction_read_only)"),
            format!("run: {origin} reset default_transaction_read_only")
        ));
    }
    ensure!(
        is("allows_connections")?,
        Problem::new(
            format!("{cannot_load}: its connection limit is 0"),
            format!("run: alter database {database} connection limit -1")
        )
    );
    ensure!(
        is("may_connect")?,
        Problem::new(
            format!("{cannot_load}: {login} may not connect to it"),
            format!("run: grant connect on database {database} to {}", escape_identifier(&login))
        )
    );
    if let Some(Lossy(origin)) = row.column("role_origin")? {
        ensure!(
            is("may_write")?,
            Problem::new(
                format!("{cannot_load}: its sessions act as {loader}, which does not own it"),
                format!("run: {origin} reset role")
            )
        );
    }
    let grant: Option<Lossy> = row.column("writer_grant")?;
    ensure!(
        is("may_use_writer")?,
        Problem::new(
            format!("{cannot_load}: {loader} cannot create the role cognito_writer and act as it"),
            match grant {
                Some(Lossy(grant)) => format!("have {} run: {grant}", admins(&row.names("writer_admins")?)),
                None => "log in as a role with CREATEROLE, such as RDS's master user".to_owned(),
            }
        )
    );
    let actor: Option<Lossy> = row.column("actor")?;
    let owners = row.names("other_owners")?;
    let mut lost: Vec<_> = owners.iter().map(|owner| format!("the tables and other objects of {owner}")).collect();
    if let grantees @ [_, ..] = row.names("grantees")?.as_slice() {
        let grantees = grantees.join(" and ");
        lost.push(format!(
            "the privileges of {grantees} on its objects (for the function's role, run `provision db grant`)"
        ));
    }
    Ok(Loadable { actor: actor.map(|Lossy(actor)| actor), lost })
}

/// The error of a load, with the way out if the session's role may not act as the owner of the contract: another login has
/// created that owner.
pub(super) async fn explain(session: &Session, error: anyhow::Error) -> anyhow::Error {
    let routine = error.downcast_ref::<Error>().and_then(Error::routine);
    if !routine.is_some_and(|routine| SET_ROLE.contains(&routine)) {
        return error;
    }
    match way_out(session).await {
        Ok((problem, remedy)) => Problem::new(problem, remedy).because(error).into(),
        Err(_) => error,
    }
}

async fn way_out(session: &Session) -> Result<(String, String), Error> {
    let rows = session.query_typed(include_str!("writer.sql"), &[]).await?;
    let row = rows.first().expect("there is always one row");
    let (Lossy(role), Lossy(statement)) = (row.column("role")?, row.column("statement")?);
    let remedy = format!("have {} run: {statement}; then load again", admins(&row.names("admins")?));
    Ok((format!("{role} may not act as cognito_writer, which another login has created"), remedy))
}

/// Who may grant cognito_writer, by their names where there are any.
fn admins(names: &[String]) -> String {
    match names {
        [] => "an administrator".to_owned(),
        names => names.join(" or "),
    }
}
