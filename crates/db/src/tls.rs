//! TLS that proves who the server is: the certificate chain and the host name are always checked.

use std::path::Path;

use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;

use crate::Error;

/// A connector that trusts the roots in this PEM file and nothing else.
pub(crate) fn connector(root_certificates: &Path) -> Result<MakeTlsConnector, Error> {
    let invalid = |source: Box<dyn std::error::Error + Send + Sync>| Error::RootCertificatesInvalid {
        path: root_certificates.to_owned(),
        source,
    };
    let pem = std::fs::read(root_certificates).map_err(|error| invalid(error.into()))?;
    let roots = Certificate::stack_from_pem(&pem).map_err(|error| invalid(error.into()))?;
    if roots.is_empty() {
        return Err(invalid("there is no certificate in it".into()));
    }
    let mut connector = TlsConnector::builder();
    connector.disable_built_in_roots(true);
    for root in roots {
        connector.add_root_certificate(root);
    }
    connector.build().map(MakeTlsConnector::new).map_err(|error| invalid(error.into()))
}
