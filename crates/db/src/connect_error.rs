//! Errors of opening a connection: which of them is about the network, TLS, the login or the database.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use crate::dial::Destination;
use crate::encryption::Encryption;
use crate::login::Login;
use crate::server_error::ServerError;
use crate::{Error, Kind};

const UNKNOWN_CA: &str = "set PGSSLROOTCERT to a PEM file with the root that signed its certificate";
const WRONG_NAME: &str = "use a host name that its certificate holds: in the URL, if there is one, else in PGHOST or the \
                          secret; through a tunnel, set PGHOSTADDR to its near end";
const NO_TLS: &str = "turn TLS on at the server (`ssl = on`)";
const TLS_DEMANDED: &str = "write sslmode=verify-full in the URL: the server accepts no connection without TLS";
const ANOTHER_SERVICE: &str = "check the port: what answers is not PostgreSQL";
const LOGIN_METHOD: &str =
    "let pg_hba.conf ask this user for scram-sha-256, md5 or password, or turn the other method (such as Kerberos) off";
const NO_PASSWORD: &str = "write the password into the URL, or set PGPASSWORD";
const SERVER_UNPROVED: &str =
    "check host and port, and the proxy before the server: it did not prove that it knows the password";
const CLIENT_CERTIFICATE: &str =
    "the server demands a client certificate: turn that off (`clientcert` in pg_hba.conf, or at the proxy before it)";
const OLD_TLS: &str = "let the server speak TLS 1.2 or newer";
const NO_AGREEMENT: &str =
    "let the server speak TLS 1.2 or newer with its usual ciphers, and demand no client certificate";
const TLS: &str = "check the server's certificate and its validity, and this machine's clock";

impl Error {
    /// The error of a handshake with this server.
    pub(crate) fn from_handshake(error: Box<dyn StdError + Send + Sync>, to: &Destination) -> Self {
        if is_cut(error.as_ref()) {
            let Destination { host, host_address, port, .. } = to.clone();
            return Self::Unreachable { host, address: host_address, port, source: error };
        }
        Self::tls_refused(&to.host, error.as_ref())
    }

    /// The error of a new connection for this login.
    pub(crate) fn from_connect(error: tokio_postgres::Error, login: &Login) -> Self {
        let Login { host, host_address, port, dbname, user, .. } = login;
        let host = host.clone();
        if let Some(source) = ServerError::of_login(&error, login) {
            return match source.meaning().kind {
                // No line of pg_hba.conf accepts it. Wrong passwords, missing roles and NOLOGIN are reported elsewhere.
                Kind::CredentialsRejected
                    if login.encryption == Encryption::Off && source.routine() == Some("ClientAuthentication") =>
                {
                    Self::TlsRefused { host, remedy: TLS_DEMANDED, source: source.into() }
                }
                Kind::CredentialsRejected => Self::CredentialsRejected { host, user: user.clone(), source },
                Kind::DatabaseMissing => Self::DatabaseMissing { host, dbname: dbname.clone(), source },
                _ => source.into(),
            };
        }
        // tokio-postgres has no public kinds, only these sentences.
        let failure = error.to_string();
        match (failure.as_str(), error.into_source()) {
            // In TLS 1.3 the handshake of the client ends before the server has checked it.
            (_, Some(source)) if refusal(&source.to_string()).is_some() => Self::tls_refused(&host, source.as_ref()),
            ("authentication error" | "invalid configuration", Some(source)) => {
                // SCRAM's own errors are of I/O; the driver's words are about methods.
                let remedy = match source.to_string().as_str() {
                    "password missing" => NO_PASSWORD,
                    _ if source.is::<io::Error>() => SERVER_UNPROVED,
                    _ => LOGIN_METHOD,
                };
                Self::LoginUnsupported { host, remedy, source }
            }
            ("unexpected message from server" | "error parsing response from server", _) => {
                Self::LoginUnsupported { host, remedy: ANOTHER_SERVICE, source: failure.into() }
            }
            (_, Some(source)) if is_malformed(source.as_ref()) => {
                Self::LoginUnsupported { host, remedy: ANOTHER_SERVICE, source }
            }
            (_, source) => {
                let source = source.unwrap_or_else(|| "the server closed the connection".into());
                Self::Unreachable { host, address: *host_address, port: *port, source }
            }
        }
    }

