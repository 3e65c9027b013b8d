//! The variables that the function needs.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// Variables for the function's environment, by name. None of them is a secret.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Environment(pub(crate) BTreeMap<&'static str, String>);

impl Display for Environment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("For the function's environment:")?;
        self.0.iter().try_for_each(|(name, value)| write!(f, "\n  {name}={value}"))
    }
}
