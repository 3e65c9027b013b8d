//! Links of rows that were seeded, without an id of Cognito's, to the users whose they are.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Row};

use super::{Run, word};
use crate::Error;
use crate::row::Columns;

/// The attribute that a row and a user must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkBy {
    /// The handle, by its key: as the table's unique index compares handles.
    Handle,
    /// The address, which Cognito has verified, exactly: the part before the `@` can differ in case alone, by
    /// <https://www.rfc-editor.org/rfc/rfc5321#section-2.4>, and a pool that minds the case has both as two users.
    Email,
}

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The row fits this user alone, and the user this row alone.
    Fits,
    /// Another row or another user fits as well.
    Ambiguous,
    /// The row has the user's id.
    Linked,
    /// The user has another row by now, or the user or the row has changed.
    Dropped,
}

/// A row and a user that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The row's key.
    pub uuid: String,
    /// The row's handle.
    pub handle: String,
    /// Cognito's id of the user.
    pub sub: String,
    /// The state.
    pub state: LinkState,
    /// The name by which the pool finds the user.
    pub username: String,
    /// The handle that the listed user would get.
    pub user_handle: Option<String>,
    /// The listed user's address.
    pub email: Option<String>,
}

/// Whether the contract writes the table of the migrations here, and not one of an application's own.
pub async fn writes_public_users(client: &impl GenericClient) -> Result<bool, Error> {
    let rows = client.query_typed(include_str!("../../sql/reconcile/writes_public_users.sql"), &[]).await?;
    rows.first().map_or(Ok(false), |row| row.column("writes_public_users"))
}

impl LinkBy {
    /// The word for the operator.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::Email => "email",
        }
    }
}

impl LinkState {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Ambiguous => "ambiguous",
            Self::Linked => "linked",
            Self::Dropped => "dropped",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Fits, Self::Ambiguous, Self::Linked, Self::Dropped].into_iter().find(|state| state.as_str() == word)
    }
}

impl Link {
    fn of(row: &Row) -> Result<Self, Error> {
        let sub: String = row.column("sub")?;
        Ok(Self {
            uuid: row.column("uuid")?,
            handle: row.column("handle")?,
            state: word(row, "state", LinkState::of)?,
            username: row.column::<Option<String>>("username")?.unwrap_or_else(|| sub.clone()),
            user_handle: row.column("user_handle")?,
            email: row.column("email")?,
            sub,
        })
    }
}

impl Run {
    /// Proposes links between seeded rows and users without a row, after all users were listed.
    pub async fn propose_links(&self, by: LinkBy) -> Result<(), Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&self.owner, Type::TEXT),
            (&by.as_str(), Type::TEXT),
            (&self.choice.statuses, Type::TEXT_ARRAY),
            (&self.choice.created_after, Type::TIMESTAMPTZ),
        ];
        self.rows(include_str!("../../sql/reconcile/propose_links.sql"), &parameters).await.map(drop)
    }

    /// All links.
    pub async fn links(&self) -> Result<Vec<Link>, Error> {
        self.rows(include_str!("../../sql/reconcile/links.sql"), &[]).await?.iter().map(Link::of).collect()
    }

    /// Gives the row the user's id. Returns false, and drops the link, where the user has a row by now, or the row has
    /// changed.
    pub async fn link(&self, link: &Link) -> Result<bool, Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 4] =
            [(&self.owner, Type::TEXT), (&link.uuid, Type::TEXT), (&link.handle, Type::TEXT), (&link.sub, Type::TEXT)];
        match self.rows(include_str!("../../sql/reconcile/link.sql"), &parameters).await {
            Ok(rows) => rows.first().map_or(Ok(false), |row| row.column("is_linked")),
            Err(error) if error.is_unique_violation() => self.drop_link(link).await.map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Drops the link.
    pub async fn drop_link(&self, link: &Link) -> Result<(), Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&link.uuid, Type::TEXT), (&link.sub, Type::TEXT)];
        self.rows(include_str!("../../sql/reconcile/drop_link.sql"), &parameters).await.map(drop)
    }
}
