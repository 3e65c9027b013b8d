//! Names that come from outside: each is checked before it is used, because a mistyped setting may hold a secret.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;

use url::Url;

use crate::Error;
use crate::settings::invalid;

/// The longest host name, RFC 1035.
const LONGEST_HOST: usize = 253;

/// The longest part of a host name between two dots, RFC 1035.
const LONGEST_LABEL: usize = 63;

/// The longest name of a database or a role, in bytes: `NAMEDATALEN` less one. A server cuts longer ones, so that two names
/// become one, or a database is created under a name by which it is then not found.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>
const LONGEST_IDENTIFIER: usize = 63;

/// The names that connection strings, JSON and YAML have for a password.
const PASSWORD_FIELDS: [&str; 4] = ["password", "passwd", "pass", "pwd"];

/// The way out of a name that is too long.
const SHORTEN: &str = "shorten it: the server would cut it, and use another name than this one";

/// A kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A host name, or an IP address.
    Host,
    /// A database or a role: PostgreSQL allows any characters, and 63 bytes.
    Identifier,
    /// The name or ARN of a secret.
    Secret,
    /// A region of AWS.
    Region,
    /// The path of a file.
    File,
}

impl Name {
    /// Reads it without the white space around it, which no such name has and which an editor or a template adds.
    pub(crate) fn parse(self, text: &str) -> Option<String> {
        let text = text.trim();
        let text = if self == Self::Host { without_url_marks(text) } else { text };
        let consists_of =
            |others: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || others.as_bytes().contains(&b));
        let is_one = match self {
            Self::Host => text.parse::<IpAddr>().is_ok() || is_host_name(text),
            Self::Identifier => !is_document(text) && text.len() <= LONGEST_IDENTIFIER,
            Self::File => !is_document(text),
            // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html, and `!` as in the
            // names that RDS chooses. Only an ARN has colons.
            Self::Secret if names_password(text) => false,
            Self::Secret => consists_of("/_+=.@!-") || (text.starts_with("arn:") && consists_of("/_+=.@!:-")),
            // It becomes a label of a host name, and is signed as it stands.
            Self::Region => consists_of("-") && is_label(text) && !text.bytes().any(|b| b.is_ascii_uppercase()),
        };
        (is_one && !text.is_empty()).then(|| text.to_owned())
    }

    /// Reads it from this variable or option.
    pub(crate) fn parse_variable(self, variable: &str, text: &str) -> Result<String, Error> {
        self.parse(text).ok_or_else(|| {
            let remedy = if self.is_too_long(text) { SHORTEN } else { self.remedy() };
            invalid(format!("{variable} {}", self.fault(text)), remedy)
        })
    }

    /// The words of an error for a text that is no such name.
    pub(crate) fn fault(self, text: &str) -> String {
        if self.is_too_long(text) {
            return too_long(text.trim());
        }
        let noun = match self {
            Self::Host => "a host name",
            Self::Identifier => "a plain name",
            Self::Secret => "the name or ARN of a secret",
            Self::Region => "a region of AWS",
            Self::File => "the path of a file",
        };
        format!("is not {noun}")
    }

    fn is_too_long(self, text: &str) -> bool {
        self == Self::Identifier && !is_document(text.trim()) && text.trim().len() > LONGEST_IDENTIFIER
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Host => "set it to the host name or the IP address alone, without scheme, user, port and database",
            Self::Identifier => "set it to the name alone, not to a URL, JSON or a text of several lines",
            Self::Secret => "set it to the name or ARN of the secret in Secrets Manager, not to what the secret holds",
            Self::Region => "set it to a region such as eu-central-1",
            Self::File => "set it to the path of a PEM file, not to what the file holds",
        }
    }
}

/// Reads a region of AWS from a setting or an option, which the error calls by its `name`.
///
/// Fails with [`Error::SettingsInvalid`] if it cannot be a label of a host name; the text is not quoted.
pub fn parse_region(name: &str, text: &str) -> Result<String, Error> {
    Name::Region.parse_variable(name, text)
}

/// Reads the name of a database or a role from a setting or an option, which the error calls by its `name`.
///
/// Fails with [`Error::SettingsInvalid`] if it is longer than the server's 63 bytes, or a URL, JSON or the like, which may
/// hold a password and is not quoted.
pub fn parse_identifier(name: &str, text: &str) -> Result<String, Error> {
    Name::Identifier.parse_variable(name, text)
}

