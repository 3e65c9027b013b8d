//! The function under AWS's own emulator of its runtime: what a caller gets, whatever happens to the process.

mod emulator;

use futures::future::join_all;
use serde_json::Value;
use testkit::{Fault, Proxy};

use self::emulator::{Emulator, Response, function};
use crate::fixture::{Fixture, TRIES, is_caused_by_slowness, sign_up};

/// The function's time limit in the template, in seconds.
const LIMIT: u64 = 6;

/// Lambda's default, in seconds.
const DEFAULT_LIMIT: u64 = 3;

/// What the emulator logs of a function that has started.
const STARTED: &str = "INIT RTDONE(status: success)";

impl Response {
    /// The error that the function, or the emulator in its place, has answered.
    fn error(&self) -> Option<(String, String)> {
        let error: Value = serde_json::from_str(&self.body).ok()?;
        let text = |name: &str| Some(error.get(name)?.as_str()?.to_owned());
        Some((text("errorType")?, text("errorMessage")?))
    }

    /// Whether the emulator has ended the process because it took too long.
    fn is_time_out(&self) -> bool {
        self.body.starts_with("Task timed out after ")
    }
}

/// Sends the event, again where only a slow machine explains the answer, until it comes back as it went in.
async fn succeed(emulator: &Emulator, event: &str) {
    for _ in 0..TRIES {
        let response = emulator.invoke(event).await;
        if response == (Response { status: 200, body: event.to_owned() }) {
            return;
        }
        let is_slow = response.error().is_some_and(|(word, _)| is_caused_by_slowness(&word));
        assert!(is_slow || response.is_time_out(), "{response:?}; the log:\n{}", emulator.log());
    }
    panic!("no success in {TRIES} tries; the log:\n{}", emulator.log());
}

#[tokio::test]
async fn an_event_comes_back_byte_for_byte_and_leaves_one_row() {
    let fixture = Fixture::new().await;
    let emulator = Emulator::start(LIMIT, &fixture.variables(fixture.database.port));
    let sample = sign_up();
    for _ in 0..2 {
        succeed(&emulator, sample.event.trim()).await;
        fixture.assert_only_row_of(&sample).await;
    }
}

#[tokio::test]
async fn a_program_that_cannot_start_is_an_error_without_words() {
    let mut foreign = function();
    // The processor in ELF's header; nothing has this number.
    foreign[18..20].copy_from_slice(&[0xff, 0xff]);
    for (program, expected) in
        [(foreign, "Runtime.InvalidEntrypoint"), (b"#!/bin/sh\nexit 7\n".to_vec(), "Runtime.ExitError")]
    {
        let emulator = Emulator::start_with(&program, LIMIT, &[]);
        for _ in 0..2 {
            let response = emulator.invoke(sign_up().event.trim()).await;
            assert_eq!(response, Response { status: 502, body: String::new() }, "{expected}");
        }
        // Each invocation starts it again.
        emulator.until_logged(&format!("First fatal error stored in appctx: {expected}"), 2).await;
        assert!(!emulator.log().contains(STARTED), "{expected}:\n{}", emulator.log());
    }
}

#[tokio::test]
async fn a_function_with_wrong_settings_starts_and_answers() {
    let url = ("CONNECTION_URL", "postgres://user:word@localhost/users".to_owned());
    let secret = ("DB_SECRET_ID", "users".to_owned());
    let no_roots = ("PGSSLROOTCERT", "/nowhere/roots.pem".to_owned());
    for (variables, remedy) in [
        (vec![], "set DB_SECRET_ID to the name or ARN"),
        (vec![url.clone(), secret], "and never both"),
        (vec![url, no_roots], "PGSSLROOTCERT"),
    ] {
        let emulator = Emulator::start(LIMIT, &variables);
        let mut processes = Vec::new();
        for _ in 0..2 {
            let response = emulator.invoke(sign_up().event.trim()).await;
            let (word, message) = response.error().unwrap_or_else(|| panic!("{response:?}\n{}", emulator.log()));
            assert_eq!((response.status, word.as_str()), (200, "SettingsInvalid"), "{remedy}");
            assert!(message.starts_with("We could not finish setting up your account"), "{message}");
            processes.push(emulator.process());
        }
        assert_eq!(processes[0], processes[1], "expected no second start");
        let reports = || {
            let log = emulator.log();
            let reports = log.lines().filter_map(|line| serde_json::from_str(line).ok());
            reports
                .filter(|report: &Value| report["remedy"].as_str().is_some_and(|found| found.contains(remedy)))
                .count()
        };
        emulator.until(|| reports() == 2).await;
        assert_eq!(emulator.log().matches(STARTED).count(), 1, "{}", emulator.log());
    }
}

