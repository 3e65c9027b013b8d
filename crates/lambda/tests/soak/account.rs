//! The account: what the functions said, against the rows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fixture::Rows;
use crate::pool::{Call, Event, Reply};

/// The outcomes after which the user has a row.
const ENSURED: [&str; 3] = ["created", "changed", "unchanged"];

/// The outcomes after which that is open: a statement whose answer is lost may have been carried out.
const OPEN: [&str; 3] = ["failed", "failed-open", "spilled"];

impl Call {
    /// The outcome in the function's log, unless the function was ended before.
    fn outcome(&self) -> Option<&str> {
        self.report.as_ref().map(|report| report["outcome"].as_str().expect("each report has an outcome"))
    }

    /// Whether the function said that the user has a row.
    fn is_ensured(&self) -> bool {
        self.outcome().is_some_and(|outcome| ENSURED.contains(&outcome))
    }

    fn is_created(&self) -> bool {
        self.outcome() == Some("created")
    }

    /// Whether nothing that the function said tells whether it wrote the row.
    fn is_open(&self) -> bool {
        self.outcome().is_none_or(|outcome| OPEN.contains(&outcome))
    }

    /// What is wrong with the call's own line, beside its reply.
    fn contradictions(&self) -> Vec<String> {
        let Some(report) = &self.report else { return Vec::new() };
        let outcome = self.outcome().unwrap_or_default();
        let reply_fits = match self.reply {
            Reply::Success => {
                self.is_ensured() || outcome == "spilled" || (outcome == "failed-open" && self.event.number > 0)
            }
            Reply::Error => outcome == "failed",
            Reply::None => true,
        };
        let mut wrong = Vec::new();
        if !reply_fits {
            wrong.push(format!("{:?} was answered with {:?}, and logged as {outcome}", self.event, self.reply));
        }
        if report["Outcome"] != report["outcome"] || report["Invocations"] != 1 {
            wrong.push(format!("the metrics are not those of {outcome}: {report}"));
        }
        wrong
    }
}

/// Everything that is wrong with the rows, or with what was said of them.
pub(crate) fn contradictions(calls: &[Call], rows: &Rows) -> Vec<String> {
    let mut wrong: Vec<String> = calls.iter().flat_map(Call::contradictions).collect();
    let mut users = BTreeMap::<u64, Vec<&Call>>::new();
    for call in calls {
        users.entry(call.event.user).or_default().push(call);
    }
    let subs: BTreeMap<String, u64> =
        users.keys().map(|user| (Event { user: *user, number: 0 }.sub(), *user)).collect();
    wrong.extend(rows.keys().filter(|sub| !subs.contains_key(*sub)).map(|sub| format!("nothing was sent for {sub}")));
    for (sub, user) in subs {
        let calls = &users[&user];
        let said = || calls.iter().map(|call| (call.event.number, call.reply, call.outcome())).collect::<Vec<_>>();
        let created = calls.iter().filter(|call| call.is_created()).count();
        let is_open = calls.iter().any(|call| call.is_open());
        let problem = match rows.get(&sub) {
            Some((count @ 2.., _)) => Some(format!("{count} rows")),
            Some(_) if created > 1 => Some(format!("one row, and {created} reports of `created`")),
            Some(_) if created == 0 && !is_open => Some("a row that no call has created".to_owned()),
            Some((_, address)) => address_contradiction(calls, address.as_deref()),
            None if calls.iter().any(|call| call.is_ensured()) => Some("no row, and a report of one".to_owned()),
            None => None,
        };
        wrong.extend(problem.map(|problem| format!("user {user} has {problem}: {:?}", said())));
    }
    wrong
}

/// What is wrong with the row's address: it is the newest that was ensured, or a later one that may have been written.
fn address_contradiction(calls: &[&Call], address: Option<&str>) -> Option<String> {
    let ensured = calls.iter().filter(|call| call.is_ensured()).map(|call| call.event.number).max();
    let may_be = |call: &&&Call| Some(call.event.number) >= ensured && (call.is_ensured() || call.is_open());
    let fits = calls.iter().filter(may_be).any(|call| address == Some(call.event.address().as_str()));
    (!fits).then(|| format!("the address {address:?}, where {ensured:?} is the newest that was ensured"))
}

/// The figures of the calls, and of the rows they led to.
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
pub(crate) fn print_figures(calls: &[Call], rows: &Rows) {
    let mut outcomes = BTreeMap::<_, u32>::new();
    let mut errors = BTreeMap::<&str, u32>::new();
    for call in calls {
        *outcomes.entry((call.outcome().unwrap_or("no line"), call.reply)).or_default() += 1;
        if let Some(error) = call.report.as_ref().and_then(|report| report["errorType"].as_str()) {
            *errors.entry(error).or_default() += 1;
        }
    }
    let outcomes: Vec<String> =
        outcomes.iter().map(|((outcome, reply), count)| format!("{outcome} ({reply:?}) {count}")).collect();
    println!("soak: {} calls: {}", calls.len(), outcomes.join(", "));
    println!("soak: errors {errors:?}");
    for report in calls.iter().filter(|call| call.outcome() == Some("failed")).filter_map(|call| call.report.as_ref()) {
        println!("soak: failed with {}", report["error"]);
    }
    let created = calls.iter().filter(|call| call.is_created()).count();
    println!("soak: {} rows, {created} of them reported as `created` at once, all others provably open", rows.len());
    let mut times: Vec<Duration> = calls.iter().map(|call| call.time).collect();
    times.sort();
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("soak: answers p50 {:.1?}, p99 {:.1?}, slowest {:.1?}", percentile(50), percentile(99), percentile(100));
}
