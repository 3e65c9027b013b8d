//! The columns of a row, read without a panic: a server may send what a statement does not promise.

use std::error::Error as StdError;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::Error;

/// Reads the columns of a [`Row`].
pub trait Columns {
    /// Reads the column by this name.
    ///
    /// Fails with [`Error::AnswerUnreadable`] if it is missing, or its value is none of this type: null, or text that is
    /// not UTF-8, which a database with the encoding `SQL_ASCII` may hold.
    fn column<'a, T: FromSql<'a>>(&'a self, name: &'static str) -> Result<T, Error>;

    /// Reads names, see [`Lossy`].
    fn names(&self, name: &'static str) -> Result<Vec<String>, Error> {
        Ok(self.column::<Vec<Lossy>>(name)?.into_iter().map(|Lossy(text)| text).collect())
    }
}

impl Columns for Row {
    fn column<'a, T: FromSql<'a>>(&'a self, name: &'static str) -> Result<T, Error> {
        self.try_get(name).map_err(|source| Error::AnswerUnreadable { column: name, source: source.into() })
    }
}

/// Text, or its bytes, with U+FFFD for each part that is not UTF-8. The names of roles and databases belong to the whole
/// server, and a session of a database with another encoding may have made them.
/// <https://www.postgresql.org/docs/current/multibyte.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lossy(pub String);

impl<'a> FromSql<'a> for Lossy {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::BYTEA || <String as FromSql>::accepts(ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_utf_8_is_read_with_replacements() {
        let read = |raw: &[u8]| Lossy::from_sql(&Type::TEXT, raw).expect("any bytes").0;
        assert_eq!(read(b"j\xfcrgen"), "j\u{fffd}rgen");
        assert_eq!(read("jürgen".as_bytes()), "jürgen");
    }
}
