//! `provision queue`: events that wait are left alone, and a dead letter is lost only on request.

use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};
use testkit::Moto;

use crate::answers::Answers;
use crate::terminal::Terminal;

/// Settings that lose nothing, of the queue and of its dead letters.
const SETTINGS: [(&str, &str); 2] = [("VisibilityTimeout", "60"), ("MessageRetentionPeriod", "345600")];
const SETTINGS_OF_DEAD_LETTERS: [(&str, &str); 1] = [("MessageRetentionPeriod", "1209600")];

/// A queue of events, that of its dead letters, and AWS.
pub(crate) struct Queues {
    moto: &'static Moto,
    client: Client,
    name: &'static str,
    url: String,
    dead_letters: String,
}

/// A message: its body, and its attributes.
type Sent = (String, BTreeMap<String, String>);

impl Queues {
    async fn new(name: &'static str) -> Self {
        Self::at(Moto::shared(), name).await
    }

    pub(crate) async fn at(moto: &'static Moto, name: &'static str) -> Self {
        let environment = moto.environment();
        let credentials = Credentials::new("preparation", "x", None, None, "test");
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&environment[0].1)
            .region(Region::new("eu-central-1"))
            .credentials_provider(credentials);
        let client = Client::from_conf(config.build());
        let queues = Self { moto, client, name, url: String::new(), dead_letters: String::new() };
        let dead_letters = queues.create(&format!("{name}-dead"), &SETTINGS_OF_DEAD_LETTERS).await;
        let url = queues.create(name, &SETTINGS).await;
        let queues = Self { url, dead_letters, ..queues };
        queues.set_redrive(5).await;
        queues
    }

    async fn create(&self, name: &str, settings: &[(&str, &str)]) -> String {
        let settings = settings.iter().map(|(name, value)| (QueueAttributeName::from(*name), (*value).to_owned()));
        let request = self.client.create_queue().queue_name(name).set_attributes(Some(settings.collect()));
        request.send().await.expect("a queue").queue_url.expect("its URL")
    }

    /// Lets a message be a dead letter after so many receives.
    async fn set_redrive(&self, receives: u32) {
        let arn = format!("arn:aws:sqs:eu-central-1:123456789012:{}-dead", self.name);
        self.set(&self.url, "RedrivePolicy", &json!({"deadLetterTargetArn": arn, "maxReceiveCount": receives})).await;
    }

    async fn set(&self, url: &str, setting: &str, value: &Value) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let request = self.client.set_queue_attributes().queue_url(url).attributes(setting.into(), value);
        request.send().await.expect("it is set");
    }

    async fn add(&self, url: &str, body: &str, attributes: &[(&str, &str)]) {
        let value = |text: &str| MessageAttributeValue::builder().data_type("String").string_value(text).build();
        let attributes: HashMap<_, _> =
            attributes.iter().map(|(name, text)| ((*name).to_owned(), value(text).expect("a value"))).collect();
        let request = self.client.send_message().queue_url(url).message_body(body);
        request.set_message_attributes(Some(attributes)).send().await.expect("it is sent");
    }

    pub(crate) async fn add_event(&self, body: &str, attributes: &[(&str, &str)]) {
        self.add(&self.url, body, attributes).await;
    }

    pub(crate) async fn add_dead_letter(&self, body: &str, attributes: &[(&str, &str)]) {
        self.add(&self.dead_letters, body, attributes).await;
    }

    /// What can be received now, in order, and how often each was received before.
    async fn received(&self, url: &str) -> (Vec<Sent>, Vec<u32>) {
        let (mut sent, mut receives) = (Vec::new(), Vec::new());
        loop {
            let request = self.client.receive_message().queue_url(url).max_number_of_messages(10);
            let request = request.message_attribute_names("All").visibility_timeout(600);
            let count = MessageSystemAttributeName::ApproximateReceiveCount;
            let answer = request.message_system_attribute_names(count.clone()).send().await.expect("an answer");
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                sent.sort();
                return (sent, receives);
            }
            for message in messages {
                receives.push(message.attributes.expect("the count")[&count].parse::<u32>().expect("a count") - 1);
                let attributes = message.message_attributes.unwrap_or_default().into_iter();
                let attributes = attributes.map(|(name, value)| (name, value.string_value.expect("text"))).collect();
                sent.push((message.body.expect("a body"), attributes));
            }
        }
    }

    /// The bodies in the queue of dead letters.
    async fn dead_bodies(&self) -> Vec<String> {
        self.received(&self.dead_letters).await.0.into_iter().map(|(body, _)| body).collect()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(self.moto.environment()).arg("queue").args(arguments).args(["--queue", self.name]);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("provision starts")
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    /// The settings that `show` complains about, as `queue setting`.
    #[track_caller]
    fn findings(&self, status: i32) -> Vec<String> {
        let state = self.json(&["show"], status);
        let words = |finding: &Value| {
            [&finding["queue"], &finding["setting"]].map(|word| word.as_str().expect("text").to_owned()).join(" ")
        };
        state["findings"].as_array().expect("a list").iter().map(words).collect()
    }
}

