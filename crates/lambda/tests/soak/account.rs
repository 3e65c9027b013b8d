//! The account: what the functions said, against the rows.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::UserPool;

use crate::event;
use crate::fixture::Rows;
use crate::pool::{Call, Reply};

/// The outcomes after which the user has a row.
const ENSURED: [&str; 3] = ["created", "changed", "unchanged"];

/// The outcome after which the user has a row as soon as the replay has the message.
const SPILLED: &str = "spilled";

/// The outcomes after which that is open: a statement whose answer is lost may have been carried out.
const OPEN: [&str; 3] = ["failed", "failed-open", SPILLED];

impl Call {
    /// The outcome in the function's log, unless it was ended before or never called.
    fn outcome(&self) -> Option<&str> {
        self.report.as_ref().map(|report| report["outcome"].as_str().expect("each report has an outcome"))
    }

    /// Whether the function said that the user has a row.
    fn is_ensured(&self) -> bool {
        self.outcome().is_some_and(|outcome| ENSURED.contains(&outcome))
    }

    /// Whether the user must have a row, now that everything is replayed.
    fn is_kept(&self) -> bool {
        self.is_ensured() || self.outcome() == Some(SPILLED)
    }

    fn is_created(&self) -> bool {
        self.outcome() == Some("created")
    }

    /// Whether nothing that the function said tells whether it wrote the row.
    fn is_open(&self) -> bool {
        self.outcome().map_or(self.reply == Reply::None, |outcome| OPEN.contains(&outcome))
    }

    /// What is wrong with the call's own line, beside its reply.
    fn contradictions(&self) -> Vec<String> {
        let Some(report) = &self.report else { return Vec::new() };
        let outcome = self.outcome().unwrap_or_default();
        let reply_fits = match self.reply {
            Reply::Success => self.is_kept() || (outcome == "failed-open" && self.event.number > 0),
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

/// Everything that is wrong with the rows, once everything is replayed, or with what was said of them.
pub(crate) fn contradictions(calls: &[Call], rows: &Rows, user_pool: &UserPool) -> Vec<String> {
    let mut wrong: Vec<String> = calls.iter().flat_map(Call::contradictions).collect();
    let mut users = BTreeMap::<u64, Vec<&Call>>::new();
    for call in calls {
        users.entry(call.event.user).or_default().push(call);
    }
    let subs: BTreeMap<String, u64> = users.keys().map(|user| (event::user(*user, user_pool).sub, *user)).collect();
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
            None if calls.iter().any(|call| call.is_kept()) => Some("no row, and a report of one".to_owned()),
            None => None,
        };
        wrong.extend(problem.map(|problem| format!("user {user} has {problem}: {:?}", said())));
    }
    wrong
}

/// What is wrong with the row's address: it is the newest that was kept, or a later one that may have been written.
fn address_contradiction(calls: &[&Call], address: Option<&str>) -> Option<String> {
    let kept = calls.iter().filter(|call| call.is_kept()).map(|call| call.event.number).max();
    let may_be = |call: &&&Call| Some(call.event.number) >= kept && (call.is_kept() || call.is_open());
    let fits = calls.iter().filter(may_be).any(|call| address == Some(call.event.address().as_str()));
    (!fits).then(|| format!("the address {address:?}, where {kept:?} is the newest that was kept"))
}

/// The users whose row is not what the pool says: there is none, or it has another address.
pub(crate) fn behind(users: impl Iterator<Item = u64>, rows: &Rows, user_pool: &UserPool) -> Vec<u64> {
    let is_behind = |user: &u64| {
        let user = event::user(*user, user_pool);
        rows.get(&user.sub).is_none_or(|(_, address)| address.as_deref() != user.get("email"))
    };
    users.filter(is_behind).collect()
}

/// The figures of the calls, and of the rows they led to.
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
pub(crate) fn print_figures(calls: &[Call], rows: &Rows) {
    let mut outcomes = BTreeMap::<_, u32>::new();
    let mut errors = BTreeMap::<&str, u32>::new();
    let mut failed = BTreeMap::<_, u32>::new();
    for call in calls {
        let without_line = if call.reply == Reply::Error { "throttled" } else { "no line" };
        *outcomes.entry((call.outcome().unwrap_or(without_line), call.reply)).or_default() += 1;
        if let Some(error) = call.report.as_ref().and_then(|report| report["errorType"].as_str()) {
            *errors.entry(error).or_default() += 1;
        }
    }
    let outcomes: Vec<String> =
        outcomes.iter().map(|((outcome, reply), count)| format!("{outcome} ({reply:?}) {count}")).collect();
    println!("soak: {} calls: {}", calls.len(), outcomes.join(", "));
    println!("soak: errors {errors:?}");
    for report in calls.iter().filter(|call| call.outcome() == Some("failed")).filter_map(|call| call.report.as_ref()) {
        *failed.entry(report["error"].to_string()).or_default() += 1;
    }
    for (error, count) in failed {
        println!("soak: {count} failed with {error}");
    }
    let created = calls.iter().filter(|call| call.is_created()).count();
    println!("soak: {} rows, {created} of them reported as `created` at once, all others provably open", rows.len());
    let mut times: Vec<Duration> = calls.iter().map(|call| call.time).collect();
    times.sort();
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("soak: answers p50 {:.1?}, p99 {:.1?}, slowest {:.1?}", percentile(50), percentile(99), percentile(100));
}