/// Refuses a name of a database or a role that the server would cut, or that has a field for a password, and nothing else:
/// in a URL, it can be any text.
pub(crate) fn check_identifier(name: &str, text: &str) -> Result<(), Error> {
    if names_password(text) {
        return Err(invalid(format!("{name} is not a plain name"), Name::Identifier.remedy()));
    }
    if text.len() > LONGEST_IDENTIFIER {
        return Err(invalid(format!("{name} {}", too_long(text)), SHORTEN));
    }
    Ok(())
}

fn too_long(text: &str) -> String {
    format!("has {} bytes, and a name in PostgreSQL at most {LONGEST_IDENTIFIER}", text.len())
}

/// A host without the brackets around an IPv6 address, and without the dot at the end of a complete name, which no
/// certificate has.
fn without_url_marks(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

/// Returns whether it is the name of a host, also for those that read it as a URL's: they take `1.2.3` for the address
/// 1.2.0.3, and panic on `1.2.3.4.5` and `xn--a`.
fn is_host_name(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.len() <= LONGEST_HOST
        && text.bytes().all(is_known)
        && text.split('.').all(|label| (1..=LONGEST_LABEL).contains(&label.len()))
        && Url::parse(&format!("https://{text}"))
            .is_ok_and(|url| url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(text)))
}

fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && !text.starts_with('-') && !text.ends_with('-')
}

/// Returns whether the text is a URL or another string with a login, JSON, a reference that a template did not resolve, or
/// has several lines, as PEM.
fn is_document(text: &str) -> bool {
    let has_user = || text.split_once(':').is_some_and(|(_, rest)| rest.contains('@'));
    text.contains("://")
        || text.starts_with("//")
        || text.contains(['{', '}'])
        || text.contains(char::is_control)
        || text.contains("-----")
        || names_password(text)
        || has_user()
}

/// Returns whether a field for a password is in it, as `password=`, `pwd =` or `"password":`.
pub(crate) fn names_password(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_field = |(start, field): (usize, &str)| {
        let rest = text[start + field.len()..].trim_start_matches(|c: char| c.is_whitespace() || "\"'\\".contains(c));
        rest.starts_with(['=', ':']) || rest.starts_with("%3d") || rest.starts_with("%3a")
    };
    PASSWORD_FIELDS.iter().any(|field| text.match_indices(field).any(is_field))
}

/// The name as an error may quote it: a legal name of a role or database can hold anything, even what was meant for
/// another setting.
pub(crate) fn shown(name: &str) -> &str {
    if is_shown(name) { name } else { "(not a plain name)" }
}

/// Returns whether an error may quote the name. Only an IP address has colons: elsewhere, a password may follow one.
pub(crate) fn is_shown(name: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-._@$+".contains(character);
    (!name.is_empty() && name.chars().all(is_plain)) || name.parse::<IpAddr>().is_ok()
}

