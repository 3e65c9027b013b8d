//! The statements of a migration, as they are executed: in a transaction whose `search_path` is PostgreSQL's own schema, so
//! that no name leads to an object that another role has made, not even while the migration waits for a lock.

use refinery::Migration;

/// The names without a schema in the released files, whose text and checksum never change, and what is executed instead.
const QUALIFIED: &[(i32, &str, &str)] = &[
    (1, "create table users (", "create table public.users ("),
    (1, " on users (", " on public.users ("),
    (2, "create table activities (", "create table public.activities ("),
    (2, " references users (", " references public.users ("),
    (2, " references activities (", " references public.activities ("),
    (2, " on activities (", " on public.activities ("),
    (3, "create function upsert_user(", "create function public.upsert_user("),
    (3, " on function upsert_user(", " on function public.upsert_user("),
    // The function has `public` in its own search_path, where a function for text[] is the better match. What else it calls
    // matches exactly in pg_catalog, which is searched first.
    // https://www.postgresql.org/docs/current/typeconv-func.html
    (3, " from unnest(", " from pg_catalog.unnest("),
    (4, "update activities ", "update public.activities "),
    (4, "alter table activities\n", "alter table public.activities\n"),
];

/// The statements of this migration, with the schema of each table and function.
pub(super) fn of(migration: &Migration) -> String {
    let sql = migration.sql().expect("a migration of this program has its statements").to_owned();
    let of_this = QUALIFIED.iter().filter(|(version, ..)| *version == migration.version());
    of_this.fold(sql, |sql, (_, released, qualified)| sql.replace(released, qualified))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_is_the_released_text_with_schemas() {
        for migration in super::super::known() {
            let released = migration.sql().expect("its statements");
            let executed = of(&migration);
            let names = executed.replace("public.", "").replace("pg_catalog.", "");
            assert_eq!(names, released.replace("public.", "").replace("pg_catalog.", ""), "{migration}");
            for (_, from, _) in QUALIFIED.iter().filter(|(version, ..)| *version == migration.version()) {
                assert!(released.contains(from), "{migration} has no {from:?}");
            }
        }
    }
}
