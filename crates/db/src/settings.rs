//! Where the database is and how to enter it, as the environment says.

use std::net::IpAddr;

use aws_config::SdkConfig;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::Error;
use crate::tls::Roots;

/// PostgreSQL's registered port, used where nothing names another.
const DEFAULT_PORT: u16 = 5432;

/// Which database to use and where its credentials are. Parsed once, at the edge of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) credentials: CredentialSource,
    /// Where credentials that AWS keeps are asked for; without it, where the environment says.
    pub(crate) aws: Option<SdkConfig>,
}

/// Where user name and password come from.
#[derive(Clone, Debug)]
pub(crate) enum CredentialSource {
    /// A secret in AWS Secrets Manager.
    Secret(SecretSource),
    /// Everything is known already.
    Login(Login),
    /// An IAM token made anew for each connection, in the place of this login's password.
    Iam(Login),
}

/// A secret, and what holds beside it.
#[derive(Clone, Debug)]
pub(crate) struct SecretSource {
    /// Name or ARN.
    pub(crate) id: String,
    variables: Address,
    encryption: Encryption,
}

/// The parts of an address that somebody has named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    pub(crate) host: Option<String>,
    pub(crate) host_address: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) dbname: Option<String>,
    pub(crate) user: Option<String>,
}

/// All that one new connection needs.
#[derive(Clone, Debug)]
pub struct Login {
    /// Host name or address, as the server's certificate has it.
    pub host: String,
    /// Where to connect instead of asking DNS for the host, as through a tunnel.
    pub host_address: Option<IpAddr>,
    /// TCP port.
    pub port: u16,
    /// Name of the database.
    pub dbname: String,
    /// Role to log in as.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// How the connection is protected.
    pub encryption: Encryption,
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS that proves by these roots who the server is.
    Verified(Roots),
    /// None: what is sent never leaves this machine.
    Off,
}

/// Whether a URL may turn encryption off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plaintext {
    /// Never.
    Refused,
    /// With `sslmode=disable`, to a server on this machine.
    OnLoopback,
}

impl Settings {
    /// Reads the settings from variables, usually the environment's. Empty ones count as unset.
    ///
    /// - `DB_SECRET_ID`: name or ARN of a secret in AWS Secrets Manager, or instead of it
    /// - `CONNECTION_URL`: `postgres://user:password@host:port/dbname`, for a laptop.
    /// - `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`: win over the secret's fields, and stand in for what the URL
    ///   leaves out.
    /// - `PGHOSTADDR`: where to connect instead of asking DNS for the host, whose name is checked all the same.
    /// - `DB_AUTH=iam`: neither of the two, but an RDS IAM token for `PGUSER` at `PGHOST`.
    /// - `PGSSLROOTCERT`: a PEM file with the roots to trust. `sslrootcert` in the URL wins over it. Without either,
    ///   they are the built-in Amazon RDS roots of `AWS_REGION`.
    ///
    /// Fails with [`Error::SettingsInvalid`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = &|name: &str| variable(name).filter(|value| !value.is_empty());
        let credentials = match (variable("DB_AUTH").as_deref(), variable("DB_SECRET_ID"), variable("CONNECTION_URL")) {
            (None, None, Some(url)) => return Self::from_url("CONNECTION_URL", &url, Plaintext::Refused, variable),
            (None, Some(id), None) => CredentialSource::Secret(SecretSource {
                id,
                variables: Address::from_variables(variable)?,
                encryption: Encryption::from_variables(variable)?,
            }),
            (Some("iam"), None, None) => {
                let address = Address::from_variables(variable)?;
                CredentialSource::Iam(address.login(SecretString::default(), Encryption::from_variables(variable)?)?)
            }
            (Some("iam"), ..) => {
                return Err(invalid(
                    "DB_AUTH=iam is set, and a secret or a URL as well",
                    "unset DB_SECRET_ID and CONNECTION_URL, or DB_AUTH",
                ));
            }
            (Some(_), ..) => return Err(invalid("DB_AUTH is not `iam`", "set it to `iam`, or unset it")),
            (None, Some(_), Some(_)) => {
                return Err(invalid(
                    "both DB_SECRET_ID and CONNECTION_URL are set",
                    "set DB_SECRET_ID on AWS, CONNECTION_URL on a laptop, and never both",
                ));
            }
            (None, None, None) => {
                return Err(invalid(
                    "neither DB_SECRET_ID nor CONNECTION_URL is set",
                    "set DB_SECRET_ID to the name or ARN of the database's secret, CONNECTION_URL on a laptop, or \
                     DB_AUTH=iam",
                ));
            }
        };
        Ok(Self { credentials, aws: None })
    }

    /// Reads a URL, which the errors call by the `name` of its variable. The variables stand in for what it leaves
    /// out, as in [`Self::from_variables`].
    ///
    /// Of libpq's sslmodes `require`, `verify-ca` and `verify-full` all verify fully; `disable` is for [`Plaintext`];
    /// `allow` and `prefer` fall back to no encryption when somebody on the way asks for it, and are refused.
    ///
    /// Fails with [`Error::SettingsInvalid`], which never quotes the URL: a password may stand anywhere in a mistyped
    /// one.
    pub fn from_url(
        name: &str,
        url: &str,
        plaintext: Plaintext,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let variable = &|name: &str| variable(name).filter(|value| !value.is_empty());
        Ok(parse_url(name, url, plaintext, variable)?.into())
    }

    /// Asks this AWS for credentials, not the one that the environment says.
    #[must_use]
    pub fn with_aws(self, aws: SdkConfig) -> Self {
        Self { aws: Some(aws), ..self }
    }
}

