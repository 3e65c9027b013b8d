//! Services: sets of parameters in `~/.pg_service.conf`, or the file that PGSERVICEFILE names.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgservice.html>

use std::ffi::OsString;
use std::path::PathBuf;

use db::{Parameters, shown_path, utf8};

use super::of_home;
use crate::error::Problem;

const NAME: &str = "pg_service.conf";

/// The place of its parameters, for errors.
const PLACE: &str = "PGSERVICE's service";

/// The service that PGSERVICE names, if it is set.
///
/// It is looked for in PGSERVICEFILE, else in the home directory, then in PGSYSCONFDIR.
pub(crate) fn service(variable: &impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Option<Parameters>> {
    let Some(name) = variable("PGSERVICE") else { return Ok(None) };
    let name = utf8("PGSERVICE", name)?;
    let own = variable("PGSERVICEFILE").map(PathBuf::from);
    let own = own.or_else(|| of_home(variable, &format!(".{NAME}")).filter(|path| path.exists()));
    let of_system = variable("PGSYSCONFDIR").map(|directory| PathBuf::from(directory).join(NAME));
    for path in own.into_iter().chain(of_system.filter(|path| path.exists())) {
        let content = std::fs::read_to_string(&path).map_err(|error| {
            let problem = format!("cannot read the service file {}", shown_path(&path));
            Problem::new(problem, "correct PGSERVICEFILE, or unset PGSERVICE").because(error)
        })?;
        let pairs = pairs(&content, &name).map_err(|line| {
            let problem = format!("line {line} of the service file {} is not `keyword=value`", shown_path(&path));
            Problem::new(problem, "write one parameter a line, without spaces around the `=`")
        })?;
        if let Some(pairs) = pairs {
            return Ok(Some(Parameters::new(PLACE, pairs)?));
        }
    }
    let remedy = "define it in ~/.pg_service.conf or the file that PGSERVICEFILE names, or unset PGSERVICE";
    Err(Problem::new("PGSERVICE names a service that no service file defines", remedy).into())
}

/// The parameters of the service, of which the first one of its kind counts. Fails with the number of a line.
fn pairs(content: &str, name: &str) -> Result<Option<Vec<(String, String)>>, usize> {
    let mut pairs: Option<Vec<(String, String)>> = None;
    for (number, line) in (1_usize..).zip(content.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if pairs.is_some() {
                break;
            }
            if header.strip_prefix(name).is_some_and(|rest| rest.starts_with(']')) {
                pairs = Some(Vec::new());
            }
        } else if let Some(pairs) = &mut pairs {
            let pair = line.split_once('=').filter(|(keyword, _)| !keyword.ends_with(char::is_whitespace));
            let (keyword, value) = pair.ok_or(number)?;
            if !pairs.iter().any(|(known, _)| known == keyword) {
                pairs.push((keyword.to_owned(), value.to_owned()));
            }
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
# Comments and empty lines count for nothing.
outside=of a section

[other]
host=other
[app]
  host=db.example.com
port=6432
port=1
password= a=b
[app]
host=second
";

    #[test]
    fn a_service_is_its_section_up_to_the_next_one() {
        let found = pairs(FILE, "app").expect("well-formed").expect("it is there");
        let found: Vec<_> = found.iter().map(|(keyword, value)| (keyword.as_str(), value.as_str())).collect();
        assert_eq!(found, [("host", "db.example.com"), ("port", "6432"), ("password", " a=b")]);
        assert_eq!(pairs(FILE, "ap").expect("well-formed"), None);
        assert_eq!(pairs("[x]\nhost\n[app]\n", "app"), Ok(Some(Vec::new())));
        assert_eq!(pairs("[app]\nhost\n", "app"), Err(2));
        assert_eq!(pairs("[app]\nhost = db.example.com\n", "app"), Err(2));
    }
}
