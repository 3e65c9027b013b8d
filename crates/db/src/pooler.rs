//! PgBouncer's errors while a client logs in: the one table of what each means.
//!
//! PgBouncer has one SQLSTATE for all of them, 08P01 (`protocol_violation`), so that only the text tells them apart. It
//! never changes with the locale. Sources: `disconnect_client` in `src/client.c` and `src/objects.c`, and the SQLSTATE in
//! `src/proto.c`, of <https://github.com/pgbouncer/pgbouncer>, 1.8 and newer. `docs/errors.md` repeats the table for
//! readers; a test compares the two.

use crate::Kind;
use crate::sqlstate::Meaning;

/// The SQLSTATE of every error of PgBouncer's own.
const PROTOCOL_VIOLATION: &str = "08P01";

const CREDENTIALS: &str =
    "correct the user name and the password in the secret or the URL, and in the pooler's auth_file";
const DATABASE: &str =
    "correct the database's name where it is set, or add it to [databases] in the pooler's configuration";
/// As of 3D000: PgBouncer 1.18 and newer repeat the server's words.
const SERVER_DATABASE: &str = "create the database, or correct its name where it is set";
const CONNECTIONS: &str = "raise the limit that the error names in the pooler's configuration";

/// The texts that have a meaning of their own, in place of a name: every error that holds one. Its `…` is any text.
#[rustfmt::skip]
pub const TABLE: &[Meaning] = &[
    row("authentication failed",       Kind::CredentialsRejected, false, CREDENTIALS),
    row("auth failed",                 Kind::CredentialsRejected, false, CREDENTIALS),
    row("no such user",                Kind::CredentialsRejected, false, CREDENTIALS),
    row("login rejected",              Kind::CredentialsRejected, false, CREDENTIALS),
    row("no such database",            Kind::DatabaseMissing,     false, DATABASE),
    row("database … does not exist",   Kind::DatabaseMissing,     false, SERVER_DATABASE),
    row("is disabled",                 Kind::DatabaseRefused,     true,  "enable the database in the pooler's console"),
    row("no more connections allowed", Kind::TooManyConnections,  true,  CONNECTIONS),
    row("client connections exceeded", Kind::TooManyConnections,  true,  CONNECTIONS),
];

const fn row(name: &'static str, kind: Kind, passes_by_itself: bool, remedy: &'static str) -> Meaning {
    Meaning { sqlstate: PROTOCOL_VIOLATION, name, kind, passes_by_itself, remedy }
}

/// The meaning of an error while logging in, if it is PgBouncer's own and has one. An error of the server that PgBouncer
/// repeats says nothing about this client's login.
pub(crate) fn meaning(sqlstate: &str, message: &str) -> Option<&'static Meaning> {
    let message = message.to_ascii_lowercase();
    let is_its_own = sqlstate == PROTOCOL_VIOLATION && !message.starts_with("server login");
    TABLE.iter().find(|row| is_its_own && row.name.split('…').all(|part| message.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_kind(message: &str, expected: Option<Kind>) {
        assert_eq!(meaning(PROTOCOL_VIOLATION, message).map(|row| row.kind), expected, "{message}");
    }

    #[test]
    fn what_pgbouncer_says_is_told_apart() {
        for message in [
            "SASL authentication failed",
            "password authentication failed",
            "auth failed",
            "Auth failed",
            "no such user",
            "No such user: ada",
            "login rejected",
            "certificate authentication failed",
            "\"trust\" authentication failed",
            "PAM authentication failed",
        ] {
            assert_kind(message, Some(Kind::CredentialsRejected));
        }
        assert_kind("no such database: app", Some(Kind::DatabaseMissing));
        assert_kind("No such database: app", Some(Kind::DatabaseMissing));
        assert_kind("database \"app\" does not exist", Some(Kind::DatabaseMissing));
        assert_kind("database \"app\" is disabled", Some(Kind::DatabaseRefused));
        assert_kind("no more connections allowed (max_client_conn)", Some(Kind::TooManyConnections));
        assert_kind("client connections exceeded (max_user_client_connections)", Some(Kind::TooManyConnections));
    }

    #[test]
    fn what_is_not_about_the_clients_login_has_no_meaning_of_its_own() {
        assert_kind("query_wait_timeout", None);
        assert_kind("role \"ada\" does not exist", None);
        assert_kind("pgbouncer cannot connect to server", None);
        let cached = "server login has been failing, cached error: password authentication failed (server_login_retry)";
        assert_kind(cached, None);
        assert_eq!(meaning("08006", "SASL authentication failed").map(|row| row.kind), None);
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let (_, section) = include_str!("../../../docs/errors.md").split_once("\n## PgBouncer\n").expect("a section");
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let documented: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let row = |Meaning { name, kind, passes_by_itself, remedy, .. }: &Meaning| {
            format!("| `{name}` | `{kind}` | {} | {remedy} |", if *passes_by_itself { "yes" } else { "no" })
        };
        let known: Vec<_> = TABLE.iter().map(row).collect();
        assert!(documented == known, "docs/errors.md differs; its rows should be:\n{}", known.join("\n"));
    }
}
