//! `provision users list`

use std::fmt::{self, Display, Formatter};

use db::users::{self, UserRow};
use serde::Serialize;

use crate::output::table;
use crate::target::Target;

/// All users.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct UserList(Vec<UserRow>);

pub(crate) async fn list(target: &Target) -> anyhow::Result<UserList> {
    let session = target.connect().await?;
    let users = users::list(&session).await?;
    session.close().await;
    Ok(UserList(users))
}

impl Display for UserList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = ["uuid", "display_name", "handle", "email", "cognito_user_id", "created_at"];
        let rows = self.0.iter().cloned().map(|user| {
            let email = user.email.unwrap_or_else(|| "-".to_owned());
            [user.uuid, user.display_name, user.handle, email, user.cognito_user_id, user.created_at]
        });
        table(f, header, rows)
    }
}
