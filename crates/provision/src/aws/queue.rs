//! Amazon SQS: the queue in which events wait for the database, and the one of its dead letters.

mod batch;
mod finding;
mod message;
mod name;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use db::{AwsCause, AwsError};
use serde_json::Value;

use self::batch::{Answer, in_batches};
pub(crate) use self::batch::{Refused, SIZE};
pub(crate) use self::finding::Finding;
pub(crate) use self::message::Message;
pub(crate) use self::name::QueueName;
use super::{Aws, Explain, Place};
use crate::prompt::Consent;

/// How long a request waits for a message. Any wait makes SQS ask all of its servers: without one, it can say that a queue
/// is empty which is not.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>
const WAIT_SECONDS: i32 = 1;

/// A queue as it was when it was found.
#[derive(Debug)]
pub(crate) struct Queue {
    client: Client,
    url: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    /// About how many messages can be received.
    pub(crate) waiting: u64,
    /// About how many were received, and neither deleted nor given back yet.
    pub(crate) in_flight: u64,
    /// About how many cannot be received yet.
    pub(crate) delayed: u64,
    /// How long after its first arrival a message is deleted.
    pub(crate) retention: Duration,
    /// How long nobody else receives a message that was received.
    pub(crate) visibility: Duration,
    pub(crate) redrive: Option<Redrive>,
    /// Whose dead letters the queue takes, where not everybody's: the ARNs of queues.
    pub(crate) takes_from: Option<Vec<String>>,
    /// The KMS key of its own, if it has one.
    #[cfg(feature = "instance")]
    pub(crate) kms_key: Option<String>,
}

/// Where a queue sends messages that were received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) dead_letters: QueueName,
    pub(crate) max_receives: u64,
}

/// The queue of this name; none if there is no such queue.
pub(crate) async fn find_queue(aws: &Aws, name: &QueueName) -> anyhow::Result<Option<Queue>> {
    name.ensure_in(aws.region().as_deref())?;
    let request = aws.sqs.get_queue_url().queue_name(&name.name);
    let answer = request.set_queue_owner_aws_account_id(name.account.clone()).send().await;
    // It does not exist, or these credentials may not know of it.
    let is_missing = |error: &AwsError| error.cause() == AwsCause::NotFound;
    let url = match answer.explain("sqs:GetQueueUrl") {
        Err(error) if is_missing(&error) => return Ok(None),
        answer => answer?.queue_url.unwrap_or_default(),
    };
    let request = aws.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All);
    match request.send().await.explain("sqs:GetQueueAttributes") {
        Err(error) if is_missing(&error) => Ok(None),
        answer => Ok(Some(Queue::new(aws.sqs.clone(), url, name, &answer?.attributes.unwrap_or_default()))),
    }
}

