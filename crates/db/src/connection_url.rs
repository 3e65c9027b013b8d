//! Connection URLs, `postgres://user:password@host:port/dbname?parameter=value`: read and written.
//!
//! They are libpq's, not a browser's: nothing is normalised, completed or cut off.
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::ExposeSecret;

use crate::Error;
use crate::encryption::Encryption;
use crate::login::Login;
use crate::name::{is_shown, names_password};
use crate::parameters;
use crate::settings::invalid;
use crate::tls::Roots;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

const SHAPE: &str = "write it as postgres://user:password@host:port/dbname, and percent-encode every special character of \
                     the password";

const ENCODE: &str =
    "percent-encode each of them that belongs to a name or the password: `@` is %40, `/` is %2F, `?` is %3F";

const QUERY: &str = "write `?` before the first parameter, and percent-encode every special character of a name";

/// Reads the parts of a URL, as libpq's keywords and values; a later one replaces an earlier one. An empty part counts as
/// absent.
///
/// Where libpq would take a piece of a password for the host or the database, as after a password with a `/`, it is
/// refused.
pub(crate) fn parse(name: &str, url: &str) -> Result<Vec<(String, String)>, Error> {
    let bad = |problem: &str| invalid(format!("{name} {problem}"), SHAPE);
    let url = url.trim();
    let Some(rest) = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        if url.starts_with(['"', '\'']) {
            return Err(invalid(format!("{name} begins with a quote"), "write the URL without quotes around it"));
        }
        if url.contains("://") {
            return Err(invalid(format!("{name} is not a PostgreSQL URL"), "begin it with postgres://"));
        }
        let is_list = url.contains('=');
        let problem = if is_list { "is a list of keywords and values, not a URL" } else { "is not a PostgreSQL URL" };
        return Err(bad(problem));
    };
    if rest.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(bad("has white space or a control character that is not percent-encoded"));
    }
    let (credentials, rest) = match rest.find(['@', '/']) {
        Some(end) if rest[end..].starts_with('@') => (&rest[..end], &rest[end + 1..]),
        _ => ("", rest),
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, dbname) = address.split_once('/').unwrap_or((address, ""));
    // libpq ends a user name, a password, a host or a database at each of these; what follows may be a secret.
    let may_hold_secret = server.contains(':') || !credentials.is_empty();
    if credentials.contains('?') || address.contains('@') || (may_hold_secret && query.contains('@')) {
        let problem = match credentials {
            "" => "has a `/` before its `@`, and one of them is not percent-encoded",
            _ if credentials.contains('?') => "has a `?` before its `@`, and one of them is not percent-encoded",
            _ => "has an `@` after its host that is not percent-encoded",
        };
        return Err(invalid(format!("{name} {problem}"), ENCODE));
    }
    if [user, server, dbname].into_iter().any(holds_parameters) {
        return Err(invalid(format!("{name} has parameters without a `?` before them"), QUERY));
    }
    let (host, port) = match server.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) if !host.is_empty() => (host, ""),
        Some(Some((host, rest))) if !host.is_empty() && rest.starts_with([':', ',']) => (host, &rest[1..]),
        Some(_) => return Err(bad("has a `[` before the host, and no address with a `]` after it")),
        None => server.split_once(':').unwrap_or((server, "")),
    };
    if server.contains(',') {
        let problem = format!("{name} names several hosts");
        return Err(invalid(problem, "name one: the endpoint of the cluster, or of the server that writes"));
    }
    let mut parts = Vec::new();
    let decoded = |text: &str| decode(text).map_err(bad);
    for (keyword, text) in [("user", user), ("password", password), ("host", host), ("port", port), ("dbname", dbname)]
    {
        if !text.is_empty() {
            parts.push((keyword.to_owned(), decoded(text)?));
        }
    }
    let query = query.strip_suffix('&').filter(|query| !query.is_empty()).unwrap_or(query);
    let mut follows_password = false;
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (keyword, text) = pair.split_once('=').ok_or_else(|| bad("has a parameter without a `=`"))?;
        if text.contains('=') {
            return Err(bad("has a parameter with a second `=` that is not percent-encoded"));
        }
        let (keyword, text) = (decoded(keyword)?, decoded(text)?);
        // It may be the end of a password with an `&`.
        if follows_password && !parameters::is_known(&keyword) {
            return Err(bad("has a parameter after the password that libpq does not know"));
        }
        follows_password |= keyword == "password";
        parts.push((keyword, text));
    }
    Ok(parts)
}

