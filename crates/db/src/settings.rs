//! Where the database is and how to enter it, as the environment says.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use crate::Error;
use crate::tls::Roots;

/// PostgreSQL's registered port, used where nothing names another.
const DEFAULT_PORT: u16 = 5432;

/// Which database to use and where its credentials are. Parsed once, at the edge of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) credentials: CredentialSource,
    pub(crate) roots: Roots,
    variables: Address,
}

/// Where user name and password come from.
#[derive(Clone, Debug)]
pub(crate) enum CredentialSource {
    /// A secret in AWS Secrets Manager, by name or ARN.
    Secret(String),
    /// `CONNECTION_URL` has said it all.
    Url(Login),
    /// An IAM token made anew for each connection, in the place of this login's password.
    Iam(Login),
}

/// The parts of an address that somebody has named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) dbname: Option<String>,
    pub(crate) user: Option<String>,
}

/// All that one new connection needs, TLS aside.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) dbname: String,
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

impl Settings {
    /// Reads the settings from variables, usually the environment's. Empty ones count as unset.
    ///
    /// - `DB_SECRET_ID`: name or ARN of a secret in AWS Secrets Manager, or instead of it
    /// - `CONNECTION_URL`: `postgres://user:password@host:port/dbname`, for a laptop.
    /// - `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`: win over the secret's fields, and stand in for what the URL
    ///   leaves out.
    /// - `DB_AUTH=iam`: neither of the two, but an RDS IAM token for `PGUSER` at `PGHOST`.
    /// - `PGSSLROOTCERT`: a PEM file with the roots to trust. `sslrootcert` in the URL wins over it. Without either,
    ///   they are the built-in Amazon RDS roots of `AWS_REGION`.
    ///
    /// Fails with [`Error::SettingsInvalid`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let variables = Address {
            host: variable("PGHOST"),
            port: variable("PGPORT").map(|port| parse_port(&port)).transpose()?,
            dbname: variable("PGDATABASE"),
            user: variable("PGUSER"),
        };
        let mut url_roots = None;
        let credentials = match (variable("DB_AUTH").as_deref(), variable("DB_SECRET_ID"), variable("CONNECTION_URL")) {
            (Some("iam"), None, None) => CredentialSource::Iam(variables.clone().login(SecretString::default())?),
            (None, Some(id), None) => CredentialSource::Secret(id),
            (None, None, Some(url)) => {
                let (login, roots) = parse_url(&url, variables.clone())?;
                url_roots = roots;
                CredentialSource::Url(login)
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
        let file = url_roots.or(variable("PGSSLROOTCERT").map(PathBuf::from));
        let region = variable("AWS_REGION").or(variable("AWS_DEFAULT_REGION"));
        let roots = file.map(Roots::File).or(region.map(Roots::Region)).ok_or_else(|| {
            invalid(
                "neither PGSSLROOTCERT nor AWS_REGION is set",
                "set PGSSLROOTCERT to a PEM file with the root that signed the server's certificate, or AWS_REGION to \
                 use the built-in Amazon RDS roots",
            )
        })?;
        Ok(Self { credentials, roots, variables })
    }

    /// Fills in what the secret leaves out, and overrules it where a variable is set.
    pub(crate) fn login(&self, secret: Address, password: SecretString) -> Result<Login, Error> {
        let Address { host, port, dbname, user } = self.variables.clone();
        Address {
            host: host.or(secret.host),
            port: port.or(secret.port),
            dbname: dbname.or(secret.dbname),
            user: user.or(secret.user),
        }
        .login(password)
    }
}

impl Address {
    fn login(self, password: SecretString) -> Result<Login, Error> {
        let missing = |what: &str, remedy| invalid(format!("nothing names the database's {what}"), remedy);
        Ok(Login {
            host: self.host.ok_or_else(|| missing("host", "set PGHOST to it"))?,
            port: self.port.unwrap_or(DEFAULT_PORT),
            dbname: self.dbname.ok_or_else(|| missing("name", "set PGDATABASE to it"))?,
            user: self.user.ok_or_else(|| missing("user", "set PGUSER to it"))?,
            password,
        })
    }
}

