//! The settings: which database to use and how to log in.

use std::ffi::OsString;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::ChannelBinding;

use crate::aws::Aws;
use crate::connection_options::ConnectionOptions;
use crate::dial::Destination;
use crate::encryption::{Encryption, Plaintext};
use crate::login::Login;
use crate::name::Name;
use crate::parameters::{Parameters, Sources};
use crate::secret::Secret;
use crate::variables::Variables;
use crate::{Error, region};

/// PostgreSQL's registered port, used where nothing names another.
const DEFAULT_PORT: u16 = 5432;

/// The database to use and the source of its credentials. Parsed once, at the edge of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) credentials: CredentialSource,
    /// Where secrets are read and tokens made.
    pub(crate) aws: Aws,
}

/// The source of user name and password.
#[derive(Clone, Debug)]
pub(crate) enum CredentialSource {
    /// A secret in AWS Secrets Manager.
    Secret(SecretSource),
    /// A login that is known already.
    Login(Login),
    /// An IAM token, made for each connection, in place of this login's password.
    Iam(Login),
}

/// A secret, and the variables that complete it.
#[derive(Clone, Debug)]
pub(crate) struct SecretSource {
    /// Name or ARN.
    pub(crate) id: String,
    pub(crate) variables: Address,
    encryption: Encryption,
    /// Host and port that the secret probably names.
    likely: Option<(String, u16)>,
}

/// The parts of an address that are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    pub(crate) host: Option<String>,
    pub(crate) host_address: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) dbname: Option<String>,
    pub(crate) user: Option<String>,
}