/// A sign-up of the user with this number.
fn sign_up(number: u32) -> String {
    json!({
        "triggerSource": "PostConfirmation_ConfirmSignUp", "userName": "lovelace",
        "request": {"userAttributes": {
            "sub": format!("5c2f8a10-9d3e-4b71-8f06-{number:012}"), "email": "lovelace@example.com", "name": "Ada Lovelace"
        }}
    })
    .to_string()
}

/// The attributes of an event that waits for this reason.
fn waiting_for(cause: &str) -> [(&str, &str); 4] {
    [
        ("cause", cause),
        ("as_of", "2026-11-20T10:00:00.123456Z"),
        ("trigger_source", "PostConfirmation_ConfirmSignUp"),
        ("version", "0.1.0"),
    ]
}

/// A sign-up of the first user, as a body that holds what SQS refuses is encoded.
const ENCODED: &str = "eyJ0cmlnZ2VyU291cmNlIjoiUG9zdENvbmZpcm1hdGlvbl9Db25maXJtU2lnblVwIiwicmVxdWVzdCI6eyJ1c2VyQXR0cmlidXRlcyI6eyJzdWIiOiI1QzJGOEExMC05RDNFLTRCNzEtOEYwNi0wMDAwMDAwMDAwMDEifX19";

/// Of a message that the database has refused.
fn refused(cause: &str) -> Vec<(&str, &str)> {
    [&waiting_for(cause)[..], &[("request_id", "8f5f-1")]].concat()
}

