//! A message of a queue.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::types::{self, MessageAttributeValue, MessageSystemAttributeName};
use cognito::queued;

use super::QueueName;

/// The end of the year 9999, in milliseconds after 1970: RFC 3339 has no later time.
const LAST: u64 = 253_402_300_800_000;

/// A message as it was received. Its body may be personal.
pub(crate) struct Message {
    /// The same each time that it is received.
    pub(crate) id: String,
    /// What it can be deleted or released with.
    pub(crate) handle: String,
    /// When it first came to a queue. SQS keeps this time when it moves a message to the dead letters, and counts the
    /// retention from it.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
    pub(crate) sent_at: Option<SystemTime>,
    /// The ARN of the queue whose dead letter it is, if SQS or the function says so.
    pub(crate) source: Option<String>,
    pub(crate) body: String,
    pub(super) attributes: HashMap<String, MessageAttributeValue>,
}

impl Message {
    /// None for what can be neither read nor deleted, which AWS never sends.
    pub(super) fn of(message: types::Message) -> Option<Self> {
        let sent_at = message.attributes.as_ref().and_then(|system| {
            let milliseconds: u64 = system.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()?;
            (milliseconds < LAST).then(|| UNIX_EPOCH + Duration::from_millis(milliseconds))
        });
        let attributes = message.message_attributes.unwrap_or_default();
        let moved_from =
            |system: &HashMap<_, String>| system.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn).cloned();
        // Anybody may have written the attribute.
        let is_arn = |text: &String| text.starts_with("arn:") && text.parse::<QueueName>().is_ok();
        let buried_from = || Some(attributes.get(queued::SOURCE_ARN)?.string_value()?.to_owned());
        Some(Self {
            source: message.attributes.as_ref().and_then(moved_from).or_else(buried_from).filter(is_arn),
            id: message.message_id?,
            handle: message.receipt_handle?,
            sent_at,
            body: message.body?,
            attributes,
        })
    }

    /// The attribute, if the message has it and it is text.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.string_value()
    }

    /// When Cognito called, as far as the message tells.
    pub(crate) fn as_of(&self) -> Option<SystemTime> {
        queued::as_of(self.attribute(queued::AS_OF), self.sent_at)
    }

    /// The attributes of a new message with the same event. The event is no younger for it, and nobody has refused it yet.
    pub(super) fn attributes_to_send(&self) -> anyhow::Result<HashMap<String, MessageAttributeValue>> {
        let mut attributes = self.attributes.clone();
        for of_refusal in [queued::REQUEST_ID, queued::SQLSTATE, queued::SOURCE_ARN] {
            attributes.remove(of_refusal);
        }
        if let Some(as_of) = self.as_of() {
            let value = MessageAttributeValue::builder().data_type("String").string_value(queued::as_of_text(as_of));
            attributes.insert(queued::AS_OF.to_owned(), value.build()?);
        }
        Ok(attributes)
    }

    /// As AWS counts it: body, and names, types and values of the attributes.
    pub(super) fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| {
            let text = value.string_value().map_or(0, str::len);
            let binary = value.binary_value().map_or(0, |bytes| bytes.as_ref().len());
            name.len() + value.data_type().len() + text + binary
        });
        self.body.len() + attributes.sum::<usize>()
    }
}
