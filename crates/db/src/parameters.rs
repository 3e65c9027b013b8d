//! The parameters of a connection, by libpq's names for them: from a URL, from a service, from variables.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>

use std::collections::BTreeMap;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};

use crate::name::Name;
use crate::settings::invalid;
use crate::variables::Variables;
use crate::{Error, connection_url, name};

const CLIENT_CERTIFICATE: &str = "remove it: the login is by password or IAM token, never by a client certificate";
const KEEPALIVE: &str = "remove it: this program has time limits of its own";
const KERBEROS: &str = "remove it: the login is by password or IAM token, and the encryption is TLS";
const PROTOCOL: &str = "remove it: the versions of TLS and of PostgreSQL's protocol are negotiated";
const REVOCATION: &str = "remove it: certificates are checked against the roots in sslrootcert alone";
const SET_ROLE: &str = "remove it, and set what it sets with `alter role … set` at the server";

/// What is done with a parameter.
enum Treatment {
    /// It is read. Its variable replaces it where it is absent.
    Read(&'static str),
    /// These values say what is done anyway; the other ones are refused with this remedy.
    Only(&'static [&'static str], &'static str),
    /// It is refused with this remedy: what it asks for would otherwise silently not be done.
    Refused(&'static str),
}

use Treatment::{Only, Read, Refused};

/// Every parameter of libpq, up to version 18.
const PARAMETERS: &[(&str, Treatment)] = &[
    ("host", Read("PGHOST")),
    ("hostaddr", Read("PGHOSTADDR")),
    ("port", Read("PGPORT")),
    ("dbname", Read("PGDATABASE")),
    ("user", Read("PGUSER")),
    ("password", Read("PGPASSWORD")),
    ("sslmode", Read("PGSSLMODE")),
    ("sslrootcert", Read("PGSSLROOTCERT")),
    ("application_name", Read("PGAPPNAME")),
    ("connect_timeout", Read("PGCONNECT_TIMEOUT")),
    ("target_session_attrs", Read("PGTARGETSESSIONATTRS")),
    ("channel_binding", Read("PGCHANNELBINDING")),
    ("client_encoding", Only(&["UTF8", "UTF-8", "utf8", "utf-8", "auto"], "remove it: the encoding is always UTF8")),
    ("gssdelegation", Only(&["0"], KERBEROS)),
    ("gssencmode", Only(&["disable", "prefer"], KERBEROS)),
    ("load_balance_hosts", Only(&["disable"], "remove it: one host is connected to")),
    ("sslcertmode", Only(&["disable", "allow"], CLIENT_CERTIFICATE)),
    ("sslcompression", Only(&["0"], "remove it: TLS is never compressed")),
    ("sslnegotiation", Only(&["postgres"], "remove it: every server understands the request for TLS that is sent")),
    ("sslsni", Only(&["1"], "remove it: the host name is always sent")),
    ("fallback_application_name", Refused("write application_name in its place")),
    ("gsslib", Refused(KERBEROS)),
    ("keepalives", Refused(KEEPALIVE)),
    ("keepalives_count", Refused(KEEPALIVE)),
    ("keepalives_idle", Refused(KEEPALIVE)),
    ("keepalives_interval", Refused(KEEPALIVE)),
    ("krbsrvname", Refused(KERBEROS)),
    ("max_protocol_version", Refused(PROTOCOL)),
    ("min_protocol_version", Refused(PROTOCOL)),
    ("oauth_client_id", Refused(KERBEROS)),
    ("oauth_client_secret", Refused(KERBEROS)),
    ("oauth_issuer", Refused(KERBEROS)),
    ("oauth_scope", Refused(KERBEROS)),
    ("options", Refused(SET_ROLE)),
    ("passfile", Refused("remove it, and set PGPASSFILE for `provision`")),
    ("replication", Refused("remove it: a session for replication runs no statements")),
    ("require_auth", Refused("remove it, and limit the methods in pg_hba.conf, or write channel_binding=require")),
    ("requirepeer", Refused("remove it: connections are over TCP")),
    ("requiressl", Refused("write sslmode=verify-full in its place")),
    ("scram_client_key", Refused(CLIENT_CERTIFICATE)),
    ("scram_server_key", Refused(CLIENT_CERTIFICATE)),
    ("service", Refused("remove it, and set PGSERVICE for `provision`")),
    ("servicefile", Refused("remove it, and set PGSERVICEFILE for `provision`")),
    ("ssl_max_protocol_version", Refused(PROTOCOL)),
    ("ssl_min_protocol_version", Refused(PROTOCOL)),
    ("sslcert", Refused(CLIENT_CERTIFICATE)),
    ("sslcrl", Refused(REVOCATION)),
    ("sslcrldir", Refused(REVOCATION)),
    ("sslkey", Refused(CLIENT_CERTIFICATE)),
    ("sslkeylogfile", Refused("remove it: the keys of a connection are never written to a file")),
    ("sslpassword", Refused(CLIENT_CERTIFICATE)),
    ("tcp_user_timeout", Refused(KEEPALIVE)),
];

/// The parameters in one place, such as a URL.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The place, for errors.
    place: String,
    values: BTreeMap<&'static str, SecretString>,
}

impl Parameters {
    /// Reads a URL as libpq does, which the errors call by the `name` of its variable.
    ///
    /// Fails with [`Error::SettingsInvalid`], which never quotes the URL: a password may stand anywhere in a mistyped one.
    pub fn of_url(name: &str, url: &str) -> Result<Self, Error> {
        let mut pairs = connection_url::parse(name, url)?;
        for (keyword, value) in &mut pairs {
            // For libpq, too, as JDBC's drivers have it.
            if keyword == "ssl" && value == "true" {
                (*keyword, *value) = ("sslmode".to_owned(), "require".to_owned());
            }
            if value.is_empty() && keyword != "password" && is_quotable(keyword) {
                let problem = format!("{name} has the parameter {keyword} without a value");
                return Err(invalid(problem, "write its value, or remove it"));
            }
        }
        Self::new(name, pairs)
    }

