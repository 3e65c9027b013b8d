//! The tables of a run, in Markdown, which a terminal shows as well.

use super::results::{Outcome, Phase, Results, Times};
use crate::table::{NOTHING, grouped, megabytes_of_kibibytes, named, table};

/// The part of an outcome that a table shows.
type Part = fn(&Outcome) -> Option<&Phase>;

/// All tables of a run, with what they were made of.
pub(crate) fn all(results: &Results) -> String {
    let phases: [(&str, Part); 3] = [
        ("All processes start at once, each with a sign-up that waits", |outcome| outcome.cold.as_ref()),
        ("Then each has some more, one after the other", |outcome| outcome.warm.as_ref()),
        ("Then all have a burst together: who has answered takes the next", |outcome| outcome.burst.as_ref()),
    ];
    let tables = phases.map(|(title, phase)| of_phase(results, title, phase));
    let parts = [head(results)].into_iter().chain(tables).chain([at_the_end(results), findings(results)]);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Where and when the figures were made.
fn head(results: &Results) -> String {
    let machine = &results.machine;
    format!(
        "{}: {}, {} cores, {}, PostgreSQL {} with `fsync`, TLS 1.3 and `max_connections` = {}. Load {} at the start.\n",
        results.date,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.postgresql,
        results.max_connections,
        machine.load[0],
    )
}

fn label(outcome: &Outcome) -> String {
    let way = match outcome.pool {
        None => "directly".to_owned(),
        Some(size) => format!("through PgBouncer with {size} connections"),
    };
    let queue = if outcome.has_queue { "" } else { ", without the queue" };
    let backlog = match outcome.backlog {
        0 => String::new(),
        number => format!(", and {} events wait in the queue", grouped(&number)),
    };
    format!("{} processes, {way}{queue}{backlog}", outcome.processes)
}

fn of_phase(results: &Results, title: &str, phase: Part) -> String {
    let time = |times: Option<Times>, of: fn(Times) -> f64| times.map_or(NOTHING.to_owned(), |times| digits(of(times)));
    let row = |outcome: &Outcome| {
        let phase = phase(outcome)?;
        Some(vec![
            label(outcome),
            grouped(&phase.sign_ups),
            format!("{:.1}", phase.seconds),
            whole(count(phase.sign_ups) / phase.seconds),
            time(Some(phase.all), |times| times.median),
            time(Some(phase.all), |times| times.p99),
            time(Some(phase.all), |times| times.longest),
            grouped(&phase.spilled.map_or(0, |times| times.number)),
            time(phase.spilled, |times| times.median),
            time(phase.ensured, |times| times.median),
            grouped(&phase.errors),
            grouped(&phase.late),
        ])
    };
    let columns = [
        "Sign-ups",
        "Seconds",
        "A second",
        "p50, ms",
        "p99",
        "Longest",
        "Spilled",
        "their p50, ms",
        "p50 of the others",
        "Errors",
        "Over 5 s",
    ];
    table(title, &named(&columns), results.scenarios.iter().filter_map(row))
}

/// What was left behind, and how the queue became empty.
fn at_the_end(results: &Results) -> String {
    let row = |outcome: &Outcome| {
        let replay = outcome.replay;
        let shown = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
        vec![
            label(outcome),
            grouped(&outcome.sign_ups),
            grouped(&outcome.errors.values().sum::<usize>()),
            grouped(&outcome.rows),
            grouped(&outcome.most_sessions),
            grouped(&outcome.refused),
            format!("{:.1}", megabytes_of_kibibytes(outcome.peak_kibibytes)),
            shown(replay.map(|replay| grouped(&replay.messages))),
            shown(replay.map(|replay| format!("{} in {:.2} s", grouped(&replay.beside_idle), replay.idle_seconds))),
            shown(replay.filter(|replay| replay.beside_idle < replay.messages).map(|replay| {
                format!("{} in {:.2} s", grouped(&(replay.messages - replay.beside_idle)), replay.afterwards_seconds)
            })),
        ]
    };
    let columns = [
        "Sign-ups",
        "Errors",
        "Rows at the end",
        "Connections at most",
        "refused",
        "Memory of a process, MB",
        "Spilled",
        "Replayed beside the idle processes",
        "once these had ended",
    ];
    table("At the end", &named(&columns), results.scenarios.iter().map(row))
}

/// What the figures of each scenario say together.
fn findings(results: &Results) -> String {
    let found = results.scenarios.iter().filter_map(|outcome| {
        let mut sentences = Vec::new();
        let processes = format!("**{}.**", label(outcome));
        let spilled: usize = outcome.causes.values().sum();
        let errors: usize = outcome.errors.values().sum();
        if outcome.refused > 0 {
            sentences.push(format!(
                "{} of them had a connection. The server refused {} connections for {} sign-ups: {:.1} for each.",
                outcome.most_sessions,
                grouped(&outcome.refused),
                grouped(&(spilled + errors)),
                count(outcome.refused) / count(spilled + errors).max(1.0),
            ));
        }
        sentences.extend(outcome.replay.map(|replay| {
            let is_beside = replay.beside_idle == replay.messages;
            let (begin, number, seconds) = if is_beside {
                ("Beside the idle processes", replay.messages, replay.idle_seconds)
            } else {
                ("Once the idle processes had ended", replay.messages - replay.beside_idle, replay.afterwards_seconds)
            };
            let rate = whole(count(number) / seconds);
            format!("{begin}, {} processes of the replay ensured {rate} rows a second.", results.replays)
        }));
        (!sentences.is_empty()).then(|| format!("- {processes} {}", sentences.join(" ")))
    });
    found.collect::<Vec<_>>().join("\n")
}

/// Milliseconds, with as many digits as say something.
fn digits(milliseconds: f64) -> String {
    if milliseconds < 100.0 { format!("{milliseconds:.1}") } else { whole(milliseconds) }
}

fn whole(figure: f64) -> String {
    grouped(&format!("{figure:.0}"))
}

fn count(number: usize) -> f64 {
    // Far below the numbers that a floating-point number cannot tell apart.
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::Machine;
    use crate::scale::results::Replay;

    fn times(number: usize, median: f64) -> Times {
        Times { number, median, p99: 4000.4, longest: 4100.0 }
    }

    fn fixture() -> Results {
        let (processor, kernel, postgresql) = ("A CPU".to_owned(), "Linux 6".to_owned(), "15.1".to_owned());
        let machine = Machine { processor, cores: 2, kernel, postgresql, load: [0.5, 2.0] };
        let all = times(1200, 50.04);
        let (spilled, ensured) = (Some(times(200, 3900.0)), Some(times(1000, 40.0)));
        let burst = Phase { sign_ups: 1200, seconds: 0.5, all, spilled, ensured, late: 1, errors: 2 };
        let outcome = Outcome {
            name: "many".to_owned(),
            processes: 200,
            pool: None,
            has_queue: true,
            cold: None,
            warm: None,
            burst: Some(burst),
            backlog: 0,
            sign_ups: 1200,
            rows: 1198,
            causes: BTreeMap::from([("TooManyConnections".to_owned(), 200)]),
            errors: BTreeMap::from([("TooManyConnections".to_owned(), 2)]),
            most_sessions: 96,
            refused: 2020,
            peak_kibibytes: 15_000,
            replay: Some(Replay { messages: 200, beside_idle: 50, idle_seconds: 5.0, afterwards_seconds: 0.1 }),
        };
        let pooled = Outcome { pool: Some(40), burst: None, refused: 0, replay: None, ..outcome.clone() };
        let scenarios = vec![outcome, pooled];
        Results { date: "2026-11-26".to_owned(), machine, max_connections: 100, replays: 2, scenarios }
    }

    #[test]
    fn the_tables_show_each_scenario_that_has_the_phase() {
        let tables = all(&fixture());
        for expected in [
            "| 200 processes, directly | 1,200 | 0.5 | 2,400 | 50.0 | 4,000 | 4,100 | 200 | 3,900 | 40.0 | 2 | 1 |",
            "| 200 processes, directly | 1,200 | 2 | 1,198 | 96 | 2,020 | 15.4 | 200 | 50 in 5.00 s | 150 in 0.10 s |",
            "| 200 processes, through PgBouncer with 40 connections | 1,200 | 2 | 1,198 | 96 | 0 | 15.4 | – | – | – |",
            "The server refused 2,020 connections for 202 sign-ups: 10.0 for each.",
            "Once the idle processes had ended, 2 processes of the replay ensured 1,500 rows a second.",
        ] {
            assert!(tables.contains(expected), "expected {expected:?} in:\n{tables}");
        }
        assert!(!tables.contains("All processes start at once"), "no scenario has this phase");
    }
}
