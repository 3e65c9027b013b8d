//! The server's error answers, without anything that may quote a user's data.
//!
//! PostgreSQL writes a message for whoever sent the statement. A function answers for somebody else's data, so a message
//! is repeated only where its text cannot hold any: see [`ServerError::of_statement`].

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::login::Login;
use crate::name::is_shown;
use crate::pooler;
use crate::sqlstate::{self, Meaning};

/// The classes whose messages are about the statement and the server, not about values.
const ABOUT_STATEMENT: [&str; 14] =
    ["08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "XX"];

/// The privilege that lacks, and the classes about resources and objects whose state is in the way.
const ABOUT_STATE: [&str; 3] = ["42501", "53", "55"];

/// PostgreSQL's source files that report a violated constraint, with the names of what was violated. Code in a database
/// can raise the same SQLSTATEs with names of its own making, and is reported from another file.
const CONSTRAINT_FILES: [&str; 8] = [
    "domains.c",
    "execExprInterp.c",
    "execIndexing.c",
    "execMain.c",
    "execPartition.c",
    "nbtinsert.c",
    "ri_triggers.c",
    "tablecmds.c",
];

/// An error answer of the PostgreSQL server, without anything that may quote a user's data.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {sqlstate})")]
pub struct ServerError {
    sqlstate: Box<str>,
    message: Box<str>,
    routine: Option<Box<str>>,
    is_fatal: bool,
    is_concurrent_change: bool,
    meaning: &'static Meaning,
}

impl ServerError {
    /// The server's part of an `error` of connecting or migrating, if it has one. Its message is about the login or the
    /// schema.
    pub(crate) fn of(error: &tokio_postgres::Error) -> Option<Self> {
        Self::with(error, |answer| !sqlstate::quotes_data(answer.code().code()))
    }

    /// The same while logging in, where a pooler may answer in the server's place. The message quotes the names of the
    /// `login`, so it is kept only if they may be shown.
    pub(crate) fn of_login(error: &tokio_postgres::Error, login: &Login) -> Option<Self> {
        let answer = error.as_db_error()?;
        let own = pooler::meaning(answer.code().code(), answer.message());
        let quotes_plain_names = is_shown(&login.user) && is_shown(&login.dbname);
        let known = Self::with(error, |answer| quotes_plain_names && !sqlstate::quotes_data(answer.code().code()))?;
        Some(match own {
            Some(meaning) if quotes_plain_names => Self { meaning, ..known },
            Some(meaning) => Self { meaning, message: meaning.name.into(), ..known },
            None => known,
        })
    }

    /// The server's part of an `error` of a statement, if it has one.
    ///
    /// Its message is kept if it is about the statement itself, whose text holds no data, or about a name in the code of
    /// the function that the statement calls. Code in the database may raise any SQLSTATE with any text, and run
    /// statements that it makes of data.
    pub(crate) fn of_statement(error: &tokio_postgres::Error) -> Option<Self> {
        Self::with(error, |answer| match answer.where_() {
            None => is_about_statement(answer.code().code()),
            Some(context) => is_about_names(answer.file().unwrap_or_default(), answer.code().code(), context),
        })
    }

    fn with(error: &tokio_postgres::Error, is_harmless: impl Fn(&DbError) -> bool) -> Option<Self> {
        let answer = error.as_db_error()?;
        let code = answer.code().clone();
        let names = names(answer);
        let message = match names {
            Some(names) if answer.constraint().is_some() => format!("the data violates {names}"),
            Some(names) => format!("the server refuses the data of {names}"),
            None if is_harmless(answer) => {
                [Some(answer.message()), details(answer)].into_iter().flatten().collect::<Vec<_>>().join(": ")
            }
            None if sqlstate::quotes_data(code.code()) => "the server refuses the data".to_owned(),
            None => match sqlstate::meaning(code.code()).name {
                "" => "the message may hold data, and is in the server's log".to_owned(),
                name => name.to_owned(),
            },
        };
        let is_concurrent_change = is_concurrent_change(answer);
        let meaning = if is_concurrent_change { &sqlstate::CONCURRENT } else { sqlstate::meaning(code.code()) };
        let routine = answer.routine().map(Box::from);
        Some(Self {
            sqlstate: code.code().into(),
            message: message.into(),
            routine,
            is_fatal: is_fatal(answer),
            is_concurrent_change,
            meaning,
        })
    }

    /// The five characters that name the error, see [`crate::sqlstate`].
    pub fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The function in PostgreSQL's sources that reports the error. Unlike the message, no locale translates it. None from
    /// a pooler.
    /// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
    pub(crate) fn routine(&self) -> Option<&str> {
        self.routine.as_deref()
    }

    /// Returns whether the server ended the session with this answer, whatever its SQLSTATE.
    pub(crate) fn is_fatal(&self) -> bool {
        self.is_fatal
    }

    /// Returns whether another session changed the same entry of a catalog.
    pub(crate) fn is_concurrent_change(&self) -> bool {
        self.is_concurrent_change
    }

    /// The meaning of the SQLSTATE, or of what a pooler says with it.
    pub fn meaning(&self) -> &'static Meaning {
        self.meaning
    }
}

fn is_fatal(answer: &DbError) -> bool {
    match answer.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // A pooler sends only the word that a server would translate.
        None => matches!(answer.severity(), "FATAL" | "PANIC"),
    }
}

/// What the server adds to its message about the state of an object, such as the number of prepared transactions in a
/// database. Elsewhere it may quote values.
fn details(answer: &DbError) -> Option<&str> {
    let is_about_state = ABOUT_STATE.iter().any(|class| answer.code().code().starts_with(class));
    answer.detail().filter(|_| is_about_state && answer.where_().is_none())
}

