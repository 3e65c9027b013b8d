//! The history of the migrations, and what else `provision db load` may find in its place.

use crate::fixture::{BEFORE_CONTRACT, Fixture, assert_refused};
use crate::load::ALL;

#[tokio::test]
async fn a_changed_migration_is_reported_and_nothing_is_applied() {
    let fixture = Fixture::loaded().await;
    fixture.execute("update cognito.schema_history set checksum = '1' where version = 1").await;
    for arguments in [&["db", "load"][..], &["db", "load", "--check"], &["db", "load", "--dry-run"]] {
        fixture.assert_refused(arguments, "V1__users");
        fixture.assert_refused(arguments, "hint: use the release that applied them");
    }
}

#[tokio::test]
async fn the_history_of_a_former_release_is_continued() {
    let fixture = Fixture::loaded().await;
    fixture.execute(BEFORE_CONTRACT).await;
    assert_eq!(
        fixture.stdout(&["db", "load", "--dry-run"]),
        "pending: V5__ensure_user, V6__known_users, V7__forgotten\n"
    );
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
    assert_eq!(fixture.count("select count(*) from cognito.schema_history").await, 7);
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'refinery_schema_history'").await, 0);
    assert_eq!(fixture.stdout(&["db", "load", "--check"]), "the schema is up to date\n");
}

#[tokio::test]
async fn the_applications_own_history_is_left_alone() {
    let fixture = Fixture::new().await;
    let own = "create table refinery_schema_history (version int4, name text, applied_on text, checksum text);
               insert into refinery_schema_history values (1, 'orders', '2026-01-01T00:00:00Z', '17')";
    fixture.execute(own).await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
    assert_eq!(fixture.count("select count(*) from public.refinery_schema_history where name = 'orders'").await, 1);
}

#[tokio::test]
async fn a_history_that_is_no_table_is_named_as_what_it_is_and_not_read() {
    let fixture = Fixture::new().await;
    let history = "version int4, name text, applied_on text, checksum text";
    let trap = "select version, 'init' as name, '' as applied_on, (version / 0)::text as checksum";
    for (statements, kind) in [
        (format!("create view cognito.schema_history as {trap} from generate_series(1, 1) as version"), "a view"),
        (
            format!(
                "drop view cognito.schema_history; create foreign data wrapper nobody;
                 create server nowhere foreign data wrapper nobody;
                 create foreign table cognito.schema_history ({history}) server nowhere"
            ),
            "a foreign table",
        ),
        (
            format!(
                "drop foreign table cognito.schema_history;
                 create table cognito.schema_history ({history}) partition by list (version)"
            ),
            "a partitioned table",
        ),
        ("drop table cognito.schema_history; create sequence cognito.schema_history".to_owned(), "a sequence"),
    ] {
        fixture.execute(&format!("create schema if not exists cognito; {statements}")).await;
        for arguments in [&["db", "load"][..], &["db", "load", "--check"], &["db", "wait", "--timeout", "0s"]] {
            let expected = format!("another program: its cognito.schema_history is {kind}\nhint: use another database");
            fixture.assert_refused(arguments, &expected);
        }
    }
    fixture
        .execute("drop schema cognito cascade; create view refinery_schema_history as select 1 / 0 as version")
        .await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
}

#[tokio::test]
async fn a_history_that_was_written_from_a_check_out_with_crlf_is_continued() {
    let fixture = Fixture::loaded().await;
    fixture.execute(BEFORE_CONTRACT).await;
    // What refinery computes of V1 with CRLF at the end of each line.
    let crlf = "update refinery_schema_history set checksum = '14085991243023947319' where version = 1";
    fixture.execute(crlf).await;
    assert_eq!(
        fixture.stdout(&["db", "load", "--dry-run"]),
        "pending: V5__ensure_user, V6__known_users, V7__forgotten\n"
    );
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
    assert_eq!(fixture.stdout(&["db", "load", "--check"]), "the schema is up to date\n");
}

