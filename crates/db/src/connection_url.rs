//! Connection URLs, `postgres://user:password@host:port/dbname`: read and written.

use std::net::IpAddr;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::ExposeSecret;
use url::Url;

use crate::Error;
use crate::name::Name;
use crate::settings::{Address, Encryption, Login, Plaintext, invalid};
use crate::tls::Roots;

/// Reads a URL, see [`crate::Settings::from_url`].
pub(crate) fn parse(
    name: &str,
    url: &str,
    plaintext: Plaintext,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Login, Error> {
    const SHAPE: &str = "write it as postgres://user:password@host:port/dbname, and percent-encode every special \
                         character of the password";
    const VERIFY: &str = "write sslmode=verify-full, or leave sslmode out: every connection is verified anyway";
    let bad = |problem: &str| invalid(format!("{name} {problem}"), SHAPE);

    let url = Url::parse(url).map_err(|error| bad(&format!("cannot be read ({error})")))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(bad("is not a PostgreSQL URL"));
    }
    // A `/`, `?` or `#` in a password ends what is read as the host; what follows, up to the `@`, is a secret.
    let after_host = [url.path(), url.query().unwrap_or_default(), url.fragment().unwrap_or_default()];
    let dbname = url.path().strip_prefix('/').unwrap_or_default();
    if after_host.iter().any(|part| part.contains('@')) || url.fragment().is_some() || dbname.contains('/') {
        return Err(bad("has a special character after the host that is not percent-encoded"));
    }
    let decode = |part: &str| -> Result<Option<String>, Error> {
        let part = percent_decode_str(part).decode_utf8().map_err(|_| bad("is not UTF-8 when decoded"))?;
        Ok((!part.is_empty()).then(|| part.into_owned()))
    };
    if url.port() == Some(0) {
        return Err(bad("has the port 0, at which no server listens"));
    }
    let variables = Address::from_variables(variable)?;
    let host = decode(url.host_str().unwrap_or_default())?;
    let host = host.map(|host| Name::Host.parse(&host).ok_or_else(|| bad("has no valid host name"))).transpose()?;
    let host = host.or(variables.host);

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
                let problem = "which continues without encryption when an attacker asks for it";
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
                    format!("{name} has an unknown parameter"),
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
        dbname: decode(dbname)?.or(variables.dbname),
        user: decode(url.username())?.or(variables.user),
    };
    let password = decode(url.password().unwrap_or_default())?.unwrap_or_default();
    address.login(password.into(), encryption)
}

impl Login {
    /// Writes it as a URL, with its password only if `with_password`; otherwise with stars in its place.
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

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    /// Reads the URL where a file of root certificates and `more` variables are set.
    fn read(url: &str, plaintext: Plaintext, more: &[(&str, &str)]) -> Result<Login, Error> {
        parse("DEV_URL", url, plaintext, &|name: &str| {
            let mut variables = [("PGSSLROOTCERT", "ca.pem")].iter().chain(more);
            variables.find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn login(url: &str, more: &[(&str, &str)]) -> Login {
        read(url, Plaintext::Refused, more).expect("a good URL")
    }

    #[track_caller]
    fn assert_refused(url: &str, plaintext: Plaintext, problem: &str, remedy: &str) {
        let error = read(url, plaintext, &[]).expect_err("the URL is wrong");
        assert!(error.to_string().contains(problem), "expected {problem:?} in {error}");
        assert!(error.remedy().contains(remedy), "expected {remedy:?} in {:?}", error.remedy());
        assert!(!format!("{error:?}").contains("hunter2"), "the password is in {error:?}");
    }

    #[test]
    fn a_url_holds_the_whole_login() {
        let login = login("postgresql://ada:p%40ss%2Fword@db.example.com:6432/app?sslmode=verify-full", &[]);
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("db.example.com", 6432, "app", "ada")
        );
        assert_eq!(login.password.expose_secret(), "p@ss/word");
    }

    #[test]
    fn variables_replace_what_a_url_leaves_out() {
        let more = [("PGHOST", "db.example.com"), ("PGPORT", "6432"), ("PGDATABASE", "app"), ("PGUSER", "ada")];
        let of_variables = login("postgres://", &more);
        assert_eq!((of_variables.host.as_str(), of_variables.port), ("db.example.com", 6432));
        let of_url = login("postgres://bob@[::1]/other", &more);
        assert_eq!((of_url.host.as_str(), of_url.dbname.as_str(), of_url.user.as_str()), ("::1", "other", "bob"));
    }

    #[test]
    fn the_root_certificates_in_the_url_win() {
        let url = "postgres://ada@db.example.com/app?sslrootcert=/etc/mine.pem";
        assert_eq!(login(url, &[]).encryption, Encryption::Verified(Roots::File("/etc/mine.pem".into())));
    }

    #[test]
    fn a_wrong_url_is_refused_without_quoting_it() {
        for (url, problem) in [
            ("hunter2", "DEV_URL cannot be read"),
            ("postgres://ada:hun/ter2@db:hunter2/app", "DEV_URL cannot be read"),
            ("mysql://ada:hunter2@db/app", "DEV_URL is not a PostgreSQL URL"),
            ("postgres://ada:hunter2%FF@db/app", "DEV_URL is not UTF-8 when decoded"),
            ("postgres://ada:2024/hunter2@db/app", "has a special character after the host"),
            ("postgres://ada:2024?hunter2@db/app", "has a special character after the host"),
            ("postgres://ada:2024#hunter2@db/app", "has a special character after the host"),
            ("postgres://ada:hunter2@db/app/hunter2", "has a special character after the host"),
            ("postgres://ada:hunter2@db/app#hunter2", "has a special character after the host"),
            ("postgres://ada:pw@hun%20ter2/app", "has no valid host name"),
            ("postgres://ada:hunter2@10.0.0.300/app", "has no valid host name"),
            ("postgres://ada:hunter2@db:0/app", "has the port 0"),
        ] {
            assert_refused(url, Plaintext::OnLoopback, problem, "write it as postgres://");
        }
        let unknown = "postgres://ada:hunter2@db/app?hunter2=1";
        assert_refused(unknown, Plaintext::OnLoopback, "has an unknown parameter", "keep only sslmode");
        let without_name = "postgres://ada:hunter2@db?sslrootcert=ca.pem";
        assert_refused(without_name, Plaintext::OnLoopback, "no database name", "set PGDATABASE");
    }

    #[test]
    fn an_sslmode_that_does_not_verify_is_refused() {
        for (mode, reason) in [
            ("disable", "sends passwords and data in the clear"),
            ("allow", "continues without encryption when an attacker asks for it"),
            ("prefer", "continues without encryption when an attacker asks for it"),
            ("hunter2", "has an sslmode that PostgreSQL does not know"),
        ] {
            for host in ["db.example.com", "localhost"] {
                let url = format!("postgres://ada:hunter2@{host}/app?sslmode={mode}");
                assert_refused(&url, Plaintext::Refused, reason, "write sslmode=verify-full");
            }
        }
    }

    #[test]
    fn every_sslmode_that_encrypts_verifies() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let login = login(&format!("postgres://ada@localhost/app?sslmode={mode}"), &[]);
            assert_eq!(login.encryption, Encryption::Verified(Roots::File("ca.pem".into())), "{mode}");
        }
    }

