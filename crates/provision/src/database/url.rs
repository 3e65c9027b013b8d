//! `provision db url`

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::target::Target;

/// The database's URL.
#[derive(Debug, Serialize)]
pub(crate) struct ShownUrl {
    url: String,
}

/// With stars in place of the password, unless it was asked for.
pub(crate) fn show_url(target: &Target, with_password: bool) -> ShownUrl {
    ShownUrl { url: target.login.url(with_password) }
}

impl Display for ShownUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