#[tokio::test]
async fn a_history_that_is_not_this_programs_is_told_as_what_it_is() {
    let table = "drop table if exists cognito.schema_history; create schema if not exists cognito;
                 create table cognito.schema_history (version int8, name text, applied_on text, checksum text)";
    let insert = "insert into cognito.schema_history (version, name, applied_on, checksum) values";
    let applied = "(1, 'users', '2026-01-01T00:00:00Z', '11213926581318719385')";
    let another = "the database holds the schema of another program: V1__init\nhint: use another database";
    let damaged = |entry: &str| {
        format!("cognito.schema_history has an entry that no load has written: {entry}\nhint: restore the table")
    };
    let fixture = Fixture::new().await;
    for (statements, expected) in [
        (
            "drop table cognito.schema_history; create table cognito.schema_history (id int)".to_owned(),
            "another program: its cognito.schema_history has other columns\nhint: use another database".to_owned(),
        ),
        (format!("{insert} (1, 'init', '2026-01-01T00:00:00Z', '17')"), another.to_owned()),
        (format!("{insert} (1, 'init', null, null), (7, 'orders', '', '')"), another.to_owned()),
        (
            "drop table cognito.schema_history; create table cognito.schema_history (version text, description text);
             insert into cognito.schema_history values ('1.1', 'init')"
                .to_owned(),
            "another program: its cognito.schema_history has other columns\nhint: use another database".to_owned(),
        ),
        (format!("{insert} {applied}, (2, 'activities', 'yesterday', null)"), damaged("V2__activities")),
        (format!("{insert} {applied}, (2, 'activities', null, 'by hand')"), damaged("V2__activities")),
        (format!("{insert} {applied}, (2, 'activities', null, '-1')"), damaged("V2__activities")),
        (format!("{insert} {applied}, (2, null, null, null)"), damaged("V2__?")),
        (format!("{insert} {applied}, (null, 'activities', null, null)"), damaged("V?__activities")),
        (format!("{insert} {applied}, (2, 'orders', null, '17')"), damaged("V2__orders")),
        (
            format!("{insert} {applied}, (600, 'later', null, '17')"),
            "the applied migration V600__later is newer\nhint: use the release that applied them".to_owned(),
        ),
    ] {
        fixture.execute(table).await;
        fixture.execute(&statements).await;
        for arguments in [&["db", "load"][..], &["db", "load", "--check"], &["db", "wait", "--timeout", "0s"]] {
            assert_refused(&fixture.run(arguments), &expected);
        }
    }
    assert_eq!(fixture.count("select count(*) from pg_class where relname in ('users', 'activities')").await, 0);
}

/// The commands that say whether the schema is loaded.
pub(crate) const LOADS: [&[&str]; 3] =
    [&["db", "load"], &["db", "load", "--check"], &["db", "wait", "--timeout", "0s"]];

/// What the hint says when the users are gone.
const BEGIN_ANEW: &str = "
    drop schema cognito cascade; create schema if not exists public;
    drop table if exists public.activities; drop function if exists public.upsert_user";

#[tokio::test]
async fn a_removed_function_or_table_is_told_and_what_the_hint_says_leads_out() {
    for (remove, expected) in [
        (
            "drop function cognito.ensure_user(jsonb)",
            "V5__ensure_user is applied, but cognito.ensure_user(jsonb) is missing",
        ),
        (
            "drop function cognito.forget_user(text)",
            "V5__ensure_user is applied, but cognito.forget_user(text) is missing",
        ),
        ("drop table cognito.forgotten", "V7__forgotten is applied, but cognito.forgotten is missing"),
        ("drop schema public cascade", "V1__users is applied, but public.users is missing"),
        ("drop table users cascade", "V1__users is applied, but public.users is missing"),
        ("alter table users rename to people", "V1__users is applied, but public.users is missing"),
    ] {
        let fixture = Fixture::loaded().await;
        fixture.execute(remove).await;
        for arguments in LOADS {
            fixture.assert_refused(arguments, &format!("{expected}\nhint: restore it from a backup"));
        }
        if remove.starts_with("drop") && expected.starts_with("V1") {
            fixture.execute(BEGIN_ANEW).await;
            assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"), "after {remove}");
        }
    }
}

