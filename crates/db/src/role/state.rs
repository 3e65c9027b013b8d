//! A role as the server knows it.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::row::{Columns, Lossy};
use crate::{Error, schema};

/// All that decides about the changes of a role. Of a role that does not exist, everything is false or empty.
#[derive(Debug)]
pub(super) struct State {
    pub(super) exists: bool,
    pub(super) can_log_in: bool,
    pub(super) connection_limit: i32,
    /// Whether its password expires.
    pub(super) expires: bool,
    /// Whether it has expired.
    pub(super) has_expired: bool,
    /// Its settings, such as `lock_timeout=4s`.
    pub(super) settings: Vec<String>,
    /// Those in this database, which win.
    pub(super) database_settings: Vec<String>,
    /// The server's version, such as 150004.
    pub(super) version: i32,
    pub(super) is_powerful: bool,
    /// The places in which it owns objects.
    pub(super) owns_in: Vec<String>,
    /// The other databases in which it has privileges or sessions.
    pub(super) used_in: Vec<String>,
    pub(super) member_of: Vec<String>,
    /// The objects of this database on which it has privileges of its own, in words that `revoke all on` takes.
    pub(super) privileges: Vec<String>,
    /// The statements that revoke what it has granted to other roles. Before them, the server keeps the privileges.
    pub(super) grants_to_others: Vec<String>,
    /// The tables that `PUBLIC` may use.
    pub(super) public_tables: Vec<String>,
    /// The tables that it may use, by whatever way.
    pub(super) open_tables: Vec<String>,
    /// The privileges of `PUBLIC` that the role is not to have.
    pub(super) of_public: Vec<PublicPrivilege>,
    /// The statement after which no load gives `PUBLIC` rights back. None if none would.
    pub(super) forget_public_rights: Option<&'static str>,
    /// Whether it may create objects, by whatever way.
    pub(super) may_create_at_all: bool,
    /// This database.
    pub(super) database: String,
    /// Whether it has CREATE or TEMPORARY on this database.
    pub(super) may_create: bool,
    /// The schemas on which it has CREATE.
    pub(super) may_create_in: Vec<String>,
    pub(super) may_connect: bool,
    pub(super) may_use_schema: bool,
    pub(super) may_ensure: bool,
    /// Whether it is the function's role already, by this contract or what came before.
    pub(super) is_granted: bool,
}

/// A privilege of `PUBLIC`, and so of every role.
#[derive(Debug)]
pub(super) struct PublicPrivilege {
    /// Such as `CREATE`.
    pub(super) privilege: String,
    /// Such as `schema public`, quoted where it must be.
    pub(super) object: String,
    /// Whether it is one to create objects.
    pub(super) is_to_create: bool,
    /// The roles that have it by no other way.
    pub(super) losers: Vec<String>,
}

impl State {
    /// Reads it. Needs the contract.
    pub(super) async fn read(client: &impl GenericClient, role: &str) -> Result<Self, Error> {
        let state = include_str!("../../sql/role/state.sql");
        let rows = client.query_typed(state, &[(&role, Type::TEXT)]).await?;
        let row = rows.first().expect("there is always one row");
        let Lossy(database) = row.column("database")?;
        Ok(Self {
            exists: row.column("exists")?,
            can_log_in: row.column("can_log_in")?,
            connection_limit: row.column("connection_limit")?,
            expires: row.column("expires")?,
            has_expired: row.column("has_expired")?,
            settings: row.names("settings")?,
            database_settings: row.names("database_settings")?,
            version: row.column("version")?,
            is_powerful: row.column("is_powerful")?,
            owns_in: row.names("owns_in")?,
            used_in: row.names("used_in")?,
            member_of: row.names("member_of")?,
            privileges: row.names("privileges")?,
            grants_to_others: row.names("grants_to_others")?,
            public_tables: row.names("public_tables")?,
            open_tables: row.names("open_tables")?,
            of_public: PublicPrivilege::read(client, role).await?,
            forget_public_rights: schema::forget_public_rights(client).await?,
            may_create_at_all: row.column("may_create_at_all")?,
            database,
            may_create: row.column("may_create")?,
            may_create_in: row.names("may_create_in")?,
            may_connect: row.column("may_connect")?,
            may_use_schema: row.column("may_use_schema")?,
            may_ensure: row.column("may_ensure")?,
            is_granted: row.column("is_granted")?,
        })
    }
}

impl PublicPrivilege {
    async fn read(client: &impl GenericClient, role: &str) -> Result<Vec<Self>, Error> {
        let rows = client.query_typed(include_str!("../../sql/role/public.sql"), &[(&role, Type::TEXT)]).await?;
        let privileges = rows.iter().map(|row| {
            let Lossy(object) = row.column("object")?;
            Ok(Self {
                privilege: row.column("privilege")?,
                object,
                is_to_create: row.column("is_to_create")?,
                losers: row.names("losers")?,
            })
        });
        privileges.collect()
    }
}
