//! The server of a database, as questions, results and errors name it.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use db::{AddressOf, Login};
use serde::Serialize;

/// The server that a command has worked on: its host, and the address that was connected to in its place, if one was named.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Server {
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_address: Option<IpAddr>,
}

impl Server {
    pub(super) fn of(login: &Login) -> Self {
        Self { host: login.host.clone(), host_address: login.host_address }
    }
}

impl Display for Server {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { host, host_address } = self;
        write!(f, "{host}{}", AddressOf { host, address: *host_address })
    }
}
