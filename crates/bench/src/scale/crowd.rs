//! Many processes of the function at once, each with a caller of its own.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::place::Place;
use crate::process::Process;

/// How long processes may take to end. Lambda gives 500 ms, but to each its own CPU.
const ENDING: Duration = Duration::from_secs(5);

/// The processes.
pub(crate) struct Crowd<'a> {
    place: &'a Place<'a>,
    processes: Vec<Process>,
}

/// Sign-ups that began at the same time.
pub(crate) struct Wave {
    pub(crate) calls: Vec<Call>,
    /// From the first event to the last answer.
    pub(crate) time: Duration,
}

/// One sign-up.
pub(crate) struct Call {
    /// The user's id.
    pub(crate) user: String,
    /// Until the answer, from the event on; of a cold start, from the start of the process on.
    pub(crate) taken: Duration,
    /// The type of the error that the person sees, if it is one.
    pub(crate) error: Option<String>,
}

/// How many sign-ups there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// Of each process.
    Each(usize),
    /// Of all together: whoever has answered takes the next.
    All(usize),
}

impl<'a> Crowd<'a> {
    /// Starts so many processes at once, each with an event that waits for it.
    pub(crate) fn start(place: &'a Place<'a>, number: usize) -> anyhow::Result<(Self, Wave)> {
        let barrier = Barrier::new(number);
        let begun = Instant::now();
        let started = thread::scope(|scope| {
            let start = || {
                barrier.wait();
                let (user, event) = place.scene.sign_up();
                let mut process = place.start()?;
                let answer = process.call(event)?;
                let taken = answer.received - process.started();
                let error = answer.error().map(|body| place.error_of(&mut process, body));
                anyhow::Ok((process, Call { user, taken, error }))
            };
            let starting: Vec<_> = (0..number).map(|_| scope.spawn(start)).collect();
            starting.into_iter().map(|thread| thread.join().expect("no panic")).collect::<anyhow::Result<Vec<_>>>()
        })?;
        let time = begun.elapsed();
        let (processes, calls) = started.into_iter().unzip();
        Ok((Self { place, processes }, Wave { calls, time }))
    }

    /// Lets all processes have sign-ups at once, each the next one as soon as it has answered.
    pub(crate) fn sign_up(&mut self, number: Number) -> anyhow::Result<Wave> {
        let (place, taken) = (self.place, AtomicUsize::new(0));
        let barrier = Barrier::new(self.processes.len());
        let sign_up = |process: &mut Process| {
            let mut calls = Vec::new();
            barrier.wait();
            while match number {
                Number::Each(number) => calls.len() < number,
                Number::All(number) => taken.fetch_add(1, Ordering::Relaxed) < number,
            } {
                let (user, event) = place.scene.sign_up();
                let answer = process.call(event)?;
                let error = answer.error().map(|body| place.error_of(process, body));
                calls.push(Call { user, taken: answer.taken(), error });
            }
            anyhow::Ok(calls)
        };
        let begun = Instant::now();
        let calls = thread::scope(|scope| {
            let calling: Vec<_> = self.processes.iter_mut().map(|process| scope.spawn(|| sign_up(process))).collect();
            calling.into_iter().map(|thread| thread.join().expect("no panic")).collect::<anyhow::Result<Vec<_>>>()
        })?;
        Ok(Wave { calls: calls.into_iter().flatten().collect(), time: begun.elapsed() })
    }

    /// The largest amount of memory that one of them has had, in KiB.
    pub(crate) fn peak_kibibytes(&self) -> anyhow::Result<u64> {
        let peaks = self.processes.iter().map(Process::peak_kibibytes).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(peaks.into_iter().max().unwrap_or_default())
    }

    /// Ends them, as Lambda does with those that are idle.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        for process in &self.processes {
            process.terminate()?;
        }
        let end = Instant::now() + ENDING;
        for process in &mut self.processes {
            while !process.has_ended()? && Instant::now() < end {
                thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}
