//! `provision db url`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use crate::cli::Context;

/// Show the database's URL, with stars in place of its password
#[derive(Debug, Args)]
pub(super) struct Url {
    /// Show the password
    #[arg(long)]
    show_password: bool,
}

/// The database's URL.
#[derive(Debug, Serialize)]
pub(super) struct ShownUrl {
    url: String,
}

impl Url {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ShownUrl> {
        Ok(ShownUrl { url: context.target().await?.login.url(self.show_password) })
    }
}

impl Display for ShownUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
