//! The function's role: it may call `cognito.ensure_user` and nothing else.
//!
//! [`plan()`] reads, [`apply`] writes. The operator confirms in between.

mod name;
mod plan;
mod state;

use postgres_protocol::escape::{escape_identifier, escape_literal};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, GenericClient, Transaction};

pub use self::name::{KnownRole, LONGEST_NAME, NAME, known, usual_name};
pub use self::plan::{Change, Plan};

use self::state::State;
use crate::{Error, contract};

/// How the role logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// With a password, see [`Applied::set_password`].
    Password,
    /// With IAM tokens. RDS then refuses the role's password.
    Iam,
}

/// A role for the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// How it logs in.
    pub authentication: Authentication,
    /// Its connections at most; at least the function's concurrency. With None, a role that exists keeps its limit, and a
    /// new one gets 50.
    pub connection_limit: Option<i32>,
    /// Whether `PUBLIC`, and so the role, keeps its rights to create objects.
    pub keeps_public: bool,
}

/// Plans the changes that the role needs: it can log in, with at most so many connections at once, and call
/// `cognito.ensure_user`; it has no other privilege in this database than those of `PUBLIC`, and `PUBLIC` creates no objects.
/// Writes nothing.
///
/// Fails with [`Error::RoleTooPowerful`] if no plan helps: the role is a superuser or the like, which is no function's
/// role, it owns objects, or `PUBLIC` may use a table; with [`Error::ContractMissing`] and [`Error::ContractUnsafe`].
pub async fn plan(client: &impl GenericClient, role: &Role) -> Result<Plan, Error> {
    let contract = contract::inspect(client).await?;
    if !contract.faults.is_empty() {
        return Err(Error::ContractUnsafe { faults: contract.faults.join("; ") });
    }
    let state = State::read(client, &role.name).await?;
    ensure_possible(role, &state)?;
    Ok(Plan::of(&state, role))
}

/// Makes the planned changes in one transaction, which [`Applied::commit`] ends; dropped before, nothing is changed. In one
/// database, one such transaction waits for another.
///
/// Needs a login that may create roles and owns the schema. Fails with [`Error::RoleChanged`] if the plan is not what
/// [`plan()`] would return now; with [`Error::RoleTooPowerful`] if the role keeps a privilege that this login cannot
/// revoke; with SQLSTATE 42704 for [`Authentication::Iam`] on a server that is not RDS.
pub async fn apply<'a>(client: &'a mut Client, planned: &Plan) -> Result<Applied<'a>, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(include_str!("../sql/role/lock.sql")).await?;
    if !plan(&transaction, &planned.role).await?.has_the_statements_of(planned) {
        return Err(planned.outdated());
    }
    for change in &planned.changes {
        let changed = transaction.batch_execute(&change.statement).await.map_err(Error::from);
        changed.map_err(|error| if error.is_concurrent_change() { planned.outdated() } else { error })?;
    }
    ensure_nothing_is_left(&transaction, &planned.role).await?;
    Ok(Applied { transaction, role: planned.role.name.clone() })
}

/// Changes that are made and not committed yet.
#[must_use = "nothing is changed before it is committed"]
pub struct Applied<'a> {
    transaction: Transaction<'a>,
    role: String,
}

impl Applied<'_> {
    /// Sets the role's password together with the other changes. The server gets its SCRAM verifier, so the password
    /// is in none of its logs.
    pub async fn set_password(&self, password: &SecretString) -> Result<(), Error> {
        let verifier = postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes());
        let statement = format!("alter role {} password {}", escape_identifier(&self.role), escape_literal(&verifier));
        Ok(self.transaction.batch_execute(&statement).await?)
    }

    /// Commits the changes.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.transaction.commit().await?)
    }
}

fn ensure_possible(role: &Role, state: &State) -> Result<(), Error> {
    let mut obstacles = Vec::new();
    if state.is_powerful {
        obstacles.push("it is a superuser, or may create roles or databases, replicate or bypass RLS".to_owned());
    }
    obstacles.extend(state.owns_in.iter().map(|place| format!("it owns objects in {place}")));
    let privileges = state.privileges.iter().filter(|object| !is_revocable(object));
    obstacles.extend(privileges.map(|object| format!("it has privileges on {object}")));
    let grants = state.grants_to_others.iter();
    obstacles.extend(grants.map(|statement| format!("it has granted privileges to other roles: run `{statement}`")));
    obstacles.extend(state.public_tables.iter().map(|table| format!("PUBLIC has privileges on {table}")));
    if obstacles.is_empty() { Ok(()) } else { Err(too_powerful(role, &obstacles.join("; "))) }
}

/// Fails if the role keeps a privilege after the planned changes: one that another role has granted, of which the server
/// only warns, or one through a group that it stays in.
async fn ensure_nothing_is_left(transaction: &Transaction<'_>, role: &Role) -> Result<(), Error> {
    let state = State::read(transaction, &role.name).await?;
    ensure_possible(role, &state)?;
    let changes = Plan::of(&state, role).changes;
    let mut left: Vec<_> = changes.iter().map(|change| format!("this login cannot {}", change.description)).collect();
    // A privilege that could not be revoked would be reported twice.
    if left.is_empty() {
        left.extend(state.open_tables.iter().map(|table| format!("a group gives it {table}")));
        if state.may_create_at_all && !role.keeps_public {
            left.push("a group lets it create objects or temporary tables".to_owned());
        }
    }
    if left.is_empty() { Ok(()) } else { Err(too_powerful(role, &left.join("; "))) }
}

/// Whether `revoke all on` takes these words. It does not for default privileges, types and the like.
fn is_revocable(object: &str) -> bool {
    ["table ", "routine ", "schema ", "parameter "].iter().any(|kind| object.starts_with(kind))
}

fn too_powerful(role: &Role, rights: &str) -> Error {
    Error::RoleTooPowerful { role: role.name.clone(), rights: rights.to_owned() }
}
