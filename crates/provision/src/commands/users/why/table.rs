//! What the database has of a user, whatever tables are behind the contract.

use std::collections::BTreeMap;
use std::time::SystemTime;

use db::Error;
use db::reconcile::writes_public_users;
use db::row::Columns;
use db::schema::{Access, ensure_trusted};
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::target::Target;

/// With this begins the id of a seeded row, whose user has not signed up yet.
const SEED: &str = "seed-";

/// The users whose rows are wanted.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) subs: Vec<String>,
    pub(super) addresses: Vec<String>,
    /// In a table of an application's own, only its owner knows where they are.
    pub(super) handles: Vec<String>,
}

/// The rows and tombstones of these users, and rows that share an address or a handle with one.
#[derive(Debug)]
pub(super) struct Answer {
    /// By the server's clock.
    pub(super) now: SystemTime,
    pub(super) rows: Vec<Row>,
    /// When each was forgotten, by `sub`.
    pub(super) tombstones: BTreeMap<String, SystemTime>,
    /// Whether there are tombstones that this login may not read.
    pub(super) are_tombstones_hidden: bool,
    /// Whether the table of this project's migrations is behind the contract.
    pub(super) is_public_users: bool,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) sub: String,
    pub(super) email: Option<String>,
    /// None if the table does not say.
    pub(super) email_verified: Option<bool>,
    /// When Cognito reported the address.
    pub(super) as_of: Option<SystemTime>,
    /// None in a table of an application's own.
    pub(super) created_at: Option<SystemTime>,
    pub(super) handle: Option<String>,
    /// Those of the question that are the same to a reader.
    pub(super) handles: Vec<String>,
}

impl Row {
    /// Whether it waits for its user.
    pub(super) fn is_seeded(&self) -> bool {
        self.sub.starts_with(SEED)
    }
}

/// Looks the users up.
pub(super) async fn look(target: &Target, question: &Question) -> anyhow::Result<Answer> {
    target
        .with_session(async |session| {
            let transaction = session.transaction().await?;
            ensure_trusted(&transaction, Access::Contract).await?;
            let is_public_users = writes_public_users(&transaction).await?;
            if is_public_users {
                ensure_trusted(&transaction, Access::Read).await?;
            }
            let can_read = query(&transaction, include_str!("can_read.sql"), &[]).await?;
            let can_read = can_read.first().ok_or(Error::ContractMissing)?;
            let (has, may): (bool, bool) =
                (can_read.column("has_tombstones")?, can_read.column("may_read_tombstones")?);
            let mut rows = known(&transaction, question, is_public_users).await?;
            rows.dedup_by(|one, other| one.sub == other.sub);
            Ok(Answer {
                now: can_read.column("now")?,
                rows,
                tombstones: if has && may { tombstones(&transaction, &question.subs).await? } else { BTreeMap::new() },
                are_tombstones_hidden: has && !may,
                is_public_users,
            })
        })
        .await
}

/// When the function wrote the first row of all. Reads the whole table.
pub(super) async fn first_as_of(target: &Target) -> anyhow::Result<Option<SystemTime>> {
    target
        .with_session(async |session| {
            let transaction = session.transaction().await?;
            ensure_trusted(&transaction, Access::Contract).await?;
            let rows = query(&transaction, include_str!("first_row.sql"), &[]).await?;
            Ok(rows.first().map_or(Ok(None), |row| row.column("first_as_of"))?)
        })
        .await
}

async fn known(transaction: &Transaction<'_>, question: &Question, is_public_users: bool) -> Result<Vec<Row>, Error> {
    let Question { subs, handles, .. } = question;
    let addresses: Vec<String> = question.addresses.iter().map(|address| address.to_lowercase()).collect();
    if is_public_users {
        let parameters: [Parameter<'_>; 3] =
            [(subs, Type::TEXT_ARRAY), (&addresses, Type::TEXT_ARRAY), (handles, Type::TEXT_ARRAY)];
        let rows = query(transaction, include_str!("rows.sql"), &parameters).await?;
        return rows.iter().map(row).collect();
    }
    let known = include_str!("known.sql");
    let of_subs: [Parameter<'_>; 2] = [(subs, Type::TEXT_ARRAY), (&None::<Vec<String>>, Type::TEXT_ARRAY)];
    let mut rows = query(transaction, known, &of_subs).await?;
    if !addresses.is_empty() {
        let of_all: [Parameter<'_>; 2] = [(&None::<Vec<String>>, Type::TEXT_ARRAY), (&addresses, Type::TEXT_ARRAY)];
        rows.extend(query(transaction, known, &of_all).await?);
    }
    let mut known: Vec<Row> = rows.iter().map(known_row).collect::<Result<_, _>>()?;
    known.sort_by(|one, other| one.sub.cmp(&other.sub));
    Ok(known)
}

async fn tombstones(transaction: &Transaction<'_>, subs: &[String]) -> Result<BTreeMap<String, SystemTime>, Error> {
    let rows = query(transaction, include_str!("tombstones.sql"), &[(&subs, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.column("sub")?, row.column("at")?))).collect()
}

fn row(row: &tokio_postgres::Row) -> Result<Row, Error> {
    Ok(Row {
        created_at: row.column("created_at")?,
        handle: row.column("handle")?,
        handles: row.column::<Option<Vec<String>>>("handles")?.unwrap_or_default(),
        ..known_row(row)?
    })
}

fn known_row(row: &tokio_postgres::Row) -> Result<Row, Error> {
    Ok(Row {
        sub: row.column("sub")?,
        email: row.column("email")?,
        email_verified: row.column("email_verified")?,
        as_of: row.column("as_of")?,
        ..Row::default()
    })
}

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

async fn query(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<tokio_postgres::Row>, Error> {
    Ok(transaction.query_typed(sql, parameters).await?)
}
