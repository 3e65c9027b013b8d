//! The tables of a run, in Markdown, which a terminal shows as well.

use crate::results::{Figures, Results, Shared};
use crate::share::MEMORY_SIZES;
use crate::spread::Spread;

/// What stands where nothing was measured.
pub(crate) const NOTHING: &str = "–";

/// A figure at a CPU share.
type Kind = fn(&Shared) -> Option<f64>;

/// All tables of a run, with what they were made of.
pub(crate) fn all(results: &Results) -> String {
    let parts = [head(results), whole(results), floors(results), shares(results), delays(results), steps(results)];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// Where, when and how the figures were made.
fn head(results: &Results) -> String {
    let machine = &results.machine;
    let numbers =
        |number: fn(&Figures) -> Option<Spread>| results.ours().and_then(number).map_or(0, |spread| spread.number);
    let mut lines = vec![
        format!(
            "{}: {}, {} cores, {}, PostgreSQL {} with `fsync` and TLS 1.3, AWS over {}. Load {} at the start, {} at \
             the end.",
            results.date,
            machine.processor,
            machine.cores,
            machine.kernel,
            machine.postgresql,
            results.aws.to_uppercase(),
            machine.load[0],
            machine.load[1],
        ),
        format!(
            "Medians of {} cold starts, {} warm calls and {} reconnects; slow candidates start less often. In brackets the ratio to this project.",
            numbers(|figures| figures.cold),
            numbers(|figures| figures.warm),
            numbers(|figures| figures.reconnect),
        ),
    ];
    lines.extend(results.left_out.iter().map(|missing| format!("Left out: {}: {}.", missing.label, missing.reason)));
    lines.extend(results.no_shares.iter().map(|reason| format!("No CPU shares here: {reason}.")));
    lines.join("\n") + "\n"
}

/// A figure of each candidate with its ratio to ours.
fn ratio(figure: Option<f64>, ours: Option<f64>, digits: usize) -> String {
    let Some(figure) = figure else { return NOTHING.to_owned() };
    match ours.filter(|ours| *ours > 0.0) {
        Some(ours) => format!("{figure:.digits$} ({:.2})", figure / ours),
        None => format!("{figure:.digits$}"),
    }
}

fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

/// A table with a row for each of `rows`.
pub(crate) fn table(title: &str, columns: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = format!("**{title}**\n\n| | {} |\n|---{}|", columns.join(" | "), "|---:".repeat(columns.len()));
    let rows = rows.iter().map(|row| format!("| {} |", row.join(" | ")));
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n") + "\n"
}

fn row(figures: &Figures, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(figures.label.clone()).chain(cells).collect()
}

pub(crate) fn named(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

/// The figures of a whole machine.
fn whole(results: &Results) -> String {
    let ours = results.ours();
    let columns = [
        "Cold, ms",
        "Warm p50, ms",
        "p90",
        "p99",
        "Reconnect, ms",
        "CPU cold, ms",
        "CPU warm, ms",
        "Round trips cold",
        "warm",
        "Peak, MB",
        "Zip, MB",
    ];
    let rows = results.candidates.iter().map(|figures| {
        let of = |figure: fn(&Figures) -> Option<f64>, digits| ratio(figure(figures), ours.and_then(figure), digits);
        let count =
            |spread: Option<Spread>| spread.map_or(NOTHING.to_owned(), |spread| format!("{:.0}", spread.median));
        row(
            figures,
            [
                of(|figures| median(figures.cold), 1),
                of(|figures| median(figures.warm), 3),
                of(|figures| figures.warm.map(|warm| warm.p90), 3),
                of(|figures| figures.warm.map(|warm| warm.p99), 3),
                of(|figures| median(figures.reconnect), 1),
                of(|figures| median(figures.cpu_cold), 1),
                of(|figures| median(figures.cpu_warm), 3),
                count(figures.round_trips_cold),
                count(figures.round_trips_warm),
                of(|figures| figures.peak_kibibytes.map(megabytes_of_kibibytes), 1),
                of(|figures| figures.package_bytes.map(megabytes), 1),
            ],
        )
    });
    table("A function on a whole machine", &named(&columns), rows)
}

/// What the server and libpq take alone.
fn floors(results: &Results) -> String {
    let ours = results.ours();
    let rows = results.floors.iter().map(|floor| {
        let ours =
            if floor.name == "connect" { ours.and_then(|ours| ours.cold) } else { ours.and_then(|ours| ours.warm) };
        let quantile = |of: fn(Spread) -> f64| ratio(floor.time.map(of), ours.map(of), 3);
        vec![floor.label.clone(), quantile(|time| time.median), quantile(|time| time.p90), quantile(|time| time.p99)]
    });
    table("The floor: no function at all", &named(&["p50, ms", "p90", "p99"]), rows)
}

/// A start, a reconnect and a call at each CPU share.
fn shares(results: &Results) -> String {
    let ours = results.ours();
    let mut tables = Vec::new();
    let kinds: [(&str, Kind, usize); 3] = [
        ("Cold start at the CPU share of a memory size, ms. Cognito waits 5,000 ms", |share| median(share.cold), 0),
        ("Reconnect there, ms", |share| median(share.reconnect), 1),
        ("Warm call there, ms", |share| median(share.warm), 2),
    ];
    for (title, kind, digits) in kinds {
        let columns: Vec<String> = MEMORY_SIZES.iter().map(|memory| format!("{memory} MB")).collect();
        let rows = results.candidates.iter().filter(|figures| figures.shares.iter().any(|share| kind(share).is_some()));
        let rows = rows.map(|figures| {
            let of = |memory: &u32| {
                let figure = |figures: &Figures| figures.share(*memory).and_then(kind);
                ratio(figure(figures), ours.and_then(figure), digits)
            };
            row(figures, MEMORY_SIZES.iter().map(of))
        });
        tables.push(table(title, &columns, rows));
    }
    tables.retain(|table| !table.is_empty());
    tables.join("\n")
}

/// A start and a call with a database further away.
fn delays(results: &Results) -> String {
    let Some(ours) = results.ours().filter(|ours| !ours.delayed.is_empty()) else { return String::new() };
    let delays = ours.delayed.iter().map(|delayed| delayed.delay);
    let columns =
        delays.flat_map(|delay| [format!("Cold, {delay} ms more"), "Warm p50".to_owned()]).collect::<Vec<_>>();
    let rows = results.candidates.iter().filter(|figures| !figures.delayed.is_empty()).map(|figures| {
        let pairs = figures.delayed.iter().zip(&ours.delayed);
        let cells = pairs.flat_map(|(theirs, ours)| {
            [ratio(median(theirs.cold), median(ours.cold), 1), ratio(median(theirs.warm), median(ours.warm), 2)]
        });
        row(figures, cells)
    });
    table("With a database further away: each round trip takes so much more, ms", &columns, rows)
}

/// The parts of a cold start.
fn steps(results: &Results) -> String {
    let rows = results.candidates.iter().filter_map(|figures| {
        let steps = figures.steps.filter(|steps| steps.to_secret.is_some())?;
        let shown = |step: Option<f64>| step.map_or(NOTHING.to_owned(), |step| format!("{step:.1}"));
        Some(row(figures, [shown(steps.to_secret), shown(steps.to_database), shown(Some(steps.to_answer))]))
    });
    let columns = ["Start to Secrets Manager", "from there to the database", "from there to the answer"];
    table("The parts of a cold start, through the relay, ms", &named(&columns), rows)
}

/// Bytes as megabytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    // Far below the numbers that a floating-point number cannot tell apart.
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}

/// KiB as megabytes.
pub(crate) fn megabytes_of_kibibytes(kibibytes: u64) -> f64 {
    megabytes(kibibytes * 1024)
}

/// A number with a comma between its thousands.
pub(crate) fn grouped(number: &impl ToString) -> String {
    let digits = number.to_string();
    let places = digits.char_indices().map(|(place, digit)| {
        let is_first_of_three = place > 0 && (digits.len() - place).is_multiple_of(3);
        if is_first_of_three { format!(",{digit}") } else { digit.to_string() }
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([7, 86_400, 1_000_000].map(|number| grouped(&number)), ["7", "86,400", "1,000,000"]);
    }
}
