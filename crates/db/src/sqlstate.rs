//! The SQLSTATEs that this workspace knows: the one table of what each means, whether it passes by itself, and what to
//! do about it.
//!
//! Codes, classes and names: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. `docs/errors.md` repeats
//! the table for readers; a test compares the two.

use crate::Kind;

/// The meaning of one SQLSTATE, or of a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The five characters, or a class's two.
    pub sqlstate: &'static str,
    /// PostgreSQL's name of the condition or the class.
    pub name: &'static str,
    /// The kind of an error with it.
    pub kind: Kind,
    /// True if the same statement may succeed a moment later, on a new connection.
    pub passes_by_itself: bool,
    /// The way out.
    pub remedy: &'static str,
}

const PASSWORD: &str = "correct the user name and the password in the secret, the URL or PGPASSWORD; with DB_AUTH=iam, grant \
                        rds_iam to the user";
/// PostgreSQL says it when no line of `pg_hba.conf` fits, of a missing client certificate and of NOLOGIN; RDS says it of
/// a token that it does not accept.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Troubleshooting.html>
const LOGIN: &str = "check that the user has LOGIN, and that pg_hba.conf lets it in from this network with TLS and without \
                     a client certificate; with DB_AUTH=iam, allow rds-db:connect for this user, and set AWS_REGION to \
                     the database's region and PGHOST to the endpoint's own name, not an alias";
const SCHEMA: &str = "load the schema: this program's migrations are not applied to this database";
const NAME_TAKEN: &str = "another object has this name: rename it, or use another database";
const DATA: &str = "compare the table's constraints and column types with the migrations: one refuses this row";
const RESTARTED: &str =
    "an administrator or a crash ended the session or the server: find the reason in its log, and try again";
const TIMED_OUT: &str = "a timeout of the server, the database or the role ended the session: try again";
const LOCKED: &str = "find the session that holds the lock, and try again";
const RAISED: &str = "find the message in the server's log: a trigger or function of the application raised it";
/// Other sessions give memory back when they end.
const MEMORY: &str = "try again; if it happens often, give the server more memory";
const SYSTEM: &str = "find the system's error in the server's log, and try again";
const STORAGE: &str = "give the server more storage";

