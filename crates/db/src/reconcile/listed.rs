//! The users of the pool: as they are listed, and those among them whose row is to be looked at.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::{Run, RunError, each, ours, rows};
use crate::Error;
use crate::row::Columns;

/// A user of the pool, as a page of the list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    /// Cognito's id.
    pub sub: String,
    /// The name by which the pool finds the user.
    pub username: String,
    /// Such as `CONFIRMED`.
    pub status: String,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// When the user was created.
    pub created_at: SystemTime,
    /// When the user was last changed.
    pub modified_at: SystemTime,
    /// The address as the database gets it.
    pub email: Option<String>,
    /// Whether it is verified.
    pub email_verified: bool,
    /// The handle that the user would get if nobody had it.
    pub handle: Option<String>,
    /// All attributes.
    pub attributes: BTreeMap<String, String>,
}

/// A listed user without a row, or with one that seems to differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Cognito's id.
    pub sub: String,
    /// The name by which the pool finds the user.
    pub username: String,
    /// When the user was last changed in the pool.
    pub modified_at: SystemTime,
    /// All attributes.
    pub attributes: BTreeMap<String, String>,
    /// When the page was asked for.
    pub at: SystemTime,
    /// Whether there is no row.
    pub is_missing: bool,
    /// Whether the row was written so shortly before that it may know more than the list.
    pub is_recent: bool,
}

impl Candidate {
    pub(super) fn of(row: &Row) -> Result<Self, Error> {
        let attributes: &str = row.column("attributes")?;
        let attributes = serde_json::from_str(attributes)
            .map_err(|source| Error::AnswerUnreadable { column: "attributes", source: source.into() })?;
        Ok(Self {
            sub: row.column("sub")?,
            username: row.column("username")?,
            modified_at: row.column("modified_at")?,
            attributes,
            at: row.column("at")?,
            is_missing: row.column("is_missing")?,
            is_recent: row.column("is_recent")?,
        })
    }
}

impl Run {
    /// Adds a page, the number after the last one's, which was asked for `at` that time. `token` is the next page's; without
    /// one it was the last.
    pub async fn add_page(
        &self,
        page: i32,
        at: SystemTime,
        token: Option<&str>,
        users: &[ListedUser],
    ) -> Result<(), RunError> {
        let attributes = |user: &ListedUser| serde_json::to_string(&user.attributes).expect("texts are JSON");
        let parameters: [(&(dyn ToSql + Sync), Type); 14] = [
            (&self.owner, Type::TEXT),
            (&page, Type::INT4),
            (&token, Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&each(users, |user| user.sub.as_str()), Type::TEXT_ARRAY),
            (&each(users, |user| user.username.as_str()), Type::TEXT_ARRAY),
            (&each(users, |user| user.status.as_str()), Type::TEXT_ARRAY),
            (&each(users, |user| user.enabled), Type::BOOL_ARRAY),
            (&each(users, |user| user.created_at), Type::TIMESTAMPTZ_ARRAY),
            (&each(users, |user| user.modified_at), Type::TIMESTAMPTZ_ARRAY),
            (&each(users, |user| user.email.as_deref()), Type::TEXT_ARRAY),
            (&each(users, |user| user.email_verified), Type::BOOL_ARRAY),
            (&each(users, |user| user.handle.as_deref()), Type::TEXT_ARRAY),
            (&each(users, attributes), Type::TEXT_ARRAY),
        ];
        let added = rows(&self.pages, include_str!("../../sql/reconcile/add_page.sql"), &parameters).await?;
        if !added.is_empty() {
            return Ok(());
        }
        // An attempt whose answer was lost may have added it.
        let has_page = include_str!("../../sql/reconcile/has_page.sql");
        ours(&rows(&self.pages, has_page, &[(&self.owner, Type::TEXT), (&page, Type::INT4)]).await?)
    }
}
