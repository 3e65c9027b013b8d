//! Names that come from outside: each is checked before it is used, because a mistyped setting may hold a secret.

use std::net::IpAddr;

use crate::Error;
use crate::settings::invalid;

/// The longest host name, RFC 1035.
const LONGEST_HOST: usize = 253;

/// A kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A host name, or an IP address.
    Host,
    /// A database or a role: PostgreSQL allows any characters.
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
        // In brackets as in a URL.
        let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let consists_of =
            |others: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || others.as_bytes().contains(&b));
        let is_one = match self {
            Self::Host => text.parse::<IpAddr>().is_ok() || (text.len() <= LONGEST_HOST && consists_of("-._")),
            Self::Identifier | Self::File => !is_document(text),
            // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html, and `!` as in the
            // names that RDS chooses. Only an ARN has colons.
            Self::Secret => consists_of("/_+=.@!-") || (text.starts_with("arn:") && consists_of("/_+=.@!:-")),
            Self::Region => consists_of("-"),
        };
        (is_one && !text.is_empty()).then(|| text.to_owned())
    }

    /// Reads it from this variable.
    pub(crate) fn parse_variable(self, variable: &str, text: &str) -> Result<String, Error> {
        self.parse(text).ok_or_else(|| invalid(format!("{variable} is not {}", self.noun()), self.remedy()))
    }

    /// The words for it in an error.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Host => "a host name",
            Self::Identifier => "a plain name",
            Self::Secret => "the name or ARN of a secret",
            Self::Region => "a region of AWS",
            Self::File => "the path of a file",
        }
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

/// Returns whether the text is a URL, JSON, a reference that a template did not resolve, or has several lines, as PEM.
fn is_document(text: &str) -> bool {
    text.contains("://") || text.contains(['{', '}']) || text.contains(char::is_control) || text.contains("-----")
}

/// The name as an error may quote it: a legal name of a role or database can hold anything, even what was meant for
/// another setting.
pub(crate) fn shown(name: &str) -> &str {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-._@$+:".contains(character);
    let has_user = name.contains(':') && name.contains('@');
    if name.chars().all(is_plain) && !has_user && !name.is_empty() { name } else { "(not a plain name)" }
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
        assert_read(Name::Region, "eu_central_1", None);
    }

    #[test]
    fn an_error_quotes_only_plain_names() {
        for name in ["db.example.com", "::1", "post_confirmation", "ada@example.com"] {
            assert_eq!(shown(name), name);
        }
        for name in ["", "fn&DBUser=root", "two words", "fn:hunter2@db", "{\"a\": 1}", "a\nb"] {
            assert_eq!(shown(name), "(not a plain name)", "{name:?}");
        }
    }
}