/// Returns whether parameters stand in a part before the `?`: a password among them would be shown as a name.
fn holds_parameters(part: &str) -> bool {
    let begins_with_keyword = |rest: &str| {
        let keyword = rest.split_once('=').map_or("", |(keyword, _)| keyword);
        !keyword.is_empty() && keyword.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    part.split(['&', ';']).skip(1).any(begins_with_keyword)
        || names_password(&percent_decode_str(part).decode_utf8_lossy())
}

/// Decodes a part, or says what is wrong with its URL.
fn decode(text: &str) -> Result<String, &'static str> {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) {
        return Err("has a `%` without two hexadecimal digits after it");
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "is not UTF-8 when decoded")?;
    if text.contains('\0') {
        return Err("holds %00, a character that PostgreSQL has in no text");
    }
    Ok(text.into_owned())
}

impl Login {
    /// Writes it as a URL, with its password only if `with_password`; otherwise with stars in its place, and in that of a
    /// name that may hold one. psql takes it, given a file of root certificates where it has built-in ones.
    pub fn url(&self, with_password: bool) -> String {
        let encode = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let password = match self.password.expose_secret() {
            "" => String::new(),
            password if with_password => format!(":{}", encode(password)),
            _ => ":****".to_owned(),
        };
        let mut parameters = match &self.encryption {
            Encryption::Off => vec!["sslmode=disable".to_owned()],
            Encryption::Verified(Roots::Region(_)) => vec!["sslmode=verify-full".to_owned()],
            Encryption::Verified(Roots::File(path)) => {
                let path: Vec<_> = path.to_string_lossy().split('/').map(encode).collect();
                vec!["sslmode=verify-full".to_owned(), format!("sslrootcert={}", path.join("/"))]
            }
        };
        let address = self.host_address.map(|address| ("hostaddr", address.to_string()));
        let more = address.into_iter().chain(self.options.parameters());
        parameters.extend(more.map(|(keyword, value)| format!("{keyword}={}", encode(&value))));
        let parameters = parameters.join("&");
        let shown = |name: &str| if with_password || is_shown(name) { encode(name) } else { "****".to_owned() };
        let (user, port, dbname) = (shown(&self.user), self.port, shown(&self.dbname));
        format!("postgres://{user}{password}@{host}:{port}/{dbname}?{parameters}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;
    use crate::encryption::Plaintext;
    use crate::parameters::{Parameters, Sources};
    use crate::settings::Settings;
    use crate::variables::Variables;

    /// Reads the URL where a file of root certificates and `more` variables are set.
    fn read(url: &str, plaintext: Plaintext, more: &[(&str, &str)]) -> Result<Login, Error> {
        let variable = |name: &str| {
            let mut variables = more.iter().chain(&[("PGSSLROOTCERT", "ca.pem")]);
            variables.find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let settings = Settings::from_url("DEV_URL", url, plaintext, variable)?;
        let crate::settings::CredentialSource::Login(login) = settings.credentials else { panic!("expected a login") };
        Ok(login)
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

    /// Host, port, database, user and password.
    fn parts(login: &Login) -> (&str, u16, &str, &str, &str) {
        (&login.host, login.port, &login.dbname, &login.user, login.password.expose_secret())
    }

    #[test]
    fn a_url_holds_the_whole_login() {
        let login = login("postgresql://ada:p%40ss%2Fword@db.example.com:6432/app?sslmode=verify-full", &[]);
        assert_eq!(parts(&login), ("db.example.com", 6432, "app", "ada", "p@ss/word"));
    }

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        // But for the white space around the last one, `PQconninfoParse` of libpq 15 reads the same.
        for (url, expected) in [
            ("postgres://ada:pw@db/app#2", ("db", 5432, "app#2", "ada", "pw")),
            ("postgres://ada:4711#x@127.0.0.1/app", ("127.0.0.1", 5432, "app", "ada", "4711#x")),
            ("postgres://ada:a:b@db:1/app", ("db", 1, "app", "ada", "a:b")),
            ("postgres://ada:pw@db/foo/../app", ("db", 5432, "foo/../app", "ada", "pw")),
            ("postgres://ada:pw@db/..", ("db", 5432, "..", "ada", "pw")),
            ("postgres://ada:pw@db/%2e%2E", ("db", 5432, "..", "ada", "pw")),
            ("postgres://ada:pw@db//app", ("db", 5432, "/app", "ada", "pw")),
            ("postgres://ada:pw@db/a\\b", ("db", 5432, "a\\b", "ada", "pw")),
            ("postgres://ada:pw@db/a+b%20c", ("db", 5432, "a+b c", "ada", "pw")),
            ("postgres://ada:pw@db/a%3Fb", ("db", 5432, "a?b", "ada", "pw")),
            ("postgres://ada:pw@db/app%09x", ("db", 5432, "app\tx", "ada", "pw")),
            ("postgres://ada:%20pw%20@db/app", ("db", 5432, "app", "ada", " pw ")),
            ("postgres://ada:pw@db:/app", ("db", 5432, "app", "ada", "pw")),
            ("postgres://ada:pw@[::1]:6432/app", ("::1", 6432, "app", "ada", "pw")),
            ("postgres://ada:pw@db/app?", ("db", 5432, "app", "ada", "pw")),
            ("postgres://ada:pw@db/app?dbname=other&", ("db", 5432, "other", "ada", "pw")),
            ("postgres://?host=db&port=1&dbname=app&user=a%40b&password=p%26w", ("db", 1, "app", "a@b", "p&w")),
            ("postgres://db/app?user=ada@corp&password=p@w", ("db", 5432, "app", "ada@corp", "p@w")),
            ("postgres://db/app?user=ada&password=pw&ssl=true", ("db", 5432, "app", "ada", "pw")),
            ("postgres://a&b:p&x=y;z@db/c&d", ("db", 5432, "c&d", "a&b", "p&x=y;z")),
            ("postgres://ada:pw@db/app?host=first&host=last", ("last", 5432, "app", "ada", "pw")),
            ("  postgres://ada:pw@db/app\n", ("db", 5432, "app", "ada", "pw")),
        ] {
            assert_eq!(parts(&login(url, &[])), expected, "{url}");
        }
    }

    #[test]
    fn variables_replace_what_a_url_leaves_out() {
        let more = [("PGHOST", "db.example.com"), ("PGPORT", "6432"), ("PGDATABASE", "app"), ("PGUSER", "ada")];
        let more = [&more[..], &[("PGPASSWORD", " pw "), ("PGHOSTADDR", "127.0.0.1")]].concat();
        let of_variables = login("postgres://", &more);
        assert_eq!(parts(&of_variables), ("db.example.com", 6432, "app", "ada", " pw "));
        let of_url = login("postgres://bob:own@[::1]/other?hostaddr=10.0.0.1", &more);
        assert_eq!(parts(&of_url), ("::1", 6432, "other", "bob", "own"));
        assert_eq!(of_url.host_address, "10.0.0.1".parse().ok());
    }

    #[test]
    fn the_root_certificates_in_the_url_win() {
        let url = "postgres://ada@db.example.com/app?sslrootcert=/etc/mine.pem";
        assert_eq!(login(url, &[]).encryption, Encryption::Verified(Roots::File("/etc/mine.pem".into())));
        let system = "postgres://ada@db.example.com/app?sslrootcert=system";
        assert_refused(system, Plaintext::Refused, "the sslrootcert in DEV_URL is `system`", "set PGSSLROOTCERT");
    }

    #[test]
    fn a_wrong_url_is_refused_without_quoting_it() {
        let (slash, question) = ("DEV_URL has a `/` before its `@`", "DEV_URL has a `?` before its `@`");
        for (url, problem) in [
            ("postgres://ada:hun/ter2@db:hunter2/app", slash),
            ("postgres://ada:hunter2@hunter2@db/app", "DEV_URL has an `@` after its host"),
            ("postgres://ada:hunter2@db/a@b", "DEV_URL has an `@` after its host"),
            ("postgres://db/a@b", slash),
            ("postgres://ada:2024/hunter2@db/app", slash),
            ("postgres://ada:2024?hunter2@db/app", question),
            ("postgres://ada:2024?x=hunter2@db/app", question),
            ("postgres://db?user=ada&password=hunter2@x", question),
            ("postgres://ada:x@hunter2/y@db/app", "DEV_URL has an `@` after its host"),
            ("postgres://ada:12/x?hunter=y@db/app", slash),
            ("postgres://ada:x@12/y?hunter=y@db/app", "DEV_URL has an `@` after its host"),
        ] {
            assert_refused(url, Plaintext::OnLoopback, problem, "`@` is %40");
        }
        for url in [
            "postgres://ada@db/app&password=hunter2",
            "postgres://ada@db/app;password=hunter2",
            "postgres://ada@db/app&sslmode=disable",
            "postgres://ada@db&password=hunter2",
            "postgres://ada@db:5432&password=hunter2",
            "postgres://ada@db/app%3Fpassword=hunter2",
            "postgres://ada@db/app%3fpassword%3Dhunter2",
            "postgres://ada@db/app&amp;pwd=hunter2",
            "postgres://ada;password=hunter2@db/app",
            "postgres://ada&password=hunter2@db/app",
        ] {
            let problem = "DEV_URL has parameters without a `?` before them";
            assert_refused(url, Plaintext::OnLoopback, problem, "write `?` before the first parameter");
        }
        for (url, problem) in [
            ("hunter2", "DEV_URL is not a PostgreSQL URL"),
            ("host=db user=ada password=hunter2", "DEV_URL is a list of keywords and values, not a URL"),
            ("postgres:/ada:hunter2@db/app", "DEV_URL is not a PostgreSQL URL"),
            ("postgres://ada:hunter2%FF@db/app", "DEV_URL is not UTF-8 when decoded"),
            ("postgres://ada:hunter2%2@db/app", "DEV_URL has a `%` without two hexadecimal digits after it"),
            ("postgres://ada:100%hunter2@db/app", "DEV_URL has a `%` without two hexadecimal digits after it"),
            ("postgres://ada:hunter2@db/app%00", "DEV_URL holds %00"),
            ("postgres://ada:hunter2@db/app?user=a%00", "DEV_URL holds %00"),
            ("postgres://ada:hunter2 @db/app", "DEV_URL has white space"),
            ("postgres://ada:hunter2@db/a\tb", "DEV_URL has white space"),
            ("postgres://ada:hunter2@db/a\nb", "DEV_URL has white space"),
            ("postgres://ada:hunter2@[::1/app", "DEV_URL has a `[` before the host, and no address"),
            ("postgres://ada:hunter2@[::1]x/app", "DEV_URL has a `[` before the host, and no address"),
            ("postgres://ada:hunter2@[]/app", "DEV_URL has a `[` before the host, and no address"),
            ("postgres://ada:pw@db/app?&", "DEV_URL has a parameter without a `=`"),
            ("postgres://ada:pw@db/app?hunter2", "DEV_URL has a parameter without a `=`"),
            ("postgres://ada:pw@db/app?a=b=hunter2", "DEV_URL has a parameter with a second `=`"),
            ("postgres://ada@db/app?password=x&hunter=2", "DEV_URL has a parameter after the password"),
            ("postgres://ada@db/app?password=x&hunter=", "DEV_URL has a parameter after the password"),
        ] {
            assert_refused(url, Plaintext::OnLoopback, problem, "write it as postgres://");
        }
        for (url, problem, remedy) in [
            ("mysql://ada:hunter2@db/app", "DEV_URL is not a PostgreSQL URL", "begin it with postgres://"),
            ("jdbc:postgresql://db/app?password=hunter2", "DEV_URL is not a PostgreSQL URL", "begin it with"),
            ("\"postgres://ada:hunter2@db/app\"", "DEV_URL begins with a quote", "without quotes"),
            ("postgres://ada:pw@hun%20ter2/app", "the host in DEV_URL is not a host name", "set it to the host name"),
            ("postgres://ada:hunter2@10.0.0.300/app", "the host in DEV_URL is not a host name", "set it to the host"),
            ("postgres://ada:hunter2@db#x/app", "the host in DEV_URL is not a host name", "set it to the host"),
            ("postgres://ada:hunter2@db:0/app", "the port in DEV_URL is not a port", "from 1 to 65535"),
            ("postgres://ada:hunter2", "the port in DEV_URL is not a port", "from 1 to 65535"),
            ("postgres://ada:hunter2@db?hostaddr=hunter2", "the hostaddr in DEV_URL is not an IP address", "set it"),
            ("postgres://ada:hunter2@h1:5432,h2:5432/app", "DEV_URL names several hosts", "name one"),
            ("postgres://ada:hunter2@[::1],h2/app", "DEV_URL names several hosts", "name one"),
            ("postgres://ada:hunter2@/app?host=h1,h2", "the host in DEV_URL names several hosts", "name one"),
            ("postgres://ada:hunter2@%2Ftmp/app", "the host in DEV_URL is a unix socket", "write localhost"),
            ("postgres:///app?host=/run/pg", "the host in DEV_URL is a unix socket", "write localhost"),
            ("postgres://ada:hunter2@db?sslrootcert=ca.pem", "no database name", "set PGDATABASE"),
        ] {
            assert_refused(url, Plaintext::OnLoopback, problem, remedy);
        }
        let long = format!("postgres://ada:hunter2@db/{}", "d".repeat(70));
        assert_refused(&long, Plaintext::OnLoopback, "the dbname in DEV_URL has 70 bytes", "shorten it");
    }

    #[test]
    fn a_parameter_that_would_not_be_obeyed_is_refused_by_its_name() {
        for (query, problem, remedy) in [
            ("channel_bindng=require", "the parameter channel_bindng, which libpq does not know", "correct its name"),
            ("schema=app", "the parameter schema, which libpq does not know", "remove it"),
            ("hunter2=1", "a parameter, which libpq does not know", "remove it"),
            ("a%40hunter=1", "a parameter, which libpq does not know", "remove it"),
            ("SSLMODE=require", "the parameter SSLMODE, which libpq does not know", "correct its name"),
            ("options=-c%20role%3Dx", "the parameter options, which is not served", "alter role"),
            ("sslcert=/hunter2", "the parameter sslcert, which is not served", "never by a client certificate"),
            ("service=prod", "the parameter service, which is not served", "PGSERVICE"),
            ("passfile=/hunter2", "the parameter passfile, which is not served", "PGPASSFILE"),
            ("keepalives_idle=60", "the parameter keepalives_idle, which is not served", "time limits of its own"),
            ("gssencmode=require", "the parameter gssencmode with a value that is not served", "TLS"),
            ("sslnegotiation=direct", "the parameter sslnegotiation with a value that is not served", "remove it"),
            ("target_session_attrs=standby", "target_session_attrs in DEV_URL is not any, primary or", "read-write"),
            ("channel_binding=hunter2", "channel_binding in DEV_URL is not disable, prefer or require", "require"),
            ("connect_timeout=soon", "connect_timeout in DEV_URL is not a number of seconds", "such as 10"),
            ("host=", "the parameter host without a value", "write its value"),
        ] {
            let url = format!("postgres://ada:hunter2@db/app?{query}");
            assert_refused(&url, Plaintext::Refused, problem, remedy);
        }
        login("postgres://ada@db/app?ssl=true&sslnegotiation=postgres&gssencmode=disable&client_encoding=UTF8", &[]);
    }

    #[test]
    fn the_options_of_a_connection_come_from_the_url_then_from_variables() {
        let query = "application_name=mine&connect_timeout=10&target_session_attrs=read-write&channel_binding=require";
        let more = [("PGAPPNAME", "other"), ("PGCONNECT_TIMEOUT", "20"), ("PGTARGETSESSIONATTRS", "primary")];
        let options = |url: &str| {
            let found: Vec<_> =
                login(url, &more).options.parameters().map(|(key, value)| format!("{key}={value}")).collect();
            found.join("&")
        };
        assert_eq!(options(&format!("postgres://ada@db/app?{query}")), query);
        let of_variables = "application_name=other&connect_timeout=20&target_session_attrs=primary";
        assert_eq!(options("postgres://ada@db/app"), of_variables);
        for unlimited in ["0", "-1"] {
            let login = login(&format!("postgres://ada@db/app?connect_timeout={unlimited}"), &[]);
            assert_eq!(login.options.connect_timeout, None);
        }
    }

    #[test]
    fn a_service_stands_between_the_url_and_the_variables() {
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let service = [("host", "s"), ("port", "1"), ("dbname", "s"), ("user", "")].map(pair);
        let sets = [
            Parameters::of_url("DEV_URL", "postgres://db").expect("a URL"),
            Parameters::new("the service x", service).expect("a service"),
        ];
        let variable = |name: &str| (name == "PGUSER" || name == "PGDATABASE").then(|| "variable".into());
        let variables = Variables::new(&variable);
        let sources = Sources::new(&sets, &variables);
        let found = ["host", "port", "dbname", "user", "password"].map(|keyword| {
            let value = sources.get(keyword).expect("UTF-8");
            value.map(|value| format!("{}: {}", value.parameter, value.text()))
        });
        let found = found.each_ref().map(|found| found.as_deref().unwrap_or("none"));
        assert_eq!(
            found,
            [
                "the host in DEV_URL: db",
                "the port in the service x: 1",
                "the dbname in the service x: s",
                "PGUSER: variable",
                "none"
            ]
        );
        let error = Parameters::new("the service x", [pair(("options", "hunter2"))]).expect_err("not served");
        assert_eq!(error.to_string(), "the service x has the parameter options, which is not served");
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
        for mode in ["disable", "prefer", "hunter2"] {
            let error = read("postgres://ada@db/app", Plaintext::OnLoopback, &[("PGSSLMODE", mode)]);
            let error = error.expect_err("not here");
            assert!(
                error.to_string().starts_with("PGSSLMODE ") && error.remedy().starts_with("set PGSSLMODE"),
                "{error}"
            );
        }
    }

    #[test]
    fn channel_binding_cannot_be_required_without_tls() {
        let url = "postgres://ada@localhost/app?sslmode=disable&channel_binding=require";
        assert_refused(url, Plaintext::OnLoopback, "channel_binding=require needs TLS", "leave one of them out");
        let more = [("PGSSLMODE", "disable"), ("PGCHANNELBINDING", "require")];
        read("postgres://ada@localhost/app", Plaintext::OnLoopback, &more).expect_err("it needs TLS");
        login("postgres://ada@localhost/app?channel_binding=require", &[]);
    }

    #[test]
    fn a_name_that_may_hold_a_password_is_shown_as_stars() {
        let more = [("PGUSER", "ada:hunter2"), ("PGDATABASE", "app:hunter2")];
        let shown = login("postgres://db", &more).url(false);
        assert!(shown.starts_with("postgres://****@db:5432/****?"), "{shown}");
        assert_refused(
            "postgres://db?dbname=a;password%3Dhunter2",
            Plaintext::Refused,
            "dbname in DEV_URL",
            "name alone",
        );
    }

    #[test]
    fn only_to_this_machine_is_no_encryption_needed() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]"] {
            let url = format!("postgres://ada@{host}/app?sslmode=disable");
            assert_eq!(read(&url, Plaintext::OnLoopback, &[]).expect("a good URL").encryption, Encryption::Off);
            let url = format!("postgres://ada@{host}/app");
            let of_variable = read(&url, Plaintext::OnLoopback, &[("PGSSLMODE", "disable")]).expect("a good URL");
            assert_eq!(of_variable.encryption, Encryption::Off);
        }
        for host in ["db.example.com", "10.0.0.1", "[2001:db8::1]", "localhost.example.com", "[::ffff:10.0.0.1]", "db"]
        {
            let url = format!("postgres://ada:hunter2@{host}/app?sslmode=disable");
            assert_refused(&url, Plaintext::OnLoopback, "DEV_URL says sslmode=disable", "only a server at localhost");
        }
        let prefer = "postgres://ada:hunter2@localhost/app?sslmode=prefer";
        assert_refused(prefer, Plaintext::OnLoopback, "sslmode=prefer", "write sslmode=disable if the server on this");
        let elsewhere = [("PGHOSTADDR", "10.0.0.1")];
        let url = "postgres://ada:hunter2@localhost/app?sslmode=disable";
        read(url, Plaintext::OnLoopback, &elsewhere).expect_err("the address is on another machine");
        let inside = "postgres://ada:hunter2@localhost/app?sslmode=disable&hostaddr=10.0.0.1";
        assert_refused(inside, Plaintext::OnLoopback, "DEV_URL says sslmode=disable", "only a server at localhost");
    }

