//! `provision db url`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use db::{Encryption, Roots};
use serde::Serialize;

use crate::cli::Context;
use crate::prompt;

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
        let login = &context.target().await?.login;
        // psql has no roots of Amazon's, and would look for a file that is not there.
        if self.show_password && matches!(login.encryption, Encryption::Verified(Roots::Region(_))) {
            prompt::progress(
                "note: psql needs the root certificates: download \
                 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem (for an RDS Proxy, \
                 https://www.amazontrust.com/repository/AmazonRootCA1.pem), and add &sslrootcert=FILE to the URL; or run \
                 `provision db connect`, which has them",
            );
        }
        Ok(ShownUrl { url: login.url(self.show_password) })
    }
}

impl Display for ShownUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
