//! How long a page of the home feed takes, by the length of the table. `make bench` runs it on a release build.

mod feed;

use std::time::{Duration, Instant};

use db::activities::{self, Cursor};
use tokio_postgres::Client;

const PAGES: usize = 1000;
const PAGE_LENGTH: u16 = 20;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
async fn main() {
    // `cargo test --benches` asks only whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("{:<12} {:>12} {:>22} {:>22}", "activities", "first page", "page of 20 days ago", "page of 31 days ago");
    for activities in [10_000, 100_000, 1_000_000] {
        let (_, client) = feed::fill(activities).await;
        let mut figures = Vec::new();
        for days in [0, 20, 31] {
            figures.push(format!("{:.3} ms", median(&client, days).await.as_secs_f64() * 1000.0));
        }
        println!("{activities:<12} {:>12} {:>22} {:>22}", figures[0], figures[1], figures[2]);
    }
}

async fn median(client: &Client, days: u32) -> Duration {
    let time = format!(
        "select to_char((now() - interval '{days} days') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    );
    let time: String = client.query_one(&time, &[]).await.expect("a time").get(0);
    let before: Cursor = format!("{time},ffffffff-ffff-4fff-8fff-ffffffffffff").parse().expect("a cursor");
    let mut times = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let started = Instant::now();
        let page = activities::home(client, PAGE_LENGTH, Some(&before)).await.expect("a page");
        times.push(started.elapsed());
        assert_eq!(page.activities.len(), if days > 30 { 0 } else { usize::from(PAGE_LENGTH) });
    }
    times.sort();
    times[PAGES / 2]
}
