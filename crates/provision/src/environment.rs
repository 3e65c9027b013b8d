//! The variables that the function needs.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use db::Login;
use serde::Serialize;

use crate::terminal::harmless;

/// Variables for the function's environment, by name. None of them is a secret.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Environment(pub(crate) BTreeMap<&'static str, String>);

impl Environment {
    /// Those of a function that reads its login from this secret.
    pub(crate) fn with_secret(arn: String) -> Self {
        Self([("DB_SECRET_ID", arn)].into())
    }

    /// Those of a function that logs in with IAM tokens.
    pub(crate) fn with_tokens(login: &Login) -> Self {
        Self(BTreeMap::from([
            ("DB_AUTH", "iam".to_owned()),
            ("PGHOST", login.host.clone()),
            ("PGPORT", login.port.to_string()),
            ("PGDATABASE", login.dbname.clone()),
            ("PGUSER", login.user.clone()),
        ]))
    }
}

impl Display for Environment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("For the function's environment:")?;
        self.0.iter().try_for_each(|(name, value)| write!(f, "\n  {name}={}", harmless(value)))
    }
}
