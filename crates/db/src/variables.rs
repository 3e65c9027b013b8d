//! Variables, usually the environment's, as settings are read from them.

use std::ffi::OsString;

use crate::Error;
use crate::settings::invalid;

/// Reads a variable by its name.
pub(crate) struct Variables<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl<'a> Variables<'a> {
    pub(crate) fn new(variable: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self(variable)
    }

    /// The value as it is. An empty one counts as unset.
    ///
    /// One that is not UTF-8 is an error: if it counted as unset, another database would be used.
    pub(crate) fn raw(&self, name: &str) -> Result<Option<String>, Error> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value.map(|value| utf8(name, value)).transpose()
    }

    /// The value without the white space around it.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let value = self.raw(name)?;
        Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
    }
}

/// The text of the variable's value.
///
/// Fails with [`Error::SettingsInvalid`], which names the variable and does not quote the value.
pub fn utf8(name: &str, value: OsString) -> Result<String, Error> {
    value.into_string().map_err(|_| {
        invalid(
            format!("{name} is not UTF-8"),
            "set it again from a terminal or a file in UTF-8; in a URL, percent-encode every special character",
        )
    })
}