/// Insists on the function's own answer to a sign-up whose database says nothing, from the start of the process on or
/// once it is connected.
async fn answer_without_database(fixture: &Fixture, seconds: u64, connected: bool) {
    for attempt in 1.. {
        let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
        proxy.silence(!connected);
        let emulator = Emulator::start(seconds, &fixture.variables(proxy.port()));
        let sample = sign_up();
        if connected {
            succeed(&emulator, sample.event.trim()).await;
            proxy.stall();
            proxy.silence(true);
        }
        let response = emulator.invoke(sample.event.trim()).await;
        let (word, _) = response.error().unwrap_or_default();
        let is_slow = response.is_time_out() || (word != "BudgetExceeded" && is_caused_by_slowness(&word));
        if is_slow && attempt < TRIES {
            continue;
        }
        let case = format!("{seconds} s, connected: {connected}: {response:?}; the log:\n{}", emulator.log());
        assert_eq!((response.status, word.as_str()), (200, "BudgetExceeded"), "{case}");
        return;
    }
}

#[tokio::test]
async fn a_function_whose_database_is_silent_answers_before_its_time_is_up() {
    let fixture = Fixture::new().await;
    let cases = [(DEFAULT_LIMIT, false), (DEFAULT_LIMIT, true), (LIMIT, false), (LIMIT, true)];
    join_all(cases.map(|(seconds, connected)| answer_without_database(&fixture, seconds, connected))).await;
}

#[tokio::test]
async fn a_process_that_hangs_is_ended_and_the_next_one_serves() {
    let fixture = Fixture::new().await;
    let emulator = Emulator::start(DEFAULT_LIMIT, &fixture.variables(fixture.database.port));
    let sample = sign_up();
    succeed(&emulator, sample.event.trim()).await;
    let hanging = emulator.process();
    emulator.signal("STOP");
    let response = emulator.invoke(sample.event.trim()).await;
    let body = format!("Task timed out after {DEFAULT_LIMIT}.00 seconds");
    assert_eq!(response, Response { status: 200, body }, "{}", emulator.log());
    succeed(&emulator, sample.event.trim()).await;
    assert_ne!(emulator.process(), hanging);
    fixture.assert_only_row_of(&sample).await;
}

#[tokio::test]
async fn a_process_that_is_killed_in_an_invocation_leaves_one_row_to_the_next() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::start(fixture.database.port).await.expect("a proxy");
    let emulator = Emulator::start(LIMIT, &fixture.variables(proxy.port()));
    let sample = sign_up();
    // Connects.
    succeed(&emulator, sample.event.trim()).await;
    let session = fixture.database.connect().await.expect("the database is up");
    let mut tries = 0;
    let killed = loop {
        session.batch_execute("delete from users").await.expect("no rows");
        let process = emulator.process();
        // The statement is held on the way to the server, and no other connection leads there.
        proxy.silence(true);
        proxy.fail_next([Fault::Hold]);
        let kill = async {
            proxy.until_held().await.expect("the statement is sent");
            emulator.signal("KILL");
        };
        let (response, ()) = tokio::join!(emulator.invoke(sample.event.trim()), kill);
        // Nobody waits for what comes now.
        proxy.silence(false);
        proxy.release();
        let (word, message) = response.error().unwrap_or_else(|| panic!("{response:?}\n{}", emulator.log()));
        tries += 1;
        if word == "BudgetExceeded" && tries < TRIES {
            continue;
        }
        assert_eq!((response.status, word.as_str()), (502, "Runtime.ExitError"), "{}", emulator.log());
        assert!(message.ends_with("Error: Runtime exited with error: signal: killed"), "{message}");
        break process;
    };
    succeed(&emulator, sample.event.trim()).await;
    assert_ne!(emulator.process(), killed);
    fixture.assert_only_row_of(&sample).await;
}
