//! A property of `plan` and `apply`: whatever happened before, an apply leads to the declaration, once.
//!
//! A story is a row of events: the operator changes the declaration, other people change the instance, AWS changes it by
//! itself, hours pass, an apply is killed between two requests. After every apply, the plan has nothing left to do and a
//! second apply changes nothing. In the end, when what is queued has its window and the server its reboot, the instance is
//! as declared.
//!
//! Everything runs in this process, on tokio's paused clock: the command line, the SDK, and an Amazon RDS that keeps state.

mod draft;
mod event;

use std::io::Write;
use std::time::Duration;

use clap::Parser;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};
use tempfile::NamedTempFile;
use testkit::Rds;
use testkit::rds::Failure;

use self::draft::Draft;
use self::event::Event;
use crate::aws::Aws;
use crate::cli::Cli;
use crate::output::Outcome;

const IDENTIFIER: &str = "story";

/// How many stories are told. Each takes about a third of a second.
const STORIES: u32 = 16;

/// The events of one story.
const EVENTS: usize = 20;

#[test]
fn after_any_story_an_apply_leads_to_the_declaration_once() {
    let config = Config {
        cases: STORIES,
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    // The same stories in every run: another seed tells others.
    let seed = [7; 32];
    let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::from_seed(config.rng_algorithm, &seed));
    // An event can be left out, so that a failure is told with those that matter.
    let stories = prop::collection::vec(prop::option::weighted(0.999, event::any_event()), EVENTS);
    let told = runner.run(&stories, |events| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let events = events.into_iter().flatten().collect::<Vec<_>>();
        runtime.expect("a runtime").block_on(Story::tell(&events)).map_err(TestCaseError::fail)
    });
    match told {
        Ok(()) => {}
        Err(TestError::Fail(reason, events)) => {
            let events: Vec<_> = events.iter().flatten().map(|event| format!("{event:?}")).collect();
            panic!("seed {seed:?}\n{}\n{reason}", events.join("\n"));
        }
        Err(TestError::Abort(reason)) => panic!("seed {seed:?}: {reason}"),
    }
}

/// The world of one story.
struct Story {
    rds: Rds,
    aws: Aws,
    file: NamedTempFile,
    draft: Draft,
}

impl Story {
    async fn tell(events: &[Event]) -> Result<(), String> {
        let rds = Rds::in_process();
        let aws = Aws::in_process(&rds);
        let file = NamedTempFile::new().expect("a file");
        let mut story = Self { rds, aws, file, draft: Draft::default() };
        story.apply(false).await.map_err(|error| format!("the creation: {error}"))?;
        for (number, event) in events.iter().enumerate() {
            story.go_on(event).await.map_err(|error| format!("event {}, {event:?}: {error}", number + 1))?;
        }
        story.end().await.map_err(|error| format!("the end: {error}"))
    }

    async fn go_on(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Declared(change) => self.draft.change(change, &self.rds.instance(IDENTIFIER)),
            Event::ByHand(change) => self.rds.change(|account| change.make(account)),
            Event::Grown => self.rds.change(event::grow),
            Event::Upgraded => self.rds.change(event::upgrade),
            Event::Window => self.rds.begin_maintenance_window(IDENTIFIER),
            Event::Hours(hours) => tokio::time::sleep(Duration::from_hours(u64::from(*hours))).await,
            Event::Rebooted => self.reboot().await,
            Event::Applied { now } => self.apply(*now).await?,
            Event::Killed { now, requests, is_done } => self.kill(*now, *requests, *is_done).await,
        }
        Ok(())
    }

    /// Applies the declaration. Nothing is left to do afterwards, and nothing is done twice.
    async fn apply(&mut self, now: bool) -> Result<(), String> {
        let command: &[&str] = if now { &["apply", "--now"] } else { &["apply"] };
        self.declare();
        let mut applied = self.run(command).await;
        if applied.as_ref().is_err_and(|error| error.contains("being optimized")) {
            // RDS refuses to change storage that it optimises, and the operator has to wait.
            tokio::time::sleep(Duration::from_hours(7)).await;
            applied = self.run(command).await;
        }
        applied.map_err(|error| format!("{command:?} fails: {error}"))?;
        self.ensure_nothing_is_left(command).await
    }

    async fn ensure_nothing_is_left(&self, command: &[&str]) -> Result<(), String> {
        let planned = self.run(&["plan"]).await.map_err(|error| format!("the plan fails: {error}"))?;
        let instance = self.rds.instance(IDENTIFIER);
        if planned != Outcome::Done && !self.draft.lacks_what_waits(&instance) {
            return Err(format!("the plan after {command:?} differs: {:?}, {:?}", instance.values, instance.pending));
        }
        let before = self.rds.changing_requests().len();
        self.run(command).await.map_err(|error| format!("a second {command:?} fails: {error}"))?;
        match &self.rds.changing_requests()[before..] {
            [] => Ok(()),
            requests => Err(format!("a second {command:?} sends {requests:?}")),
        }
    }

    /// Kills an apply after so many requests; the last of them is carried out or not.
    async fn kill(&mut self, now: bool, requests: usize, is_done: bool) {
        self.declare();
        for _ in 0..requests {
            self.rds.fail_next("*", Failure::Pass);
        }
        self.rds.fail_next("*", if is_done { Failure::DoneAndSilent } else { Failure::Silent });
        let command: &[&str] = if now { &["apply", "--now"] } else { &["apply"] };
        tokio::select! {
            // It may have less to do, or be refused: the next apply shows whether that was right.
            _ = self.run(command) => {}
            () = self.rds.until_silent() => {}
        }
        self.rds.fail_no_more();
    }

    async fn end(&mut self) -> Result<(), String> {
        // What another person has queued may be carried out in the first window, and is put right in the second.
        for _ in 0..2 {
            self.apply(false).await?;
            self.settle().await;
            self.rds.begin_maintenance_window(IDENTIFIER);
            self.reboot().await;
        }
        self.ensure_nothing_is_left(&["apply"]).await?;
        self.rds.change(|account| self.draft.compare(account))
    }

    async fn reboot(&self) {
        self.settle().await;
        self.rds.change(|account| "in-sync".clone_into(&mut account.instance_mut(IDENTIFIER).parameter_status));
    }

    /// Waits until RDS is at rest.
    async fn settle(&self) {
        while self.rds.instance(IDENTIFIER).reported_status() != "available" || self.rds.instance(IDENTIFIER).is_busy()
        {
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
    }

    /// Writes the declaration, as an operator does who knows that storage never shrinks and versions never go back.
    fn declare(&mut self) {
        self.draft.respect(self.rds.change(|account| account.instances.get(IDENTIFIER).cloned()).as_ref());
        self.file.as_file().set_len(0).expect("the file can be written");
        std::fs::File::create(self.file.path())
            .and_then(|mut file| file.write_all(self.draft.toml().as_bytes()))
            .expect("the file can be written");
    }

    async fn run(&self, command: &[&str]) -> Result<Outcome, String> {
        let path = self.file.path().to_string_lossy();
        let start = ["provision", "--yes", "--config", &*path, "instance"];
        let line = Cli::try_parse_from(start.iter().chain(command)).expect("a command line");
        Box::pin(line.run_on(self.aws.clone())).await.map_err(|error| format!("{error:#}"))
    }
}
