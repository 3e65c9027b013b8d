//! The spill queue: an event whose row cannot be ensured waits in it, and the replay ensures it later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use futures::future::join_all;
use serde_json::{Value, json};
use testkit::{Amended, Answer, Function, Letter, Moto, Port, Proxy, Queue};

use crate::fixture::{Fixture, fail, sample, succeed, undisturbed};

/// Lambda's time limit of a function whose database is away: so that the queue's half is enough on a slow machine, and
/// many sign-ups take a minute at most.
const SHORT: Duration = Duration::from_millis(1250);

/// Lambda's time limit of the replay.
const REPLAY: Duration = Duration::from_mins(1);

/// Sign-ups that fail because this machine is slow are sent again.
const TRIES: usize = 10;

/// A database, and a queue for what it cannot take.
struct Spilling {
    fixture: Fixture,
    queue: Queue,
    /// Where no server listens.
    nowhere: Port,
}

impl Spilling {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let queue = Queue::create(Moto::shared()).await.expect("a new queue");
        Self { fixture, queue, nowhere: Port::reserve().expect("a free port") }
    }

    /// The function, with the database away.
    async fn cut_off(&self) -> Function {
        self.cut_off_with(self.queue.url.clone()).await
    }

    /// The same with this in place of the queue's URL.
    async fn cut_off_with(&self, url: String) -> Function {
        self.function(&[("PGPORT", self.nowhere.number().to_string()), ("SPILL_QUEUE_URL", url)]).await
    }

    async fn function(&self, changes: &[(&str, String)]) -> Function {
        let changes = [&[("SPILL_QUEUE_URL", self.queue.url.clone())], changes].concat();
        self.fixture.function(&changes).await
    }

    /// The second function.
    async fn replay(&self) -> Function {
        self.function(&[("DEAD_LETTER_QUEUE_URL", self.queue.dead_letters.clone())]).await
    }

    /// Hands over all messages that can be received. Returns the ids of those that failed.
    async fn deliver(&self, replay: &Function) -> Vec<String> {
        let mut failed = Vec::new();
        loop {
            let messages = self.queue.receive().await.expect("an answer");
            if messages.is_empty() {
                return failed;
            }
            failed.extend(self.queue.deliver(&messages, replay, REPLAY).await.expect("the replay answers"));
        }
    }

    async fn count(&self, query: &str) -> i64 {
        self.fixture.database.connect().await.expect("it is up").query_one(query, &[]).await.expect(query).get(0)
    }

    #[track_caller]
    fn assert_empty(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            assert_eq!(self.queue.counts().await.expect("an answer"), (0, 0), "at {caller}: messages are left");
            assert_eq!(self.queue.dead().await.expect("an answer"), [], "at {caller}: there are dead letters");
        }
    }
}

fn sign_up(number: usize) -> String {
    let sub = format!("5c2f8a10-9d3e-4b71-8f06-{number:012}");
    json!({
        "version": "1", "triggerSource": "PostConfirmation_ConfirmSignUp", "region": "eu-central-1",
        "userPoolId": "eu-central-1_aB3dE5gH7", "userName": sub, "callerContext": {"clientId": "4example0client0id0"},
        "request": {"userAttributes": {"sub": sub, "email": format!("user-{number}@example.com"), "email_verified": "true"}},
        "response": {},
    })
    .to_string()
}

/// The event comes back as it went in, and its outcome is `spilled`.
async fn spill(function: &Function, event: &str) -> Value {
    for _ in 0..TRIES {
        let invocation = function.invoke_within(event, Some(SHORT)).await.expect("an answer");
        if let Answer::Response(answer) = invocation.answer {
            assert_eq!(answer, event);
            return function.log_line("requestId", &invocation.request_id).await.expect("a log line");
        }
    }
    panic!("not spilled {TRIES} times; the log:\n{}", function.log());
}

