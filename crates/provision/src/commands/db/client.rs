//! The environment in which a client of libpq, such as psql, connects as this program does.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use db::{Encryption, Login, Roots};
use secrecy::ExposeSecret;

use crate::cli::Context;

/// A path that no file has: a file is above it.
const ABSENT: &str = "/dev/null/none";

/// Leads the client to the database of the login. The password is only in its environment, which no other user can read.
/// `keep` keeps root certificates that are in no file yet, for as long as the client runs, and returns their path.
pub(super) fn lead(
    client: &mut Command,
    context: &Context,
    login: &Login,
    keep: impl FnOnce(&[u8]) -> anyhow::Result<OsString>,
) -> anyhow::Result<()> {
    // Any of them could lead the client elsewhere, or there in another way.
    for name in context.variables_like("PG").iter().filter(|name| !is_for_client(name)) {
        client.env_remove(name);
    }
    client
        .env("PGHOST", &login.host)
        .env("PGPORT", login.port.to_string())
        .env("PGDATABASE", &login.dbname)
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", login.password.expose_secret())
        .env("PGAPPNAME", "provision")
        // With a Kerberos ticket, the client would use GSSAPI instead of TLS.
        .env("PGGSSENCMODE", "disable")
        .envs(login.options.variables());
    // By these, libpq replaces its own files in ~/.postgresql: without them, they would take part.
    for name in ["PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGSSLCRLDIR"] {
        client.env(name, ABSENT);
    }
    if let Some(address) = login.host_address {
        client.env("PGHOSTADDR", address.to_string());
    }
    match &login.encryption {
        Encryption::Off => client.env("PGSSLMODE", "disable"),
        Encryption::Verified(Roots::File(path)) => client.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", path),
        Encryption::Verified(roots) => {
            client.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", keep(&roots.pem(&login.host)?)?)
        }
    };
    Ok(())
}

/// Returns whether the variable concerns what a session shows, or is a file in which this program has looked as well.
fn is_for_client(name: &OsStr) -> bool {
    ["PGCLIENTENCODING", "PGDATESTYLE", "PGPASSFILE", "PGTZ"].iter().any(|known| name == *known)
}
