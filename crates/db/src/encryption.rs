//! The protection of a connection, and who may go without.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::name::Name;
use crate::parameters::{Sources, Value};
use crate::settings::invalid;
use crate::tls::Roots;
use crate::variables::Variables;
use crate::{Error, region};

const VERIFY: &str = "write sslmode=verify-full, or leave sslmode out: every connection is verified anyway";
const VERIFY_ELSEWHERE: &str =
    "write sslmode=verify-full: only a server at localhost, 127.0.0.1 or ::1 may be used without TLS";
const ROOTS: &str = "set PGSSLROOTCERT to a PEM file with the root that signed the server's certificate, or AWS_REGION to \
                     use the built-in Amazon RDS roots";
const ROOTS_OR_PLAIN: &str = "write sslmode=disable in the URL, or set PGSSLMODE to `disable`, if the server on this machine \
                              has no TLS; else set PGSSLROOTCERT to a PEM file with the root that signed its certificate";
const VERIFY_VARIABLE: &str = "set PGSSLMODE to verify-full, or unset it: every connection is verified anyway";
const VERIFY_OR_PLAIN: &str =
    "write sslmode=disable if the server on this machine has no TLS, else sslmode=verify-full";
const VERIFY_OR_PLAIN_VARIABLE: &str =
    "set PGSSLMODE to `disable` if the server on this machine has no TLS, else to verify-full";

/// The protection of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS that proves the server's identity by these roots.
    Verified(Roots),
    /// None: the data never leaves this machine.
    Off,
}

/// The permission of settings to turn encryption off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plaintext {
    /// Never.
    Refused,
    /// With `sslmode=disable`, to a server on this machine.
    OnLoopback,
}

impl Encryption {
    /// Reads `sslmode` and `sslrootcert` for this address.
    ///
    /// Of libpq's sslmodes `require`, `verify-ca` and `verify-full` all verify fully; `disable` is for [`Plaintext`];
    /// `allow` and `prefer` fall back to no encryption when an attacker asks for it, and are refused.
    /// <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>
    pub(crate) fn read(
        sources: &Sources<'_>,
        plaintext: Plaintext,
        host: &str,
        address: Option<IpAddr>,
    ) -> Result<Self, Error> {
        let may_be_off = plaintext == Plaintext::OnLoopback && is_local(host, address);
        let sslmode = sources.get("sslmode")?;
        if let Some(value) = &sslmode {
            let place = &value.place;
            let verify = if value.is_variable { VERIFY_VARIABLE } else { VERIFY };
            match value.text() {
                "verify-full" | "verify-ca" | "require" => {}
                "disable" if may_be_off => return Ok(Self::Off),
                "disable" => {
                    let is_elsewhere = plaintext == Plaintext::OnLoopback && !value.is_variable;
                    let remedy = if is_elsewhere { VERIFY_ELSEWHERE } else { verify };
                    let problem = "says sslmode=disable, which sends passwords and data in the clear";
                    return Err(invalid(format!("{place} {problem}"), remedy));
                }
                mode @ ("prefer" | "allow") => {
                    let problem = "which continues without encryption when an attacker asks for it";
                    let remedy = match (may_be_off, value.is_variable) {
                        (false, _) => verify,
                        (true, false) => VERIFY_OR_PLAIN,
                        (true, true) => VERIFY_OR_PLAIN_VARIABLE,
                    };
                    return Err(invalid(format!("{place} says sslmode={mode}, {problem}"), remedy));
                }
                _ => return Err(invalid(format!("{place} has an sslmode that PostgreSQL does not know"), verify)),
            }
        }
        match sources.get("sslrootcert")? {
            Some(value) => file(&value).map(Roots::File).map(Self::Verified),
            None if may_be_off && sslmode.is_none() => of_region(sources.variables(), ROOTS_OR_PLAIN),
            None => of_region(sources.variables(), ROOTS),
        }
    }

    /// The encryption where nothing can turn it off: verified by the roots in `PGSSLROOTCERT`, else by those of the region.
    pub(crate) fn from_variables(variables: &Variables<'_>) -> Result<Self, Error> {
        match Sources::new(&[], variables).get("sslrootcert")? {
            Some(value) => file(&value).map(Roots::File).map(Self::Verified),
            None => of_region(variables, ROOTS),
        }
    }
}

fn of_region(variables: &Variables<'_>, remedy: &'static str) -> Result<Encryption, Error> {
    let region = region::of_environment(variables)?;
    let roots =
        region.map(Roots::Region).ok_or_else(|| invalid("neither PGSSLROOTCERT nor AWS_REGION is set", remedy))?;
    Ok(Encryption::Verified(roots))
}

fn file(value: &Value) -> Result<PathBuf, Error> {
    // For libpq, a word and not a file.
    if value.text() == "system" {
        let problem = format!("{} is `system`, and the roots of this machine are for other servers", value.parameter);
        return Err(invalid(problem, ROOTS));
    }
    if value.is_variable {
        return Name::File.parse_variable(&value.parameter, value.text()).map(Into::into);
    }
    Ok(value.text().into())
}

/// Returns whether a connection to this host, or to this address in its place, stays on this machine.
pub(crate) fn is_local(host: &str, address: Option<IpAddr>) -> bool {
    let is_loopback = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback_address);
    is_loopback && address.is_none_or(is_loopback_address)
}

fn is_loopback_address(address: IpAddr) -> bool {
    // `::ffff:127.0.0.1` is one, too.
    address.to_canonical().is_loopback()
}
