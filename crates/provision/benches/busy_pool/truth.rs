//! What is so, and what a report must therefore say.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use fastrand::Rng;
use serde_json::Value;
use testkit::UserPool;
use testkit::user_pool::{Status, User};
use tokio_postgres::Client;
use uuid::Builder;

/// Rows that are written in one statement.
const ROWS: usize = 20_000;

/// The most findings of one kind and state that a report lists.
const LISTED: usize = 1000;

/// The row that a user has at the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Right,
    Stale,
    None,
}

/// What the table and the pool had at the begin, and what people did since. Users are their `sub`s.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    pub(super) users: usize,
    missing: HashSet<String>,
    stale: HashSet<String>,
    orphans: HashSet<String>,
    /// Who has signed up and confirmed it, and when.
    pub(super) signed_up: HashMap<String, Instant>,
    /// Of these, those whose event never came, and those whose event came after the time to settle.
    pub(super) lost: HashSet<String>,
    pub(super) late: HashSet<String>,
    /// Whose row an event has made.
    pub(super) created: HashSet<String>,
    /// Who has another address.
    pub(super) changed: HashSet<String>,
    pub(super) deleted: HashSet<String>,
}

impl Row {
    pub(super) fn of(name: &str) -> Self {
        let number: u64 = name.trim_start_matches("user-").parse().expect("the name of a filled user");
        match number % 100 {
            7 => Self::None,
            31 => Self::Stale,
            _ => Self::Right,
        }
    }
}

impl Truth {
    /// Writes the rows as they are at the begin, with some that have no user.
    pub(super) async fn plant(pool: &UserPool, client: &Client, random: &mut Rng) -> Self {
        let mut truth = Self { users: pool.user_count(), ..Self::default() };
        let mut rows = Vec::with_capacity(truth.users);
        pool.each_user(|User { username, sub, attributes, .. }| match Row::of(username) {
            Row::Right => rows.push((sub.clone(), attributes["email"].clone())),
            Row::Stale => {
                rows.push((sub.clone(), format!("former-{username}@example.com")));
                truth.stale.insert(sub.clone());
            }
            Row::None => {
                truth.missing.insert(sub.clone());
            }
        });
        for _ in 0..(truth.users / 10_000).max(3) {
            let sub = Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid().to_string();
            rows.push((sub.clone(), format!("{sub}@example.com")));
            truth.orphans.insert(sub);
        }
        let insert = "insert into public.users
                          (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of)
                      select sub, 'x', sub, email, true, '2025-01-01' from unnest($1::text[], $2::text[]) as t (sub, email)";
        for rows in rows.chunks(ROWS) {
            let (subs, emails): (Vec<_>, Vec<_>) = rows.iter().map(|(sub, email)| (sub, email)).unzip();
            client.execute(insert, &[&subs, &emails]).await.expect("the rows are written");
        }
        truth
    }

    /// Where the report, the rows and the pool disagree.
    pub(super) async fn compare(&self, report: &Value, pool: &UserPool, client: &Client) -> Vec<String> {
        let mut faults = Vec::new();
        let query = "select cognito_user_id, email, email_verified from public.users";
        let rows = client.query(query, &[]).await.expect("the rows");
        let mut rows: HashMap<String, (Option<String>, bool)> =
            rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();

        let has_row = |sub: &&String| rows.contains_key(*sub) && !self.created.contains(*sub);
        let made: HashSet<&String> = self.missing.iter().chain(self.signed_up.keys()).filter(has_row).collect();
        let certain = self.missing.iter().filter(|sub| !self.created.contains(*sub)).collect();
        let possible = self.missing.iter().chain(&self.lost).chain(&self.late).collect();
        compare_kind(report, "missing", &certain, &possible, &mut faults);
        if report["missing"]["repaired"] != made.len() {
            faults.push(format!("{} rows were made, and the report has {}", made.len(), report["missing"]));
        }
        let is_certain = |sub: &&String| !self.changed.contains(*sub) && !self.deleted.contains(*sub);
        let certain = self.stale.iter().filter(is_certain).collect();
        let possible = self.stale.iter().chain(&self.changed).collect();
        compare_kind(report, "stale", &certain, &possible, &mut faults);
        let possible = self.orphans.iter().chain(&self.deleted).collect();
        compare_kind(report, "orphan", &self.orphans.iter().collect(), &possible, &mut faults);
        for nobody in ["/missing/failed", "/stale/failed"] {
            if report.pointer(nobody) != Some(&Value::from(0)) {
                faults.push(format!("{nobody}: {report}"));
            }
        }

        pool.each_user(|User { sub, status, attributes, .. }| {
            let row = rows.remove(sub);
            match row {
                Some(_) if *status != Status::Confirmed => faults.push(format!("{sub} is {status} and has a row")),
                None if *status == Status::Confirmed && !self.lost.contains(sub) => {
                    faults.push(format!("{sub} has no row"));
                }
                Some(row) if row != (attributes.get("email").cloned(), true) => {
                    faults.push(format!("the row of {sub} differs"));
                }
                _ => {}
            }
        });
        let others = rows.keys().filter(|sub| !self.orphans.contains(*sub));
        faults.extend(others.map(|sub| format!("{sub} has a row and is no user")));
        faults
    }
}

/// Compares the findings of a kind with the users who are certainly found, and with those who may be.
fn compare_kind(
    report: &Value,
    kind: &str,
    certain: &HashSet<&String>,
    possible: &HashSet<&String>,
    faults: &mut Vec<String>,
) {
    let findings = report["findings"].as_array().expect("a list").iter().filter(|finding| finding["kind"] == kind);
    let listed: HashSet<String> = findings.map(|finding| finding["sub"].as_str().expect("a sub").to_owned()).collect();
    let is_false = |sub: &&String| !possible.contains(sub);
    faults.extend(listed.iter().filter(is_false).map(|sub| format!("{kind} {sub} is false")));
    let count = &report[if kind == "orphan" { "orphans" } else { kind }]["found"];
    let count = usize::try_from(count.as_u64().expect("a number")).expect("a number");
    if count < certain.len() || count > possible.len() || listed.len() != count.min(LISTED) {
        let (least, most) = (certain.len(), possible.len());
        faults.push(format!("{count} {kind}, {} listed, of {least} to {most}", listed.len()));
    }
    if count <= LISTED {
        let overlooked = certain.iter().filter(|sub| !listed.contains(**sub));
        faults.extend(overlooked.map(|sub| format!("{kind} {sub} is overlooked")));
    }
}