/// Every SQLSTATE that has a meaning of its own, in order.
#[rustfmt::skip]
pub const TABLE: &[Meaning] = &[
    row("09000", "triggered_action_exception",     Kind::DatabaseRefused,     false, "give the trigger functions on the table a search_path of their own and `security definer`, and let them return the row"),
    row("22021", "character_not_in_repertoire",    Kind::DatabaseRefused,     false, "use a database with the encoding UTF8, and text without the character NUL"),
    row("22023", "invalid_parameter_value",        Kind::DatabaseRefused,     false, "correct the parameter that the error names"),
    row("22P05", "untranslatable_character",       Kind::DatabaseRefused,     false, "use a database with the encoding UTF8: this one cannot hold a character of the data"),
    row("23505", "unique_violation",               Kind::DatabaseRefused,     false, "try again: simultaneous writes took the same unique value"),
    row("25006", "read_only_sql_transaction",      Kind::DatabaseReadOnly,    true,  "connect to the writer: this server or role only reads"),
    row("25P03", "idle_in_transaction_session_timeout", Kind::DatabaseRefused, true, TIMED_OUT),
    row("25P04", "transaction_timeout",            Kind::DatabaseRefused,     true,  TIMED_OUT),
    row("28000", "invalid_authorization_specification", Kind::CredentialsRejected, false, LOGIN),
    row("28P01", "invalid_password",               Kind::CredentialsRejected, false, PASSWORD),
    row("2BP01", "dependent_objects_still_exist",  Kind::DatabaseRefused,     false, "drop or change the objects that depend on the one that the error names"),
    row("3D000", "invalid_catalog_name",           Kind::DatabaseMissing,     false, "create the database, or correct its name where it is set"),
    row("3F000", "invalid_schema_name",            Kind::SchemaMissing,       false, SCHEMA),
    row("40001", "serialization_failure",          Kind::DatabaseRefused,     true,  "try again: another transaction changed the same rows"),
    row("40P01", "deadlock_detected",              Kind::DatabaseRefused,     true,  LOCKED),
    row("42501", "insufficient_privilege",         Kind::NotAllowed,          false, "have the owner of what the error names grant the privilege, or log in as that owner"),
    row("42703", "undefined_column",               Kind::SchemaMissing,       false, SCHEMA),
    row("42704", "undefined_object",               Kind::DatabaseRefused,     false, "check that the server has the object that the error names"),
    row("42710", "duplicate_object",               Kind::DatabaseRefused,     false, NAME_TAKEN),
    row("42723", "duplicate_function",             Kind::DatabaseRefused,     false, NAME_TAKEN),
    row("42809", "wrong_object_type",              Kind::DatabaseRefused,     false, "rename or drop the object that the error names: another kind of object is needed in its place"),
    row("42883", "undefined_function",             Kind::SchemaMissing,       false, SCHEMA),
    row("42939", "reserved_name",                  Kind::DatabaseRefused,     false, "choose another name: PostgreSQL has reserved this one"),
    row("42P01", "undefined_table",                Kind::SchemaMissing,       false, SCHEMA),
    row("42P07", "duplicate_table",                Kind::DatabaseRefused,     false, NAME_TAKEN),
    row("53100", "disk_full",                      Kind::DatabaseRefused,     false, STORAGE),
    row("53200", "out_of_memory",                  Kind::DatabaseRefused,     true,  MEMORY),
    row("53300", "too_many_connections",           Kind::TooManyConnections,  true,  "end idle sessions, or raise the limit of connections: the server's, or the role's"),
    row("55000", "object_not_in_prerequisite_state", Kind::DatabaseRefused,   false, "if the database accepts no connections, wait until it is dropped, or let it accept connections again"),
    row("55006", "object_in_use",                  Kind::DatabaseRefused,     false, "end the sessions that use it"),
    row("55P03", "lock_not_available",             Kind::DatabaseRefused,     true,  LOCKED),
    row("57014", "query_canceled",                 Kind::DatabaseRefused,     true,  "the statement was cancelled or took too long: try again"),
    row("57P01", "admin_shutdown",                 Kind::DatabaseRefused,     true,  RESTARTED),
    row("57P02", "crash_shutdown",                 Kind::DatabaseRefused,     true,  RESTARTED),
    row("57P03", "cannot_connect_now",             Kind::DatabaseRefused,     true,  "the server is starting or stopping: try again in a moment"),
    row("57P05", "idle_session_timeout",           Kind::DatabaseRefused,     true,  TIMED_OUT),
    row("P0001", "raise_exception",                Kind::DatabaseRefused,     false, RAISED),
];

/// The classes that have a meaning for all SQLSTATEs in them that [`TABLE`] does not list.
#[rustfmt::skip]
pub const CLASSES: &[Meaning] = &[
    row("08", "connection exception",           Kind::DatabaseRefused, true,  "check that the server, and the proxy before it, are healthy, and try again"),
    row("22", "data exception",                 Kind::DatabaseRefused, false, DATA),
    row("23", "integrity constraint violation", Kind::DatabaseRefused, false, DATA),
    row("58", "system error",                   Kind::DatabaseRefused, true,  SYSTEM),
];

/// Two sessions that change one entry of a catalog, for which PostgreSQL has several SQLSTATEs.
pub(crate) const CONCURRENT: Meaning =
    row("", "", Kind::DatabaseRefused, true, "try again: another session changed the same object at this moment");

/// Every other SQLSTATE.
const UNKNOWN: Meaning =
    row("", "", Kind::DatabaseRefused, false, "look the SQLSTATE up in PostgreSQL's list of error codes");

