//! The function's role: it may call `upsert_user` and nothing else.
//!
//! [`plan`] reads, [`apply`] writes. The operator confirms in between.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use crate::Error;

/// The role's usual name.
pub const NAME: &str = "post_confirmation";

/// The role that RDS allows IAM tokens for; its members cannot log in with a password.
const RDS_IAM: &str = "rds_iam";

/// The function's signature, see the migrations.
const UPSERT: &str = "upsert_user(text, text, text[], text)";

/// How the role logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// With a password, see [`Applied::set_password`].
    Password,
    /// With IAM tokens. RDS then refuses the role's password.
    Iam,
}

/// The changes that a role needs. Nothing is changed before [`apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    role: String,
    authentication: Authentication,
    connection_limit: i32,
    /// Whether the role does not exist yet.
    pub is_new: bool,
    /// The changes, in the order of their statements.
    pub changes: Vec<Change>,
}

/// One change of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change in words, such as `grant EXECUTE on upsert_user`.
    pub description: String,
    /// Whether the role loses something by it. A program may rely on that.
    pub is_loss: bool,
    statement: String,
}

/// Plans the changes that the role needs: it can log in, with at most so many connections at once, and call
/// `upsert_user`; it has no other privilege in this database than those of `PUBLIC`. Writes nothing.
///
/// Fails with [`Error::RoleTooPowerful`] if no plan helps: the role is a superuser or the like, which is no function's
/// role, it owns objects, or `PUBLIC` may use a table or create objects; with [`Error::SchemaMissing`] if the schema is not
/// loaded.
pub async fn plan(
    client: &impl GenericClient,
    role: &str,
    authentication: Authentication,
    connection_limit: i32,
) -> Result<Plan, Error> {
    let state = read_state(client, role).await?;
    ensure_possible(role, &state)?;
    Ok(Plan::of(&state, role, authentication, connection_limit))
}

async fn read_state(client: &impl GenericClient, role: &str) -> Result<Row, Error> {
    let state = include_str!("../sql/role/state.sql");
    let mut rows = client.query_typed(state, &[(&role, Type::TEXT)]).await?;
    Ok(rows.pop().expect("there is always one row"))
}

/// Makes the planned changes in one transaction, which [`Applied::commit`] ends; dropped before, nothing is changed.
///
/// Needs a login that may create roles and owns the schema. Fails with [`Error::RoleChanged`] if the plan is not what
/// [`plan`] would return now; with [`Error::RoleTooPowerful`] if the role keeps a privilege that this login cannot
/// revoke; with SQLSTATE 42704 for [`Authentication::Iam`] on a server that is not RDS.
pub async fn apply<'a>(client: &'a mut Client, planned: &Plan) -> Result<Applied<'a>, Error> {
    let Plan { role, authentication, connection_limit, changes, .. } = planned;
    let transaction = client.transaction().await?;
    if plan(&transaction, role, *authentication, *connection_limit).await? != *planned {
        return Err(Error::RoleChanged { role: role.clone() });
    }
    for change in changes {
        transaction.batch_execute(&change.statement).await?;
    }
    ensure_nothing_is_left(&transaction, planned).await?;
    Ok(Applied { transaction, role: role.clone() })
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

fn ensure_possible(role: &str, state: &Row) -> Result<(), Error> {
    let mut obstacles = Vec::new();
    if state.get("is_powerful") {
        obstacles.push("it is a superuser, or may create roles or databases, replicate or bypass RLS".to_owned());
    }
    if state.get("is_owner") {
        obstacles.push("it owns objects".to_owned());
    }
    let privileges = state.get::<_, Vec<String>>("privileges").into_iter().filter(|object| !is_revocable(object));
    obstacles.extend(privileges.map(|object| format!("it has privileges on {object}")));
    let tables = state.get::<_, Vec<String>>("public_tables").into_iter();
    obstacles.extend(tables.map(|table| format!("PUBLIC has privileges on {table}")));
    if state.get("public_may_create") {
        obstacles
            .push("PUBLIC may create objects in the schema public or in the database, or temporary tables".to_owned());
    }
    if obstacles.is_empty() { Ok(()) } else { Err(too_powerful(role, &obstacles.join("; "))) }
}