    /// Takes these keywords and values from a place, such as a service. A later value replaces an earlier one.
    ///
    /// Fails with [`Error::SettingsInvalid`] for a parameter that libpq does not know, or that is not served.
    pub fn new(place: &str, pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for (keyword, value) in pairs {
            let Some((known, treatment)) = PARAMETERS.iter().find(|(known, _)| *known == keyword) else {
                let which =
                    if is_quotable(&keyword) { format!("the parameter {keyword}") } else { "a parameter".into() };
                let problem = format!("{place} has {which}, which libpq does not know");
                return Err(invalid(
                    problem,
                    "remove it, or correct its name: \
                     https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS has all",
                ));
            };
            match treatment {
                Read(_) => drop(values.insert(*known, value.into())),
                Only(served, _) if served.contains(&value.as_str()) => {}
                Only(_, remedy) => {
                    let problem = format!("{place} has the parameter {keyword} with a value that is not served");
                    return Err(invalid(problem, remedy));
                }
                Refused(remedy) => {
                    return Err(invalid(format!("{place} has the parameter {keyword}, which is not served"), remedy));
                }
            }
        }
        Ok(Self { place: place.to_owned(), values })
    }

    /// The address to connect to, if it has one.
    pub fn host_address(&self) -> Option<IpAddr> {
        self.values.get("hostaddr")?.expose_secret().parse().ok()
    }
}

/// The variable that replaces the parameter where it is absent.
pub(crate) fn variable(keyword: &str) -> Option<&'static str> {
    PARAMETERS.iter().find_map(|(known, treatment)| match treatment {
        Read(variable) if *known == keyword => Some(*variable),
        _ => None,
    })
}