impl Queue {
    fn new(client: Client, url: String, name: &QueueName, attributes: &HashMap<QueueAttributeName, String>) -> Self {
        let text = |name| attributes.get(&name).map(String::as_str);
        let number = |name| text(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let json = |name| text(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
        Self {
            client,
            url,
            name: name.name.clone(),
            arn: text(QueueAttributeName::QueueArn).unwrap_or_default().to_owned(),
            waiting: number(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
            retention: Duration::from_secs(number(QueueAttributeName::MessageRetentionPeriod)),
            visibility: Duration::from_secs(number(QueueAttributeName::VisibilityTimeout)),
            redrive: json(QueueAttributeName::RedrivePolicy).and_then(|policy| Redrive::of(&policy)),
            #[cfg(feature = "instance")]
            kms_key: text(QueueAttributeName::KmsMasterKeyId).map(str::to_owned),
            takes_from: json(QueueAttributeName::RedriveAllowPolicy).and_then(|policy| sources(&policy)),
        }
    }

    /// About how many messages it has.
    pub(crate) fn total(&self) -> u64 {
        self.waiting + self.in_flight + self.delayed
    }

    /// Where the queue lies.
    pub(crate) fn place(&self) -> Option<Place> {
        Place::of_arn(&self.arn)
    }

    /// At most ten messages, which nobody else receives for as long as this. None only if there are none.
    pub(crate) async fn receive(&self, hold: Duration) -> Result<Vec<Message>, AwsError> {
        let request = self.client.receive_message().queue_url(&self.url).wait_time_seconds(WAIT_SECONDS);
        let request = request.max_number_of_messages(i32::try_from(SIZE).unwrap_or(1));
        let request = request.visibility_timeout(i32::try_from(hold.as_secs()).unwrap_or(i32::MAX));
        let request = request.message_attribute_names("All");
        let request = request.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let answer = request.send().await.explain("sqs:ReceiveMessage")?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(Message::of).collect())
    }

    /// Sends the events of these messages as they are. Returns those that the queue has not taken.
    pub(crate) async fn send<'a>(&self, messages: &[&'a Message]) -> anyhow::Result<Vec<Refused<&'a Message>>> {
        in_batches(messages, Message::size, async |batch| {
            let entry = |(id, message): (usize, &&Message)| {
                let entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(&message.body);
                anyhow::Ok(entry.set_message_attributes(Some(message.attributes_to_send()?)).build()?)
            };
            let entries = batch.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
            let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
            let answer = request.send().await.explain("sqs:SendMessage")?;
            Ok(Answer { done: answer.successful.into_iter().map(|entry| entry.id).collect(), failed: answer.failed })
        })
        .await
    }

    /// Deletes the messages that were received with these handles. Returns those that are still there.
    pub(crate) async fn delete<'a>(
        &self,
        handles: &[&'a str],
        _consent: &Consent,
    ) -> anyhow::Result<Vec<Refused<&'a str>>> {
        in_batches(
            handles,
            |_| 0,
            async |batch| {
                let entry = |(id, handle): (usize, &&str)| {
                    DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(*handle).build()
                };
                let entries = batch.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
                let request = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
                let answer = request.send().await.explain("sqs:DeleteMessage")?;
                Ok(Answer {
                    done: answer.successful.into_iter().map(|entry| entry.id).collect(),
                    failed: answer.failed,
                })
            },
        )
        .await
    }

    /// Lets others receive at once what was received with these handles. Returns those of which this cannot be said.
    pub(crate) async fn release<'a>(&self, handles: &[&'a str]) -> anyhow::Result<Vec<Refused<&'a str>>> {
        in_batches(
            handles,
            |_| 0,
            async |batch| {
                let entry = |(id, handle): (usize, &&str)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string());
                    entry.receipt_handle(*handle).visibility_timeout(0).build()
                };
                let entries = batch.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
                let request = self.client.change_message_visibility_batch().queue_url(&self.url);
                let request = request.set_entries(Some(entries));
                let answer = request.send().await.explain("sqs:ChangeMessageVisibility")?;
                Ok(Answer {
                    done: answer.successful.into_iter().map(|entry| entry.id).collect(),
                    failed: answer.failed,
                })
            },
        )
        .await
    }
}

impl Redrive {
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
    fn of(policy: &Value) -> Option<Self> {
        let dead_letters = policy["deadLetterTargetArn"].as_str()?.parse().ok()?;
        let max_receives = &policy["maxReceiveCount"];
        // The console and some programs write it as text.
        let max_receives = max_receives.as_u64().or_else(|| max_receives.as_str()?.parse().ok())?;
        Some(Self { dead_letters, max_receives })
    }
}

/// The queues that a `RedriveAllowPolicy` names; none if it names every one.
fn sources(policy: &Value) -> Option<Vec<String>> {
    let named = || policy["sourceQueueArns"].as_array().into_iter().flatten();
    match policy["redrivePermission"].as_str()? {
        "denyAll" => Some(Vec::new()),
        "byQueue" => Some(named().filter_map(|arn| arn.as_str().map(str::to_owned)).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_redrive_policy_is_read_with_its_count_as_number_or_text() {
        let arn = "arn:aws:sqs:eu-central-1:123456789012:dead";
        for count in [json!(5), json!("5")] {
            let redrive =
                Redrive::of(&json!({"deadLetterTargetArn": arn, "maxReceiveCount": count})).expect("a policy");
            assert_eq!((redrive.dead_letters.name.as_str(), redrive.max_receives), ("dead", 5));
        }
        assert_eq!(Redrive::of(&json!({"deadLetterTargetArn": arn})), None);
    }

    #[test]
    fn who_may_send_dead_letters_is_read() {
        assert_eq!(sources(&json!({"redrivePermission": "allowAll"})), None);
        assert_eq!(sources(&json!({"redrivePermission": "denyAll"})), Some(Vec::new()));
        let policy = json!({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:a"]});
        assert_eq!(sources(&policy), Some(vec!["arn:a".to_owned()]));
    }
}