/// The path of a file as an error may quote it: the setting for it may hold what was meant for another one.
pub fn shown_path(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-._@$+/~,".contains(character);
    let is_shown = !text.is_empty() && text.chars().all(is_plain) && !is_document(&text);
    if is_shown { text } else { "(not a plain path)".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_read(kind: Name, text: &str, expected: Option<&str>) {
        assert_eq!(kind.parse(text).as_deref(), expected, "{kind:?} {text:?}");
    }

    #[test]
    fn a_name_is_read_without_the_white_space_around_it() {
        assert_read(Name::Host, " db.abc.eu-west-1.rds.amazonaws.com\n", Some("db.abc.eu-west-1.rds.amazonaws.com"));
        assert_read(Name::Host, "[::1]", Some("::1"));
        assert_read(Name::Host, "Db_1.example.com.", Some("Db_1.example.com"));
        assert_read(Name::Host, "10.0.0.1", Some("10.0.0.1"));
        assert_read(Name::Host, "1.db", Some("1.db"));
        assert_read(Name::Identifier, "[fn]", Some("[fn]"));
        assert_read(Name::Identifier, "passwords", Some("passwords"));
        assert_read(Name::Identifier, "fn\n", Some("fn"));
        assert_read(Name::Identifier, "Ada's \"app\" & more", Some("Ada's \"app\" & more"));
        assert_read(Name::Secret, "rds!db-0b1c\t", Some("rds!db-0b1c"));
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:users-db/post_confirmation-a1B2c3";
        assert_read(Name::Secret, arn, Some(arn));
        assert_read(Name::Region, "us-gov-west-1 ", Some("us-gov-west-1"));
        assert_read(Name::File, "/etc/my certificates/ca.pem", Some("/etc/my certificates/ca.pem"));
    }

    #[test]
    fn what_was_meant_for_another_setting_is_no_name() {
        let documents = [
            "postgres://fn:hunter2@db/app",
            r#"{"username": "fn", "password": "hunter2"}"#,
            "{{resolve:secretsmanager:app:SecretString:password}}",
            "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----",
            "hunter2\nhunter2",
            "host=db user=fn password=hunter2",
            "app?password=hunter2",
            "Server=db;Database=app;Password = hunter2;",
            "Server=db;Uid=fn;PWD=hunter2",
            "fn&password=hunter2",
            r#""username":"fn","password":"hunter2""#,
            r#"\"username\":\"fn\",\"password\" : \"hunter2\""#,
            "'password': 'hunter2'",
            "password: hunter2",
            "password%3Dhunter2",
            "/x?password=hunter2",
            "//fn:hunter2@db/app",
            "fn:hunter2@localhost/app",
            " ",
            "",
        ];
        for text in documents {
            for kind in [Name::Host, Name::Identifier, Name::Secret, Name::Region, Name::File] {
                assert_read(kind, text, None);
            }
        }
        for text in ["db:5432", "db/app", "fn@db", "fn:hunter2", "db host", "/var/run/postgresql", "é"] {
            assert_read(Name::Host, text, None);
        }
        assert_read(Name::Secret, "fn:hunter2", None);
        assert_read(Name::Secret, "password=hunter2", None);
        for region in ["eu_central_1", "EU-CENTRAL-1", "-eu", "eu-", "eu.central"] {
            assert_read(Name::Region, region, None);
        }
    }

    #[test]
    fn a_name_that_the_server_would_cut_is_refused_with_its_length() {
        // 31 letters of two bytes each, and one more byte.
        let longest = format!("{}x", "\u{e9}".repeat(31));
        assert_eq!(parse_identifier("PGDATABASE", &longest).expect("63 bytes"), longest);
        let error = parse_identifier("PGDATABASE", &format!("{longest}x")).expect_err("64 bytes");
        assert_eq!(error.to_string(), "PGDATABASE has 64 bytes, and a name in PostgreSQL at most 63");
        assert!(error.remedy().starts_with("shorten it"), "{}", error.remedy());
        let document = format!("postgres://ada:hunter2@db/{}", "x".repeat(64));
        let error = parse_identifier("PGDATABASE", &document).expect_err("a URL");
        assert_eq!(error.to_string(), "PGDATABASE is not a plain name");
    }

    #[test]
    fn a_host_name_that_a_url_cannot_hold_is_refused() {
        let long = "a".repeat(64);
        for text in [
            "999.1.1.1",
            "1.2.3.4.5",
            "10.0.0.300",
            "1.2.3",
            "0x7f.1",
            "1",
            "db.1",
            "xn--a",
            "XN--a.example.com",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            &long,
        ] {
            assert_read(Name::Host, text, None);
        }
    }

    #[test]
    fn an_error_quotes_only_plain_names() {
        for name in ["db.example.com", "::1", "post_confirmation", "ada@example.com"] {
            assert_eq!(shown(name), name);
        }
        let pgpass = "localhost:5432:app:fn:hunter2";
        let words = "user=fn password=hunter2";
        for name in
            ["", "fn&DBUser=root", "two words", "fn:hunter2@db", "fn:hunter2", pgpass, words, "{\"a\": 1}", "a\nb"]
        {
            assert_eq!(shown(name), "(not a plain name)", "{name:?}");
        }
    }

    #[test]
    fn an_error_quotes_only_plain_paths() {
        for path in ["/etc/ssl/ca-2026.pem", "infra/rds.toml", "../ca_1.pem"] {
            assert_eq!(shown_path(Path::new(path)), path);
        }
        for path in ["", "fn:hunter2", "fn:hunter2@localhost/app", "/x?password=hunter2", "//fn@db", "user=fn hunter2"]
        {
            assert_eq!(shown_path(Path::new(path)), "(not a plain path)", "{path:?}");
        }
    }
}
