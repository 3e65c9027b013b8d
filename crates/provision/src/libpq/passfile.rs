//! Passwords in `~/.pgpass`, or the file that PGPASSFILE names.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use db::{Login, shown_path};
use secrecy::SecretString;

use super::of_home;
use crate::error::Problem;
use crate::prompt;

/// The permissions of others than the owner.
const OF_OTHERS: u32 = 0o077;

/// The password for this login, if the file has one. A file that others may read is ignored with a warning, as psql does.
pub(crate) fn password(
    login: &Login,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Option<SecretString>> {
    let Some(path) = variable("PGPASSFILE").map(Into::into).or_else(|| of_home(variable, ".pgpass")) else {
        return Ok(None);
    };
    let Ok(metadata) = fs::metadata(&path) else { return Ok(None) };
    let shown = shown_path(&path);
    if !metadata.is_file() {
        prompt::progress(&format!("warning: the password file {shown} is ignored, because it is not a plain file"));
        return Ok(None);
    }
    if metadata.permissions().mode() & OF_OTHERS != 0 {
        prompt::progress(&format!(
            "warning: the password file {shown} is ignored, because others may read it; run `chmod 600` on it"
        ));
        return Ok(None);
    }
    let content = read(&path)?;
    let port = login.port.to_string();
    let fields = [&login.host, &port, &login.dbname, &login.user].map(String::as_bytes);
    let Some(password) = find(&content, fields) else { return Ok(None) };
    let password = String::from_utf8(password).map_err(|_| {
        Problem::new(
            format!("the password file {shown} has a password for this login that is not UTF-8"),
            "write the file in UTF-8",
        )
    })?;
    Ok(Some(password.into()))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        let problem = format!("cannot read the password file {}", shown_path(path));
        Problem::new(problem, "let this user read it, or name another one in PGPASSFILE").because(error).into()
    })
}

/// The password in the first line whose four fields are these, or `*`.
fn find(content: &[u8], fields: [&[u8]; 4]) -> Option<Vec<u8>> {
    let lines = content.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let rest_of = |line| fields.into_iter().try_fold(line, |rest, field| without_field(rest, field));
    let rest = lines.filter(|line| !line.starts_with(b"#")).find_map(rest_of)?;
    Some(unescaped(rest))
}

/// What follows the first field of the line and its colon, if that field is this one.
///
/// For libpq, only a colon behind the whole field ends it: those of `::1` need no backslash. See `pwdfMatchesString` in
/// <https://github.com/postgres/postgres/blob/master/src/interfaces/libpq/fe-connect.c>.
fn without_field<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let rest =
        field.iter().try_fold(line, |rest, byte| rest.strip_prefix(b"\\").unwrap_or(rest).strip_prefix(&[*byte]))?;
    rest.strip_prefix(b":")
}

/// The text up to the first colon without a backslash before it.
fn unescaped(mut rest: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let [byte, after @ ..] = rest {
        let (byte, after) = match (byte, after) {
            (b':', _) => break,
            (b'\\', [escaped, after @ ..]) => (escaped, after),
            _ => (byte, after),
        };
        text.push(*byte);
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> Option<String> {
        let fields = ["db.example.com", "5432", "app", "ada"].map(str::as_bytes);
        find(content.as_bytes(), fields).map(|password| String::from_utf8(password).expect("UTF-8"))
    }

    #[test]
    fn the_first_line_for_the_login_has_its_password() {
        for (content, expected) in [
            ("db.example.com:5432:app:ada:pw\n", Some("pw")),
            ("*:*:*:*:pw", Some("pw")),
            ("*:*:*:ada:first\n*:*:*:*:second\n", Some("first")),
            ("other:5432:app:ada:no\r\ndb.example.com:*:app:*:pw\r\n", Some("pw")),
            ("#db.example.com:5432:app:ada:no\n*:*:*:*:pw\n", Some("pw")),
            ("*:*:*:*:a\\:b\\\\c", Some("a:b\\c")),
            ("*:*:*:*:pw:and a comment", Some("pw")),
            ("db\\.example.com:5432:a\\pp:ada:pw", Some("pw")),
            ("*:*:*:*:", Some("")),
            ("*:*:*:*: pw ", Some(" pw ")),
            ("db.example.com:5432:app:ada", None),
            ("db.example.com:5433:app:ada:pw", None),
            ("db.example.com:5432:apps:ada:pw", None),
            ("db.example.com:5432:ap:ada:pw", None),
            ("*x:*:*:*:pw", None),
            ("DB.example.com:5432:app:ada:pw", None),
            ("", None),
        ] {
            assert_eq!(found(content).as_deref(), expected, "{content:?}");
        }
    }

    #[test]
    fn a_colon_in_a_name_may_be_escaped() {
        let fields = ["::1", "5432", "a:b", "a\\b"].map(str::as_bytes);
        for (content, expected) in [
            (&b"\\:\\:1:5432:a\\:b:a\\\\b:pw"[..], Some(&b"pw"[..])),
            (b"::1:5432:a:b:a\\\\b:pw", Some(b"pw")),
            (b"::1:*:*:*:pw", Some(b"pw")),
            (b"::1:5432:a:a\\\\b:pw", None),
            (b"::12:*:*:*:pw", None),
            (b"::*:*:*:pw", None),
        ] {
            assert_eq!(find(content, fields).as_deref(), expected, "{}", String::from_utf8_lossy(content));
        }
    }
}
