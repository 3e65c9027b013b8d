//! The file with the master password.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::ensure;
use secrecy::SecretString;

use crate::error::Problem;

/// Reads the password, and refuses one that RDS would refuse. `-` is standard input.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
pub(super) fn read_password(file: &Path) -> anyhow::Result<SecretString> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| {
        let problem = format!("cannot read the password from {}", db::shown_path(file));
        Problem::new(
            problem,
            "name a file of UTF-8 text that you may read with --password-file, or - for standard input",
        )
        .because(error)
    })?;
    let password = text.trim_end_matches(['\r', '\n']);
    ensure!(
        is_allowed(password),
        Problem::new(
            "the master password is one that RDS does not accept",
            "write one of 8 to 128 printable ASCII characters without spaces and / @ \" into the file"
        )
    );
    Ok(password.into())
}

fn is_allowed(password: &str) -> bool {
    (8..=128).contains(&password.len()) && password.chars().all(|c| c.is_ascii_graphic() && !"/@\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::shown;

    #[test]
    fn a_file_that_cannot_be_read_has_a_way_out() {
        let error = shown(&read_password(Path::new("/nowhere/password")).expect_err("there is no such file"));
        assert!(error.starts_with("error: cannot read the password from /nowhere/password: No such file"), "{error}");
        assert!(error.contains("\nhint: name a file"), "{error}");
    }

    #[test]
    fn a_password_that_rds_refuses_is_refused_before_anything_is_created() {
        for (password, is_good) in [
            ("hunter2hunter2", true),
            ("", false),
            ("short", false),
            ("with space", false),
            ("with/slash", false),
            ("with@at-sign", false),
            ("with\"quote", false),
            ("pässword-1234", false),
            ("two\nlines-of-it", false),
        ] {
            assert_eq!(is_allowed(password), is_good, "{password:?}");
        }
        assert!(is_allowed(&"x".repeat(128)) && !is_allowed(&"x".repeat(129)));
    }
}
