//! Errors of opening a connection: which of them is about the network, TLS, the login or the database.

use crate::server_error::ServerError;
use crate::settings::Login;
use crate::{Error, Kind};

const UNKNOWN_CA: &str = "set PGSSLROOTCERT to a PEM file with the root that signed its certificate";
const WRONG_NAME: &str = "use a host name that its certificate holds, in PGHOST, the secret or the URL";
const NO_TLS: &str = "turn TLS on at the server (`ssl = on`)";
const ANOTHER_SERVICE: &str = "check the port: the service behind it is not PostgreSQL";
const LOGIN_METHOD: &str =
    "let pg_hba.conf ask this user for scram-sha-256, md5 or password, or turn the other method (such as Kerberos) off";
const SERVER_UNPROVED: &str =
    "check host and port, and the proxy before the server: it did not prove that it knows the password";
const TLS: &str = "check the server's certificate and its validity, and this machine's clock";

impl Error {
    /// The error of a new connection for this login.
    pub(crate) fn from_connect(error: tokio_postgres::Error, login: &Login) -> Self {
        let Login { host, port, dbname, user, .. } = login;
        let host = host.clone();
        if let Some(source) = ServerError::of_login(&error) {
            return match source.meaning().kind {
                Kind::CredentialsRejected => Self::CredentialsRejected { host, user: user.clone(), source },
                Kind::DatabaseMissing => Self::DatabaseMissing { host, dbname: dbname.clone(), source },
                _ => source.into(),
            };
        }
        // tokio-postgres has no public kinds, only these sentences.
        let failure = error.to_string();
        match (failure.as_str(), error.into_source()) {
            ("error performing TLS handshake", Some(source)) if !is_cut(source.as_ref()) => {
                Self::tls_refused(&host, source.as_ref())
            }
            ("authentication error" | "invalid configuration", Some(source)) => {
                // SCRAM's own errors are of I/O; the driver's words are about methods.
                let remedy = if source.is::<std::io::Error>() { SERVER_UNPROVED } else { LOGIN_METHOD };
                Self::LoginUnsupported { host, remedy, source }
            }
            ("unexpected message from server" | "error parsing response from server", _) => {
                Self::LoginUnsupported { host, remedy: ANOTHER_SERVICE, source: failure.into() }
            }
            (_, source) => {
                let source = source.unwrap_or_else(|| "the server closed the connection".into());
                Self::Unreachable { host, port: *port, source }
            }
        }
    }

    /// The error of a server that answers the request for TLS with no.
    pub(crate) fn without_tls(host: &str) -> Self {
        let source = "the server does not support TLS".into();
        Self::TlsRefused { host: host.to_owned(), remedy: NO_TLS, source }
    }

    /// The error of a service that answers the request for TLS as PostgreSQL never does.
    pub(crate) fn another_service(host: &str) -> Self {
        let source = "the service does not speak PostgreSQL's protocol".into();
        Self::TlsRefused { host: host.to_owned(), remedy: ANOTHER_SERVICE, source }
    }

    /// The error of the TLS library about this server.
    pub(crate) fn tls_refused(host: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        // Its `Display` already repeats its `source`.
        let cause = error.to_string();
        let remedy = if cause.contains("mismatch") {
            WRONG_NAME
        } else if ["issuer", "self-signed", "signature failure"].iter().any(|word| cause.contains(word)) {
            UNKNOWN_CA
        } else if ["wrong version number", "packet length"].iter().any(|word| cause.contains(word)) {
            ANOTHER_SERVICE
        } else {
            TLS
        };
        Self::TlsRefused { host: host.to_owned(), remedy, source: cause.into() }
    }
}

/// Returns whether a handshake ended because the connection did.
fn is_cut(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.is::<std::io::Error>() || cause.to_string().to_lowercase().contains("unexpected eof"))
}
