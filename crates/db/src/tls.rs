//! TLS that proves who the server is: the certificate chain and the host name are always checked.

use std::path::PathBuf;

use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;

use crate::{Error, roots};

/// Which roots to trust. None but these: the system's are for other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those in a PEM file.
    File(PathBuf),
    /// Amazon's in this region.
    Region(String),
}

/// A connector for this host that trusts these roots and nothing else.
pub(crate) fn connector(roots: &Roots, host: &str) -> Result<MakeTlsConnector, Error> {
    let (name, pem) = match roots {
        Roots::File(path) => {
            let invalid = |error: std::io::Error| invalid(path.display().to_string(), error);
            (path.display().to_string(), std::fs::read(path).map_err(invalid)?)
        }
        // An RDS Proxy shows a certificate of AWS Certificate Manager, not one of RDS.
        Roots::Region(_) if host.contains(".proxy-") => ("Amazon's roots".to_owned(), roots::AMAZON.into()),
        Roots::Region(region) => {
            let pem = roots::of_region(region).ok_or_else(|| {
                invalid("the built-in ones".to_owned(), format!("none are built in for the region {region}"))
            })?;
            (format!("the roots of {region}"), pem.into())
        }
    };
    let certificates = Certificate::stack_from_pem(&pem).map_err(|error| invalid(name.clone(), error))?;
    if certificates.is_empty() {
        return Err(invalid(name, "there is no certificate in it"));
    }
    let mut connector = TlsConnector::builder();
    connector.disable_built_in_roots(true);
    for certificate in certificates {
        connector.add_root_certificate(certificate);
    }
    connector.build().map(MakeTlsConnector::new).map_err(|error| invalid(name, error))
}

fn invalid(origin: String, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::RootCertificatesInvalid { origin, source: source.into() }
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
    fn an_unknown_region_is_told_to_set_the_file() {
        let error =
            connector(&Roots::Region("cn-north-1".to_owned()), "db").map(|_| ()).expect_err("an unknown region");
        assert!(error.to_string().contains("set PGSSLROOTCERT"), "{error}");
    }
}
