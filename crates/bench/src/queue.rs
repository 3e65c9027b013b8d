//! Amazon SQS, as far as the function spills to it and its replay is fed from it.
//!
//! Of this crate's own, as small as its other stand-ins: hundreds of functions reach it at once, and what it takes is in their
//! answers.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use native_tls::TlsAcceptor;
use serde_json::{Map, Value, json};

use crate::http;

/// How long a message that was received is hidden, as infra/template.yaml has it.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(6);

/// The path of its URL.
const SPILLED: &str = "/123456789012/sign-ups";

/// That of the dead letters.
const DEAD: &str = "/123456789012/dead-letters";

/// A queue and the one of its dead letters.
#[derive(Debug)]
pub(crate) struct Queue {
    endpoint: String,
    shared: Arc<Mutex<Messages>>,
}

#[derive(Debug, Default)]
struct Messages {
    /// By their ids, which are in the order in which they were sent, and are their receipts as well.
    waiting: BTreeMap<String, Message>,
    /// The users whose events were sent.
    users: HashSet<String>,
    /// How often each error type was the cause.
    causes: BTreeMap<String, usize>,
    checks: usize,
    sent: usize,
    dead: usize,
}

#[derive(Debug)]
struct Message {
    body: String,
    attributes: Map<String, Value>,
    sent: SystemTime,
    receives: u32,
    visible_from: Instant,
}

impl Queue {
    /// Starts an empty one, with TLS if there is an acceptor.
    pub(crate) fn start(tls: Option<TlsAcceptor>) -> anyhow::Result<Self> {
        let shared = Arc::new(Mutex::new(Messages::default()));
        let serving = Arc::clone(&shared);
        let respond = move |request: http::Request| {
            let operation = request.target.unwrap_or_default();
            let request: Value = serde_json::from_slice(&request.body)?;
            let answer = serving.lock().expect("no panic while it is locked").answer(&operation, &request)?;
            Ok(("200 OK", "content-type: application/x-amz-json-1.0\r\n", answer.to_string()))
        };
        Ok(Self { endpoint: http::listen(tls, || {}, respond)?, shared })
    }

