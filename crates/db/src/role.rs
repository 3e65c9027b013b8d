//! The function's role: it may call `upsert_user` and do nothing else.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};

use crate::Error;

/// The role's usual name.
pub const NAME: &str = "post_confirmation";

/// What RDS lets roles log in with IAM tokens by.
const RDS_IAM: &str = "rds_iam";

/// The statement's signature, see the migrations.
const UPSERT: &str = "upsert_user(text, text, text[], text)";

/// How the role enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// With a password, see [`set_password`].
    Password,
    /// With IAM tokens, which RDS then insists on.
    Iam,
}

/// Makes the role, or brings it into line: it can log in this way, with at most so many connections at once, call
/// `upsert_user`, and has no other right in this database but to call the functions that everybody may call.
///
/// Nothing of that is done before [`Restriction::commit`]. Needs a login that may create roles and owns the schema.
/// Fails with [`Error::RoleTooPowerful`] if the role is a superuser or the like, which nobody meant for the function, or
/// keeps a right that this login cannot take, or that everybody has on a table; with [`Error::SchemaMissing`] if the
/// schema is not loaded; with SQLSTATE 42704 for [`Entrance::Iam`] on a server that is not RDS.
pub async fn restrict<'a>(
    client: &'a mut Client,
    role: &'a str,
    entrance: Entrance,
    connection_limit: i32,
) -> Result<Restriction<'a>, Error> {
    let transaction = client.transaction().await?;
    let mut restriction =
        Restriction { transaction, role, entrance, is_new: false, given: Vec::new(), taken: Vec::new() };
    match restriction.state().await? {
        Some(state) => {
            restriction.ensure_harmless(&state)?;
            restriction.take(&state).await?;
        }
        None => restriction.create(connection_limit).await?,
    }
    restriction.give(connection_limit).await?;
    restriction.ensure_nothing_is_left().await?;
    Ok(restriction)
}

/// What a role's restriction changes. It holds from [`Restriction::commit`] on; dropped before, nothing is done.
#[must_use = "nothing is restricted before it is committed"]
pub struct Restriction<'a> {
    transaction: Transaction<'a>,
    role: &'a str,
    entrance: Entrance,
    /// Whether there was no such role.
    pub is_new: bool,
    /// What is taken from it, for people. Somebody may have relied on that.
    pub taken: Vec<String>,
    /// What it is given, for people.
    pub given: Vec<String>,
}

