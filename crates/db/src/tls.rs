//! TLS that proves the server's identity: the certificate chain and the host name are always checked.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use native_tls::Certificate;
use postgres_native_tls::{MakeTlsConnector, TlsConnector};
use tokio::net::TcpStream;
use tokio_postgres::tls::MakeTlsConnect;

use crate::budget::Step;
use crate::dial::detached;
use crate::name::shown_path;
use crate::{Budget, Error, region, roots};

/// The roots to trust, and no others: the system's are for other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The roots in a PEM file.
    File(PathBuf),
    /// Amazon's roots of this region.
    Region(String),
}

impl Roots {
    /// The certificates for this host, in PEM. The host's own region wins, because an endpoint of RDS in another one has
    /// a certificate of that one.
    ///
    /// Fails with [`Error::RootCertificatesInvalid`].
    pub fn pem(&self, host: &str) -> Result<Vec<u8>, Error> {
        match self {
            Self::File(path) => std::fs::read(path).map_err(|error| invalid(self, error)),
            Self::Region(default) => {
                let own = region::of_host(host);
                let region = own.as_deref().unwrap_or(default);
                // An RDS Proxy has a certificate of AWS Certificate Manager, not one of RDS.
                let is_proxy = region::is_proxy(host) && roots::of_region(region).is_some();
                let pem = if is_proxy { Some(roots::AMAZON) } else { roots::of_region(region) };
                pem.map(Vec::from).ok_or_else(|| invalid(self, format!("none are built in for the region {region}")))
            }
        }
    }

    /// The same, within the budget: a file system may never answer.
    async fn read(&self, host: &str, budget: &Budget) -> Result<Vec<u8>, Error> {
        let Self::File(path) = self else { return self.pem(host) };
        let path = path.clone();
        let read = budget.spend(Step::ReadRoots, detached(move || std::fs::read(path))).await?;
        read.map_err(|error| invalid(self, error))
    }
}

impl Display for Roots {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&shown_path(path)),
            Self::Region(_) => write!(f, "the built-in ones of Amazon RDS"),
        }
    }
}

/// Makes a connector that trusts these roots and nothing else.
fn connector(roots: &Roots, pem: &[u8]) -> Result<MakeTlsConnector, Error> {
    // An editor's byte order mark would hide the first certificate.
    let pem = pem.strip_prefix("\u{feff}".as_bytes()).unwrap_or(pem);
    let certificates = Certificate::stack_from_pem(pem).map_err(|error| invalid(roots, error))?;
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
pub(crate) async fn handshake(roots: &Roots, host: &str, budget: &Budget) -> Result<TlsConnector, Error> {
    let mut connector = connector(roots, &roots.read(host, budget).await?)?;
    MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connector, host)
        .map_err(|error| Error::tls_refused(host, &error))
}

fn invalid(roots: &Roots, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::RootCertificatesInvalid { origin: roots.to_string(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(default: &str, host: &str) -> Result<Vec<u8>, Error> {
        let roots = Roots::Region(default.to_owned());
        let pem = roots.pem(host)?;
        connector(&roots, &pem).map(|_| pem)
    }

    #[track_caller]
    fn assert_roots(default: &str, host: &str, expected: Option<&str>) {
        let found = pem(default, host).expect("they are built in");
        assert_eq!(Some(String::from_utf8(found).expect("PEM is text").as_str()), expected, "{host}");
    }

    #[test]
    fn the_roots_are_those_of_the_hosts_region() {
        let ireland = roots::of_region("eu-west-1");
        assert_roots("eu-central-1", "db.example.com", roots::of_region("eu-central-1"));
        assert_roots("eu-central-1", "db.abc.eu-central-1.rds.amazonaws.com", roots::of_region("eu-central-1"));
        assert_roots("eu-central-1", "db.abc.eu-west-1.rds.amazonaws.com", ireland);
        assert_roots("us-gov-west-1", "db.cluster-custom-abc.eu-west-1.rds.amazonaws.com", ireland);
        assert_roots("eu-central-1", "db.proxy-abc.eu-west-1.rds.amazonaws.com", Some(roots::AMAZON));
    }

    #[test]
    fn a_certificate_in_place_of_its_path_is_not_quoted() {
        for path in
            ["-----BEGIN CERTIFICATE-----\nhunter2", "postgres://ada:hunter2@db", "ada:hunter2", "/x?password=hunter2"]
        {
            assert_eq!(Roots::File(path.into()).to_string(), "(not a plain path)");
        }
        assert_eq!(Roots::File("/etc/ca.pem".into()).to_string(), "/etc/ca.pem");
    }

    #[test]
    fn a_byte_order_mark_before_the_roots_is_skipped() {
        let roots = Roots::Region("eu-central-1".to_owned());
        let pem = format!("\u{feff}{}", crate::roots::AMAZON.get(..).expect("roots"));
        let first = pem.split_inclusive("-----END CERTIFICATE-----").next().expect("a certificate");
        connector(&roots, first.as_bytes()).expect("the first certificate is read");
    }

    #[test]
    fn a_region_without_built_in_roots_needs_a_file() {
        for (default, host) in [
            ("cn-north-1", "db"),
            ("eu-central-1", "db.abc.rds.cn-north-1.amazonaws.com.cn"),
            ("eu-central-1", "db.proxy-abc.rds.cn-north-1.amazonaws.com.cn"),
        ] {
            let error = pem(default, host).expect_err("a region without roots");
            assert!(error.remedy().contains("set PGSSLROOTCERT"), "{error}");
            let cause = std::error::Error::source(&error).expect("a cause").to_string();
            assert_eq!(cause, "none are built in for the region cn-north-1");
        }
    }
}