#[tokio::test]
async fn removed_activities_are_told_and_what_the_hint_says_leads_out() {
    let fixture = Fixture::loaded().await;
    fixture.execute("drop table activities").await;
    for arguments in LOADS {
        let expected =
            "V2__activities is applied, but public.activities is missing\nhint: restore it from a backup, or create";
        fixture.assert_refused(arguments, expected);
    }
    fixture.execute(include_str!("../../../db/migrations/V2__activities.sql")).await;
    fixture.execute(include_str!("../../../db/migrations/V4__activities_expire.sql")).await;
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 2 users and 1 activity\n");
}

#[tokio::test]
async fn a_contract_of_ours_is_told_from_a_foreign_one_whatever_its_history_has_lost() {
    let damaged = "cognito.schema_history lacks V5__ensure_user, which is applied\nhint: restore the table";
    let missing = "the history of the schema is missing: cognito.schema_history\nhint: restore the table";
    for (remove, expected) in [
        ("delete from cognito.schema_history where version >= 5", damaged),
        ("delete from cognito.schema_history where version >= 5; drop function cognito.ensure_user", damaged),
        ("drop table users cascade; drop table cognito.schema_history", missing),
        ("drop table users cascade; truncate cognito.schema_history", missing),
        ("drop schema public cascade; create schema public; drop table cognito.schema_history", missing),
    ] {
        let fixture = Fixture::loaded().await;
        fixture.execute(remove).await;
        for arguments in LOADS {
            fixture.assert_refused(arguments, expected);
        }
        if expected == missing {
            fixture.execute(BEGIN_ANEW).await;
            assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"), "after {remove}");
        }
    }
}

#[tokio::test]
async fn another_object_in_the_place_of_the_history_is_named() {
    for (create, kind) in [
        ("create view cognito.schema_history as select 1", "a view"),
        ("create materialized view cognito.schema_history as select 1", "a materialized view"),
        ("create type cognito.schema_history as (version int)", "a type"),
        ("create sequence cognito.schema_history", "a sequence"),
        ("create table cognito.schema_history (version int) partition by list (version)", "a partitioned table"),
        (
            "create table t (); create index on t ((1)); alter index t_expr_idx rename to schema_history; \
          alter table t set schema cognito",
            "an index",
        ),
    ] {
        let fixture = Fixture::new().await;
        fixture.execute(&format!("create schema cognito; {create}")).await;
        for arguments in LOADS {
            let expected = format!("another program: its cognito.schema_history is {kind}\nhint: use another database");
            fixture.assert_refused(arguments, &expected);
        }
    }
}

#[tokio::test]
async fn tables_of_ours_without_their_history_are_told() {
    for remove in ["drop table cognito.schema_history", "truncate cognito.schema_history"] {
        let fixture = Fixture::loaded().await;
        fixture.execute(remove).await;
        for arguments in LOADS {
            let expected = "the history of the schema is missing: cognito.schema_history\nhint: restore the table";
            fixture.assert_refused(arguments, expected);
        }
    }
}

#[tokio::test]
async fn what_an_early_release_has_loaded_into_another_schema_is_told() {
    let fixture = Fixture::loaded().await;
    let led_astray = format!(
        "{BEFORE_CONTRACT}; create schema \"O'wner\";
         alter table users set schema \"O'wner\"; alter table activities set schema \"O'wner\";
         alter table refinery_schema_history set schema \"O'wner\""
    );
    fixture.execute(&led_astray).await;
    for arguments in [&["db", "load"][..], &["db", "load", "--check"]] {
        let expected =
            "an earlier release has loaded the tables into the schema \"O'wner\", not into public\nhint: move";
        fixture.assert_refused(arguments, expected);
    }
    // As the hint says.
    let move_back =
        "alter table \"O'wner\".users set schema public; alter table \"O'wner\".activities set schema public;
                     alter table \"O'wner\".refinery_schema_history set schema public";
    fixture.execute(move_back).await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
}

#[tokio::test]
async fn the_history_of_another_program_in_another_schema_is_left_alone() {
    let fixture = Fixture::new().await;
    let theirs = "create schema shop; create table shop.refinery_schema_history (id int);
                  insert into shop.refinery_schema_history values (1)";
    fixture.execute(theirs).await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
}
