//! The home feed stays cheap, however long the tables are.

#[path = "../benches/feed/mod.rs"]
mod feed;

use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

const HOME: &str = concat!(include_str!("../sql/activities/activity.sql"), include_str!("../sql/activities/home.sql"));

/// The plan's nodes, as PostgreSQL ran them, for the page that begins so many days ago.
async fn run_plan(client: &Client, days: i32) -> Vec<Value> {
    let before = format!("select (now() - interval '{days} days')::text");
    let before: String = client.query_one(&before, &[]).await.expect("a time").get(0);
    let explain = format!("explain (analyze, buffers, timing off, summary off, format json) {HOME}");
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&before, Type::TEXT), (&Uuid::max(), Type::UUID), (&20_i64, Type::INT8)];
    let rows = client.query_typed(&explain, &parameters).await.expect("a plan");
    let Json(plan): Json<Value> = rows[0].get(0);
    let mut nodes = vec![plan[0]["Plan"].clone()];
    let mut next = 0;
    while let Some(node) = nodes.get(next) {
        nodes.extend(node["Plans"].as_array().cloned().unwrap_or_default());
        next += 1;
    }
    nodes
}

fn number(node: &Value, name: &str) -> u64 {
    // Recent servers count rows in hundredths.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    node[name].as_f64().map_or(0, |number| number.round() as u64)
}

#[tokio::test]
async fn a_page_of_a_million_activities_is_one_index_range_scan() {
    let (_database, client) = feed::fill(1_000_000).await;
    // How many rows may be read for 20 of them: the older the page, the more of what was written then has expired.
    for (days, most_read) in [(0, 60), (2, 60), (20, 200), (31, 0)] {
        let nodes = run_plan(&client, days).await;
        let kinds: Vec<_> = nodes.iter().filter_map(|node| node["Node Type"].as_str()).collect();
        assert!(
            !kinds
                .iter()
                .any(|kind| ["Seq Scan", "Sort", "Incremental Sort", "Hash", "Bitmap Heap Scan"].contains(kind)),
            "{kinds:?} for the page of {days} days ago"
        );
        let scans: Vec<_> = nodes.iter().filter(|node| node["Relation Name"] == "activities").collect();
        let [scan] = scans.as_slice() else { panic!("{} scans of activities", scans.len()) };
        assert_eq!((&scan["Node Type"], &scan["Index Name"]), (&"Index Scan".into(), &"activities_home_idx".into()));
        let condition = scan["Index Cond"].as_str().expect("a range");
        assert!(condition.contains("ROW(created_at, uuid) <") && condition.contains(">="), "{condition}");
        let read = number(scan, "Actual Rows") + number(scan, "Rows Removed by Filter");
        assert!(read <= most_read, "{read} rows were read for the page of {days} days ago");
        let blocks = number(&nodes[0], "Shared Hit Blocks") + number(&nodes[0], "Shared Read Blocks");
        assert!(blocks <= 400, "{blocks} blocks were read for the page of {days} days ago");
    }
}
