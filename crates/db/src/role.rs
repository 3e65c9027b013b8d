//! The function's role: it may call `cognito.ensure_user` and nothing else.
//!
//! [`plan`] reads, [`apply`] writes. The operator confirms in between.

mod name;
mod state;

use postgres_protocol::escape::{escape_identifier, escape_literal};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, GenericClient, Transaction};

pub use self::name::{KnownRole, LONGEST_NAME, NAME, known, usual_name};

use self::state::State;
use crate::{Error, contract};

/// The role that RDS allows IAM tokens for; its members cannot log in with a password.
const RDS_IAM: &str = "rds_iam";

/// The contract's function.
const ENSURE: &str = "cognito.ensure_user";

/// What the server does with a statement that the function has given up, whose limit is 4.5 s, even where no cancellation
/// reaches it: it ends one that waits for a lock, or for anything, and one whose client is gone.
/// <https://www.postgresql.org/docs/current/runtime-config-client.html>
const SETTINGS: [(&str, &str); 3] =
    [("statement_timeout", "5s"), ("lock_timeout", "4s"), ("idle_in_transaction_session_timeout", "10s")];

/// The same for a client that is gone, from this version of PostgreSQL on.
const CONNECTION_CHECK: (i32, (&str, &str)) = (140_000, ("client_connection_check_interval", "1s"));

/// The most roles that a change names.
const MOST_NAMES: usize = 5;

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
    /// Its connections at most; at least the function's concurrency.
    pub connection_limit: i32,
    /// Whether `PUBLIC`, and so the role, keeps its rights to create objects.
    pub keeps_public: bool,
}

/// The changes that a role needs. Nothing is changed before [`apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    role: Role,
    /// Whether the role does not exist yet.
    pub is_new: bool,
    /// The other databases in which the role has privileges or sessions. A new password would lock those clients out.
    pub used_in: Vec<String>,
    /// The changes, in the order of their statements.
    pub changes: Vec<Change>,
}

/// One change of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change in words, such as `grant EXECUTE on cognito.ensure_user`.
    pub description: String,
    /// Whether the role, or another one, loses something by it. A program may rely on that.
    pub is_loss: bool,
    statement: String,
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
/// [`plan`] would return now; with [`Error::RoleTooPowerful`] if the role keeps a privilege that this login cannot
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
    obstacles.extend(state.owns_in.iter().map(|place| format!("it owns objects in {place}: `drop owned by` it there")));
    let privileges = state.privileges.iter().filter(|object| !is_revocable(object));
    obstacles.extend(privileges.map(|object| format!("it has privileges on {object}")));
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

/// The name of a setting such as `lock_timeout=4s`.
fn name_of(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(name, _)| name)
}

/// Whether `revoke all on` takes these words. It does not for default privileges, types and the like.
fn is_revocable(object: &str) -> bool {
    ["table ", "routine ", "schema "].iter().any(|kind| object.starts_with(kind))
}

fn too_powerful(role: &Role, rights: &str) -> Error {
    Error::RoleTooPowerful { role: role.name.clone(), rights: rights.to_owned() }
}

impl Plan {
    /// The descriptions also name who else is affected, which decides nothing.
    fn has_the_statements_of(&self, other: &Self) -> bool {
        self.changes.iter().map(|change| &change.statement).eq(other.changes.iter().map(|change| &change.statement))
    }

    fn outdated(&self) -> Error {
        Error::RoleChanged { role: self.role.name.clone() }
    }

    fn of(state: &State, role: &Role) -> Self {
        let used_in = state.used_in.clone();
        let mut plan = Self { role: role.clone(), is_new: !state.exists, used_in, changes: Vec::new() };
        plan.plan_role(state);
        plan.plan_settings(state);
        plan.plan_revocations(state);
        plan.plan_revocations_from_public(state);
        plan.plan_grants(state);
        plan
    }

    /// The role itself and how it logs in.
    fn plan_role(&mut self, state: &State) {
        let (name, limit) = (escape_identifier(&self.role.name), self.role.connection_limit);
        if self.is_new {
            let description = format!("create the role {} with at most {limit} connections", self.role.name);
            self.grant(description, format!("create role {name} login connection limit {limit}"));
        } else if !state.can_log_in || state.connection_limit != limit {
            let description = format!("allow its login with at most {limit} connections");
            self.alter(description, format!("alter role {name} login connection limit {limit}"));
        }
        if state.expires {
            let description = "remove the expiry of its password".to_owned();
            self.alter(description, format!("alter role {name} valid until 'infinity'"));
        }
    }

