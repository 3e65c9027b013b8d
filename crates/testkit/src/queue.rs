//! A queue of Amazon SQS with its dead letters, at moto, and Lambda between it and a function.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};

use crate::{Answer, Function, Moto};

/// The most that SQS hands over in one request, and Lambda without a window.
const BATCH: i32 = 10;

/// A queue, and the one of its dead letters.
#[derive(Debug)]
pub struct Queue {
    client: Client,
    /// Its URL.
    pub url: String,
    /// That of the dead letters.
    pub dead_letters: String,
    /// The ARN of the queue.
    pub arn: String,
}

/// A message without what SQS adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The text.
    pub body: String,
    /// The message attributes that are text.
    pub attributes: BTreeMap<String, String>,
}

impl Queue {
    /// Makes both queues, with settings that lose nothing.
    pub async fn create(moto: &Moto) -> anyhow::Result<Self> {
        static QUEUES: AtomicU32 = AtomicU32::new(0);
        let [(_, endpoint), (_, region), ..] = moto.environment();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(region))
            .credentials_provider(Credentials::new("testing", "testing", None, None, "testkit"));
        let client = Client::from_conf(config.build());
        let name = format!("sign-ups-{}", QUEUES.fetch_add(1, Ordering::Relaxed));
        let retention = [(QueueAttributeName::MessageRetentionPeriod, "1209600")];
        let dead_letters = create(&client, &format!("{name}-dead-letters"), &retention).await?;
        let target = arn(&client, &dead_letters).await?;
        let redrive = json!({"deadLetterTargetArn": target, "maxReceiveCount": 10}).to_string();
        let settings = [(QueueAttributeName::RedrivePolicy, &*redrive), (QueueAttributeName::VisibilityTimeout, "60")];
        let url = create(&client, &name, &settings).await?;
        let arn = arn(&client, &url).await?;
        Ok(Self { client, url, dead_letters, arn })
    }

    /// Messages that can be received now, and those that somebody has received and not deleted.
    pub async fn counts(&self) -> anyhow::Result<(u32, u32)> {
        use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible};
        let names = [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible];
        let answer = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = answer.set_attribute_names(Some(names.to_vec())).send().await?;
        let count =
            |name| Ok::<_, anyhow::Error>(answer.attributes().and_then(|all| all.get(name)).context("none")?.parse()?);
        Ok((count(&names[0])?, count(&names[1])?))
    }

    /// Sends a message, as anybody may.
    pub async fn send(&self, body: &str) -> anyhow::Result<()> {
        self.client.send_message().queue_url(&self.url).message_body(body).send().await?;
        Ok(())
    }

    /// Sends a letter to the queue, with its attributes.
    pub async fn send_letter(&self, letter: &Letter) -> anyhow::Result<()> {
        let mut request = self.client.send_message().queue_url(&self.url).message_body(&letter.body);
        for (name, text) in &letter.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text).build()?;
            request = request.message_attributes(name, value);
        }
        request.send().await?;
        Ok(())
    }

    /// The next messages; until they are deleted or half a minute is over, nobody else receives them.
    pub async fn receive(&self) -> anyhow::Result<Vec<Message>> {
        self.receive_from(&self.url).await
    }

    /// Has these messages, which were received and not deleted, received again, as if their time were over.
    pub async fn reveal(&self, messages: &[Message]) -> anyhow::Result<()> {
        for message in messages {
            let receipt = message.receipt_handle().context("a message has no receipt")?;
            let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
            request.visibility_timeout(0).send().await?;
        }
        Ok(())
    }

    /// The dead letters.
    pub async fn dead(&self) -> anyhow::Result<Vec<Letter>> {
        let mut letters = Vec::new();
        loop {
            let messages = self.receive_from(&self.dead_letters).await?;
            if messages.is_empty() {
                return Ok(letters);
            }
            letters.extend(messages.iter().map(letter));
        }
    }

    async fn receive_from(&self, url: &str) -> anyhow::Result<Vec<Message>> {
        let request = self.client.receive_message().queue_url(url).max_number_of_messages(BATCH);
        let request = request.message_attribute_names("All").visibility_timeout(600);
        let answer = request.message_system_attribute_names(MessageSystemAttributeName::All).send().await?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// The event with which Lambda hands these messages over.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
    pub fn event(&self, messages: &[Message]) -> Value {
        let record = |message: &Message| {
            let system: BTreeMap<&str, &str> =
                message.attributes.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let attributes = letter(message).attributes.into_iter().map(|(name, value)| {
                let lists = json!({"stringListValues": [], "binaryListValues": [], "dataType": "String"});
                let mut attribute = json!({"stringValue": value});
                attribute.as_object_mut().expect("an object").extend(lists.as_object().expect("an object").clone());
                (name, attribute)
            });
            json!({
                "messageId": message.message_id(),
                "receiptHandle": message.receipt_handle(),
                "body": message.body(),
                "attributes": system,
                "messageAttributes": attributes.collect::<serde_json::Map<_, _>>(),
                "md5OfBody": message.md5_of_body(),
                "eventSource": "aws:sqs",
                "eventSourceARN": self.arn,
                "awsRegion": "eu-central-1",
            })
        };
        json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
    }

    /// Hands these messages over to the function, and deletes those that it does not name as failed, as Lambda does. Returns
    /// the ids of those that failed.
    pub async fn deliver(
        &self,
        messages: &[Message],
        function: &Function,
        limit: Duration,
    ) -> anyhow::Result<Vec<String>> {
        let invocation = function.invoke_within(&self.event(messages).to_string(), Some(limit)).await?;
        let Answer::Response(answer) = invocation.answer else { anyhow::bail!("{:?}", invocation.answer) };
        let answer: Value = serde_json::from_str(&answer)?;
        let failures = answer["batchItemFailures"].as_array().context("the answer has no list of failures")?;
        let id = |failure: &Value| failure["itemIdentifier"].as_str().map(str::to_owned).context("a failure has no id");
        let failed: Vec<String> = failures.iter().map(id).collect::<Result<_, _>>()?;
        let is_failed = |message: &&Message| failed.iter().any(|id| message.message_id() == Some(id));
        for message in messages.iter().filter(|message| !is_failed(message)) {
            let receipt = message.receipt_handle().context("a message has no receipt")?;
            self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await?;
        }
        Ok(failed)
    }
}

/// The message's own text and attributes.
fn letter(message: &Message) -> Letter {
    let attributes = message.message_attributes.iter().flatten();
    let attributes = attributes.filter_map(|(name, value)| Some((name.clone(), value.string_value.clone()?)));
    Letter { body: message.body().unwrap_or_default().to_owned(), attributes: attributes.collect() }
}

async fn create(client: &Client, name: &str, settings: &[(QueueAttributeName, &str)]) -> anyhow::Result<String> {
    let mut request = client.create_queue().queue_name(name);
    for (setting, value) in settings {
        request = request.attributes(setting.clone(), *value);
    }
    request.send().await?.queue_url.context("the queue has no URL")
}

async fn arn(client: &Client, url: &str) -> anyhow::Result<String> {
    let request = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn);
    let attributes = request.send().await?.attributes.unwrap_or_default();
    attributes.get(&QueueAttributeName::QueueArn).cloned().context("the queue has no ARN")
}