impl Restriction<'_> {
    /// Sets the role's password with all the rest, see [`set_password`].
    pub async fn set_password(&self, password: &SecretString) -> Result<(), Error> {
        Ok(self.transaction.batch_execute(&password_statement(self.role, password)).await?)
    }

    /// Makes it so.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.transaction.commit().await?)
    }

    /// The role as it is now, if there is one.
    async fn state(&self) -> Result<Option<Row>, Error> {
        let state = include_str!("../sql/role/state.sql");
        let mut rows = self.transaction.query_typed(state, &[(&self.role, Type::TEXT)]).await?;
        Ok(rows.pop())
    }

    async fn state_now(&self) -> Result<Row, Error> {
        Ok(self.state().await?.expect("the role is there by now"))
    }

    async fn create(&mut self, connection_limit: i32) -> Result<(), Error> {
        let name = escape_identifier(self.role);
        let statement = format!("create role {name} login connection limit {connection_limit}");
        self.transaction.batch_execute(&statement).await?;
        self.is_new = true;
        self.given.push(format!("the role {} is made, for {connection_limit} connections", self.role));
        Ok(())
    }

    fn ensure_harmless(&self, state: &Row) -> Result<(), Error> {
        if state.get("is_powerful") {
            return Err(self.too_powerful("a superuser's, or to make roles or databases, replicate or see every row"));
        }
        if state.get("is_owner") {
            return Err(self.too_powerful("an owner's on what it has made"));
        }
        Ok(())
    }

    async fn take(&mut self, state: &Row) -> Result<(), Error> {
        let name = escape_identifier(self.role);
        let mut revocations = Vec::new();
        for group in self.needless_groups(state) {
            revocations.push(format!("revoke {} from {name}", escape_identifier(&group)));
            self.taken.push(format!("it is taken out of {group}"));
        }
        for right in state.get::<_, Vec<String>>("rights") {
            if ["table ", "routine ", "schema "].iter().any(|object| right.starts_with(object)) {
                // The server has quoted its name where it must be.
                revocations.push(format!("revoke all on {right} from {name}"));
                self.taken.push(format!("its rights on {right} are taken"));
            }
        }
        if state.get("may_create") {
            let database = escape_identifier(state.get("database"));
            revocations.push(format!("revoke create, temporary on database {database} from {name}"));
            revocations.push(format!("revoke create on schema public from {name}"));
            self.taken.push("its right to create is taken".to_owned());
        }
        self.transaction.batch_execute(&revocations.join("; ")).await?;
        Ok(())
    }

    async fn give(&mut self, connection_limit: i32) -> Result<(), Error> {
        // What it had as a member of a group, it may have lost by now.
        let state = self.state_now().await?;
        let name = escape_identifier(self.role);
        let database: &str = state.get("database");
        let mut grants = Vec::new();
        if !state.get::<_, bool>("can_log_in") || state.get::<_, i32>("connection_limit") != connection_limit {
            grants.push(format!("alter role {name} login connection limit {connection_limit}"));
            self.given.push(format!("it may log in, for {connection_limit} connections"));
        }
        if state.get("expires") {
            grants.push(format!("alter role {name} valid until 'infinity'"));
            self.given.push("its password is valid for ever".to_owned());
        }
        if self.entrance == Entrance::Iam && !state.get::<_, Vec<&str>>("member_of").contains(&RDS_IAM) {
            grants.push(format!("grant {RDS_IAM} to {name}"));
            // RDS then refuses its password.
            let sentence = "it logs in with IAM tokens";
            if self.is_new { &mut self.given } else { &mut self.taken }.push(sentence.to_owned());
        }
        if !state.get::<_, bool>("may_connect") {
            grants.push(format!("grant connect on database {} to {name}", escape_identifier(database)));
            self.given.push(format!("it may connect to {database}"));
        }
        if !state.get::<_, bool>("may_use_schema") {
            grants.push(format!("grant usage on schema public to {name}"));
            self.given.push("it may use the schema public".to_owned());
        }
        if !state.get::<_, bool>("may_upsert") {
            grants.push(format!("grant execute on function {UPSERT} to {name}"));
            self.given.push("it may call upsert_user".to_owned());
        }
        self.transaction.batch_execute(&grants.join("; ")).await?;
        Ok(())
    }

    /// Who has not given a right cannot take it: the server only warns of that.
    async fn ensure_nothing_is_left(&self) -> Result<(), Error> {
        let state = self.state_now().await?;
        let mut left: Vec<String> = state.get("rights");
        let open_tables = state.get::<_, Vec<String>>("open_tables").into_iter().filter(|table| !left.contains(table));
        let open_tables: Vec<_> = open_tables.map(|table| format!("{table}, as everybody")).collect();
        left.extend(open_tables);
        left.extend(self.needless_groups(&state).into_iter().map(|group| format!("those of {group}")));
        if state.get("may_create") {
            left.push(
                "to create in the schema public or the database, or temporary tables, maybe as everybody".to_owned(),
            );
        }
        if left.is_empty() { Ok(()) } else { Err(self.too_powerful(&left.join(", "))) }
    }

    /// The roles that it is in and should not be.
    fn needless_groups(&self, state: &Row) -> Vec<String> {
        let mut groups: Vec<String> = state.get("member_of");
        groups.retain(|group| self.entrance == Entrance::Password || group != RDS_IAM);
        groups
    }

    fn too_powerful(&self, rights: &str) -> Error {
        Error::RoleTooPowerful { role: self.role.to_owned(), rights: rights.to_owned() }
    }
}

/// Sets the role's password. What is sent is its SCRAM verifier, so that it stands in no log of the server.
pub async fn set_password(client: &Client, role: &str, password: &SecretString) -> Result<(), Error> {
    Ok(client.batch_execute(&password_statement(role, password)).await?)
}

fn password_statement(role: &str, password: &SecretString) -> String {
    let verifier = postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes());
    format!("alter role {} password {}", escape_identifier(role), escape_literal(&verifier))
}
