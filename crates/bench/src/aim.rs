//! What the function is meant to reach, beside what a run has found: mostly ratios, since times do not travel.

use crate::results::{Figures, Results};
use crate::spread::Spread;
use crate::table::{NOTHING, megabytes, megabytes_of_kibibytes, named, table};

/// The memory size at which a CPU is scarcest.
const SMALLEST: u32 = 128;

/// A figure, the most that it should be, and what it is.
struct Aim {
    name: &'static str,
    most: f64,
    found: Option<f64>,
}

/// The table of all aims.
pub(crate) fn all(results: &Results) -> String {
    let rows = aims(results).into_iter().map(|Aim { name, most, found }| {
        let is_part = most < 0.1;
        let shown = |number: f64| if is_part { format!("1 ÷ {:.1}", 1.0 / number) } else { format!("{number:.2}") };
        let reached = found.map_or(NOTHING, |found| if found <= most { "yes" } else { "no" });
        vec![name.to_owned(), shown(most), found.map_or(NOTHING.to_owned(), shown), reached.to_owned()]
    });
    table("What it is meant to reach", &named(&["At most", "Found", "Reached"]), rows)
}

fn aims(results: &Results) -> Vec<Aim> {
    let candidate = |name: &str| results.candidates.iter().find(|figures| figures.name == name);
    let ours = |figure: fn(&Figures) -> Option<f64>| results.ours().and_then(figure);
    let of = |name: &str, figure: fn(&Figures) -> Option<f64>| candidate(name).and_then(figure);
    let floor =
        |name: &str| results.floors.iter().find(|floor| floor.name == name).and_then(|floor| median(floor.time));
    let ratio = |ours: Option<f64>, other: Option<f64>| Some(ours? / other?);
    let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
    let at_smallest = |figures: &Figures| figures.share(SMALLEST).and_then(|share| median(share.cold));
    let aim = |name, most, found| Aim { name, most, found };
    vec![
        aim(
            "Warm p50 ÷ (no-op + prepared plain INSERT)",
            1.15,
            ratio(ours(warm), sum(of("no-op", warm), floor("insert"))),
        ),
        aim("Warm p50 ÷ Go's", 0.85, ratio(ours(warm), of("go", warm))),
        aim("`ensure_user` ÷ plain INSERT, both by pgbench", 1.1, ratio(floor("ensure"), floor("insert"))),
        aim(
            "Cold ÷ (no-op + pgbench's connection and INSERT)",
            1.15,
            ratio(ours(cold), sum(of("no-op", cold), floor("connect"))),
        ),
        aim("Cold ÷ Go's", 0.8, ratio(ours(cold), of("go", cold))),
        aim("Cold ÷ Python's, psycopg 3", 1.0 / 25.0, ratio(ours(cold), of("psycopg3", cold))),
        aim("Cold ÷ Node.js's", 1.0 / 18.0, ratio(ours(cold), of("node", cold))),
        aim(
            "Round trips of a cold start, the opening of the connection included",
            7.0,
            ours(|figures| median(figures.round_trips_cold)),
        ),
        aim("CPU of a warm call, ms", 0.12, ours(|figures| median(figures.cpu_warm))),
        aim("CPU of a cold start, ms", 4.2, ours(|figures| median(figures.cpu_cold))),
        aim(
            "Reconnect at 128 MB, ms",
            40.0,
            ours(|figures| figures.share(SMALLEST).and_then(|share| median(share.reconnect))),
        ),
        aim("Cold start at 128 MB, ms", 150.0, results.ours().and_then(at_smallest)),
        aim(
            "Cold start at 128 MB ÷ Go's",
            0.5,
            ratio(results.ours().and_then(at_smallest), candidate("go").and_then(at_smallest)),
        ),
        aim("Peak memory, MB", 12.0, ours(|figures| figures.peak_kibibytes.map(megabytes_of_kibibytes))),
        aim("Zip, MB", 3.5, ours(|figures| figures.package_bytes.map(megabytes))),
    ]
}

fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

fn cold(figures: &Figures) -> Option<f64> {
    median(figures.cold)
}

fn warm(figures: &Figures) -> Option<f64> {
    median(figures.warm)
}
