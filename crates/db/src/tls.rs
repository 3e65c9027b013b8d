//! TLS that proves the server's identity: the certificate chain and the host name are always checked.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::sync::Mutex;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use postgres_openssl::TlsConnector;

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
    pub(crate) async fn read(&self, host: &str, budget: &Budget) -> Result<Vec<u8>, Error> {
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

/// The groups for the key exchange, best first. Those with a star come with a key in the first message: a server that takes
/// none of these asks for another one, which costs a round trip more. PostgreSQL takes P-256 alone up to version 17; one that
/// is told so takes the first, which withstands a quantum computer.
/// <https://docs.openssl.org/3.5/man3/SSL_CTX_set1_curves/>,
/// <https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-SSL-GROUPS>
const GROUPS: &str = "?X25519MLKEM768:*P-256:X25519:P-384:P-521:?X448:?ffdhe2048:?ffdhe3072";

/// A connector that trusts these certificates and no others. It checks the chain and the host name.
pub(crate) fn trusting(certificates: Vec<X509>) -> Result<SslConnectorBuilder, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for certificate in certificates {
        store.add_cert(certificate)?;
    }
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_cert_store(store.build());
    connector.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    connector.set_groups_list(GROUPS)?;
    Ok(connector)
}

/// The connector that was made last, with its PEM: a process connects to one server as a rule, and making one takes a
/// quarter of the instructions of a handshake.
static LAST: Mutex<Option<(Vec<u8>, SslConnector)>> = Mutex::new(None);

/// The connector that trusts these roots and nothing else.
fn connector(roots: &Roots, pem: Vec<u8>) -> Result<SslConnector, Error> {
    let mut last = LAST.lock().expect("no panic while it is locked");
    if let Some((_, connector)) = last.as_ref().filter(|(known, _)| *known == pem) {
        return Ok(connector.clone());
    }
    let connector = make_connector(roots, &pem)?;
    *last = Some((pem, connector.clone()));
    Ok(connector)
}

fn make_connector(roots: &Roots, pem: &[u8]) -> Result<SslConnector, Error> {
    // An editor's byte order mark would hide the first certificate.
    let pem = pem.strip_prefix("\u{feff}".as_bytes()).unwrap_or(pem);
    let certificates = X509::stack_from_pem(pem).map_err(|error| invalid(roots, error))?;
    if certificates.is_empty() {
        return Err(invalid(roots, "it holds no certificate"));
    }
    let connector = trusting(certificates).map_err(|error| invalid(roots, error))?;
    Ok(connector.build())
}

/// Makes the connector for one handshake with this host, which trusts these roots in PEM.
pub(crate) fn handshake(roots: &Roots, pem: Vec<u8>, host: &str) -> Result<TlsConnector, Error> {
    let connector = connector(roots, pem)?;
    let configuration = connector.configure().map_err(|error| Error::tls_refused(host, &error))?;
    Ok(TlsConnector::new(configuration, host))
}

fn invalid(roots: &Roots, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::RootCertificatesInvalid { origin: roots.to_string(), source: source.into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use openssl::pkey::PKey;
    use openssl::ssl::{SslAcceptor, SslAcceptorBuilder};
    use testkit::Authority;

    use super::*;

    /// A server with a certificate of this authority for this name.
    pub(crate) fn server(authority: &Authority, name: &str) -> SslAcceptorBuilder {
        let identity = authority.issue(name).expect("a certificate");
        let mut server = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("a server");
        let key = PKey::private_key_from_pem(identity.key.as_bytes()).expect("a key");
        server.set_private_key(&key).expect("the key is good");
        let certificate = X509::from_pem(identity.certificate.as_bytes()).expect("a certificate");
        server.set_certificate(&certificate).expect("the certificate is good");
        server
    }

    /// Whether there is a connection with a server that takes this group alone.
    fn agrees_on(group: &str) -> bool {
        let authority = Authority::new("root").expect("an authority");
        let mut server = server(&authority, "localhost");
        server.set_groups_list(group).expect("a group that OpenSSL has");
        let (here, there) = UnixStream::pair().expect("two sockets");
        let server = server.build();
        let accepting = thread::spawn(move || server.accept(there).is_ok());
        let roots = X509::stack_from_pem(authority.root_certificate().as_bytes()).expect("a root");
        let client = trusting(roots).expect("a connector").build();
        let is_connected = client.connect("localhost", here).is_ok();
        is_connected && accepting.join().expect("no panic")
    }

    #[test]
    fn a_server_may_choose_the_group_of_the_key_exchange() {
        for group in ["X25519MLKEM768", "P-256", "X25519", "P-384", "P-521", "X448", "ffdhe2048"] {
            assert!(agrees_on(group), "{group}");
        }
        assert!(!agrees_on("MLKEM512"));
    }

    fn pem(default: &str, host: &str) -> Result<Vec<u8>, Error> {
        let roots = Roots::Region(default.to_owned());
        let pem = roots.pem(host)?;
        make_connector(&roots, &pem).map(|_| pem)
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
        make_connector(&roots, first.as_bytes()).expect("the first certificate is read");
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
