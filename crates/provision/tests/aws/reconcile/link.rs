//! `provision users reconcile --link-by`

use std::process::Stdio;

use super::*;

impl Reconciling {
    /// Seeds a row.
    async fn seed(&self, name: &str, handle: &str, email: &str) {
        let insert = "insert into public.users (display_name, handle, email, cognito_user_id)
                      values ('x', $1, $2, 'seed-' || $3)";
        self.client().await.execute(insert, &[&handle, &email, &name]).await.expect("a row");
    }

    /// The ids that the rows have, by handle.
    async fn ids(&self) -> BTreeMap<String, String> {
        let rows = self.client().await.query("select handle, cognito_user_id from public.users", &[]).await;
        rows.expect("the rows").iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[track_caller]
fn assert_figures(report: &Value, found: i32, linked: i32, dropped: i32, ambiguous: i32) {
    let figures = ["found", "linked", "dropped", "ambiguous"].map(|figure| report["links"][figure].clone());
    assert_eq!(figures, [json!(found), json!(linked), json!(dropped), json!(ambiguous)], "{report}");
}

#[tokio::test]
async fn a_seeded_row_gets_the_id_of_the_user_with_its_handle_after_a_question() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    reconciling.seed("1", "Ａda", "former@example.com").await;
    reconciling.seed("2", "edith", "edith@example.com").await;
    let before = reconciling.ids().await;

    let found = reconciling.report(&["--link-by", "handle", "--dry-run"], 3);
    assert_figures(&found, 1, 0, 0, 0);
    assert_eq!(found["missing"]["found"], 1, "who is to be linked is not missing: {found}");
    assert_eq!(found["with_row"], 0);
    let text = reconciling.text(&["--link-by", "handle", "--dry-run"], 3);
    let uuid = "select uuid::text from public.users where handle = 'Ａda'";
    let uuid: String = reconciling.client().await.query_one(uuid, &[]).await.expect("the row").get(0);
    let pair = format!("1 seeded row fits a user, by handle\n  {uuid} Ａda ↔ {}\n", reconciling.sub("ada"));
    assert!(text.contains(&pair), "expected {pair:?} in {text:?}");

    let refused = reconciling.run(&["--link-by", "handle"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    let question = format!("This gives 1 seeded row the id of a user of the pool {}", reconciling.pool);
    assert!(stderr.starts_with(&pair) && stderr.contains(&question), "{stderr}");
    assert_eq!(reconciling.ids().await, before, "without consent no row is written");
    reconciling.assert_no_table_is_left().await;

    let linked = reconciling.report(&["--link-by", "handle", "--yes"], 0);
    assert_figures(&linked, 1, 1, 0, 0);
    assert_eq!((&linked["missing"]["repaired"], &linked["stale"]["found"]), (&json!(1), &json!(0)), "{linked}");
    let expected = [("Ａda", reconciling.sub("ada")), ("edith", "seed-2"), ("grace", reconciling.sub("grace"))];
    let expected = expected.map(|(handle, id)| (handle.to_owned(), id.to_owned())).into();
    assert_eq!(reconciling.ids().await, expected);
    let row = (Some("ada@example.com".to_owned()), true);
    assert_eq!(reconciling.rows().await[reconciling.sub("ada")], row, "the address is the pool's");
    let with_time = "select count(*) from public.users where handle = 'Ａda' and cognito_as_of is not null";
    assert_eq!(reconciling.count(with_time).await, 1);
    reconciling.assert_no_table_is_left().await;
}

#[tokio::test]
async fn a_dry_run_that_would_only_link_ends_with_3() {
    let reconciling = Reconciling::with(&["ada"]).await;
    reconciling.seed("1", "ada", "ada@example.com").await;
    assert_figures(&reconciling.report(&["--link-by", "handle", "--dry-run"], 3), 1, 0, 0, 0);
}

#[tokio::test]
async fn only_a_verified_address_links_and_only_as_it_is_written() {
    let reconciling = Reconciling::with(&["ada", "eve", "grace"]).await;
    reconciling.python(
        "cognito.admin_update_user_attributes(UserPoolId=pool, Username='eve',
    UserAttributes=[dict(Name='email_verified', Value='false')])",
    );
    for (name, address) in [("1", "ada@example.com"), ("2", "eve@example.com"), ("3", "Grace@example.com")] {
        reconciling.seed(name, name, address).await;
    }
    assert_figures(&reconciling.report(&["--link-by", "email", "--yes"], 0), 1, 1, 0, 0);
    let ids = reconciling.ids().await;
    let expected = [("1", reconciling.sub("ada")), ("2", "seed-2"), ("3", "seed-3")];
    for (handle, id) in expected {
        assert_eq!(ids[handle], id, "{ids:?}");
    }
    assert_eq!(ids.len(), 5, "the others have rows of their own");
}

#[tokio::test]
async fn nothing_is_linked_where_more_than_one_fits() {
    let reconciling = Reconciling::with(&["ada", "namesake", "grace", "edith", "joan"]).await;
    reconciling.python(
        "cognito.admin_update_user_attributes(UserPoolId=pool, Username='namesake',
    UserAttributes=[dict(Name='email', Value='ada@example.com'), dict(Name='email_verified', Value='true')])",
    );
    // Two users for a row, two rows for a user, one of which is not a seeded one, and a user who has a row already.
    reconciling.seed("1", "1", "ada@example.com").await;
    reconciling.seed("2", "2", "grace@example.com").await;
    reconciling.seed("3", "3", "grace@example.com").await;
    reconciling.seed("4", "4", "edith@example.com").await;
    let old = "2026-01-01T00:00:00Z";
    reconciling.sign_up("5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95", Some("edith@example.com"), true, old).await;
    reconciling.seed("5", "5", "joan@example.com").await;
    reconciling.sign_up(reconciling.sub("joan"), Some("other@example.com"), true, old).await;

    let text = reconciling.text(&["--link-by", "email", "--dry-run"], 3);
    assert!(text.contains("0 seeded rows fit one user each, by email; 5 pairs are ambiguous and not linked"), "{text}");
    assert_eq!(text.matches(" (ambiguous)\n").count(), 5, "each is shown: {text}");
    assert_figures(&reconciling.report(&["--link-by", "email"], 0), 0, 0, 0, 5);
    let seeded = "select count(*) from public.users where cognito_user_id like 'seed-%'";
    assert_eq!(reconciling.count(seeded).await, 5);
}

#[tokio::test]
async fn a_row_that_shares_its_handle_is_not_linked_by_it() {
    let reconciling = Reconciling::with(&["ada"]).await;
    reconciling.seed("1", "ada", "1@example.com").await;
    reconciling
        .execute(
            "insert into public.users (display_name, handle, shared_handle, cognito_user_id)
             values ('x', 'Ada', 'Ada', 'seed-2')",
        )
        .await;
    assert_figures(&reconciling.report(&["--link-by", "handle", "--yes"], 0), 0, 0, 0, 2);
}

#[tokio::test]
async fn a_sign_up_that_is_quicker_than_its_link_keeps_its_row() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    reconciling.seed("1", "ada", "1@example.com").await;
    reconciling.seed("2", "grace", "2@example.com").await;
    let client = reconciling.client().await;
    let event = json!({"sub": reconciling.sub("ada"), "display_name": "x", "handles": ["other"]});
    client.batch_execute("begin").await.expect("a transaction");
    client.query_one("select cognito.ensure_user($1)", &[&event]).await.expect("a row");

