//! A login: everything that one new connection needs.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};

use crate::connection_options::ConnectionOptions;
use crate::dial::Destination;
use crate::encryption::{Encryption, is_local};

/// Everything that one new connection needs.
#[derive(Clone, Debug)]
pub struct Login {
    /// Host name or address, as the server's certificate has it.
    pub host: String,
    /// The address to connect to instead of asking DNS for the host, as for a tunnel.
    pub host_address: Option<IpAddr>,
    /// TCP port.
    pub port: u16,
    /// Name of the database.
    pub dbname: String,
    /// Role to log in as.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// The protection of the connection.
    pub encryption: Encryption,
    /// What else was asked of the connection.
    pub options: ConnectionOptions,
}

impl Login {
    /// Where its connections lead.
    pub(crate) fn destination(&self) -> Destination {
        let Self { host, host_address, port, encryption, .. } = self.clone();
        Destination { host, host_address, port, encryption }
    }

    /// Returns whether its connections stay on this machine, so that they may go without TLS where [`crate::Plaintext`] allows it.
    pub fn is_local(&self) -> bool {
        is_local(&self.host, self.host_address)
    }

    /// Returns whether both lead to the same database, whoever logs in.
    pub(crate) fn is_at_address_of(&self, other: &Self) -> bool {
        // A session's login has the address that answered, which may be one of many.
        (&self.host, self.port, &self.dbname) == (&other.host, other.port, &other.dbname)
    }

    /// Returns whether both are one login.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.is_at_address_of(other)
            && self.user == other.user
            && self.password.expose_secret() == other.password.expose_secret()
    }
}

/// The address that is connected to in place of a host, as it stands behind the host's name; nothing where they are the
/// same.
#[derive(Clone, Copy, Debug)]
pub struct AddressOf<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// The address in its place.
    pub address: Option<IpAddr>,
}

impl Display for AddressOf<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.address.map(|address| address.to_string()).filter(|address| address != self.host) {
            Some(address) => write!(f, " (address {address})"),
            None => Ok(()),
        }
    }
}