async fn spill_all(spilling: &Spilling, count: usize) {
    const AT_ONCE: usize = 8;
    let functions = join_all((0..AT_ONCE).map(|_| spilling.cut_off())).await;
    join_all(functions.iter().enumerate().map(async |(place, function)| {
        for number in (place..count).step_by(AT_ONCE) {
            spill(function, &sign_up(number)).await;
        }
    }))
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_of_aws_leaves_the_queue() {
    let spilling = Spilling::new().await;
    let mistyped = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "localhost:4566".to_owned());
    let function = spilling.function(&[mistyped]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    assert_eq!(spilling.queue.counts().await.expect("an answer").0, 1, "the event waits");
    let function = spilling.function(&[("AWS_CA_BUNDLE", "/nowhere/roots.pem".to_owned())]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    assert_eq!(spilling.count("select count(*) from users").await, 1, "Amazon's own roots are enough");
}

#[tokio::test]
async fn two_hundred_sign_ups_without_a_database_succeed_and_their_rows_land_later() {
    let spilling = Spilling::new().await;
    spill_all(&spilling, 200).await;
    assert_eq!(spilling.fixture.users().await, []);
    let replay = spilling.replay().await;
    assert_eq!(spilling.deliver(&replay).await, Vec::<String>::new());
    assert_eq!(spilling.count("select count(*) from users").await, 200);
    assert_eq!(spilling.count("select count(distinct cognito_user_id) from users").await, 200);
    spilling.assert_empty().await;
}

#[tokio::test]
async fn messages_that_come_twice_and_in_reverse_change_nothing_newer() {
    const COUNT: usize = 20;
    let spilling = Spilling::new().await;
    spill_all(&spilling, COUNT).await;
    let replay = spilling.replay().await;
    let function = spilling.function(&[]).await;
    // Since then, the first user has another address, by another event, and the second has left.
    let moved = sign_up(0).replace("user-0@example.com", "moved@example.com");
    succeed(&function, &moved).await;
    succeed(&function, &sign_up(1)).await;
    let gone = "select cognito.forget_user('5c2f8a10-9d3e-4b71-8f06-000000000001')";
    spilling.fixture.execute(gone).await;

    let mut messages: Vec<Message> = Vec::new();
    loop {
        let received = spilling.queue.receive().await.expect("an answer");
        if received.is_empty() {
            break;
        }
        messages.extend(received);
    }
    messages.reverse();
    for batch in messages.chunks(10).chain(messages.chunks(7)) {
        let failed = spilling.queue.deliver(batch, &replay, REPLAY).await.expect("the replay answers");
        assert_eq!(failed, Vec::<String>::new());
    }
    let address = "select count(*) from users where email = 'moved@example.com'";
    assert_eq!(spilling.count(address).await, 1, "the newer address stays");
    assert_eq!(spilling.count("select count(*) from users").await, 19, "who has left is not raised again");
    assert_eq!(spilling.count("select count(distinct email) from users").await, 19);
    spilling.assert_empty().await;
}

#[tokio::test]
async fn a_batch_is_one_round_trip() {
    let spilling = Spilling::new().await;
    let proxy = Proxy::start(spilling.fixture.database.port).await.expect("a proxy");
    let replay = spilling.function(&[("PGPORT", proxy.port().to_string())]).await;
    succeed(&replay, &sample("confirm-sign-up").0).await;
    let round_trips = undisturbed(async || {
        for number in 0..10 {
            spilling.queue.send(&sign_up(number)).await.expect("it is sent");
        }
        let before = (proxy.connections(), proxy.round_trips());
        let messages = spilling.queue.receive().await.expect("an answer");
        assert_eq!(messages.len(), 10);
        let failed = spilling.queue.deliver(&messages, &replay, REPLAY).await.expect("the replay answers");
        assert_eq!(failed, Vec::<String>::new());
        match proxy.connections() - before.0 {
            0 => Ok(proxy.round_trips() - before.1),
            connections => Err(format!("{connections} new connections")),
        }
    });
    assert_eq!(round_trips.await, 1);
    assert_eq!(spilling.fixture.users().await.len(), 11);
}

#[tokio::test]
async fn a_message_is_the_event_as_it_came_with_its_cause_and_time() {
    let spilling = Spilling::new().await;
    let function = spilling.cut_off().await;
    let event = sign_up(1).replace("\"response\":{}", "\"response\": {\"odd\" : \"\u{ffff}\u{1f469}\"}");
    for event in [sign_up(0), event] {
        let line = spill(&function, &event).await;
        assert_eq!(
            (&line["outcome"], &line["errorType"]),
            (&json!("spilled"), &json!("DatabaseUnreachable")),
            "{line}"
        );
    }
    let messages = spilling.queue.receive().await.expect("an answer");
    let texts = |message: &Message| {
        let attributes = message.message_attributes.iter().flatten();
        attributes.map(|(name, value)| (name.clone(), value.string_value.clone().expect("a text"))).collect()
    };
    let (plain, encoded): (Vec<&Message>, Vec<&Message>) =
        messages.iter().partition(|message| message.body() == Some(sign_up(0).as_str()));
    let [plain, encoded] = [plain, encoded].map(|messages| match messages[..] {
        [message] => message,
        _ => panic!("one plain and one encoded message are expected: {messages:?}"),
    });
    let mut attributes: BTreeMap<String, String> = texts(plain);
    let as_of = attributes.remove("as_of").expect("a time");
    assert!(as_of.starts_with("20") && as_of.ends_with('Z') && as_of.len() == 27, "{as_of}");
    let expected = [
        ("cause", "DatabaseUnreachable"),
        ("trigger_source", "PostConfirmation_ConfirmSignUp"),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(texts(encoded)["encoding"], "base64", "SQS refuses some characters");
    let replay = spilling.replay().await;
    let failed = spilling.queue.deliver(&messages, &replay, REPLAY).await.expect("the replay answers");
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(spilling.fixture.users().await.len(), 2);
}

#[tokio::test]
async fn without_database_and_queue_a_sign_up_fails_with_the_databases_error() {
    let spilling = Spilling::new().await;
    let changes = [
        ("PGPORT", spilling.nowhere.number().to_string()),
        ("AWS_ENDPOINT_URL_SQS", format!("http://127.0.0.1:{}", spilling.nowhere.number())),
    ];
    let function = spilling.function(&changes).await;
    let line = fail(&function, &sample("confirm-sign-up").0, "DatabaseUnreachable").await;
    assert_eq!(line["outcome"], "failed");
    let said = function.log_line("message", "the event is not in the queue either").await.expect("it is said");
    assert!(said["remedy"].as_str().expect("a remedy").contains("a way to Amazon SQS"), "{said}");
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_said_at_the_start_and_sign_ups_go_on() {
    let spilling = Spilling::new().await;
    let missing = format!("{}-missing", spilling.queue.url);
    let function = spilling.fixture.function(&[("SPILL_QUEUE_URL", missing)]).await;
    let said = "the queue of SPILL_QUEUE_URL cannot be used; without it, a sign-up fails while the database is away";
    let line = function.log_line("message", said).await.expect("it is said");
    assert!(line["remedy"].as_str().expect("a remedy").contains("a queue that is there"), "{line}");
    succeed(&function, &sample("confirm-sign-up").0).await;
    let function = spilling.fixture.function(&[("SPILL_QUEUE_URL", "sign-ups".to_owned())]).await;
    function.log_line("message", "SPILL_QUEUE_URL is unusable").await.expect("it is said");
    succeed(&function, &sample("confirm-sign-up").0).await;
}

#[tokio::test]
async fn white_space_around_the_url_of_the_queue_is_ignored() {
    let spilling = Spilling::new().await;
    let function = spilling.cut_off_with(format!(" {}\n", spilling.queue.url)).await;
    assert_eq!(spill(&function, &sign_up(0)).await["outcome"], "spilled");
}

#[tokio::test]
async fn what_is_the_events_fault_is_not_spilled() {
    let spilling = Spilling::new().await;
    spilling.fixture.execute("alter table users add constraint short check (length(display_name) < 3)").await;
    let function = spilling.function(&[]).await;
    fail(&function, &sample("confirm-sign-up").0, "DatabaseRefused").await;
    let nobody = r#"{"triggerSource": "PostConfirmation_ConfirmSignUp", "request": {"userAttributes": {}}}"#;
    fail(&function, nobody, "InvalidEvent").await;
    assert_eq!(spilling.queue.counts().await.expect("an answer"), (0, 0));
}

#[tokio::test]
async fn a_bad_message_goes_to_the_dead_letters_with_its_cause_and_spoils_no_other() {
    let spilling = Spilling::new().await;
    spilling.fixture.execute("alter table users add constraint no_three check (email <> 'user-3@example.com')").await;
    let nobody = r#"{"triggerSource": "PostConfirmation_ConfirmSignUp", "request": {"userAttributes": {}}}"#;
    let sign_in = sign_up(4).replace("PostConfirmation_ConfirmSignUp", "TokenGeneration_Authentication");
    let other = sign_up(5).replace("PostConfirmation_ConfirmSignUp", "PreSignUp_SignUp");
    let events =
        [sign_up(1), "no event".to_owned(), nobody.to_owned(), sign_up(3), "{}".to_owned(), sign_up(2), sign_in, other];
    for event in &events {
        spilling.queue.send(event).await.expect("it is sent");
    }
    let replay = spilling.replay().await;
    assert_eq!(spilling.deliver(&replay).await, Vec::<String>::new());
    assert_eq!(spilling.fixture.users().await.len(), 2);
    let dead = spilling.queue.dead().await.expect("an answer");
    let causes: BTreeMap<&str, &str> =
        dead.iter().map(|letter| (letter.body.as_str(), letter.attributes["cause"].as_str())).collect();
    let expected = [
        ("no event", "InvalidEvent"),
        (nobody, "InvalidEvent"),
        ("{}", "InvalidEvent"),
        (events[3].as_str(), "DatabaseRefused"),
        (events[6].as_str(), "InvalidEvent"),
        (events[7].as_str(), "InvalidEvent"),
    ];
    assert_eq!(causes, expected.into());
    let refused = dead.iter().find(|letter| letter.body == events[3]).expect("it is there");
    assert_eq!(refused.attributes["sqlstate"], "23514");
    for letter in &dead {
        assert_eq!(letter.attributes["source_arn"], spilling.queue.arn);
        replay.log_line("requestId", &letter.attributes["request_id"]).await.expect("the replay's log line");
    }
    replay.log_line("outcome", "dead-letter").await.expect("a log line");
}

#[tokio::test]
async fn without_a_queue_for_dead_letters_a_bad_message_fails_and_the_others_do_not() {
    let spilling = Spilling::new().await;
    for event in [sign_up(1), "no event".to_owned()] {
        spilling.queue.send(&event).await.expect("it is sent");
    }
    let replay = spilling.function(&[]).await;
    let messages = spilling.queue.receive().await.expect("an answer");
    let bad = messages.iter().find(|message| message.body() == Some("no event")).expect("it was received");
    let failed = spilling.queue.deliver(&messages, &replay, REPLAY).await.expect("the replay answers");
    assert_eq!(failed, [bad.message_id().expect("an id")]);
    assert_eq!(spilling.fixture.users().await.len(), 1);
}

#[tokio::test]
async fn while_the_database_is_away_the_replay_keeps_messages_and_hides_them() {
    let spilling = Spilling::new().await;
    for number in 0..3 {
        spilling.queue.send(&sign_up(number)).await.expect("it is sent");
    }
    let away = spilling.cut_off().await;
    let messages = spilling.queue.receive().await.expect("an answer");
    // Two seconds are kept for the queues.
    let limit = Duration::from_secs(3);
    let failed = spilling.queue.deliver(&messages, &away, limit).await.expect("the replay answers");
    assert_eq!(failed.len(), messages.len());
    let line = away.log_line("outcome", "held").await.expect("a log line");
    assert_eq!(line["errorType"], "DatabaseUnreachable", "{line}");
    assert_eq!(spilling.queue.counts().await.expect("an answer"), (0, 3), "nobody receives them for a while");
    assert_eq!(spilling.queue.dead().await.expect("an answer"), [], "the replay spills nothing");

    let replay = spilling.replay().await;
    let failed = spilling.queue.deliver(&messages, &replay, REPLAY).await.expect("the replay answers");
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(spilling.fixture.users().await.len(), 3);
    spilling.assert_empty().await;
}

/// Hands these messages over within this limit. Returns the ids of those that failed.
async fn deliver_within(spilling: &Spilling, messages: &[Message], replay: &Function, seconds: u64) -> Vec<String> {
    let limit = Duration::from_secs(seconds);
    spilling.queue.deliver(messages, replay, limit).await.expect("the replay answers")
}

#[tokio::test]
async fn a_batch_replaces_the_connection_to_a_server_that_became_read_only() {
    undisturbed(async || {
        let spilling = Spilling::new().await;
        let name = &spilling.fixture.database.name;
        let proxy = Proxy::start(spilling.fixture.database.port).await.expect("a proxy");
        spilling.fixture.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
        let replay = spilling.function(&[("PGPORT", proxy.port().to_string())]).await;
        for number in 0..3 {
            spilling.queue.send(&sign_up(number)).await.expect("it is sent");
        }
        let messages = spilling.queue.receive().await.expect("an answer");
        assert_eq!(deliver_within(&spilling, &messages, &replay, 4).await.len(), 3);
        let line = replay.log_line("outcome", "held").await.expect("a log line");
        if line["errorType"] != "DatabaseReadOnly" {
            return Err(line.to_string());
        }
        let client = spilling.fixture.database.connect().await.expect("the database is up");
        client.batch_execute("set transaction_read_only = off").await.expect("a session may write");
        let reset = format!("begin read write; alter database {name} reset default_transaction_read_only; commit");
        client.batch_execute(&reset).await.expect("the database may be written to");
        let before = proxy.connections();
        assert_eq!(deliver_within(&spilling, &messages, &replay, 60).await, Vec::<String>::new());
        assert!(proxy.connections() > before, "a new connection is opened");
        assert_eq!(spilling.fixture.users().await.len(), 3);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_locked_row_holds_back_its_own_message_alone() {
    undisturbed(async || {
        let spilling = Spilling::new().await;
        let replay = spilling.replay().await;
        succeed(&replay, &sign_up(0)).await;
        let holder = spilling.fixture.database.connect().await.expect("the database is up");
        let lock = "begin; select from users where cognito_user_id like '%-000000000000' for update";
        holder.batch_execute(lock).await.expect("the row is there");
        spilling.queue.send(&sign_up(0).replace("user-0@", "moved@")).await.expect("it is sent");
        for number in 1..10 {
            spilling.queue.send(&sign_up(number)).await.expect("it is sent");
        }
        let mut messages = spilling.queue.receive().await.expect("an answer");
        let is_moved = |message: &Message| message.body().is_some_and(|body| body.contains("moved@"));
        messages.sort_by_key(|message| !is_moved(message));
        assert_eq!((messages.len(), is_moved(&messages[0])), (10, true));
        let failed = deliver_within(&spilling, &messages, &replay, 6).await;
        // The time of a slow machine is over before each has had its turn.
        if failed.len() > 1 {
            return Err(format!("{} are held; the log:\n{}", failed.len(), replay.log()));
        }
        assert_eq!(failed, [messages[0].message_id().expect("an id")]);
        assert_eq!(spilling.fixture.users().await.len(), 10, "the nine others have rows");
        spilling.fixture.until_none_is_blocked().await;
        holder.batch_execute("commit").await.expect("the lock is released");
        assert_eq!(deliver_within(&spilling, &messages[..1], &replay, 60).await, Vec::<String>::new());
        assert_eq!(spilling.count("select count(*) from users where email = 'moved@example.com'").await, 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_the_spill_queue_is_ignored_and_said() {
    let spilling = Spilling::new().await;
    let replay = spilling.function(&[("DEAD_LETTER_QUEUE_URL", format!("{}/", spilling.queue.url))]).await;
    spilling.queue.send("no event").await.expect("it is sent");
    let messages = spilling.queue.receive().await.expect("an answer");
    for _ in 0..2 {
        let failed = deliver_within(&spilling, &messages, &replay, 60).await;
        assert_eq!(failed, [messages[0].message_id().expect("an id")]);
    }
    assert_eq!(spilling.queue.counts().await.expect("an answer"), (0, 1), "there is no second message");
    let said = "DEAD_LETTER_QUEUE_URL names the spill queue itself and is ignored";
    replay.log_line("message", said).await.expect("it is said");
    assert_eq!(replay.log().matches(said).count(), 1, "once");
}

/// An SQS that fails to hide the first of the messages as often as `fails` says, and what it was asked for.
async fn hold_three(fails: usize, code: &'static str, sender_fault: bool) -> (Function, Amended, Vec<usize>) {
    let spilling = Spilling::new().await;
    let aws = Amended::before(Moto::shared().port()).expect("a server");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    aws.amend("sqs", "ChangeMessageVisibilityBatch", move |answer| {
        let mut seen = seen.lock().expect("no panic");
        let done = answer["Successful"].as_array_mut().expect("a list");
        seen.push(done.len());
        if seen.len() <= fails {
            let id = done.remove(0)["Id"].clone();
            answer["Failed"] = json!([{"Id": id, "Code": code, "SenderFault": sender_fault}]);
        }
    });
    let away =
        [("PGPORT", spilling.nowhere.number().to_string()), ("AWS_ENDPOINT_URL_SQS", aws.environment()[0].1.clone())];
    let replay = spilling.function(&away).await;
    for number in 0..3 {
        spilling.queue.send(&sign_up(number)).await.expect("it is sent");
    }
    let messages = spilling.queue.receive().await.expect("an answer");
    assert_eq!(deliver_within(&spilling, &messages, &replay, 3).await.len(), 3);
    let asked = asked.lock().expect("no panic").clone();
    (replay, aws, asked)
}

const TOO_SOON: &str = "the messages are received again sooner than they should";

#[tokio::test]
async fn a_message_that_sqs_fails_to_hide_is_hidden_by_a_second_request() {
    let (replay, _, asked) = hold_three(1, "InternalError", false).await;
    assert_eq!(asked, [3, 1], "messages of each request");
    replay.log_line("outcome", "held").await.expect("a log line, which is written last");
    assert!(!replay.log().contains(TOO_SOON), "{}", replay.log());
}

#[tokio::test]
async fn messages_that_stay_visible_are_said_with_their_number() {
    for (code, sender_fault, requests) in
        [("InternalError", false, vec![3, 1]), ("ReceiptHandleIsInvalid", true, vec![3])]
    {
        let (replay, _, asked) = hold_three(2, code, sender_fault).await;
        assert_eq!(asked, requests, "messages of each request");
        let line = replay.log_line("message", TOO_SOON).await.expect("it is said");
        assert_eq!(line["messages"], 1, "{line}");
        assert!(line["error"].as_str().is_some_and(|error| error.contains(code)), "{line}");
    }
}

#[tokio::test]
async fn a_replay_that_does_not_know_its_queue_says_that_it_hides_nothing() {
    let spilling = Spilling::new().await;
    let replay = spilling.cut_off_with(String::new()).await;
    for number in 0..2 {
        spilling.queue.send(&sign_up(number)).await.expect("it is sent");
    }
    let messages = spilling.queue.receive().await.expect("an answer");
    assert_eq!(deliver_within(&spilling, &messages, &replay, 3).await.len(), 2);
    let line = replay.log_line("message", TOO_SOON).await.expect("it is said");
    assert_eq!(line["messages"], 2, "{line}");
    assert!(line["remedy"].as_str().is_some_and(|remedy| remedy.starts_with("set SPILL_QUEUE_URL")), "{line}");
}

#[tokio::test]
async fn an_event_without_a_time_does_not_outlive_a_deletion_among_the_dead_letters() {
    let spilling = Spilling::new().await;
    spilling.fixture.execute("alter table users add constraint nobody check (false)").await;
    spilling.queue.send(&sign_up(0)).await.expect("it is sent");
    let replay = spilling.replay().await;
    assert_eq!(spilling.deliver(&replay).await, Vec::<String>::new());
    let gone =
        "alter table users drop constraint nobody; select cognito.forget_user('5c2f8a10-9d3e-4b71-8f06-000000000000')";
    spilling.fixture.execute(gone).await;
    let letters = spilling.queue.dead().await.expect("an answer");
    assert_eq!(letters.len(), 1);
    spilling.queue.send_letter(&letters[0]).await.expect("it is sent");
    assert_eq!(spilling.deliver(&replay).await, Vec::<String>::new());
    assert_eq!(spilling.fixture.users().await, [], "who has left is not raised again");
    spilling.assert_empty().await;
}

#[tokio::test]
async fn an_event_from_the_future_is_as_old_as_its_message() {
    let spilling = Spilling::new().await;
    let attributes = BTreeMap::from([("as_of".to_owned(), "2999-01-01T00:00:00.000000Z".to_owned())]);
    spilling.queue.send_letter(&Letter { body: sign_up(0), attributes }).await.expect("it is sent");
    spilling.fixture.execute("select cognito.forget_user('5c2f8a10-9d3e-4b71-8f06-000000000000')").await;
    let replay = spilling.replay().await;
    assert_eq!(spilling.deliver(&replay).await, Vec::<String>::new());
    assert_eq!(spilling.fixture.users().await, [], "who has left is not raised again");
}