    #[test]
    fn encryption_is_turned_off_only_on_this_machine() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            let url = format!("postgres://ada:hunter2@{host}/app?sslmode=disable&sslrootcert=ca.pem");
            let login = read(&url, Plaintext::OnLoopback, &[]).expect("nothing leaves this machine");
            assert_eq!(login.encryption, Encryption::Off, "{host}");
        }
        for host in ["db", "localhost.example.com", "10.0.0.1", "[::2]"] {
            let url = format!("postgres://ada:hunter2@{host}/app?sslmode=disable");
            assert_refused(&url, Plaintext::OnLoopback, "DEV_URL says sslmode=disable", "write sslmode=verify-full");
        }
        let prefer = "postgres://ada:hunter2@localhost/app?sslmode=prefer";
        assert_refused(prefer, Plaintext::OnLoopback, "sslmode=prefer", "write sslmode=verify-full");
        let elsewhere = [("PGHOSTADDR", "10.0.0.1")];
        let url = "postgres://ada:hunter2@localhost/app?sslmode=disable";
        read(url, Plaintext::OnLoopback, &elsewhere).expect_err("the address is on another machine");
    }

    #[test]
    fn a_url_is_written_as_it_was_read() {
        for url in [
            "postgres://a%40da:p%40ss%2Fword@db.example.com:6432/my%2Dapp?sslmode=verify-full&sslrootcert=/etc/my%20ca",
            "postgres://ada:hunter2@[::1]:5432/app?sslmode=disable",
        ] {
            let login = read(url, Plaintext::OnLoopback, &[]).expect("a good URL");
            assert_eq!(login.url(true), url);
            let masked = login.url(false);
            assert!(masked.contains(":****@") && !masked.contains("p%40ss") && !masked.contains("hunter2"), "{masked}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_login_survives_being_written_and_read(
            host in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{2,10}){0,3}|::1|fe80::[1-9a-f]{1,4}",
            port in 1..=u16::MAX,
            // A URL cannot hold a path of `.` or `..`, nor tell an empty part from a missing one.
            dbname in any::<String>().prop_filter("a name", |name| !["", ".", ".."].contains(&name.as_str())),
            user in "\\PC{1,40}|.{1,40}",
            password in any::<String>(),
            file in "(/[^/\u{0}]{1,20}){1,3}",
            is_encrypted in any::<bool>(),
        ) {
            let (host, encryption) = if is_encrypted {
                (host, Encryption::Verified(Roots::File(file.into())))
            } else {
                ("localhost".to_owned(), Encryption::Off)
            };
            let password = SecretString::from(password);
            let written = Login { host, host_address: None, port, dbname, user, password, encryption };
            let read = read(&written.url(true), Plaintext::OnLoopback, &[]).expect("a good URL");
            prop_assert_eq!(read.password.expose_secret(), written.password.expose_secret());
            prop_assert_eq!(
                (&read.host, read.port, &read.dbname, &read.user, &read.encryption),
                (&written.host, written.port, &written.dbname, &written.user, &written.encryption)
            );
            let encoded = written.url(false);
            prop_assert!(encoded.contains(":****@"));
        }
    }
}