    #[test]
    fn without_roots_the_remedy_is_for_the_server_that_is_meant() {
        let read = |url: &str| Settings::from_url("DEV_URL", url, Plaintext::OnLoopback, |_| None::<String>);
        let here = read("postgres://ada@localhost/app").expect_err("no roots");
        assert!(here.remedy().starts_with("write sslmode=disable in the URL, or set PGSSLMODE"), "{}", here.remedy());
        let with_tls = read("postgres://ada@localhost/app?sslmode=require").expect_err("no roots");
        assert!(with_tls.remedy().starts_with("set PGSSLROOTCERT to a PEM file"), "{}", with_tls.remedy());
        let elsewhere = read("postgres://ada@db/app").expect_err("no roots");
        assert!(elsewhere.remedy().starts_with("set PGSSLROOTCERT to a PEM file"), "{}", elsewhere.remedy());
    }

    #[test]
    fn a_url_is_written_as_it_was_read() {
        for url in [
            "postgres://a%40da:p%40ss%2Fword@db.example.com:6432/my%2Dapp?sslmode=verify-full&sslrootcert=/etc/my%20ca",
            "postgres://ada:hunter2@[::1]:5432/app?sslmode=disable",
            "postgres://ada:hunter2@db:5432/%2E%2E?sslmode=verify-full&sslrootcert=ca&hostaddr=127%2E0%2E0%2E1",
            "postgres://ada:hunter2@db:5432/a%23b%2Fc%3Fd?sslmode=verify-full&sslrootcert=ca&connect%5Ftimeout=10",
        ] {
            let url = url.replace("connect%5Ftimeout", "connect_timeout");
            let login = read(&url, Plaintext::OnLoopback, &[]).expect("a good URL");
            assert_eq!(login.url(true), url);
            let masked = login.url(false);
            assert!(masked.contains(":****@") && !masked.contains("p%40ss") && !masked.contains("hunter2"), "{masked}");
        }
        let without = login("postgres://ada@db/app", &[]);
        for with_password in [true, false] {
            assert!(without.url(with_password).starts_with("postgres://ada@db:5432/app?"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_login_survives_being_written_and_read(
            host in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{2,10}){0,3}|::1|fe80::[1-9a-f]{1,4}",
            host_address in proptest::option::of(any::<std::net::IpAddr>()),
            port in 1..=u16::MAX,
            // An empty part cannot be told from a missing one, and no text in PostgreSQL has a NUL.
            dbname in "[^\u{0}]{1,15}|[./#?@:%&=+ \\\\]{1,15}",
            user in "[^\u{0}]{1,15}|[./#?@:%&=+ \\\\]{1,15}",
            password in "[^\u{0}]{0,40}|[./#?@:%&=+ \\\\]{0,15}",
            application_name in proptest::option::of("[^\u{0}]{1,15}"),
            file in "(/[^/\u{0}]{1,20}){1,3}",
            is_encrypted in any::<bool>(),
        ) {
            let (host, host_address, encryption) = if is_encrypted {
                (host, host_address, Encryption::Verified(Roots::File(file.into())))
            } else {
                ("localhost".to_owned(), None, Encryption::Off)
            };
            let options = crate::ConnectionOptions { application_name, ..crate::ConnectionOptions::default() };
            let password = SecretString::from(password);
            let written = Login { host, host_address, port, dbname, user, password, encryption, options };
            let read = read(&written.url(true), Plaintext::OnLoopback, &[]).expect("a good URL");
            prop_assert_eq!(parts(&read), parts(&written));
            prop_assert_eq!(
                (&read.host_address, &read.encryption, &read.options),
                (&written.host_address, &written.encryption, &written.options)
            );
            let has_stars = written.url(false).contains(":****@");
            prop_assert_eq!(has_stars, !written.password.expose_secret().is_empty());
        }
    }
}