impl Settings {
    /// Reads the settings from variables, usually the environment's. Empty ones count as unset, and white space around a
    /// value does not belong to it.
    ///
    /// - `DB_SECRET_ID`: name or ARN of a secret in AWS Secrets Manager, or instead of it
    /// - `DB_CONNECT_AHEAD`: `host:port` that the secret probably names. The first connection begins there while the secret
    ///   is read, and is dropped if that names another server.
    /// - `CONNECTION_URL`: `postgres://user:password@host:port/dbname`, for a laptop, or instead of both
    /// - `DB_AUTH=iam`: an RDS IAM token for `PGUSER` at `PGHOST`.
    /// - `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`: win over the secret's fields, and replace what the URL leaves out.
    /// - `PGHOSTADDR`: the address to connect to instead of asking DNS for the host, whose name is still checked.
    /// - `PGSSLROOTCERT`: a PEM file with the roots to trust. `sslrootcert` in the URL wins over it. Without either,
    ///   they are the built-in Amazon RDS roots of the region in the host name, else of `AWS_REGION`.
    /// - `PGPASSWORD`, `PGSSLMODE`, `PGAPPNAME`, `PGCONNECT_TIMEOUT`, `PGTARGETSESSIONATTRS`, `PGCHANNELBINDING`: replace
    ///   what the URL leaves out, and mean nothing to a secret or a token.
    ///
    /// Fails with [`Error::SettingsInvalid`], which never quotes a value: a password may stand in any mistyped one.
    pub fn from_variables<V: Into<OsString>>(variable: impl Fn(&str) -> Option<V>) -> Result<Self, Error> {
        let variable = &|name: &str| variable(name).map(Into::<OsString>::into);
        let variables = &Variables::new(variable);
        let source = ["DB_AUTH", "DB_SECRET_ID", "CONNECTION_URL"].map(|name| variables.text(name));
        let [auth, secret, url] = source;
        let credentials = match (auth?.as_deref(), secret?, url?) {
            (None, None, Some(url)) => return Self::from_url("CONNECTION_URL", &url, Plaintext::Refused, variable),
            (None, Some(id), None) => CredentialSource::Secret(SecretSource::new(
                parse_secret_id(&id)?,
                Address::read(&Sources::new(&[], variables))?,
                Encryption::from_variables(variables)?,
                variables
                    .text("DB_CONNECT_AHEAD")?
                    .map(|server| parse_server("DB_CONNECT_AHEAD", &server))
                    .transpose()?,
            )),
            (Some("iam"), None, None) => {
                let address = Address::read(&Sources::new(&[], variables))?;
                let login = address.login(SecretString::default(), |_, _| Encryption::from_variables(variables))?;
                if login.host.parse::<IpAddr>().is_ok() {
                    return Err(invalid(
                        "PGHOST is an IP address, and an IAM token is for a host name",
                        "set PGHOST to the endpoint's host name, and PGHOSTADDR to the address",
                    ));
                }
                CredentialSource::Iam(login)
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
        region::check_aws(variables)?;
        region::of_environment(variables)?;
        Ok(Self { credentials, aws: Aws::from_variables(variable) })
    }

    /// Reads a URL, which the errors call by the `name` of its variable. Other variables replace what it leaves out, as
    /// in [`Self::from_variables`].
    ///
    /// Fails with [`Error::SettingsInvalid`], which never quotes the URL: a password may stand anywhere in a mistyped
    /// one.
    pub fn from_url<V: Into<OsString>>(
        name: &str,
        url: &str,
        plaintext: Plaintext,
        variable: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, Error> {
        Self::from_parameters(&[Parameters::of_url(name, url)?], plaintext, variable)
    }

    /// Reads a login from sets of parameters, of which an earlier one wins over a later one, and all of them over the
    /// variables.
    ///
    /// Fails with [`Error::SettingsInvalid`], which never quotes a value.
    pub fn from_parameters<V: Into<OsString>>(
        sets: &[Parameters],
        plaintext: Plaintext,
        variable: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).map(Into::<OsString>::into);
        let variables = Variables::new(&variable);
        let sources = Sources::new(sets, &variables);
        let address = Address::read(&sources)?;
        let password = sources.get("password")?.map(|value| value.text).unwrap_or_default();
        let options = ConnectionOptions::read(&sources)?;
        let encryption = |host: &str, address| Encryption::read(&sources, plaintext, host, address);
        let login = Login { options, ..address.login(password, encryption)? };
        if login.encryption == Encryption::Off && login.options.channel_binding == Some(ChannelBinding::Require) {
            return Err(invalid(
                "channel_binding=require needs TLS, and sslmode=disable turns it off",
                "leave one of them out, also in PGCHANNELBINDING and PGSSLMODE",
            ));
        }
        Ok(login.into())
    }

    /// Completes a login that has no password with one that is `found` for it.
    pub fn with_password_from<E>(
        mut self,
        find: impl FnOnce(&Login) -> Result<Option<SecretString>, E>,
    ) -> Result<Self, E> {
        if let CredentialSource::Login(login) = &mut self.credentials
            && login.password.expose_secret().is_empty()
            && let Some(password) = find(login)?
        {
            login.password = password;
        }
        Ok(self)
    }

    /// Reads secrets and makes tokens with this AWS configuration instead of the variables'.
    #[must_use]
    pub fn with_aws(self, aws: impl Into<Aws>) -> Self {
        Self { aws: aws.into(), ..self }
    }
}

impl CredentialSource {
    /// Where its login probably leads, where it takes time to have one.
    pub(crate) fn likely_destination(&self) -> Option<Destination> {
        match self {
            Self::Secret(source) => source.likely_destination(),
            Self::Iam(login) => Some(login.destination()),
            Self::Login(_) => None,
        }
    }
}

impl SecretSource {
    pub(crate) fn new(id: String, variables: Address, encryption: Encryption, likely: Option<(String, u16)>) -> Self {
        Self { id, variables, encryption, likely }
    }

    /// Where its login probably leads, as far as that is known before it is read.
    pub(crate) fn likely_destination(&self) -> Option<Destination> {
        let Address { host, host_address, port, .. } = self.variables.clone();
        let (likely_host, likely_port) = self.likely.clone().unzip();
        Some(Destination {
            host: host.or(likely_host)?,
            host_address,
            port: port.or(likely_port).unwrap_or(DEFAULT_PORT),
            encryption: self.encryption.clone(),
        })
    }

    /// Reads the login from the secret's text, completed with the variables, which win over it.
    pub(crate) fn login(&self, text: &SecretString) -> Result<Login, Error> {
        let (address, password) = Secret::parse(&self.id, text)?.login(self)?;
        address.login(password, |_, _| Ok(self.encryption.clone()))
    }
}

impl From<Login> for Settings {
    fn from(login: Login) -> Self {
        Self { credentials: CredentialSource::Login(login), aws: Aws::default() }
    }
}

impl Address {
    pub(crate) fn read(sources: &Sources<'_>) -> Result<Self, Error> {
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        let loopback = "set it to one, such as 127.0.0.1 for a tunnel, or leave it out";
        Ok(Self {
            host: sources.host()?,
            host_address: sources.parse("hostaddr", |text| text.parse().ok(), "an IP address", loopback)?,
            port: sources.parse("port", port, "a port", "set it to a number from 1 to 65535, or leave it out")?,
            dbname: sources.identifier("dbname")?,
            user: sources.identifier("user")?,
        })
    }

    /// Completes it to a login, with the encryption for its host and address.
    pub(crate) fn login(
        self,
        password: SecretString,
        encryption: impl FnOnce(&str, Option<IpAddr>) -> Result<Encryption, Error>,
    ) -> Result<Login, Error> {
        let host = self.host.ok_or_else(|| invalid("no host name of a database server", "set PGHOST"))?;
        let dbname = self.dbname.ok_or_else(|| invalid("no database name", "set PGDATABASE"))?;
        let user = self.user.ok_or_else(|| invalid("no user name for the database", "set PGUSER"))?;
        Ok(Login {
            encryption: encryption(&host, self.host_address)?,
            host,
            host_address: self.host_address,
            port: self.port.unwrap_or(DEFAULT_PORT),
            dbname,
            user,
            password,
            options: ConnectionOptions::default(),
        })
    }
}

fn parse_secret_id(id: &str) -> Result<String, Error> {
    let id = Name::Secret.parse_variable("DB_SECRET_ID", id)?;
    // The request goes to this region, whatever AWS_REGION says.
    if region::of_secret(&id).is_some_and(|region| Name::Region.parse(region).as_deref() != Some(region)) {
        return Err(invalid(
            "DB_SECRET_ID is not the ARN of a secret in a region of AWS",
            "set it to the ARN that Secrets Manager shows, such as \
             arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-a1B2c3",
        ));
    }
    Ok(id)
}

/// Reads `host` or `host:port` from this variable.
fn parse_server(variable: &str, text: &str) -> Result<(String, u16), Error> {
    let (host, port) = match text.rsplit_once(':').filter(|_| text.parse::<IpAddr>().is_err()) {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)),
        None => (text, Some(DEFAULT_PORT)),
    };
    Name::Host.parse(host).zip(port).ok_or_else(|| {
        invalid(
            format!("{variable} is not a server"),
            "set it to the host name and the port, such as db.example.com:5432",
        )
    })
}

