//! The event source mapping of Lambda between the queue and the replay, until the queue is empty.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::crowd::Crowd;
use super::place::Place;

/// Processes of the replay at most, as infra/template.yaml has it.
pub(crate) const CONCURRENCY: usize = 2;

/// Messages of a batch at most, as infra/template.yaml has it.
const BATCH: usize = 10;

/// No replay takes longer.
pub(crate) const HANG_LIMIT: Duration = Duration::from_mins(2);

/// How the queue became empty.
pub(crate) struct Emptied {
    /// Messages that were replayed while the processes of the sign-ups were idle, and kept their connections.
    pub(crate) beside_idle: usize,
    /// From the first of them on, until they had ended.
    pub(crate) idle: Duration,
    /// From then on, until the queue was empty.
    pub(crate) afterwards: Duration,
}

/// Replays what is in the queue: for `patience` beside the idle processes of the sign-ups, or until the queue is empty, and
/// then without them.
pub(crate) fn empty(place: &Place, crowd: Crowd, patience: Duration) -> anyhow::Result<Emptied> {
    let is_over = AtomicBool::new(false);
    let before = place.queue.left();
    thread::scope(|scope| {
        let replaying: Vec<_> = (0..CONCURRENCY).map(|_| scope.spawn(|| replay(place, &is_over))).collect();
        let wait = |limit: Duration| {
            let end = Instant::now() + limit;
            // One that has failed tries nothing any more.
            let has_failed = || replaying.iter().any(ScopedJoinHandle::is_finished);
            while place.queue.left() > 0 && Instant::now() < end && !has_failed() {
                thread::sleep(Duration::from_millis(2));
            }
        };
        let begun = Instant::now();
        wait(patience);
        let (idle, beside_idle) = (begun.elapsed(), before - place.queue.left());
        let ended = crowd.end();
        let begun = Instant::now();
        wait(HANG_LIMIT);
        let afterwards = begun.elapsed();
        let left = place.queue.left();
        is_over.store(true, Ordering::Relaxed);
        for thread in replaying {
            thread.join().expect("no panic")?;
        }
        ended?;
        ensure!(left == 0, "{left} messages are left after {HANG_LIMIT:?}");
        Ok(Emptied { beside_idle, idle, afterwards })
    })
}

/// One process of the replay, which is started for the first batch.
fn replay(place: &Place, is_over: &AtomicBool) -> anyhow::Result<()> {
    let mut process = None;
    while !is_over.load(Ordering::Relaxed) {
        let Some((event, ids)) = place.queue.receive(BATCH) else {
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        let process = match &mut process {
            Some(process) => process,
            none => none.insert(place.start_replay()?),
        };
        let answer = process.invoke(event.to_string())?;
        let answer: Value = serde_json::from_slice(answer.body()?)?;
        let failures = answer["batchItemFailures"].as_array().context("the answer has no list of failures")?;
        let has_failed = |id: &str| failures.iter().any(|failure| failure["itemIdentifier"] == id);
        let done: Vec<&String> = ids.iter().filter(|id| !has_failed(id)).collect();
        place.queue.delete(&done);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_is_that_of_the_template() {
        let template = include_str!("../../../../infra/template.yaml");
        for setting in [format!("MaximumConcurrency: {CONCURRENCY}\n"), format!("BatchSize: {BATCH}\n")] {
            assert!(template.contains(&setting), "expected {setting} in the template");
        }
    }
}