/// Returns whether it is a parameter of a URL.
pub(crate) fn is_known(keyword: &str) -> bool {
    keyword == "ssl" || PARAMETERS.iter().any(|(known, _)| *known == keyword)
}

/// Returns whether it may be the name of a parameter. What is not may be a piece of a password, and is not quoted.
fn is_quotable(keyword: &str) -> bool {
    const LONGEST: usize = 40;
    let is_known = |byte: u8| byte.is_ascii_alphabetic() || b"_-".contains(&byte);
    (1..=LONGEST).contains(&keyword.len()) && keyword.bytes().all(is_known)
}

/// The places in which a parameter is looked for, in this order: sets of parameters, then variables.
pub(crate) struct Sources<'a> {
    sets: &'a [Parameters],
    variables: &'a Variables<'a>,
}

/// The value of a parameter.
pub(crate) struct Value {
    pub(crate) text: SecretString,
    /// Its URL's, service's or own variable, for errors.
    pub(crate) place: String,
    /// The parameter in that place, for errors.
    pub(crate) parameter: String,
    /// Whether the place is a variable of its own, which may hold what was meant for another one.
    pub(crate) is_variable: bool,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(sets: &'a [Parameters], variables: &'a Variables<'a>) -> Self {
        Self { sets, variables }
    }

    pub(crate) fn variables(&self) -> &Variables<'a> {
        self.variables
    }

    /// The parameter's value in the first place that has one.
    pub(crate) fn get(&self, keyword: &'static str) -> Result<Option<Value>, Error> {
        for Parameters { place, values } in self.sets {
            if let Some(text) = values.get(keyword).filter(|text| !text.expose_secret().is_empty()) {
                let parameter = format!("the {keyword} in {place}");
                return Ok(Some(Value { text: text.clone(), place: place.clone(), parameter, is_variable: false }));
            }
        }
        let variable = variable(keyword).expect("it is read");
        // White space may belong to a password.
        let text = if keyword == "password" { self.variables.raw(variable)? } else { self.variables.text(variable)? };
        let place = variable.to_owned();
        Ok(text.map(|text| Value { text: text.into(), parameter: place.clone(), place, is_variable: true }))
    }

    /// The name of a database or a role.
    pub(crate) fn identifier(&self, keyword: &'static str) -> Result<Option<String>, Error> {
        let name = |value: Value| {
            if value.is_variable {
                return Name::Identifier.parse_variable(&value.parameter, value.text());
            }
            name::check_identifier(&value.parameter, value.text())?;
            Ok(value.text().to_owned())
        };
        self.get(keyword)?.map(name).transpose()
    }

    /// The host name or the address of one server that is reached over TCP.
    pub(crate) fn host(&self) -> Result<Option<String>, Error> {
        let Some(value) = self.get("host")? else { return Ok(None) };
        let host = value.text();
        // libpq takes what begins with either for the path of a socket.
        if host.starts_with(['/', '@']) && Name::File.parse(host).is_some() {
            return Err(invalid(
                format!("{} is a unix socket, and connections are over TCP", value.parameter),
                "write localhost, with sslmode=disable in a URL for development if that server has no TLS",
            ));
        }
        if host.contains(',') && host.split(',').all(|host| Name::Host.parse(host).is_some()) {
            let problem = format!("{} names several hosts", value.parameter);
            return Err(invalid(problem, "name one: the endpoint of the cluster, or of the server that writes"));
        }
        Name::Host.parse_variable(&value.parameter, host).map(Some)
    }

    /// The value of a parameter as `parse` reads it, which otherwise `is not` what it must be.
    pub(crate) fn parse<T>(
        &self,
        keyword: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        noun: &str,
        remedy: &'static str,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(keyword)? else { return Ok(None) };
        let wrong = || invalid(format!("{} is not {noun}", value.parameter), remedy);
        parse(value.text()).map(Some).ok_or_else(wrong)
    }
}

impl Value {
    pub(crate) fn text(&self) -> &str {
        self.text.expose_secret()
    }
}
