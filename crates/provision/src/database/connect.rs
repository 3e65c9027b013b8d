//! `provision db connect`

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{ErrorKind, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, anyhow};
use db::{Encryption, Roots};
use rustix::io::{FdFlags, fcntl_setfd};
use secrecy::ExposeSecret;

use crate::target::Target;

/// Becomes psql, connected to the database. Only the environment holds the password, which nobody else may read.
pub(crate) async fn connect(target: &Target, arguments: &[OsString]) -> anyhow::Result<Infallible> {
    // psql says what is wrong, but not what to do about it.
    target.connect().await?.close().await;
    let login = &target.login;
    let mut psql = Command::new("psql");
    psql.args(arguments)
        .env("PGHOST", &login.host)
        .env("PGPORT", login.port.to_string())
        .env("PGDATABASE", &login.dbname)
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", login.password.expose_secret())
        .env("PGAPPNAME", "provision")
        // With a Kerberos ticket, psql would else use GSSAPI in the place of TLS.
        .env("PGGSSENCMODE", "disable")
        // Either could lead elsewhere.
        .env_remove("PGSERVICE")
        .env_remove("PGHOSTADDR");
    if let Some(address) = login.host_address {
        psql.env("PGHOSTADDR", address.to_string());
    }
    // psql inherits it, and the file is gone with psql.
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
        return Err(anyhow!("psql is not installed; install PostgreSQL's client programs (postgresql-client)"));
    }
    Err(anyhow!(error).context("cannot run psql"))
}