    let mut command = reconciling.command(&["--link-by", "handle", "--yes", "--output", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    let observer = reconciling.client().await;
    let waits = "select from pg_stat_activity
                 where datname = current_database() and application_name = 'provision' and wait_event_type = 'Lock'";
    let wait = async {
        while observer.query(waits, &[]).await.expect("the sessions").is_empty() {
            assert!(child.try_wait().expect("its status").is_none(), "it ended before the link");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT_LIMIT, wait).await.expect("the link waits for the sign-up");
    client.batch_execute("commit").await.expect("the sign-up ends");

    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_figures(&report, 2, 1, 1, 0);
    let ids = reconciling.ids().await;
    let expected = [("ada", "seed-1"), ("grace", reconciling.sub("grace")), ("other", reconciling.sub("ada"))];
    assert_eq!(ids, expected.map(|(handle, id)| (handle.to_owned(), id.to_owned())).into());
}

#[tokio::test]
async fn a_killed_run_links_when_it_goes_on() {
    let names: Vec<String> = (0..70).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    reconciling.seed("1", "user1", "1@example.com").await;
    reconciling.seed("2", "user69", "2@example.com").await;
    let arguments = ["--link-by", "handle", "--yes", "--rps", "1"];
    let mut child = reconciling.start(&arguments, 1).await;
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let report = reconciling.report(&arguments, 0);
    assert_figures(&report, 2, 2, 0, 0);
    assert_eq!(reconciling.rows().await.len(), 70, "nobody has two rows");
}

#[tokio::test]
async fn what_cannot_be_linked_is_refused_with_the_way_out() {
    let reconciling = Reconciling::with(&["ada"]).await;
    let stderr = |arguments: &[&str]| {
        let output = reconciling.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let refused = stderr(&["--link-by", "handle", "--status", "CONFIRMED"]);
    assert!(refused.starts_with("error: with one --status, Cognito lists no other users"), "{refused}");
    assert!(refused.contains("hint: leave --status out, or name a second one\n"), "{refused}");
    reconciling.report(&["--link-by", "handle", "--status", "CONFIRMED", "--status", "UNKNOWN"], 0);

    let own = [
        "drop schema cognito cascade; drop table public.users cascade;",
        include_str!("../../../../../docs/own-table/owner.sql"),
        include_str!("../../../../../docs/own-table/members.sql"),
        include_str!("../../../../../docs/own-table/hand-over.sql"),
    ];
    reconciling.execute(&own.concat()).await;
    let refused = stderr(&["--link-by", "email"]);
    assert!(refused.contains(" are in a table of an application's own\nhint: link its rows as "), "{refused}");
}
