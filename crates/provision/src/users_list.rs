//! `provision users list`

use std::fmt::{self, Display, Formatter};

use comfy_table::{Table, presets};
use db::Session;
use db::users::{self, UserRow};
use serde::Serialize;

/// All users.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct UserList(Vec<UserRow>);

pub(crate) async fn run(session: &Session) -> anyhow::Result<UserList> {
    Ok(UserList(users::list(session).await?))
}

impl Display for UserList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["uuid", "display_name", "handle", "email", "cognito_user_id", "created_at"]);
        for user in &self.0 {
            let email = user.email.as_deref().unwrap_or("-");
            let row = [&user.uuid, &user.display_name, &user.handle, email, &user.cognito_user_id, &user.created_at];
            table.add_row(row.map(harmless));
        }
        write!(f, "{}", table.trim_fmt())
    }
}

/// People name themselves: what would move the cursor, or worse, is replaced.
fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