impl SecretSource {
    /// Fills in what the secret leaves out, and overrules it where a variable is set.
    pub(crate) fn login(&self, secret: Address, password: SecretString) -> Result<Login, Error> {
        let Address { host, host_address, port, dbname, user } = self.variables.clone();
        let address = Address {
            host: host.or(secret.host),
            host_address,
            port: port.or(secret.port),
            dbname: dbname.or(secret.dbname),
            user: user.or(secret.user),
        };
        address.login(password, self.encryption.clone())
    }
}

impl From<Login> for Settings {
    fn from(login: Login) -> Self {
        Self { credentials: CredentialSource::Login(login), aws: None }
    }
}

impl Login {
    /// As a URL. With its password only if `with_password`; otherwise stars stand for it.
    pub fn url(&self, with_password: bool) -> String {
        let encode = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let password = if with_password { encode(self.password.expose_secret()) } else { "****".to_owned() };
        let encryption = match &self.encryption {
            Encryption::Off => "disable".to_owned(),
            Encryption::Verified(Roots::Region(_)) => "verify-full".to_owned(),
            Encryption::Verified(Roots::File(path)) => {
                let path: Vec<_> = path.to_string_lossy().split('/').map(encode).collect();
                format!("verify-full&sslrootcert={}", path.join("/"))
            }
        };
        let (user, port, dbname) = (encode(&self.user), self.port, encode(&self.dbname));
        format!("postgres://{user}:{password}@{host}:{port}/{dbname}?sslmode={encryption}")
    }
}

impl Encryption {
    fn from_variables(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let region = || variable("AWS_REGION").or(variable("AWS_DEFAULT_REGION"));
        let file = variable("PGSSLROOTCERT").map(|path| Roots::File(path.into()));
        file.or_else(|| region().map(Roots::Region)).map(Self::Verified).ok_or_else(|| {
            invalid(
                "neither PGSSLROOTCERT nor AWS_REGION is set",
                "set PGSSLROOTCERT to a PEM file with the root that signed the server's certificate, or AWS_REGION to \
                 use the built-in Amazon RDS roots",
            )
        })
    }
}

impl Address {
    fn from_variables(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Ok(Self {
            host: variable("PGHOST"),
            host_address: variable("PGHOSTADDR").map(|address| parse_host_address(&address)).transpose()?,
            port: variable("PGPORT").map(|port| parse_port(&port)).transpose()?,
            dbname: variable("PGDATABASE"),
            user: variable("PGUSER"),
        })
    }

    fn login(self, password: SecretString, encryption: Encryption) -> Result<Login, Error> {
        let missing = |what: &str, remedy| invalid(format!("nothing names the database's {what}"), remedy);
        Ok(Login {
            host: self.host.ok_or_else(|| missing("host", "set PGHOST to it"))?,
            host_address: self.host_address,
            port: self.port.unwrap_or(DEFAULT_PORT),
            dbname: self.dbname.ok_or_else(|| missing("name", "set PGDATABASE to it"))?,
            user: self.user.ok_or_else(|| missing("user", "set PGUSER to it"))?,
            password,
            encryption,
        })
    }
}