/// No error of this function quotes the URL: a password may stand anywhere in a mistyped one.
fn parse_url(url: &str, variables: Address) -> Result<(Login, Option<PathBuf>), Error> {
    const SHAPE: &str = "write it as postgres://user:password@host:port/dbname, percent-encoding \
                         every special character of the password";
    let bad = |problem: &str| invalid(format!("CONNECTION_URL {problem}"), SHAPE);

    let url = Url::parse(url).map_err(|error| bad(&format!("cannot be read ({error})")))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(bad("is not a PostgreSQL URL"));
    }
    let decode = |part: &str| -> Result<Option<String>, Error> {
        let part = percent_decode_str(part).decode_utf8().map_err(|_| bad("is not UTF-8 when decoded"))?;
        Ok((!part.is_empty()).then(|| part.into_owned()))
    };
    let mut roots = None;
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("sslmode", "verify-full" | "verify-ca" | "require") => {}
            ("sslmode", _) => {
                return Err(invalid(
                    "CONNECTION_URL asks for an sslmode that does not check who the server is",
                    "write sslmode=verify-full, or leave sslmode out: every connection is verified anyway",
                ));
            }
            ("sslrootcert", path) => roots = Some(PathBuf::from(path)),
            _ => {
                return Err(invalid(
                    "CONNECTION_URL has a parameter that is not known here",
                    "keep only sslmode and sslrootcert after the `?`",
                ));
            }
        }
    }
    let host = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    let address = Address {
        host: decode(host.unwrap_or_default())?.or(variables.host),
        port: url.port().or(variables.port),
        dbname: decode(url.path().trim_start_matches('/'))?.or(variables.dbname),
        user: decode(url.username())?.or(variables.user),
    };
    let password = decode(url.password().unwrap_or_default())?.unwrap_or_default();
    Ok((address.login(password.into())?, roots))
}

fn parse_port(port: &str) -> Result<u16, Error> {
    port.parse().map_err(|_| invalid("PGPORT is not a port", "set it to a number from 1 to 65535, or unset it"))
}

fn invalid(problem: impl Into<String>, remedy: &'static str) -> Error {
    Error::SettingsInvalid { problem: problem.into(), remedy }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn url_login(url: &str, more: &[(&str, &str)]) -> Login {
        let variables: Vec<_> =
            [("CONNECTION_URL", url), ("PGSSLROOTCERT", "ca.pem")].iter().chain(more).copied().collect();
        match settings(&variables).expect("settings are complete").credentials {
            CredentialSource::Url(login) => login,
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
        let settings = settings(&[("DB_SECRET_ID", "s"), ("PGHOST", "proxy.example.com"), ("PGSSLROOTCERT", "ca.pem")])
            .expect("settings are complete");
        let secret = Address {
            host: Some("db.example.com".into()),
            port: Some(6432),
            dbname: Some("app".into()),
            user: Some("ada".into()),
        };
        let login = settings.login(secret, "hunter2".into()).expect("nothing is missing");
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("proxy.example.com", 6432, "app", "ada")
        );
    }

    #[test]
    fn a_secret_with_only_user_and_password_needs_the_rest_from_variables() {
        let settings = settings(&[("DB_SECRET_ID", "s"), ("PGHOST", "db.example.com"), ("PGSSLROOTCERT", "ca.pem")])
            .expect("settings are complete");
        let secret = Address { user: Some("ada".into()), ..Address::default() };
        let error = settings.login(secret, "hunter2".into()).expect_err("no database name").to_string();
        assert_eq!(error, "nothing names the database's name; set PGDATABASE to it");
    }

    #[test]
    fn the_root_certificates_in_the_url_win() {
        let url = "postgres://ada@db.example.com/app?sslrootcert=/etc/mine.pem";
        let settings =
            settings(&[("CONNECTION_URL", url), ("PGSSLROOTCERT", "ca.pem")]).expect("settings are complete");
        assert_eq!(settings.roots, Roots::File("/etc/mine.pem".into()));
    }

    #[test]
    fn without_a_file_the_roots_are_those_of_the_region() {
        let roots = |more: &[(&str, &str)]| {
            let variables: Vec<_> = [("DB_SECRET_ID", "s")].iter().chain(more).copied().collect();
            settings(&variables).expect("settings are complete").roots
        };
        assert_eq!(roots(&[("AWS_REGION", "eu-central-1")]), Roots::Region("eu-central-1".to_owned()));
        assert_eq!(roots(&[("AWS_REGION", "eu-central-1"), ("PGSSLROOTCERT", "ca.pem")]), Roots::File("ca.pem".into()));
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
        assert_refused(&[("CONNECTION_URL", "postgres://ada:hunter2@db")], "set PGDATABASE");
        assert_refused(&[("CONNECTION_URL", "postgres://ada:hunter2@db/app?hunter2=1")], "keep only sslmode");
    }

    #[test]
    fn an_sslmode_that_verifies_nothing_is_refused() {
        for mode in ["disable", "allow", "prefer"] {
            let url = format!("postgres://ada:hunter2@db.example.com/app?sslmode={mode}");
            assert_refused(&[("CONNECTION_URL", &url)], "write sslmode=verify-full");
        }
    }

    #[test]
    fn printing_the_settings_for_debugging_hides_the_password() {
        let settings = settings(&[("CONNECTION_URL", "postgres://ada:hunter2@db/app"), ("PGSSLROOTCERT", "ca.pem")]);
        assert!(!format!("{settings:?}").contains("hunter2"), "the password stands in {settings:?}");
    }
}