pub(crate) fn invalid(problem: impl Into<String>, remedy: &'static str) -> Error {
    Error::SettingsInvalid { problem: problem.into(), remedy }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::tls::Roots;

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

    #[test]
    fn the_server_that_a_secret_probably_names_is_known_before_it_is_read() {
        let root = ("PGSSLROOTCERT", "ca.pem");
        let destination = |variables: &[(&str, &str)]| {
            let secret = secret(&[variables, &[root]].concat());
            secret.likely_destination().map(|destination| (destination.host, destination.port))
        };
        let at = |host: &str, port: u16| Some((host.to_owned(), port));
        assert_eq!(destination(&[]), None);
        assert_eq!(destination(&[("PGHOST", "db")]), at("db", 5432));
        assert_eq!(destination(&[("DB_CONNECT_AHEAD", " db.example.com ")]), at("db.example.com", 5432));
        assert_eq!(destination(&[("DB_CONNECT_AHEAD", "db:6432")]), at("db", 6432));
        assert_eq!(destination(&[("DB_CONNECT_AHEAD", "[::1]:6432")]), at("::1", 6432));
        assert_eq!(destination(&[("DB_CONNECT_AHEAD", "::1")]), at("::1", 5432));
        // What wins over the secret is where it leads.
        assert_eq!(destination(&[("DB_CONNECT_AHEAD", "db:6432"), ("PGHOST", "proxy")]), at("proxy", 6432));
        assert_eq!(destination(&[("DB_CONNECT_AHEAD", "db:6432"), ("PGPORT", "5433")]), at("db", 5433));
        for mistyped in ["postgres://u:hunter2@db", "db:hunter2", "db:0", ":5432", "db:65536"] {
            assert_refused(&[("DB_SECRET_ID", "s"), root, ("DB_CONNECT_AHEAD", mistyped)], "DB_CONNECT_AHEAD");
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
        let error = settings(variables).expect_err("these settings are wrong");
        let error = format!("{error}; {}", error.remedy());
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
        assert!(!error.contains("hunter2"), "the password is in {error:?}");
    }

    #[test]
    fn variables_win_over_the_secret() {
        let source = secret(&[("PGHOST", "proxy.example.com"), ("PGSSLROOTCERT", "ca.pem")]);
        let text = r#"{"username": "ada", "password": "hunter2", "host": "db", "port": 6432, "dbname": "app"}"#;
        let login = source.login(&text.into()).expect("nothing is missing");
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("proxy.example.com", 6432, "app", "ada")
        );
    }

    #[test]
    fn a_secret_with_only_user_and_password_needs_the_rest_from_variables() {
        let source = secret(&[("PGHOST", "db.example.com"), ("PGSSLROOTCERT", "ca.pem")]);
        let text = r#"{"username": "ada", "password": "hunter2"}"#;
        let error = source.login(&text.into()).expect_err("no database name");
        assert_eq!((error.to_string().as_str(), error.remedy()), ("no database name", "set PGDATABASE"));
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
        assert_refused(&[("CONNECTION_URL", "hunter2")], "CONNECTION_URL is not a PostgreSQL URL");
        assert_refused(&[("DB_SECRET_ID", "s")], "neither PGSSLROOTCERT nor AWS_REGION is set; set PGSSLROOTCERT");
        assert_refused(&[("DB_AUTH", "iam"), ("DB_SECRET_ID", "s")], "unset DB_SECRET_ID");
        assert_refused(&[("DB_AUTH", "hunter2")], "set it to `iam`");
        assert_refused(&[("DB_SECRET_ID", "s"), ("PGPORT", "hunter2")], "PGPORT is not a port; set it to a number");
    }

    #[test]
    fn a_variable_that_is_not_utf8_is_an_error_and_not_unset() {
        let latin1 = || OsString::from_vec(b"postgres://ada:hunter2\xe9@db/app".to_vec());
        let names = ["CONNECTION_URL", "DB_SECRET_ID", "DB_AUTH", "PGHOST", "PGPASSWORD", "PGSSLMODE", "AWS_REGION"];
        for name in names {
            let host = if name == "PGHOST" { "" } else { "db" };
            let url = Some(format!("postgres://ada@{host}/app").into());
            let error = Settings::from_variables(|asked| match asked {
                _ if asked == name => Some(latin1()),
                "CONNECTION_URL" if !["DB_SECRET_ID", "DB_AUTH"].contains(&name) => url.clone(),
                _ => None,
            });
            let error = error.expect_err("it is not UTF-8");
            assert_eq!(error.to_string(), format!("{name} is not UTF-8"));
            assert!(!format!("{error:?}").contains("hunter2"), "the password is in {error:?}");
        }
    }

    #[test]
    fn a_password_is_looked_for_only_where_there_is_none() {
        let found = |url: &str| {
            let settings = settings(&[("CONNECTION_URL", url), ("PGSSLROOTCERT", "ca.pem")]).expect("settings");
            let settings = settings.with_password_from(|login| {
                assert_eq!(login.host, "db");
                Ok::<_, Error>(Some("found".into()))
            });
            match settings.expect("no error").credentials {
                CredentialSource::Login(login) => login.password.expose_secret().to_owned(),
                other => panic!("expected a login, got {other:?}"),
            }
        };
        assert_eq!(found("postgres://ada@db/app"), "found");
        assert_eq!(found("postgres://ada:own@db/app"), "own");
    }

    #[test]
    fn a_tunnel_keeps_the_name_that_is_verified() {
        let login = url_login("postgres://ada@db.example.com:5433/app", &[("PGHOSTADDR", "127.0.0.1")]);
        assert_eq!((login.host.as_str(), login.host_address), ("db.example.com", "127.0.0.1".parse().ok()));
        assert_refused(&[("DB_SECRET_ID", "s"), ("AWS_REGION", "r"), ("PGHOSTADDR", "hunter2")], "such as 127.0.0.1");
    }

    #[test]
    fn a_wrong_region_in_a_secrets_arn_is_the_fault_of_its_variable() {
        for region in ["eu_central_1", "eu.central.1", "eu-central-1/x", "-"] {
            let id = format!("arn:aws:secretsmanager:{region}:123456789012:secret:app-a1B2c3");
            let variables = [("DB_SECRET_ID", id.as_str()), ("AWS_REGION", "eu-central-1")];
            assert_refused(&variables, "DB_SECRET_ID is not the ARN of a secret in a region of AWS");
        }
        let id = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:team@app/db-a1B2c3";
        settings(&[("DB_SECRET_ID", id), ("AWS_REGION", "eu-central-1")]).expect("an ARN in another region");
    }

    /// Values that stand in the wrong variable.
    const MISPLACED: [&str; 8] = [
        "postgres://ada:hunter2@db/app",
        "host=db user=ada password=hunter2",
        "//ada:hunter2@db/app",
        "Server=db;Pwd=hunter2",
        r#""username":"ada","password":"hunter2""#,
        r#"{"username": "ada", "password": "hunter2"}"#,
        "-----BEGIN CERTIFICATE-----\nhunter2",
        "{{resolve:secretsmanager:hunter2}}",
    ];

    #[test]
    fn a_value_in_the_wrong_variable_is_refused_without_quoting_it() {
        let complete = [("DB_SECRET_ID", "s"), ("AWS_REGION", "eu-central-1")];
        let names = ["DB_SECRET_ID", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGHOSTADDR", "PGSSLROOTCERT"];
        let names = names.iter().chain(&["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"]);
        for name in names {
            for value in MISPLACED {
                let others = complete.iter().filter(|(other, _)| other != name && *name != "AWS_DEFAULT_REGION");
                let mut variables: Vec<_> = others.copied().chain([(*name, value)]).collect();
                if *name == "AWS_DEFAULT_REGION" {
                    variables.push(("DB_SECRET_ID", "s"));
                }
                assert_refused(&variables, &format!("{name} is not "));
            }
        }
    }

    #[test]
    fn white_space_around_a_value_does_not_count() {
        let variables = [
            ("DB_AUTH", "iam\n"),
            ("PGHOST", " db.example.com "),
            ("PGPORT", "6432\n"),
            ("PGDATABASE", "app\r\n"),
            ("PGUSER", "fn\n"),
            ("AWS_REGION", "eu-west-1\n"),
        ];
        let settings = settings(&variables).expect("settings are complete");
        assert_eq!(settings.aws.region.as_deref(), Some("eu-west-1"));
        let CredentialSource::Iam(login) = settings.credentials else { panic!("expected an IAM token") };
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("db.example.com", 6432, "app", "fn")
        );
    }

    #[test]
    fn an_iam_token_is_for_a_host_name() {
        for (host, problem) in [
            ("localhost:5432", "PGHOST is not a host name"),
            ("db host", "PGHOST is not a host name"),
            ("::1", "PGHOST is an IP address"),
            ("[::1]", "PGHOST is an IP address"),
            ("10.0.0.1", "PGHOST is an IP address"),
            ("999.1.1.1", "PGHOST is not a host name"),
            ("1.2.3.4.5", "PGHOST is not a host name"),
            ("10.0.0.300", "PGHOST is not a host name"),
            ("0x7f.1", "PGHOST is not a host name"),
            ("xn--a", "PGHOST is not a host name"),
        ] {
            let variables = [("DB_AUTH", "iam"), ("PGHOST", host), ("PGDATABASE", "app"), ("PGUSER", "fn")];
            let variables: Vec<_> = variables.into_iter().chain([("AWS_REGION", "eu-west-1")]).collect();
            assert_refused(&variables, problem);
        }
    }

    #[test]
    fn printing_the_settings_for_debugging_hides_the_password() {
        let settings = settings(&[("CONNECTION_URL", "postgres://ada:hunter2@db/app"), ("PGSSLROOTCERT", "ca.pem")]);
        assert!(!format!("{settings:?}").contains("hunter2"), "the password is in {settings:?}");
    }
}