    /// The limits of its statements at the server.
    fn plan_settings(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        let (since, connection_check) = CONNECTION_CHECK;
        let is_known = state.version >= since;
        let wanted: Vec<_> = SETTINGS.into_iter().chain(is_known.then_some(connection_check)).collect();
        let (mut shown, mut statements) = (Vec::new(), Vec::new());
        for &(setting, value) in &wanted {
            if !state.settings.contains(&format!("{setting}={value}")) {
                shown.push(format!("{setting} {value}"));
                statements.push(format!("alter role {name} set {setting} = '{value}'"));
            }
        }
        if !shown.is_empty() {
            self.alter(format!("limit its statements: {}", shown.join(", ")), statements.join("; "));
        }
        // Any other setting may hold sign-ups up, as `default_transaction_read_only` does.
        let database = format!(" in database {}", escape_identifier(&state.database));
        let is_wanted = |setting: &str| wanted.iter().any(|(name, _)| *name == setting);
        let others =
            state.settings.iter().map(|setting| (setting, "")).filter(|(setting, _)| !is_wanted(name_of(setting)));
        let of_database = state.database_settings.iter().map(|setting| (setting, database.as_str()));
        for (setting, place) in others.chain(of_database) {
            let setting = name_of(setting);
            let statement = format!("alter role {name}{place} reset {}", escape_identifier(setting));
            self.revoke(format!("reset its {setting}{place}"), statement);
        }
    }

    fn plan_revocations(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        for group in &state.member_of {
            if self.role.authentication == Authentication::Password || group != RDS_IAM {
                let statement = format!("revoke {} from {name}", escape_identifier(group));
                self.revoke(format!("revoke its membership in {group}"), statement);
            }
        }
        for object in &state.privileges {
            // The server has quoted the object's name where it must be.
            let statement = format!("revoke all on {object} from {name}");
            self.revoke(format!("revoke its privileges on {object}"), statement);
        }
        let mut creates = Vec::new();
        if state.may_create {
            creates.push(format!("create, temporary on database {}", escape_identifier(&state.database)));
        }
        creates.extend(state.may_create_in.iter().map(|schema| format!("create on schema {schema}")));
        if !creates.is_empty() {
            let statements: Vec<_> = creates.iter().map(|create| format!("revoke {create} from {name}")).collect();
            self.revoke("revoke its CREATE and TEMPORARY".to_owned(), statements.join("; "));
        }
    }

    /// What every role has, and so this one. Others may rely on it.
    fn plan_revocations_from_public(&mut self, state: &State) {
        let others = &state.others;
        let named = others.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        let losers = match others.len().saturating_sub(MOST_NAMES) {
            _ if others.is_empty() => String::new(),
            0 => format!(", and so from {named}"),
            more => format!(", and so from {named} and {more} more roles"),
        };
        let mut revoke = |privilege: &str, shown: &str| {
            self.changes.push(Change {
                description: format!("revoke {shown} from PUBLIC{losers}"),
                is_loss: !others.is_empty(),
                statement: format!("revoke {privilege} from public"),
            });
        };
        for privilege in &state.public_creates {
            if !self.role.keeps_public {
                revoke(privilege, privilege);
            }
        }
        if state.public_may_ensure {
            revoke(&format!("execute on function {ENSURE}(jsonb)"), &format!("EXECUTE on {ENSURE}"));
        }
    }

    fn plan_grants(&mut self, state: &State) {
        let name = escape_identifier(&self.role.name);
        let database = &state.database;
        if self.role.authentication == Authentication::Iam && !state.member_of.iter().any(|group| group == RDS_IAM) {
            let description = format!("grant {RDS_IAM}, so that it logs in with IAM tokens");
            let statement = format!("grant {RDS_IAM} to {name}");
            // RDS then refuses its password.
            if self.is_new { self.grant(description, statement) } else { self.revoke(description, statement) }
        }
        for (has, privilege, object, shown) in [
            (
                state.may_connect,
                "connect",
                format!("database {}", escape_identifier(database)),
                format!("database {database}"),
            ),
            (state.may_use_schema, "usage", "schema cognito".to_owned(), "schema cognito".to_owned()),
            (state.may_ensure, "execute", format!("function {ENSURE}(jsonb)"), ENSURE.to_owned()),
        ] {
            if !has {
                let description = format!("grant {} on {shown}", privilege.to_uppercase());
                self.grant(description, format!("grant {privilege} on {object} to {name}"));
            }
        }
    }

    /// Changes the role in all databases. Where it is used in others, their clients may rely on what it is.
    fn alter(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: !self.used_in.is_empty(), statement });
    }

    fn grant(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: false, statement });
    }

    fn revoke(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: true, statement });
    }
}