#[track_caller]
fn assert_fails(output: &Output, expected: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in expected {
        assert!(stderr.contains(part), "expected {part:?} in {stderr}");
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[tokio::test]
async fn dead_letters_are_counted_by_cause_and_stay() {
    let queues = Queues::new("shown").await;
    queues.add(&queues.url, &sign_up(1), &waiting_for("DatabaseUnreachable")).await;
    for number in [2, 2, 3] {
        queues.add_dead_letter(&sign_up(number), &waiting_for("DatabaseUnreachable")).await;
    }
    queues.add_dead_letter(&sign_up(4), &refused("DatabaseRefused")).await;
    queues.add_dead_letter("lovelace@example.com", &[("cause", "Ada Lovelace"), ("trigger_source", "ada")]).await;

    let state = queues.json(&["show"], 3);
    assert_eq!(state["queue"]["waiting"], 1);
    assert_eq!(state["findings"], json!([]));
    let letters = &state["dead_letters"];
    assert_eq!((&letters["waiting"], &letters["is_complete"]), (&json!(5), &json!(true)));
    let read = &letters["read"];
    assert_eq!([&read["messages"], &read["users"], &read["without_user"], &read["may_succeed"]], [5, 3, 1, 3]);
    assert_eq!(read["oldest_event"], "2026-11-20T10:00:00Z");
    let groups: Vec<_> = read["by_cause"].as_array().expect("a list").iter().collect();
    let row = |group: &Value| json!([group["cause"], group["trigger_source"], group["messages"], group["may_succeed"]]);
    assert_eq!(
        groups.iter().map(|group| row(group)).collect::<Vec<_>>(),
        [
            json!(["DatabaseUnreachable", "PostConfirmation_ConfirmSignUp", 3, 3]),
            json!(["DatabaseRefused", "PostConfirmation_ConfirmSignUp", 1, 0]),
            json!(["unknown", null, 1, 0]),
        ]
    );
    assert!(groups[0]["remedy"].as_str().expect("text").contains("provision instance status"));

    let output = queues.run(&["show"]);
    let text = stdout(&output);
    for expected in [
        "events:       1 waiting, 0 in flight, 0 delayed",
        "read:         5 dead letters of 3 users (1 of no known user)",
        "DatabaseUnreachable: look whether the server runs",
        "once the cause is mended, `provision queue replay --queue shown` sends 3 to the queue again",
    ] {
        assert!(text.contains(expected), "expected {expected:?} in {text}");
    }
    for written in [text, state.to_string(), String::from_utf8_lossy(&output.stderr).into_owned()] {
        assert!(!written.to_lowercase().contains("lovelace") && !written.contains("5c2f8a10"), "{written}");
    }
    let limited = queues.json(&["show", "--limit", "0"], 3);
    assert_eq!(
        (&limited["dead_letters"]["waiting"], &limited["dead_letters"]["read"]["messages"]),
        (&json!(5), &json!(0))
    );

    assert_eq!(queues.dead_bodies().await.len(), 5, "others receive the dead letters at once");
    let (waiting, receives) = queues.received(&queues.url).await;
    assert_eq!((waiting.len(), receives), (1, vec![0]), "no receive of an event that waits is used up");
}

#[tokio::test]
async fn queues_that_are_empty_and_lose_nothing_need_no_action() {
    let queues = Queues::new("healthy").await;
    let state = queues.json(&["show"], 0);
    assert_eq!((&state["findings"], &state["next"]), (&json!([]), &Value::Null));
    assert_eq!(state["queue"]["place"], "account 123456789012, eu-central-1");
    assert_eq!(queues.json(&["replay", "--dry-run"], 0)["sent"]["messages"], 0);
    assert_eq!(queues.json(&["drop", "--all"], 0)["found"]["messages"], 0, "nothing to ask about");
}

#[tokio::test]
async fn each_setting_that_loses_events_is_found() {
    let queues = Queues::new("lossy").await;
    let [queue, dead_letters] = [&queues.url, &queues.dead_letters];
    queues.set_redrive(4).await;
    assert_eq!(queues.findings(3), ["lossy RedrivePolicy"]);
    queues.set_redrive(5).await;
    queues.set(queue, "VisibilityTimeout", &json!("30")).await;
    assert_eq!(queues.findings(3), ["lossy VisibilityTimeout"]);
    queues.set(queue, "VisibilityTimeout", &json!("36")).await;
    queues.set(queue, "MessageRetentionPeriod", &json!("86400")).await;
    assert_eq!(queues.findings(3), ["lossy MessageRetentionPeriod"]);
    queues.set(queue, "MessageRetentionPeriod", &json!("1209600")).await;
    assert_eq!(queues.findings(3), ["lossy-dead MessageRetentionPeriod"]);
    queues.set(queue, "MessageRetentionPeriod", &json!("345600")).await;
    assert_eq!(queues.findings(0), [""; 0]);

    queues.create("lossy-last", &[]).await;
    let last = "arn:aws:sqs:eu-central-1:123456789012:lossy-last";
    queues.add_dead_letter("{}", &[]).await;
    queues.set(dead_letters, "RedrivePolicy", &json!({"deadLetterTargetArn": last, "maxReceiveCount": 1})).await;
    assert_eq!(queues.findings(3), ["lossy-dead RedrivePolicy"]);
    assert_fails(
        &queues.run(&["replay", "--all"]),
        &["has a redrive policy itself: reading it can move messages to lossy-last", "hint: remove the redrive policy"],
    );
    assert_eq!(queues.received(dead_letters).await.1, [0], "no receive of it is used up");

    let client = &queues.client;
    client.delete_queue().queue_url(dead_letters).send().await.expect("it is deleted");
    assert_eq!(queues.findings(3), ["lossy RedrivePolicy"]);
    let bare = queues.create("lossy-bare", &SETTINGS).await;
    let output = queues.command(&["replay"]).args(["--queue", &bare]).output().expect("provision starts");
    assert_eq!(output.status.code(), Some(2), "one queue only");
}

#[tokio::test]
async fn without_a_redrive_policy_the_dead_letters_must_be_named() {
    let queues = Queues::new("bare").await;
    queues.set(&queues.url, "RedrivePolicy", &json!("")).await;
    assert_eq!(queues.findings(3), ["bare RedrivePolicy"]);
    assert_fails(
        &queues.run(&["replay"]),
        &["the queue bare has no redrive policy", "hint: name the queue of the dead letters"],
    );
    queues.add_dead_letter(&sign_up(1), &waiting_for("BudgetExceeded")).await;
    assert_eq!(queues.json(&["replay", "--dead-letters", "bare-dead"], 0)["sent"]["messages"], 1);
    assert_fails(
        &queues.run(&["replay", "--dead-letters", "bare"]),
        &["bare would be the queue of its own dead letters", "hint: name another one"],
    );
}

#[tokio::test]
async fn what_may_succeed_is_sent_as_it_was_and_the_rest_stays() {
    let queues = Queues::new("replayed").await;
    let mut expected = Vec::new();
    for number in 0..23 {
        let attributes = waiting_for("DatabaseUnreachable");
        queues.add_dead_letter(&sign_up(number), &attributes).await;
        expected.push((sign_up(number), attributes));
    }
    let encoded = [&waiting_for("SecretUnavailable")[..], &[("encoding", "base64")]].concat();
    queues.add_dead_letter(ENCODED, &encoded).await;
    // A refusal that is the database's state, such as a lock, was given up by SQS and never answered.
    queues.add_dead_letter("lock", &waiting_for("DatabaseRefused")).await;
    for (body, cause) in [("poison", "InvalidEvent"), ("data", "DatabaseRefused"), ("foreign", "")] {
        queues.add_dead_letter(body, &if cause.is_empty() { Vec::new() } else { refused(cause) }).await;
    }

    let planned = queues.json(&["replay", "--dry-run"], 3);
    assert_eq!((&planned["sent"]["messages"], &planned["left"]["messages"]), (&json!(25), &json!(3)));
    let output = queues.run(&["replay"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = stdout(&output);
    for part in [
        "sent 25 dead letters of 23 users (1 of no known user) to replayed: SecretUnavailable 1, \
         DatabaseUnreachable 23, DatabaseRefused 1",
        "left in replayed-dead: DatabaseRefused 1, InvalidEvent 1, unknown 1",
        "next: look at `provision queue show --queue replayed` in some minutes",
    ] {
        assert!(text.contains(part), "expected {part:?} in {text}");
    }
    let owned = |attributes: &[(&str, &str)]| -> BTreeMap<String, String> {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut expected: Vec<Sent> = expected.iter().map(|(body, attributes)| (body.clone(), owned(attributes))).collect();
    expected.push((ENCODED.to_owned(), owned(&encoded)));
    expected.push(("lock".to_owned(), owned(&waiting_for("DatabaseRefused"))));
    expected.sort();
    assert_eq!(queues.received(&queues.url).await.0, expected, "each once, as it was");
    assert_eq!(queues.dead_bodies().await, ["data", "foreign", "poison"], "others receive the rest at once");
}

#[tokio::test]
async fn causes_that_are_named_are_sent_and_all_on_request() {
    let queues = Queues::new("chosen").await;
    for (body, cause) in [("down", "DatabaseUnreachable"), ("data", "DatabaseRefused"), ("poison", "InvalidEvent")] {
        queues.add_dead_letter(body, &[&refused(cause)[..], &[("sqlstate", "23514")]].concat()).await;
    }
    assert_eq!(queues.json(&["replay", "--cause", "DatabaseRefused"], 0)["sent"]["messages"], 1);
    let (body, attributes) = queues.received(&queues.url).await.0.remove(0);
    assert_eq!(body, "data");
    let names: Vec<&str> = attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["as_of", "cause", "trigger_source", "version"], "nobody has refused it yet");
    assert_eq!(queues.json(&["replay", "--all"], 0)["sent"]["messages"], 2);
    assert_eq!(queues.dead_bodies().await, [""; 0]);
    let output = queues.run(&["replay", "--cause", "DatabaseDown"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected an error type of docs/errors.md"));
}

/// Moves what reaches the queue to the dead letters, as a replay does that refuses everything, up to so many messages.
/// Returns the bodies.
async fn refuse_all(queues: &Queues, most: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < most {
        let request = queues.client.receive_message().queue_url(&queues.url).max_number_of_messages(10);
        let messages = request.message_attribute_names("All").send().await.expect("an answer").messages;
        for message in messages.unwrap_or_default() {
            let body = message.body.expect("a body");
            let again = queues.client.send_message().queue_url(&queues.dead_letters).message_body(&body);
            again.set_message_attributes(message.message_attributes).send().await.expect("it is sent");
            let handle = message.receipt_handle.expect("a handle");
            let delete = queues.client.delete_message().queue_url(&queues.url).receipt_handle(handle);
            delete.send().await.expect("it is deleted");
            bodies.push(body);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bodies
}

#[tokio::test]
async fn letters_that_come_back_at_once_are_sent_once_in_a_run() {
    const LETTERS: usize = 3;
    let queues = Queues::new("circular").await;
    for number in 0..2 {
        queues.add_dead_letter(&sign_up(number), &refused("DatabaseRefused")).await;
    }
    // Without a time of its own, the event has that of its first message.
    queues.add_dead_letter("no event", &[("cause", "InvalidEvent")]).await;
    let mut command = queues.command(&["replay", "--all", "--output", "json"]);
    let output = tokio::task::spawn_blocking(move || command.output().expect("provision starts"));
    // The run would never end otherwise.
    let output = tokio::select! {
        bodies = refuse_all(&queues, 4 * LETTERS) => panic!("letters circulate: {bodies:?}"),
        output = output => output.expect("no panic"),
    };
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["sent"]["messages"], LETTERS);
    assert!(report["again"]["messages"].as_u64().is_some_and(|again| again > 0), "{report}");
    assert_eq!(report["left"]["messages"], 0);
}

#[tokio::test]
async fn dead_letters_of_another_queue_are_said_and_left() {
    let queues = Queues::new("shared").await;
    let arn = |name: &str| format!("arn:aws:sqs:eu-central-1:123456789012:{name}");
    let [own, others] = [arn("shared"), arn("shared-other")];
    let of = |arn| [&refused("InvalidEvent")[..], &[("source_arn", arn)]].concat();
    queues.add_dead_letter("own", &of(own.as_str())).await;
    queues.add_dead_letter("buried", &of(others.as_str())).await;
    queues.add_dead_letter("anybody's", &of("Ada Lovelace")).await;

    let state = queues.json(&["show"], 3);
    let letters = &state["dead_letters"];
    let expected = json!({"shared-other": 1});
    assert_eq!((&letters["read"]["messages"], &letters["of_other_queues"]), (&json!(2), &expected), "{state}");
    let text = stdout(&queues.run(&["show"]));
    assert!(text.contains("of others:    shared-other 1; `--queue` with that name works on them"), "{text}");
    let planned = queues.json(&["drop", "--all", "--dry-run"], 3);
    assert_eq!((&planned["found"]["messages"], &planned["of_other_queues"]), (&json!(2), &expected));
    let report = queues.json(&["replay", "--all"], 0);
    assert_eq!((&report["sent"]["messages"], &report["of_other_queues"]), (&json!(2), &expected));
    let sent: Vec<_> = queues.received(&queues.url).await.0;
    assert_eq!(sent.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(), ["anybody's", "own"]);
    assert!(sent.iter().all(|(_, attributes)| !attributes.contains_key("source_arn")), "{sent:?}");
    assert_eq!(queues.dead_bodies().await, ["buried"]);
}

#[tokio::test]
async fn an_event_is_no_younger_for_being_sent_again() {
    let queues = Queues::new("aged").await;
    for (body, as_of) in [("future", Some("2999-01-01T00:00:00.000000Z")), ("unknown", None)] {
        let attributes: Vec<_> =
            [("cause", "NotAllowed")].into_iter().chain(as_of.map(|time| ("as_of", time))).collect();
        queues.add_dead_letter(body, &attributes).await;
    }
    let before = SystemTime::now();
    assert_eq!(queues.json(&["replay"], 0)["sent"]["messages"], 2);
    for (body, attributes) in queues.received(&queues.url).await.0 {
        let as_of = humantime::parse_rfc3339(&attributes["as_of"]).expect("a time");
        assert!(as_of <= before, "{body}: {}", attributes["as_of"]);
    }
}

#[tokio::test]
async fn only_dead_letters_that_are_meant_and_confirmed_are_deleted() {
    let queues = Queues::new("dropped").await;
    queues.add(&queues.url, "waits", &waiting_for("DatabaseUnreachable")).await;
    for number in [1, 1, 2] {
        queues.add_dead_letter(&sign_up(number), &refused("InvalidEvent")).await;
    }
    queues.add_dead_letter("young", &[("cause", "InvalidEvent")]).await;
    queues.add_dead_letter("other", &waiting_for("NotAllowed")).await;

    assert_eq!(queues.run(&["drop"]).status.code(), Some(2), "it must be said which");
    let cause = ["drop", "--cause", "InvalidEvent", "--older-than", "1h"];
    let planned = queues.json(&[&cause[..], &["--dry-run"]].concat(), 3);
    assert_eq!((&planned["found"]["messages"], &planned["deleted"]), (&json!(3), &json!(0)));
    assert_fails(
        &queues.run(&cause),
        &[
            "InvalidEvent  PostConfirmation_ConfirmSignUp",
            "This deletes 3 dead letters of 2 users from dropped-dead (account 123456789012, eu-central-1)",
            "hint: add --yes to confirm",
        ],
    );
    let mut terminal = Terminal::start(&queues.command(&cause));
    assert!(terminal.question().contains("Type `dropped-dead` to confirm"));
    // Nobody was asked about this one.
    queues.add_dead_letter(&sign_up(3), &refused("InvalidEvent")).await;
    let end = terminal.answer("dropped-dead");
    assert!(end.contains("deleted 3 of 3 dead letters of 2 users from dropped-dead: InvalidEvent 3"), "{end}");
    assert!(end.contains("`provision users reconcile --prod --pool ID --dry-run` finds every user"), "{end}");
    assert_eq!(queues.dead_bodies().await, ["other".to_owned(), "young".to_owned(), sign_up(3)].map(|body| body));
    assert_eq!(queues.received(&queues.url).await.0.len(), 1, "what waits is never deleted");
}

#[tokio::test]
async fn a_question_that_is_not_confirmed_deletes_nothing() {
    let queues = Queues::new("refused").await;
    queues.add_dead_letter("{}", &[]).await;
    let mut terminal = Terminal::start(&queues.command(&["drop", "--all"]));
    terminal.question();
    assert!(terminal.answer("yes").contains("not confirmed, so nothing was done"));
    assert_eq!(queues.dead_bodies().await.len(), 1);
    // Received just now, so hidden.
    let hidden = queues.json(&["drop", "--all", "--yes"], 0);
    assert_eq!(hidden["found"]["messages"], 0);
}

#[tokio::test]
async fn a_queue_that_cannot_be_used_is_an_error_with_the_way_out() {
    let queues = Queues::new("named").await;
    let named = |queue: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(queues.moto.environment()).env("SPILL_QUEUE_URL", queue).args(["queue", "show"]);
        command.stdin(Stdio::null()).output().expect("provision starts")
    };
    for usable in [&queues.url, "arn:aws:sqs:eu-central-1:123456789012:named", " named "] {
        assert_eq!(named(usable).status.code(), Some(0), "{usable}");
    }
    assert_fails(&named(""), &["no queue is named", "hint: add --queue with its name, or set SPILL_QUEUE_URL"]);
    assert_fails(&named("nowhere"), &["there is no queue nowhere in eu-central-1", "hint: correct the name"]);
    let elsewhere = "https://sqs.eu-west-1.amazonaws.com/123456789012/named";
    assert_fails(
        &named(elsewhere),
        &["the queue named lies in eu-west-1, and requests go to eu-central-1", "hint: add --region eu-west-1"],
    );
    for wrong in ["arn:aws:sns:eu-central-1:123456789012:hunter2", "postgres://ada:hunter2@db/app", "hunter2.fifo"] {
        let output = named(wrong);
        assert_fails(&output, &["SPILL_QUEUE_URL: ", "hint: correct it, or name the queue with --queue"]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "a value that may be secret");
    }
}

/// An SQS whose queue and dead letters exist, with another answer where `answer` has one, and the operations in order.
fn scripted(
    answer: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> (Answers, Arc<Mutex<Vec<String>>>) {
    let operations = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&operations);
    let aws = Answers::start(move |operation| {
        let times = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(operation.to_owned());
            seen.iter().filter(|before| *before == operation).count()
        };
        let arn = |name: &str| format!("arn:aws:sqs:eu-central-1:123456789012:{name}");
        let (status, body) = answer(operation, times).unwrap_or_else(|| {
            let body = match operation {
                "GetQueueUrl" => json!({"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/spill"}),
                "GetQueueAttributes" if times == 1 => json!({"Attributes": {
                    "QueueArn": arn("spill"),
                    "RedrivePolicy": json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 5}).to_string()
                }}),
                "GetQueueAttributes" => json!({"Attributes": {"QueueArn": arn("dead")}}),
                _ => json!({}),
            };
            (200, body)
        });
        (status, body.to_string())
    });
    (aws, operations)
}

/// Dead letters with these ids.
fn letters(ids: &[u32]) -> Value {
    let letter = |id: &u32| {
        json!({
            "MessageId": id.to_string(), "ReceiptHandle": format!("handle-{id}"), "Body": sign_up(*id),
            "MessageAttributes": {"cause": {"DataType": "String", "StringValue": "DatabaseUnreachable"}}
        })
    };
    json!({"Messages": ids.iter().map(letter).collect::<Vec<_>>()})
}

fn done(ids: &[u32]) -> Vec<Value> {
    ids.iter().map(|id| json!({"Id": id.to_string(), "MessageId": "x", "MD5OfMessageBody": "x"})).collect()
}

fn failed(id: u32, code: &str, sender_fault: bool) -> Value {
    json!({"Id": id.to_string(), "Code": code, "SenderFault": sender_fault})
}

#[test]
fn what_the_queue_has_not_taken_is_not_deleted() {
    let (aws, operations) = scripted(|operation, times| {
        let body = match (operation, times) {
            ("ReceiveMessage", 1) => letters(&[1, 2, 3]),
            ("SendMessageBatch", 1) => json!({
                "Successful": done(&[0]),
                "Failed": [failed(1, "InternalError", false), failed(2, "InvalidParameterValue", true)]
            }),
            ("SendMessageBatch" | "ChangeMessageVisibilityBatch", _) => {
                json!({"Successful": done(&[0]), "Failed": []})
            }
            ("DeleteMessageBatch", _) => json!({"Successful": done(&[0, 1]), "Failed": []}),
            _ => return None,
        };
        Some((200, body))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill", "--output", "json"]);
    assert_fails(&output, &["not all dead letters were sent: InvalidParameterValue 1", "hint: look the code up"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["sent"]["messages"], 2);
    assert_eq!(report["not_sent"], json!({"InvalidParameterValue": 1}));
    // A deleted one would not be given back.
    let operations = operations.lock().expect("the operations")[4..].to_vec();
    let expected = [
        "ReceiveMessage",
        "SendMessageBatch",
        "SendMessageBatch",
        "DeleteMessageBatch",
        "ReceiveMessage",
        "ChangeMessageVisibilityBatch",
    ];
    assert_eq!(operations, expected);
}

#[test]
fn a_dead_letter_that_is_sent_and_not_deleted_is_reported() {
    let (aws, _) = scripted(|operation, times| {
        let body = match (operation, times) {
            ("ReceiveMessage", 1) => letters(&[1]),
            ("SendMessageBatch", _) => json!({"Successful": done(&[0]), "Failed": []}),
            ("DeleteMessageBatch", _) => {
                json!({"Successful": [], "Failed": [failed(0, "ReceiptHandleIsInvalid", true)]})
            }
            _ => return None,
        };
        Some((200, body))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "not deleted, so in both queues, which does no harm: ReceiptHandleIsInvalid 1";
    assert!(stdout(&output).contains(expected), "{}", stdout(&output));
}

#[test]
fn a_dead_letter_that_comes_again_within_a_run_is_sent_once() {
    let (aws, operations) = scripted(|operation, _| {
        let body = match operation {
            "ReceiveMessage" => letters(&[1]),
            "SendMessageBatch" | "DeleteMessageBatch" => json!({"Successful": done(&[0]), "Failed": []}),
            _ => return None,
        };
        Some((200, body))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let operations = operations.lock().expect("the operations");
    let sent = operations.iter().filter(|operation| *operation == "SendMessageBatch").count();
    assert_eq!(sent, 1, "{operations:?}");
}

#[test]
fn a_part_with_known_dead_letters_only_is_not_the_end() {
    let (aws, _) = scripted(|operation, times| {
        let body = match (operation, times) {
            ("ReceiveMessage", 1 | 2) => letters(&[1]),
            ("ReceiveMessage", 3) => letters(&[2]),
            ("SendMessageBatch" | "DeleteMessageBatch", _) => json!({"Successful": done(&[0]), "Failed": []}),
            _ => return None,
        };
        Some((200, body))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["sent"]["messages"], 2);
}

#[test]
fn a_dead_letter_that_sqs_has_moved_from_another_queue_is_left() {
    let (aws, _) = scripted(|operation, times| {
        let body = match (operation, times) {
            ("ReceiveMessage", 1) => {
                let mut letters = letters(&[1, 2]);
                // SQS knows better than the attribute that an earlier replay has written.
                for (place, queue) in ["other", "spill"].into_iter().enumerate() {
                    let arn = format!("arn:aws:sqs:eu-central-1:123456789012:{queue}");
                    let letter = &mut letters["Messages"][place];
                    letter["Attributes"] = json!({"DeadLetterQueueSourceArn": arn});
                    letter["MessageAttributes"]["source_arn"] = json!({"DataType": "String", "StringValue": "spill"});
                }
                letters
            }
            ("SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch", _) => {
                json!({"Successful": done(&[0]), "Failed": []})
            }
            _ => return None,
        };
        Some((200, body))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["sent"]["messages"], &report["of_other_queues"]), (&json!(1), &json!({"other": 1})));
}

#[test]
fn a_run_that_fails_in_between_says_what_is_done_and_gives_the_rest_back() {
    let (aws, operations) = scripted(|operation, times| {
        let body = match (operation, times) {
            ("ReceiveMessage", 1) => letters(&[1, 2]),
            ("ReceiveMessage", _) => letters(&[3]),
            ("SendMessageBatch", 1) => json!({"Successful": done(&[0, 1]), "Failed": []}),
            ("SendMessageBatch", _) => {
                let denied = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"});
                return Some((403, denied));
            }
            ("DeleteMessageBatch" | "ChangeMessageVisibilityBatch", _) => {
                json!({"Successful": done(&[0, 1]), "Failed": []})
            }
            _ => return None,
        };
        Some((200, body))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill"]);
    assert_fails(
        &output,
        &[
            "not all dead letters were read: the AWS credentials do not allow sqs:SendMessage",
            "hint: allow the action to these credentials; infra/iam has the policies; then run the same command again",
        ],
    );
    assert!(
        stdout(&output).starts_with("sent 2 dead letters of 2 users to spill: DatabaseUnreachable 2"),
        "{}",
        stdout(&output)
    );
    let last = operations.lock().expect("the operations").last().cloned();
    assert_eq!(last.as_deref(), Some("ChangeMessageVisibilityBatch"));
}

#[test]
fn a_key_that_these_credentials_may_not_use_is_an_error_with_the_way_out() {
    let (aws, _) = scripted(|operation, _| {
        let denied =
            json!({"__type": "com.amazonaws.sqs#KmsAccessDenied", "message": "The ciphertext refers to a key"});
        (operation == "ReceiveMessage").then_some((400, denied))
    });
    let output = aws.run(&["queue", "replay", "--queue", "spill"]);
    assert_fails(
        &output,
        &["sqs:ReceiveMessage", "hint: allow kms:Decrypt and kms:GenerateDataKey on the queue's key"],
    );
}

#[test]
fn an_interrupted_run_gives_back_what_it_has_read() {
    let (reads, is_reading) = mpsc::channel();
    let reads = Mutex::new(reads);
    let (aws, operations) = scripted(move |operation, times| match (operation, times) {
        ("ReceiveMessage", 1) => Some((200, letters(&[1]))),
        ("ReceiveMessage", _) => {
            reads.lock().expect("the test waits").send(()).expect("the test waits");
            // No answer before the interruption.
            std::thread::park();
            None
        }
        _ => None,
    });
    let command = ["queue", "replay", "--queue", "spill", "--dry-run"];
    let process = aws.command(&command).spawn().expect("provision starts");
    is_reading.recv().expect("it reads on");
    let signal = Command::new("kill").args(["-INT", &process.id().to_string()]).status().expect("kill starts");
    assert!(signal.success());
    let output = process.wait_with_output().expect("it ends");
    assert_fails(&output, &["interrupted before the end of the dead letters", "hint: run the same command again"]);
    assert!(operations.lock().expect("the operations").contains(&"ChangeMessageVisibilityBatch".to_owned()));
}