/// Fails if the role keeps a privilege after the planned changes: one that another role has granted, of which the server
/// only warns, or one through a group that it stays in.
async fn ensure_nothing_is_left(transaction: &Transaction<'_>, planned: &Plan) -> Result<(), Error> {
    let Plan { role, authentication, connection_limit, .. } = planned;
    let state = read_state(transaction, role).await?;
    ensure_possible(role, &state)?;
    let changes = Plan::of(&state, role, *authentication, *connection_limit).changes;
    let mut left: Vec<_> = changes.iter().map(|change| format!("this login cannot {}", change.description)).collect();
    // A privilege that could not be revoked would be reported twice.
    if left.is_empty() {
        left.extend(
            state.get::<_, Vec<String>>("open_tables").into_iter().map(|table| format!("a group gives it {table}")),
        );
        if state.get("may_create_at_all") {
            left.push("a group lets it create objects or temporary tables".to_owned());
        }
    }
    if left.is_empty() { Ok(()) } else { Err(too_powerful(role, &left.join("; "))) }
}

/// Whether `revoke all on` takes these words. It does not for default privileges, types and the like.
fn is_revocable(object: &str) -> bool {
    ["table ", "routine ", "schema "].iter().any(|kind| object.starts_with(kind))
}

fn too_powerful(role: &str, rights: &str) -> Error {
    Error::RoleTooPowerful { role: role.to_owned(), rights: rights.to_owned() }
}

impl Plan {
    fn of(state: &Row, role: &str, authentication: Authentication, connection_limit: i32) -> Self {
        let is_new = !state.get::<_, bool>("exists");
        let mut plan = Self { role: role.to_owned(), authentication, connection_limit, is_new, changes: Vec::new() };
        plan.plan_role(state);
        plan.plan_revocations(state);
        plan.plan_grants(state);
        plan
    }

    /// The role itself and how it logs in.
    fn plan_role(&mut self, state: &Row) {
        let (name, limit) = (escape_identifier(&self.role), self.connection_limit);
        if self.is_new {
            let description = format!("create the role {} with at most {limit} connections", self.role);
            self.grant(description, format!("create role {name} login connection limit {limit}"));
        } else if !state.get::<_, bool>("can_log_in") || state.get::<_, i32>("connection_limit") != limit {
            let description = format!("allow its login with at most {limit} connections");
            self.grant(description, format!("alter role {name} login connection limit {limit}"));
        }
        if state.get("expires") {
            let description = "remove the expiry of its password".to_owned();
            self.grant(description, format!("alter role {name} valid until 'infinity'"));
        }
    }

    fn plan_revocations(&mut self, state: &Row) {
        let name = escape_identifier(&self.role);
        for group in state.get::<_, Vec<String>>("member_of") {
            if self.authentication == Authentication::Password || group != RDS_IAM {
                let statement = format!("revoke {} from {name}", escape_identifier(&group));
                self.revoke(format!("revoke its membership in {group}"), statement);
            }
        }
        for object in state.get::<_, Vec<String>>("privileges") {
            // The server has quoted the object's name where it must be.
            let statement = format!("revoke all on {object} from {name}");
            self.revoke(format!("revoke its privileges on {object}"), statement);
        }
        if state.get("may_create") {
            let database = escape_identifier(state.get("database"));
            let statement = format!(
                "revoke create, temporary on database {database} from {name}; revoke create on schema public from {name}"
            );
            self.revoke("revoke its CREATE and TEMPORARY".to_owned(), statement);
        }
    }

    fn plan_grants(&mut self, state: &Row) {
        let name = escape_identifier(&self.role);
        let database: String = state.get("database");
        if self.authentication == Authentication::Iam && !state.get::<_, Vec<&str>>("member_of").contains(&RDS_IAM) {
            let description = format!("grant {RDS_IAM}, so that it logs in with IAM tokens");
            let statement = format!("grant {RDS_IAM} to {name}");
            // RDS then refuses its password.
            if self.is_new { self.grant(description, statement) } else { self.revoke(description, statement) }
        }
        for (has, privilege, object, shown) in [
            (
                "may_connect",
                "connect",
                format!("database {}", escape_identifier(&database)),
                format!("database {database}"),
            ),
            ("may_use_schema", "usage", "schema public".to_owned(), "schema public".to_owned()),
            ("may_upsert", "execute", format!("function {UPSERT}"), "upsert_user".to_owned()),
        ] {
            if !state.get::<_, bool>(has) {
                let description = format!("grant {} on {shown}", privilege.to_uppercase());
                self.grant(description, format!("grant {privilege} on {object} to {name}"));
            }
        }
    }

    fn grant(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: false, statement });
    }

    fn revoke(&mut self, description: String, statement: String) {
        self.changes.push(Change { description, is_loss: true, statement });
    }
}
