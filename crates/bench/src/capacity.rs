//! What many sign-ups need and cost, by the times that were measured at the CPU share of each memory size.

use crate::results::{Results, Shared};
use crate::table::{NOTHING, grouped, named, table};

/// The memory of the function in infra/template.yaml, in MB.
const MEMORY: u32 = 256;

/// How much more there is at the busiest time of the day than on average. An assumption.
const PEAK: f64 = 10.0;

const SECONDS_A_DAY: f64 = 86_400.0;

/// Sign-ups a day.
const DAYS: [u32; 4] = [10_000, 100_000, 1_000_000, 2_000_000];

/// `ConnectionLimit` in infra/template.yaml, and the reserved concurrency that follows from it.
const LIMITS: [(u32, u32); 5] = [(25, 19), (50, 43), (100, 88), (200, 178), (400, 358)];

/// Classes of a DB instance with their GiB of memory.
/// <https://aws.amazon.com/rds/instance-types/>
const CLASSES: [(&str, u64); 6] = [
    ("db.t4g.micro", 1),
    ("db.t4g.small", 2),
    ("db.t4g.medium", 4),
    ("db.t4g.large", 8),
    ("db.m7g.xlarge", 16),
    ("db.m7g.2xlarge", 32),
];

/// Of the default of `max_connections` on RDS: bytes of memory for a connection, and the most.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections>
const BYTES_A_CONNECTION: u64 = 9_531_392;
const MOST_CONNECTIONS: u64 = 5000;

/// USD in us-east-1, as far as their first tier goes: a million requests, and a GB-second on either architecture.
/// <https://aws.amazon.com/lambda/pricing/>
const REQUESTS: f64 = 0.20;
const ARM64: f64 = 0.000_013_333_4;
const X86_64: f64 = 0.000_016_666_7;

/// The price of a million sign-ups at each memory size.
pub(crate) fn price(results: &Results) -> String {
    let Some(ours) = results.ours() else { return String::new() };
    let rows = ours.shares.iter().map(|share| {
        let (warm, cold) = (warm(share).map(billed), cold(share).map(billed));
        let of = |milliseconds: Option<f64>, price: f64| {
            let seconds = milliseconds.map(|milliseconds| f64::from(share.memory) / 1024.0 * milliseconds * 1000.0);
            seconds.map_or(NOTHING.to_owned(), |seconds| format!("{:.3}", REQUESTS + seconds * price))
        };
        let shown = |milliseconds: Option<f64>| milliseconds.map_or(NOTHING.to_owned(), |time| format!("{time:.0}"));
        vec![
            format!("{} MB", share.memory),
            shown(warm),
            of(warm, ARM64),
            of(warm, X86_64),
            shown(cold),
            of(cold, ARM64),
            of(cold, X86_64),
        ]
    });
    let columns = ["Warm, ms", "arm64, USD", "x86_64, USD", "Cold, ms", "all cold: arm64, USD", "x86_64, USD"];
    table("A million sign-ups, of which none or all meet a cold start", &named(&columns), rows)
}

/// The processes that are busy at once: rate × duration (Little's law).
pub(crate) fn need(results: &Results) -> String {
    let share = results.ours().and_then(|ours| ours.share(MEMORY));
    let columns = [
        "A second, on average".to_owned(),
        format!("at the peak: {PEAK} times"),
        "Busy at the peak, warm".to_owned(),
        "if every start were cold".to_owned(),
    ];
    let rows = DAYS.into_iter().map(|sign_ups| {
        let average = f64::from(sign_ups) / SECONDS_A_DAY;
        let busy = |milliseconds: Option<f64>| {
            let busy = milliseconds.map(|milliseconds| average * PEAK * milliseconds / 1000.0);
            busy.map_or(NOTHING.to_owned(), |busy| format!("{busy:.2}"))
        };
        vec![
            grouped(&sign_ups),
            format!("{average:.1}"),
            format!("{:.0}", average * PEAK),
            busy(share.and_then(warm)),
            busy(share.and_then(cold)),
        ]
    });
    let times = |milliseconds: Option<f64>, digits: usize| {
        milliseconds.map_or(NOTHING.to_owned(), |milliseconds| format!("{milliseconds:.digits$} ms"))
    };
    let durations = format!(
        "At {MEMORY} MB a warm sign-up takes {} and a cold one {}, both medians of [the benchmark](benchmarks.md).\n",
        times(share.and_then(warm), 2),
        times(share.and_then(cold), 0),
    );
    [table("Sign-ups a day, and the processes that they keep busy", &columns, rows), durations].join("\n")
}

/// What a class of the instance has room for.
pub(crate) fn classes() -> String {
    let rows = CLASSES.into_iter().map(|(class, memory)| {
        let most = most_connections(memory);
        // A quarter of them is for others: the operator, the application, RDS itself.
        let fits = |(limit, _): &(u32, u32)| u64::from(*limit) <= most * 3 / 4;
        let (limit, reserved) = LIMITS.into_iter().rfind(fits).unwrap_or_default();
        vec![class.to_owned(), format!("{memory} GiB"), grouped(&most), limit.to_string(), reserved.to_string()]
    });
    let columns = ["Memory", "`max_connections` at most", "`ConnectionLimit`", "Reserved concurrency"];
    table("Classes of the instance", &named(&columns), rows)
}

/// The default of `max_connections` for so many GiB. AWS leaves the system's own memory out, so it is less.
fn most_connections(memory: u64) -> u64 {
    ((memory << 30) / BYTES_A_CONNECTION).min(MOST_CONNECTIONS)
}

fn warm(share: &Shared) -> Option<f64> {
    share.warm.map(|times| times.median)
}

fn cold(share: &Shared) -> Option<f64> {
    share.cold.map(|times| times.median)
}

/// Lambda rounds up to the next millisecond.
fn billed(milliseconds: f64) -> f64 {
    milliseconds.ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_and_the_memory_are_those_of_the_template() {
        let template = include_str!("../../../infra/template.yaml");
        for (limit, reserved) in LIMITS {
            let expected = format!("\"{limit}\": {{SignUp: {reserved}, ");
            assert!(template.contains(&expected), "expected {expected} in the template");
        }
        assert!(template.contains(&format!("MemorySize: {MEMORY}\n")), "expected {MEMORY} MB in the template");
    }

    #[test]
    fn the_connections_of_a_class_follow_from_its_memory_up_to_the_most() {
        assert_eq!([1, 2, 8, 64].map(most_connections), [112, 225, 901, 5000]);
    }

    #[test]
    fn a_price_is_that_of_the_requests_and_of_the_time_rounded_up() {
        let results: Results = serde_json::from_str(include_str!("../tests/results.json")).expect("results");
        let share = results.ours().expect("ours").shares.first().expect("a share").clone();
        let (warm, cold) = (warm(&share).map(billed), cold(&share).map(billed));
        // 128 MB: 125 GB-seconds for each millisecond of a million sign-ups.
        let of = |milliseconds: Option<f64>| 0.20 + 125.0 * milliseconds.expect("a time") * 0.000_013_333_4;
        let expected = format!("| 128 MB | {} | {:.3} |", warm.expect("a time"), of(warm));
        let table = price(&results);
        assert!(table.contains(&expected), "expected {expected} in:\n{table}");
        assert!(table.contains(&format!(" {} | {:.3} |", cold.expect("a time"), of(cold))), "{table}");
    }
}