const fn row(
    sqlstate: &'static str,
    name: &'static str,
    kind: Kind,
    passes_by_itself: bool,
    remedy: &'static str,
) -> Meaning {
    Meaning { sqlstate, name, kind, passes_by_itself, remedy }
}

/// The meaning of a SQLSTATE: its own, else its class's, else that of an unknown one.
pub fn meaning(sqlstate: &str) -> &'static Meaning {
    let own = TABLE.iter().find(|row| row.sqlstate == sqlstate);
    own.or_else(|| CLASSES.iter().find(|class| sqlstate.starts_with(class.sqlstate))).unwrap_or(&UNKNOWN)
}

/// Returns whether the server's message quotes the value that it refuses, as those of the classes 22 and 23 do; but not
/// 22023, which is about a statement's own words.
pub(crate) fn quotes_data(sqlstate: &str) -> bool {
    sqlstate != "22023" && is_about_data(sqlstate)
}

/// Returns whether a value that the statement writes is at fault: the classes 22 and 23.
pub(crate) fn is_about_data(sqlstate: &str) -> bool {
    sqlstate.starts_with("22") || sqlstate.starts_with("23")
}

#[cfg(test)]
mod tests {
    use tokio_postgres::error::SqlState;

    use super::*;

    /// SQLSTATEs of PostgreSQL 17 and later, which the driver's own list does not have.
    const NEW: [&str; 1] = ["25P04"];

    #[test]
    fn every_row_is_a_sqlstate_of_its_own_and_in_order() {
        assert!(TABLE.is_sorted_by(|one, next| one.sqlstate < next.sqlstate));
        for row in TABLE {
            assert_eq!(row.sqlstate.len(), 5, "{row:?}");
            // What the driver does not know prints as `Other`.
            let known = format!("{:?}", SqlState::from_code(row.sqlstate));
            assert!(
                !known.contains("Other") || NEW.contains(&row.sqlstate),
                "PostgreSQL has no SQLSTATE {}",
                row.sqlstate
            );
            assert!(!row.remedy.is_empty() && !row.remedy.contains("provision"), "{row:?}");
        }
    }

    #[test]
    fn a_sqlstate_without_a_row_has_the_meaning_of_its_class() {
        assert_eq!(meaning("08006").sqlstate, "08");
        assert_eq!(meaning("22001").remedy, DATA);
        assert!(meaning("58030").passes_by_itself && meaning("58P01").passes_by_itself);
        assert_eq!(meaning("23514").remedy, DATA);
        assert_eq!(meaning("22023").remedy, "correct the parameter that the error names");
    }

    #[test]
    fn an_unknown_sqlstate_is_refused_and_does_not_pass() {
        let meaning = meaning("XX000");
        assert_eq!((meaning.kind, meaning.passes_by_itself), (Kind::DatabaseRefused, false));
    }

    #[test]
    fn only_the_classes_22_and_23_quote_data() {
        for (sqlstate, quotes) in
            [("22001", true), ("23505", true), ("22023", false), ("42P01", false), ("08006", false)]
        {
            assert_eq!(quotes_data(sqlstate), quotes, "{sqlstate}");
        }
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let (_, section) = include_str!("../../../docs/errors.md").split_once("\n## SQLSTATEs\n").expect("a section");
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let documented: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let row = |row: &Meaning, class: &str| {
            let Meaning { sqlstate, name, kind, passes_by_itself, remedy } = row;
            let passes = if *passes_by_itself { "yes" } else { "no" };
            format!("| `{sqlstate}{class}` | {name} | `{kind}` | {passes} | {remedy} |")
        };
        let rows = TABLE.iter().map(|known| row(known, "")).chain(CLASSES.iter().map(|class| row(class, "xxx")));
        let known: Vec<_> = rows.collect();
        assert!(documented == known, "docs/errors.md differs; its rows should be:\n{}", known.join("\n"));
    }
}
