//! The files of an operator in which libpq finds services and passwords. The function reads neither.

mod passfile;
mod service;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use passfile::password;
pub(crate) use service::service;

/// The variables that name a database without a URL.
pub(crate) const NAMING: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"];

/// A file in the operator's home directory.
fn of_home(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(variable("HOME")?).join(name))
}