    /// The variables that lead a function here.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let endpoint = self.endpoint.clone();
        vec![("SPILL_QUEUE_URL", format!("{endpoint}{SPILLED}")), ("AWS_ENDPOINT_URL_SQS", endpoint)]
    }

    /// Those of the replay.
    pub(crate) fn replay_environment(&self) -> Vec<(&'static str, String)> {
        let dead_letters = format!("{}{DEAD}", self.endpoint);
        [self.environment(), vec![("DEAD_LETTER_QUEUE_URL", dead_letters)]].concat()
    }

    /// Takes the event of a sign-up, as if the function had spilled it.
    pub(crate) fn put(&self, event: String) -> anyhow::Result<()> {
        self.lock().keep(event, Map::new())
    }

    /// The number of requests for its attributes, which a function sends when it starts.
    pub(crate) fn checks(&self) -> usize {
        self.lock().checks
    }

    /// How many messages it has got so far.
    pub(crate) fn sent(&self) -> usize {
        self.lock().sent
    }

    /// How many of them are not deleted yet.
    pub(crate) fn left(&self) -> usize {
        self.lock().waiting.len()
    }

    /// How many dead letters there are.
    pub(crate) fn dead(&self) -> usize {
        self.lock().dead
    }

    /// Whether this user's event was sent.
    pub(crate) fn has_had(&self, user: &str) -> bool {
        self.lock().users.contains(user)
    }

    /// How often each error type was the cause.
    pub(crate) fn causes(&self) -> BTreeMap<String, usize> {
        self.lock().causes.clone()
    }

    /// Hands the oldest messages over that are not hidden, at most so many, and hides them: the event that Lambda makes of
    /// them, and their ids. None if there are none.
    pub(crate) fn receive(&self, most: usize) -> Option<(Value, Vec<String>)> {
        let now = Instant::now();
        let mut messages = self.lock();
        let visible = messages.waiting.iter_mut().filter(|(_, message)| message.visible_from <= now).take(most);
        let (records, ids): (Vec<Value>, Vec<String>) = visible
            .map(|(id, message)| {
                message.receives += 1;
                message.visible_from = now + VISIBILITY_TIMEOUT;
                (message.record(id), id.clone())
            })
            .unzip();
        (!ids.is_empty()).then(|| (json!({"Records": records}), ids))
    }

    /// Deletes these messages.
    pub(crate) fn delete(&self, ids: &[&String]) {
        let mut messages = self.lock();
        for id in ids {
            messages.waiting.remove(*id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.shared.lock().expect("no panic while it is locked")
    }
}

impl Message {
    /// As Lambda hands it over.
    fn record(&self, id: &str) -> Value {
        let text = |attribute: &Value| json!({"stringValue": attribute["StringValue"], "dataType": "String"});
        let attributes = self.attributes.iter().map(|(name, attribute)| (name.clone(), text(attribute)));
        let sent = self.sent.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        json!({
            "messageId": id,
            "receiptHandle": id,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": self.receives.to_string(), "SentTimestamp": sent.to_string()},
            "messageAttributes": attributes.collect::<Map<_, _>>(),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:sign-ups",
            "awsRegion": "eu-central-1",
        })
    }
}

impl Messages {
    fn answer(&mut self, operation: &str, request: &Value) -> anyhow::Result<Value> {
        match operation {
            "AmazonSQS.GetQueueAttributes" => {
                self.checks += 1;
                Ok(json!({"Attributes": {"QueueArn": "arn:aws:sqs:eu-central-1:123456789012:sign-ups"}}))
            }
            "AmazonSQS.SendMessage" => self.send(request),
            "AmazonSQS.ChangeMessageVisibilityBatch" => self.hide(request),
            other => bail!("the function asks for {other}"),
        }
    }

    fn send(&mut self, request: &Value) -> anyhow::Result<Value> {
        if request["QueueUrl"].as_str().is_some_and(|url| url.ends_with(DEAD)) {
            self.dead += 1;
            return Ok(json!({"MessageId": format!("dead-{}", self.dead)}));
        }
        let body = request["MessageBody"].as_str().context("a message has a body")?.to_owned();
        let attributes = request["MessageAttributes"].as_object().cloned().unwrap_or_default();
        let cause = attributes.get("cause").and_then(|cause| cause["StringValue"].as_str()).unwrap_or_default();
        *self.causes.entry(cause.to_owned()).or_default() += 1;
        self.keep(body, attributes)?;
        Ok(json!({"MessageId": self.newest()}))
    }

    fn keep(&mut self, body: String, attributes: Map<String, Value>) -> anyhow::Result<()> {
        let event: Value = serde_json::from_str(&body)?;
        self.users.extend(event["request"]["userAttributes"]["sub"].as_str().map(str::to_owned));
        self.sent += 1;
        let (sent, visible_from) = (SystemTime::now(), Instant::now());
        self.waiting.insert(self.newest(), Message { body, attributes, sent, receives: 0, visible_from });
        Ok(())
    }

    /// The id of the message that was sent last.
    fn newest(&self) -> String {
        format!("message-{:08}", self.sent)
    }

    fn hide(&mut self, request: &Value) -> anyhow::Result<Value> {
        let entries = request["Entries"].as_array().context("a batch has entries")?;
        for entry in entries {
            let seconds = entry["VisibilityTimeout"].as_u64().context("a time")?;
            let receipt = entry["ReceiptHandle"].as_str().unwrap_or_default();
            if let Some(message) = self.waiting.get_mut(receipt) {
                message.visible_from = Instant::now() + Duration::from_secs(seconds);
            }
        }
        let done: Vec<Value> = entries.iter().map(|entry| json!({"Id": entry["Id"]})).collect();
        Ok(json!({"Successful": done, "Failed": []}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(queue: &Queue, user: &str) {
        let body = json!({"request": {"userAttributes": {"sub": user}}}).to_string();
        let cause = json!({"cause": {"DataType": "String", "StringValue": "TooManyConnections"}});
        let request = json!({"QueueUrl": SPILLED, "MessageBody": body, "MessageAttributes": cause});
        queue.lock().answer("AmazonSQS.SendMessage", &request).expect("an answer");
    }

    #[test]
    fn a_message_is_handed_over_once_until_it_is_shown_again_or_deleted() {
        let queue = Queue::start(None).expect("a queue");
        for user in ["ada", "grace", "mary"] {
            send(&queue, user);
        }
        let (event, ids) = queue.receive(2).expect("messages");
        assert_eq!(event["Records"][1]["messageAttributes"]["cause"]["stringValue"], "TooManyConnections");
        assert_eq!(queue.receive(2).expect("a message").1.len(), 1, "the first two are hidden");
        assert!(queue.receive(2).is_none(), "all are hidden");
        let entry = json!({"Id": "0", "ReceiptHandle": ids[1], "VisibilityTimeout": 0});
        queue.lock().answer("AmazonSQS.ChangeMessageVisibilityBatch", &json!({"Entries": [entry]})).expect("an answer");
        let (event, again) = queue.receive(2).expect("a message");
        assert_eq!(
            (again, &event["Records"][0]["attributes"]["ApproximateReceiveCount"]),
            (vec![ids[1].clone()], &json!("2"))
        );
        queue.delete(&[&ids[0]]);
        assert_eq!((queue.sent(), queue.left(), queue.dead()), (3, 2, 0));
        assert!(queue.has_had("ada") && !queue.has_had("lise"));
        assert_eq!(queue.causes(), BTreeMap::from([("TooManyConnections".to_owned(), 3)]));
    }
}
