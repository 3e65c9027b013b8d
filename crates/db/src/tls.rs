//! TLS that proves the server's identity: the certificate chain and the host name are always checked.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use native_tls::Certificate;
use postgres_native_tls::{MakeTlsConnector, TlsConnector};
use tokio::net::TcpStream;
use tokio_postgres::tls::MakeTlsConnect;

use crate::{Error, roots};

/// The roots to trust, and no others: the system's are for other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The roots in a PEM file.
    File(PathBuf),
    /// Amazon's roots of this region.
    Region(String),
}

impl Roots {
    /// The certificates for this host, in PEM.
    ///
    /// Fails with [`Error::RootCertificatesInvalid`].
    pub fn pem(&self, host: &str) -> Result<Vec<u8>, Error> {
        match self {
            Self::File(path) => std::fs::read(path).map_err(|error| invalid(self, error)),
            // An RDS Proxy has a certificate of AWS Certificate Manager, not one of RDS.
            Self::Region(_) if host.contains(".proxy-") => Ok(roots::AMAZON.into()),
            Self::Region(region) => roots::of_region(region)
                .map(Vec::from)
                .ok_or_else(|| invalid(self, format!("none are built in for the region {region}"))),
        }
    }
}

impl Display for Roots {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Region(region) => write!(f, "the built-in ones of {region}"),
        }
    }
}

/// Makes a connector for this host that trusts these roots and nothing else.
fn connector(roots: &Roots, host: &str) -> Result<MakeTlsConnector, Error> {
    let certificates = Certificate::stack_from_pem(&roots.pem(host)?).map_err(|error| invalid(roots, error))?;
    if certificates.is_empty() {
        return Err(invalid(roots, "it holds no certificate"));
    }
    let mut connector = native_tls::TlsConnector::builder();
    connector.disable_built_in_roots(true);
    for certificate in certificates {
        connector.add_root_certificate(certificate);
    }
    connector.build().map(MakeTlsConnector::new).map_err(|error| invalid(roots, error))
}

/// Makes the connector for one handshake with this host.
pub(crate) fn handshake(roots: &Roots, host: &str) -> Result<TlsConnector, Error> {
    let mut connector = connector(roots, host)?;
    MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connector, host)
        .map_err(|error| Error::tls_refused(host, &error))
}

fn invalid(roots: &Roots, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::RootCertificatesInvalid { origin: roots.to_string(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_of_a_known_region_are_built_in() {
        let region = Roots::Region("eu-central-1".to_owned());
        assert!(connector(&region, "db.abc.eu-central-1.rds.amazonaws.com").is_ok());
        assert!(connector(&region, "db.proxy-abc.eu-central-1.rds.amazonaws.com").is_ok());
    }

    #[test]
    fn an_unknown_region_needs_a_file() {
        let error =
            connector(&Roots::Region("cn-north-1".to_owned()), "db").map(|_| ()).expect_err("an unknown region");
        assert!(error.remedy().contains("set PGSSLROOTCERT"), "{error}");
    }
}
