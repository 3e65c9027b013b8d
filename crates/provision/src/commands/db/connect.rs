//! `provision db connect`

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{ErrorKind, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context as _, anyhow};
use clap::Args;
use rustix::io::{FdFlags, fcntl_setfd};

use super::client;
use crate::cli::Context;
use crate::error::Problem;

/// Open psql on the database, with verified TLS
#[derive(Debug, Args)]
pub(super) struct Connect {
    /// Arguments for psql, as in `connect -- -c 'select 1'`
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

impl Connect {
    /// Becomes psql.
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Infallible> {
        let target = context.target().await?;
        // psql reports a problem without a remedy.
        target.with_session(async |_| Ok(())).await?;
        let mut psql = Command::new("psql");
        psql.args(self.arguments);
        // psql inherits the file, and the file ends with psql.
        let mut certificates = tempfile::tempfile().context("cannot write a temporary file")?;
        client::lead(&mut psql, context, &target.login, |roots| {
            certificates.write_all(roots)?;
            certificates.rewind()?;
            fcntl_setfd(&certificates, FdFlags::empty())?;
            Ok(format!("/dev/fd/{}", certificates.as_raw_fd()).into())
        })?;
        let error = psql.exec();
        if error.kind() == ErrorKind::NotFound {
            let remedy = "install PostgreSQL's client programs (postgresql-client)";
            return Err(Problem::new("psql is not installed", remedy).into());
        }
        Err(anyhow!(error).context("cannot run psql"))
    }
}
