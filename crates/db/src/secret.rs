//! The JSON of a secret with a login.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Error;
use crate::name::Name;
use crate::settings::{Address, SecretSource};

/// The JSON that RDS, its rotation functions and the console write. A secret that RDS manages holds only the user name
/// and the password.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html>
pub(crate) struct Secret<'a> {
    id: &'a str,
    fields: HashMap<String, Field>,
}

/// A field's value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Absent(()),
    Text(SecretString),
    Number(u16),
    Other(IgnoredAny),
}

impl<'a> Secret<'a> {
    /// Reads the text of the secret with this id.
    ///
    /// Fails with [`Error::SecretInvalid`], which never quotes the text.
    pub(crate) fn parse(id: &'a str, text: &SecretString) -> Result<Self, Error> {
        // An editor's byte order mark does not belong to the JSON.
        let json = text.expose_secret().trim_start_matches('\u{feff}');
        let fields = serde_json::from_str(json).map_err(|error| {
            // The parser's own message may quote the secret.
            let place = format!("line {}, column {}", error.line(), error.column());
            let problem = if error.is_data() { "is not a JSON object" } else { "is malformed JSON" };
            invalid(id, format!("{problem} (at {place})"))
        })?;
        Ok(Self { id, fields })
    }

    /// The address and the password, where the variables win over the secret's fields: those are not even looked at.
    pub(crate) fn login(&self, source: &SecretSource) -> Result<(Address, SecretString), Error> {
        let variables = source.variables.clone();
        let user = variables.user.map_or_else(|| self.name("username", Name::Identifier), |user| Ok(Some(user)))?;
        let address = Address {
            host: variables.host.map_or_else(|| self.name("host", Name::Host), |host| Ok(Some(host)))?,
            host_address: variables.host_address,
            port: variables.port.map_or_else(|| self.port(), |port| Ok(Some(port)))?,
            dbname: variables.dbname.map_or_else(|| self.name("dbname", Name::Identifier), |name| Ok(Some(name)))?,
            user: Some(user.ok_or_else(|| invalid(self.id, "has no `username`"))?),
        };
        let password = self.text("password")?.ok_or_else(|| invalid(self.id, "has no `password`"))?;
        Ok((address, password.clone()))
    }

    /// The text of a field. An empty one counts as absent, as for the variables.
    fn text(&self, field: &str) -> Result<Option<&SecretString>, Error> {
        match self.fields.get(field) {
            None | Some(Field::Absent(())) => Ok(None),
            Some(Field::Text(text)) => Ok(Some(text).filter(|text| !text.expose_secret().trim().is_empty())),
            Some(Field::Number(_) | Field::Other(_)) => {
                Err(invalid(self.id, format!("has a `{field}` that is not a text")))
            }
        }
    }

    fn name(&self, field: &str, kind: Name) -> Result<Option<String>, Error> {
        let name = |text: &SecretString| {
            let text = text.expose_secret();
            kind.parse(text).ok_or_else(|| invalid(self.id, format!("has a `{field}` that {}", kind.fault(text))))
        };
        self.text(field)?.map(name).transpose()
    }

    /// The port, which some writers quote.
    fn port(&self) -> Result<Option<u16>, Error> {
        let problem = || invalid(self.id, "has a `port` that is not a number from 1 to 65535");
        let port = match self.fields.get("port") {
            Some(Field::Number(port)) => Some(*port),
            Some(Field::Other(_)) => return Err(problem()),
            _ => {
                self.text("port")?.map(|text| text.expose_secret().trim().parse()).transpose().map_err(|_| problem())?
            }
        };
        if port == Some(0) { Err(problem()) } else { Ok(port) }
    }
}

