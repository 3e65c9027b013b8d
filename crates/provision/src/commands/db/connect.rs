//! `provision db connect`

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context as _, anyhow};
use clap::Args;
use db::{Encryption, Roots};
use rustix::io::{FdFlags, fcntl_setfd};
use secrecy::ExposeSecret;

use crate::cli::Context;
use crate::error::Problem;

/// A path that no file has: a file is above it.
const ABSENT: &str = "/dev/null/none";

/// Open psql on the database, with verified TLS
#[derive(Debug, Args)]
pub(super) struct Connect {
    /// Arguments for psql, as in `connect -- -c 'select 1'`
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

impl Connect {
    /// Becomes psql. The password is only in its environment, which no other user can read.
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Infallible> {
        let target = context.target().await?;
        // psql reports a problem without a remedy.
        target.with_session(async |_| Ok(())).await?;
        let login = &target.login;
        let mut psql = Command::new("psql");
        // Any of them could lead psql elsewhere than to what was just reached, or there in another way.
        for name in context.variables_like("PG").iter().filter(|name| !is_for_psql(name)) {
            psql.env_remove(name);
        }
        psql.args(self.arguments)
            .env("PGHOST", &login.host)
            .env("PGPORT", login.port.to_string())
            .env("PGDATABASE", &login.dbname)
            .env("PGUSER", &login.user)
            .env("PGPASSWORD", login.password.expose_secret())
            .env("PGAPPNAME", "provision")
            // With a Kerberos ticket, psql would use GSSAPI instead of TLS.
            .env("PGGSSENCMODE", "disable")
            .envs(login.options.variables());
        // By these, libpq replaces its own files in ~/.postgresql: without them, they would take part.
        for name in ["PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGSSLCRLDIR"] {
            psql.env(name, ABSENT);
        }
        if let Some(address) = login.host_address {
            psql.env("PGHOSTADDR", address.to_string());
        }
        // psql inherits the file, and the file ends with psql.
        let mut certificates = tempfile::tempfile().context("cannot write a temporary file")?;
        match &login.encryption {
            Encryption::Off => psql.env("PGSSLMODE", "disable"),
            Encryption::Verified(Roots::File(path)) => psql.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", path),
            Encryption::Verified(roots) => {
                certificates.write_all(&roots.pem(&login.host)?)?;
                certificates.rewind()?;
                fcntl_setfd(&certificates, FdFlags::empty())?;
                let path = format!("/dev/fd/{}", certificates.as_raw_fd());
                psql.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", path)
            }
        };
        let error = psql.exec();
        if error.kind() == ErrorKind::NotFound {
            let remedy = "install PostgreSQL's client programs (postgresql-client)";
            return Err(Problem::new("psql is not installed", remedy).into());
        }
        Err(anyhow!(error).context("cannot run psql"))
    }
}

/// Returns whether the variable concerns what a session shows, or is a file in which this program has looked as well.
fn is_for_psql(name: &OsStr) -> bool {
    ["PGCLIENTENCODING", "PGDATESTYLE", "PGPASSFILE", "PGTZ"].iter().any(|known| name == *known)
}