/// PostgreSQL has no SQLSTATE of its own for two sessions that change one entry of a catalog: one of them violates the
/// catalog's unique key, or is told so by an internal error, which no locale translates.
/// <https://github.com/postgres/postgres/blob/master/src/backend/access/heap/heapam.c> (`simple_heap_update`)
fn is_concurrent_change(answer: &DbError) -> bool {
    match *answer.code() {
        SqlState::UNIQUE_VIOLATION => answer.schema() == Some("pg_catalog"),
        SqlState::INTERNAL_ERROR => answer.message().starts_with("tuple concurrently "),
        _ => false,
    }
}

/// The names of what refuses the data: schema, table, column, data type and constraint, as far as the server reports them.
fn names(answer: &DbError) -> Option<String> {
    let is_constraint = answer.file().is_some_and(|file| CONSTRAINT_FILES.contains(&file));
    let names = [answer.schema(), answer.table(), answer.column(), answer.datatype(), answer.constraint()];
    let names: Vec<&str> = names.into_iter().flatten().filter(|_| is_constraint).collect();
    Some(names.join(".")).filter(|names| !names.is_empty())
}

fn is_about_statement(sqlstate: &str) -> bool {
    ABOUT_STATEMENT.iter().any(|class| sqlstate.starts_with(class)) || sqlstate == "22023"
}

/// Returns whether the message of an error inside a function of the database is about names that its code has, such as a
/// missing table's. The file is of PostgreSQL's sources; the `context` is PostgreSQL's stack of calls, one a line.
fn is_about_names(file: &str, sqlstate: &str, context: &str) -> bool {
    // The text of an EXECUTE, of a query in another language and of a trigger's statement leaves other lines.
    let is_fixed = |line: &str| line.starts_with("PL/pgSQL function ") && line.ends_with(" at SQL statement");
    match file {
        // A privilege or row level security.
        "aclchk.c" | "execMain.c" => sqlstate == "42501" && !context.lines().any(may_be_made_of_data),
        _ => file.starts_with("parse_") && sqlstate.starts_with("42") && context.lines().all(is_fixed),
    }
}

/// Returns whether this line of the context is of code that can run a statement that it made: an EXECUTE and its relatives
/// in PL/pgSQL, and every other procedural language. In another language than English any line of PL/pgSQL may be one.
fn may_be_made_of_data(line: &str) -> bool {
    let is_dynamic = ["EXECUTE", "EXECUTE statement", "RETURN QUERY", "OPEN"].iter().any(|end| line.ends_with(end));
    let is_english = line.starts_with("PL/pgSQL function ");
    line.ends_with(" at EXECUTE") || line.contains("PL/") && (is_dynamic || !is_english)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_functions_code_is_harmless_and_one_made_of_data_is_not() {
        let insert = "PL/pgSQL function cognito.ensure_user(jsonb) line 11 at SQL statement";
        let trigger = "PL/pgSQL function tenant() line 1 at EXECUTE";
        for (file, sqlstate, context, is_harmless) in [
            ("parse_relation.c", "42P01", insert.to_owned(), true),
            ("parse_target.c", "42703", insert.to_owned(), true),
            ("aclchk.c", "42501", format!("SQL statement \"insert\ninto users\"\n{insert}"), true),
            ("execMain.c", "42501", insert.to_owned(), true),
            ("aclchk.c", "42501", format!("SQL function \"tenant\" statement 1\n{insert}"), true),
            ("aclchk.c", "42501", format!("SQL statement \"insert\ninto t_ada\"\n{trigger}\n{insert}"), false),
            ("execMain.c", "42501", format!("{trigger}\n{insert}"), false),
            ("aclchk.c", "42501", "PL/pgSQL function t() line 1 at FOR over EXECUTE statement".to_owned(), false),
            ("aclchk.c", "42501", "PL/pgSQL function t() line 1 at RETURN QUERY".to_owned(), false),
            ("aclchk.c", "42501", "PL/Python function \"tenant\"".to_owned(), false),
            ("aclchk.c", "42501", "PL/pgSQL-Funktion tenant() Zeile 1 bei EXECUTE".to_owned(), false),
            ("aclchk.c", "42501", "fonction PL/pgSQL tenant(), ligne 1, à EXECUTE".to_owned(), false),
            ("aclchk.c", "42501", format!("PL/Python-Funktion »tenant«\n{insert}"), false),
            ("execMain.c", "42P17", insert.to_owned(), false),
            ("parse_relation.c", "42P01", format!("{trigger}\nSQL statement \"insert\ninto users\"\n{insert}"), false),
            ("parse_relation.c", "42P01", "PL/Python function \"tenant\"".to_owned(), false),
            ("namespace.c", "42P01", insert.to_owned(), false),
            ("parse_coerce.c", "22P02", insert.to_owned(), false),
            ("pl_exec.c", "42P01", "PL/pgSQL function tenant() line 1 at RAISE".to_owned(), false),
            ("aclchk.c", "42P01", insert.to_owned(), false),
            ("", "42P01", insert.to_owned(), false),
        ] {
            assert_eq!(is_about_names(file, sqlstate, &context), is_harmless, "{file} {sqlstate} {context}");
        }
    }

    #[test]
    fn a_message_about_the_statement_is_harmless_and_one_about_values_or_of_an_unknown_class_is_not() {
        for (sqlstate, is_harmless) in [
            ("08P01", true),
            ("22023", true),
            ("22P02", false),
            ("23505", false),
            ("42883", true),
            ("44000", false),
            ("HV000", false),
            ("P0001", false),
            ("UE001", false),
        ] {
            assert_eq!(is_about_statement(sqlstate), is_harmless, "{sqlstate}");
        }
    }
}