    /// The error of a server that answers the request for TLS with no.
    pub(crate) fn without_tls(host: &str) -> Self {
        let source = "the server does not support TLS".into();
        Self::TlsRefused { host: host.to_owned(), remedy: NO_TLS, source }
    }

    /// Returns whether the server has no TLS. Where it may be used without, the caller knows another way out.
    pub fn is_without_tls(&self) -> bool {
        matches!(self, Self::TlsRefused { remedy, .. } if *remedy == NO_TLS)
    }

    /// The error of a service that answers the request for TLS as PostgreSQL never does.
    pub(crate) fn another_service(host: &str) -> Self {
        let source = "the service does not speak PostgreSQL's protocol".into();
        Self::TlsRefused { host: host.to_owned(), remedy: ANOTHER_SERVICE, source }
    }

    /// The error of the TLS library about this server.
    pub(crate) fn tls_refused(host: &str, error: &(dyn StdError + 'static)) -> Self {
        // Its `Display` already repeats its `source`.
        let cause = error.to_string();
        let remedy = if cause.contains("mismatch") {
            WRONG_NAME
        } else if ["issuer", "self-signed", "signature failure"].iter().any(|word| cause.contains(word)) {
            UNKNOWN_CA
        } else if ["wrong version number", "packet length"].iter().any(|word| cause.contains(word)) {
            ANOTHER_SERVICE
        } else {
            refusal(&cause).unwrap_or(TLS)
        };
        Self::TlsRefused { host: host.to_owned(), remedy, source: cause.into() }
    }
}

/// The way out if a peer refuses the other one in TLS itself, by OpenSSL's words for it and for TLS's alerts.
/// <https://www.rfc-editor.org/rfc/rfc8446#section-6.2>
fn refusal(cause: &str) -> Option<&'static str> {
    let is_one_of = |reasons: &[&str]| reasons.iter().any(|reason| cause.contains(reason));
    // This client has no certificate; implementations differ in the alert for it.
    if is_one_of(&[
        "alert access denied",
        "alert bad certificate",
        "alert certificate required",
        "alert certificate unknown",
        "alert no certificate",
        "alert unknown ca",
    ]) {
        Some(CLIENT_CERTIFICATE)
    } else if is_one_of(&["alert protocol version", "unsupported protocol", "no protocols available"]) {
        Some(OLD_TLS)
    } else if is_one_of(&["alert handshake failure", "alert insufficient security"]) {
        Some(NO_AGREEMENT)
    } else {
        None
    }
}

/// Returns whether the driver cannot read an answer. One that only ends too early is a connection that was cut.
fn is_malformed(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        // What the system says has a number.
        error.raw_os_error().is_none() && matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput)
    })
}

/// Returns whether a handshake ended because the connection did.
fn is_cut(error: &(dyn StdError + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.is::<io::Error>() || cause.to_string().to_lowercase().contains("unexpected eof"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_in_tls_names_its_way_out() {
        for (cause, remedy) in [
            ("error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required", Some(CLIENT_CERTIFICATE)),
            ("error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate", Some(CLIENT_CERTIFICATE)),
            ("error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca", Some(CLIENT_CERTIFICATE)),
            ("error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure", Some(NO_AGREEMENT)),
            ("error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version", Some(OLD_TLS)),
            ("error:0A000102:SSL routines:ssl_choose_client_version:unsupported protocol", Some(OLD_TLS)),
            ("error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error", None),
            ("error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading", None),
            ("Connection reset by peer (os error 104)", None),
        ] {
            assert_eq!(refusal(cause), remedy, "{cause}");
        }
    }

    #[test]
    fn a_connection_that_is_cut_is_no_malformed_answer() {
        for (error, expected) in [
            (io::Error::new(ErrorKind::InvalidInput, "unknown authentication tag `99`"), true),
            (io::Error::new(ErrorKind::InvalidData, "invalid message length: header length < 4"), true),
            (ErrorKind::UnexpectedEof.into(), false),
            (ErrorKind::ConnectionReset.into(), false),
            (io::Error::other("bytes remaining on stream"), false),
            // `EINVAL`
            (io::Error::from_raw_os_error(22), false),
        ] {
            assert_eq!(is_malformed(&error), expected, "{error:?}");
        }
    }
}