pub(crate) fn invalid(id: &str, problem: impl Into<String>) -> Error {
    Error::SecretInvalid { id: id.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Login;

    const WHOLE: &str = r#"{"engine": "postgres", "username": "ada", "password": "hunter2", "host": "db.example.com",
                            "port": 6432, "dbname": "app", "dbInstanceIdentifier": "app-db"}"#;

    /// Reads the secret where these variables are set.
    fn read(text: &str, variables: Address) -> Result<Login, Error> {
        SecretSource::new("app".to_owned(), variables, crate::Encryption::Off, None).login(&text.into())
    }

    /// What must be set where the secret says nothing.
    fn rest() -> Address {
        let name = |name: &str| Some(name.to_owned());
        Address { host: name("db"), host_address: None, port: None, dbname: name("app"), user: None }
    }

    fn everything() -> Address {
        Address { user: Some("bob".to_owned()), port: Some(5433), ..rest() }
    }

    #[track_caller]
    fn assert_refused(text: &str, variables: Address, problem: &str) {
        let error = read(text, variables).expect_err("this secret is wrong");
        assert!(error.to_string().contains(problem), "expected {problem:?} in {error}");
        assert!(!format!("{error:?}").contains("hunter2"), "the secret is in {error:?}");
    }

    #[test]
    fn a_secret_as_rds_writes_it_is_read() {
        let login = read(WHOLE, Address::default()).expect("the usual shape");
        assert_eq!(login.password.expose_secret(), "hunter2");
        assert_eq!(
            (login.host.as_str(), login.port, login.dbname.as_str(), login.user.as_str()),
            ("db.example.com", 6432, "app", "ada")
        );
    }

    #[test]
    fn a_secret_with_only_user_and_password_is_completed_by_the_variables() {
        let login = read(r#"{"username": "ada", "password": "hunter2"}"#, rest()).expect("a managed secret");
        assert_eq!((login.host.as_str(), login.port, login.dbname.as_str()), ("db", 5432, "app"));
    }

    #[test]
    fn a_byte_order_mark_before_the_secret_is_skipped() {
        let login = read(&format!("\u{feff}{WHOLE}"), Address::default()).expect("the usual shape");
        assert_eq!(login.password.expose_secret(), "hunter2");
    }

    #[test]
    fn an_empty_field_counts_as_absent() {
        for empty in [r#""""#, r#"" ""#, "null"] {
            let secret = |field: &str| {
                let written = format!(r#""{field}": {empty}"#);
                let others = ["username", "password", "host", "dbname"].into_iter().filter(|other| *other != field);
                let others: Vec<_> = others.map(|other| format!(r#""{other}": "x""#)).collect();
                format!("{{{written}, {}}}", others.join(", "))
            };
            assert_refused(&secret("dbname"), Address::default(), "no database name");
            assert_refused(&secret("host"), Address::default(), "no host name");
            assert_refused(&secret("username"), Address::default(), "has no `username`");
            assert_refused(&secret("password"), Address::default(), "has no `password`");
            assert_eq!(read(&secret("port"), Address::default()).expect("a default port").port, 5432);
        }
    }

    #[test]
    fn a_field_that_a_variable_overrules_may_be_anything() {
        for value in [r#""""#, r#""n/a""#, "70000", "-1", "5.5", "{}", "[1]", "true", r#""postgres://ada:hunter2@db""#]
        {
            let text = format!(
                r#"{{"username": {value}, "password": "hunter2", "host": {value}, "port": {value}, "dbname": {value}}}"#
            );
            let login = read(&text, everything()).expect("the variables win");
            assert_eq!((login.user.as_str(), login.host.as_str(), login.port), ("bob", "db", 5433), "{value}");
        }
    }

    #[test]
    fn a_quoted_port_is_a_port() {
        let secret = |port: &str| format!(r#"{{"username": "a", "password": "hunter2", "port": {port}}}"#);
        assert_eq!(read(&secret(r#""6432""#), rest()).expect("a good port").port, 6432);
        for port in [r#""hunter2""#, "70000", "0", r#""0""#, "[]", "5432.0"] {
            assert_refused(&secret(port), rest(), "has a `port` that is not a number");
        }
    }

    #[test]
    fn a_field_that_is_no_name_is_refused_without_quoting_it() {
        for field in ["host", "dbname", "username"] {
            for (value, problem) in [
                (r#""postgres://ada:hunter2@db/app""#, "that is not a"),
                (r#""host=db user=ada password=hunter2""#, "that is not a"),
                (r#""{\"password\": \"hunter2\"}""#, "that is not a"),
                (r#"{"hunter2": 1}"#, "that is not a text"),
                ("5", "that is not a text"),
            ] {
                let text = format!(r#"{{"password": "hunter2", "username": "ada", "{field}": {value}}}"#);
                let variables = Address { user: None, ..Address::default() };
                assert_refused(&text, variables, &format!("`{field}` {problem}"));
            }
        }
    }

    #[test]
    fn a_missing_field_is_named_and_a_syntax_error_has_its_place() {
        assert_refused("{\n  \"password\": \"hunter2\"\n}", rest(), "has no `username`");
        assert_refused(r#"{"username": "hunter2"}"#, rest(), "has no `password`");
        assert_refused("{\n  \"username\": \"ada\",\n  \"password\": hunter2\n}", rest(), "(at line 3, column 15)");
        for text in ["hunter2", ""] {
            assert_refused(text, rest(), "is malformed JSON (at line 1");
        }
        for text in [r#""hunter2""#, "5", r#"["ada", "hunter2"]"#, "null"] {
            assert_refused(text, rest(), "is not a JSON object");
        }
    }
}