fn parse_url(
    name: &str,
    url: &str,
    plaintext: Plaintext,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Login, Error> {
    const SHAPE: &str = "write it as postgres://user:password@host:port/dbname, percent-encoding \
                         every special character of the password";
    const VERIFY: &str = "write sslmode=verify-full, or leave sslmode out: every connection is verified anyway";
    let bad = |problem: &str| invalid(format!("{name} {problem}"), SHAPE);

    let url = Url::parse(url).map_err(|error| bad(&format!("cannot be read ({error})")))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(bad("is not a PostgreSQL URL"));
    }
    let decode = |part: &str| -> Result<Option<String>, Error> {
        let part = percent_decode_str(part).decode_utf8().map_err(|_| bad("is not UTF-8 when decoded"))?;
        Ok((!part.is_empty()).then(|| part.into_owned()))
    };
    let variables = Address::from_variables(variable)?;
    let host = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    let host = decode(host.unwrap_or_default())?.or(variables.host);

    let mut encryption = None;
    for (key, value) in url.query_pairs() {
        match (key.as_ref(), value.as_ref()) {
            ("sslmode", "verify-full" | "verify-ca" | "require") => {}
            ("sslmode", "disable") => {
                let stays_here = host.as_deref().is_some_and(is_loopback)
                    && variables.host_address.is_none_or(|address| address.is_loopback());
                if plaintext == Plaintext::Refused || !stays_here {
                    let problem = "says sslmode=disable, which sends passwords and data in the clear";
                    return Err(invalid(format!("{name} {problem}"), VERIFY));
                }
                encryption = Some(Encryption::Off);
            }
            ("sslmode", mode @ ("prefer" | "allow")) => {
                let problem = "which goes on without encryption when somebody on the way asks for it";
                return Err(invalid(format!("{name} says sslmode={mode}, {problem}"), VERIFY));
            }
            ("sslmode", _) => {
                return Err(invalid(format!("{name} has an sslmode that PostgreSQL does not know"), VERIFY));
            }
            ("sslrootcert", path) => {
                encryption.get_or_insert_with(|| Encryption::Verified(Roots::File(path.into())));
            }
            _ => {
                return Err(invalid(
                    format!("{name} has a parameter that is not known here"),
                    "keep only sslmode and sslrootcert after the `?`",
                ));
            }
        }
    }
    let encryption = encryption.map_or_else(|| Encryption::from_variables(variable), Ok)?;
    let address = Address {
        host,
        host_address: variables.host_address,
        port: url.port().or(variables.port),
        dbname: decode(url.path().trim_start_matches('/'))?.or(variables.dbname),
        user: decode(url.username())?.or(variables.user),
    };
    let password = decode(url.password().unwrap_or_default())?.unwrap_or_default();
    address.login(password.into(), encryption)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parse_port(port: &str) -> Result<u16, Error> {
    port.parse().map_err(|_| invalid("PGPORT is not a port", "set it to a number from 1 to 65535, or unset it"))
}

fn parse_host_address(address: &str) -> Result<IpAddr, Error> {
    address.parse().map_err(|_| {
        invalid("PGHOSTADDR is not an IP address", "set it to one, such as 127.0.0.1 for a tunnel, or unset it")
    })
}

fn invalid(problem: impl Into<String>, remedy: &'static str) -> Error {
    Error::SettingsInvalid { problem: problem.into(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn secret(variables: &[(&str, &str)]) -> SecretSource {
        let variables: Vec<_> = [("DB_SECRET_ID", "s")].iter().chain(variables).copied().collect();
        match settings(&variables).expect("settings are complete").credentials {
            CredentialSource::Secret(secret) => secret,
            other => panic!("expected a secret, got {other:?}"),
        }
    }

    fn url_login(url: &str, more: &[(&str, &str)]) -> Login {
        let variables: Vec<_> =
            [("CONNECTION_URL", url), ("PGSSLROOTCERT", "ca.pem")].iter().chain(more).copied().collect();
        match settings(&variables).expect("settings are complete").credentials {
            CredentialSource::Login(login) => login,
            other => panic!("expected a URL, got {other:?}"),
        }
    }

    #[track_caller]
    fn assert_refused(variables: &[(&str, &str)], expected: &str) {
        let error = settings(variables).expect_err("these settings are wrong").to_string();
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
        assert!(!error.contains("hunter2"), "the password stands in {error:?}");
    }

    #[test]
    fn a_url_says_it_all() {
        let login = url_login("postgresql://ada:p%40ss%2Fword@db.example.com:6432/app?sslmode=verify-full", &[]);
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("db.example.com", 6432, "app", "ada")
        );
        assert_eq!(login.password.expose_secret(), "p@ss/word");
    }

    #[test]
    fn variables_stand_in_for_what_a_url_leaves_out() {
        let more = [("PGHOST", "db.example.com"), ("PGPORT", "6432"), ("PGDATABASE", "app"), ("PGUSER", "ada")];
        let login = url_login("postgres://", &more);
        assert_eq!((login.host.as_str(), login.port), ("db.example.com", 6432));
        let login = url_login("postgres://bob@[::1]/other", &more);
        assert_eq!((login.host.as_str(), login.dbname.as_str(), login.user.as_str()), ("::1", "other", "bob"));
    }

    #[test]
    fn variables_win_over_the_secret() {
        let source = secret(&[("PGHOST", "proxy.example.com"), ("PGSSLROOTCERT", "ca.pem")]);
        let address = Address {
            host: Some("db.example.com".into()),
            host_address: None,
            port: Some(6432),
            dbname: Some("app".into()),
            user: Some("ada".into()),
        };
        let login = source.login(address, "hunter2".into()).expect("nothing is missing");
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("proxy.example.com", 6432, "app", "ada")
        );
    }

    #[test]
    fn a_secret_with_only_user_and_password_needs_the_rest_from_variables() {
        let source = secret(&[("PGHOST", "db.example.com"), ("PGSSLROOTCERT", "ca.pem")]);
        let address = Address { user: Some("ada".into()), ..Address::default() };
        let error = source.login(address, "hunter2".into()).expect_err("no database name").to_string();
        assert_eq!(error, "nothing names the database's name; set PGDATABASE to it");
    }

    #[test]
    fn the_root_certificates_in_the_url_win() {
        let url = "postgres://ada@db.example.com/app?sslrootcert=/etc/mine.pem";
        assert_eq!(url_login(url, &[]).encryption, Encryption::Verified(Roots::File("/etc/mine.pem".into())));
    }

    #[test]
    fn without_a_file_the_roots_are_those_of_the_region() {
        let roots = |variables: &[(&str, &str)]| secret(variables).encryption;
        let region = Roots::Region("eu-central-1".to_owned());
        assert_eq!(roots(&[("AWS_REGION", "eu-central-1")]), Encryption::Verified(region));
        let both = roots(&[("AWS_REGION", "eu-central-1"), ("PGSSLROOTCERT", "ca.pem")]);
        assert_eq!(both, Encryption::Verified(Roots::File("ca.pem".into())));
    }

    #[test]
    fn an_iam_token_needs_the_whole_address_from_variables() {
        let iam =
            [("DB_AUTH", "iam"), ("PGHOST", "db.example.com"), ("PGDATABASE", "app"), ("AWS_REGION", "eu-west-1")];
        let with_user: Vec<_> = iam.iter().chain(&[("PGUSER", "ada")]).copied().collect();
        let settings = settings(&with_user).expect("settings are complete");
        assert!(matches!(settings.credentials, CredentialSource::Iam(login) if login.user == "ada"));
        assert_refused(&iam, "set PGUSER");
    }

    #[test]
    fn wrong_settings_are_refused_with_the_remedy() {
        let url = ("CONNECTION_URL", "postgres://ada:hunter2@db.example.com/app");
        assert_refused(&[], "set DB_SECRET_ID");
        assert_refused(&[("DB_SECRET_ID", ""), ("CONNECTION_URL", "")], "set DB_SECRET_ID");
        assert_refused(&[("DB_SECRET_ID", "s"), url], "never both");
        assert_refused(&[("DB_SECRET_ID", "s")], "neither PGSSLROOTCERT nor AWS_REGION is set; set PGSSLROOTCERT");
        assert_refused(&[("DB_AUTH", "iam"), ("DB_SECRET_ID", "s")], "unset DB_SECRET_ID");
        assert_refused(&[("DB_AUTH", "hunter2")], "set it to `iam`");
        assert_refused(&[("DB_SECRET_ID", "s"), ("PGPORT", "hunter2")], "PGPORT is not a port; set it to a number");
        assert_refused(&[("CONNECTION_URL", "hunter2")], "write it as postgres://");
        assert_refused(&[("CONNECTION_URL", "postgres://ada:hun/ter2@db:hunter2/app")], "write it as postgres://");
        assert_refused(&[("CONNECTION_URL", "mysql://ada:hunter2@db/app")], "is not a PostgreSQL URL");
        assert_refused(&[("CONNECTION_URL", "postgres://ada:hunter2@db?sslrootcert=ca.pem")], "set PGDATABASE");
        assert_refused(&[("CONNECTION_URL", "postgres://ada:hunter2@db/app?hunter2=1")], "keep only sslmode");
    }

    #[test]
    fn an_sslmode_that_does_not_verify_is_refused_with_the_reason() {
        for (mode, reason) in [
            ("disable", "sends passwords and data in the clear; write sslmode=verify-full"),
            ("allow", "goes on without encryption when somebody on the way asks for it; write sslmode=verify-full"),
            ("prefer", "goes on without encryption when somebody on the way asks for it; write sslmode=verify-full"),
            ("hunter2", "has an sslmode that PostgreSQL does not know; write sslmode=verify-full"),
        ] {
            for host in ["db.example.com", "localhost"] {
                let url = format!("postgres://ada:hunter2@{host}/app?sslmode={mode}");
                assert_refused(&[("CONNECTION_URL", &url)], reason);
            }
        }
    }

    #[test]
    fn every_sslmode_that_encrypts_verifies() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let login = url_login(&format!("postgres://ada@localhost/app?sslmode={mode}"), &[]);
            assert_eq!(login.encryption, Encryption::Verified(Roots::File("ca.pem".into())), "{mode}");
        }
    }

    #[test]
    fn encryption_is_turned_off_only_on_this_machine() {
        let encryption =
            |url: &str| parse_url("DEV_URL", url, Plaintext::OnLoopback, &|_: &str| None).map(|login| login.encryption);
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            let url = format!("postgres://ada:hunter2@{host}/app?sslmode=disable&sslrootcert=ca.pem");
            assert_eq!(encryption(&url).expect("it stays here"), Encryption::Off, "{host}");
        }
        for host in ["db", "localhost.example.com", "10.0.0.1", "[::2]"] {
            let url = format!("postgres://ada:hunter2@{host}/app?sslmode=disable");
            let error = encryption(&url).expect_err("it leaves this machine").to_string();
            assert!(error.starts_with("DEV_URL says sslmode=disable"), "{error}");
        }
        encryption("postgres://ada:hunter2@localhost/app?sslmode=prefer").expect_err("not even here");
        let elsewhere = |name: &str| (name == "PGHOSTADDR").then(|| "10.0.0.1".to_owned());
        let url = "postgres://ada:hunter2@localhost/app?sslmode=disable";
        Settings::from_url("DEV_URL", url, Plaintext::OnLoopback, elsewhere).expect_err("the address leads elsewhere");
    }

    #[test]
    fn a_url_is_written_as_it_was_read() {
        for url in [
            "postgres://a%40da:p%40ss%2Fword@db.example.com:6432/my%2Dapp?sslmode=verify-full&sslrootcert=/etc/my%20ca",
            "postgres://ada:hunter2@[::1]:5432/app?sslmode=disable",
        ] {
            let settings = Settings::from_url("DEV_URL", url, Plaintext::OnLoopback, |_| None).expect("a good URL");
            let CredentialSource::Login(login) = settings.credentials else { panic!("a URL has it all") };
            assert_eq!(login.url(true), url);
            let masked = login.url(false);
            assert!(masked.contains(":****@") && !masked.contains("p%40ss") && !masked.contains("hunter2"), "{masked}");
        }
    }

    #[test]
    fn a_tunnel_keeps_the_name_that_is_verified() {
        let login = url_login("postgres://ada@db.example.com:5433/app", &[("PGHOSTADDR", "127.0.0.1")]);
        assert_eq!((login.host.as_str(), login.host_address), ("db.example.com", "127.0.0.1".parse().ok()));
        assert_refused(&[("DB_SECRET_ID", "s"), ("AWS_REGION", "r"), ("PGHOSTADDR", "hunter2")], "such as 127.0.0.1");
    }

    #[test]
    fn printing_the_settings_for_debugging_hides_the_password() {
        let settings = settings(&[("CONNECTION_URL", "postgres://ada:hunter2@db/app"), ("PGSSLROOTCERT", "ca.pem")]);
        assert!(!format!("{settings:?}").contains("hunter2"), "the password stands in {settings:?}");
    }
}
