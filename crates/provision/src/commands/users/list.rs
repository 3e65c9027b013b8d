//! `provision users list`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use db::Error;
use db::row::Columns;
use db::schema::{Access, ensure_trusted};
use serde::Serialize;

use crate::cli::Context;
use crate::output::table;

/// List all users, oldest first
#[derive(Debug, Args)]
pub(super) struct List {}

/// All users.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct UserList(Vec<UserRow>);

/// A row of `users`.
#[derive(Debug, Serialize)]
struct UserRow {
    uuid: String,
    display_name: String,
    handle: String,
    email: Option<String>,
    cognito_user_id: String,
    /// UTC, RFC 3339, in microseconds.
    created_at: String,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<UserList> {
        let target = context.target().await?;
        target
            .with_session(async |session| {
                let transaction = session.transaction().await?;
                ensure_trusted(&transaction, Access::Read).await?;
                let rows = transaction.query_typed(include_str!("list.sql"), &[]).await.map_err(Error::from)?;
                let user = |row: &tokio_postgres::Row| {
                    Ok(UserRow {
                        uuid: row.column("uuid")?,
                        display_name: row.column("display_name")?,
                        handle: row.column("handle")?,
                        email: row.column("email")?,
                        cognito_user_id: row.column("cognito_user_id")?,
                        created_at: row.column("created_at")?,
                    })
                };
                Ok(UserList(rows.iter().map(user).collect::<Result<_, Error>>()?))
            })
            .await
    }
}

impl Display for UserList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = ["uuid", "display_name", "handle", "email", "cognito_user_id", "created_at"];
        let rows = self.0.iter().map(|user| {
            let UserRow { uuid, display_name, handle, email, cognito_user_id, created_at } = user;
            [uuid, display_name, handle, email.as_deref().unwrap_or("-"), cognito_user_id, created_at]
                .map(|text: &str| text.to_owned())
        });
        table(f, header, rows)
    }
}
