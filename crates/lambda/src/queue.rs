//! A queue of Amazon SQS, as far as the function uses one.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, QueueAttributeName,
};
use db::{Aws, AwsCause, AwsError, region_of_queue};
use futures::future::join_all;
use tokio::time::timeout;

/// The most bytes of a message, its attributes included.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const LARGEST: usize = 1_048_576;

/// The most messages of one request.
const BATCH: usize = 10;

/// First and longest pause before a request is sent again: there are some hundred milliseconds in all.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// A queue, by its URL.
#[derive(Debug)]
pub(crate) struct Queue {
    client: Client,
    url: String,
    /// The region that the URL names, if it names one.
    region: Option<String>,
}

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) body: String,
    /// Texts that are not empty.
    pub(crate) attributes: BTreeMap<String, String>,
    /// What a FIFO queue keeps in order: the user.
    pub(crate) group: String,
    /// By what a FIFO queue knows a repetition.
    pub(crate) id: String,
}

/// Why a queue did not take a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    /// There is no such queue as the variable names.
    #[error("it is no URL of a queue")]
    Url,
    /// SQS takes none as large.
    #[error("the event is larger than a message may be")]
    TooLarge,
    /// No answer came in time.
    #[error("Amazon SQS does not answer in time")]
    Late,
    /// SQS has done the rest of a request.
    #[error("Amazon SQS answers {0} for some of the messages")]
    InPart(String),
    /// AWS refuses it, or is not reached.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// Messages that could not be hidden: how many, and the first reason.
#[derive(Debug)]
pub(crate) struct NotHidden {
    pub(crate) count: usize,
    pub(crate) error: QueueError,
}

impl Queue {
    /// The queue with this URL, such as `https://sqs.eu-central-1.amazonaws.com/111122223333/sign-ups`. Asks nobody.
    pub(crate) async fn open(url: &str, aws: &Aws) -> Result<Self, QueueError> {
        let (_, host) = url.split_once("://").ok_or(QueueError::Url)?;
        let (host, path) = host.split_once('/').ok_or(QueueError::Url)?;
        if path.split('/').filter(|part| !part.is_empty()).count() < 2 {
            return Err(QueueError::Url);
        }
        let region = region_of_queue(host).map(str::to_owned);
        let (first, longest) = PAUSES;
        let retries = RetryConfig::standard().with_initial_backoff(first).with_max_backoff(longest);
        let mut config = config::Builder::from(aws.config().await).retry_config(retries);
        if let Some(region) = &region {
            config = config.region(Region::new(region.clone()));
        }
        Ok(Self { client: Client::from_conf(config.build()), url: url.to_owned(), region })
    }

    /// Whether both URLs name one queue: a region has several hosts.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let path = |queue: &Self| {
            let path = queue.url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
            path.map(|path| path.trim_end_matches('/').to_owned())
        };
        self.region == other.region && path(self) == path(other)
    }

    /// Connects, and finds out whether the queue is there. Needs `sqs:GetQueueAttributes`.
    pub(crate) async fn check(&self, limit: Duration) -> Result<(), QueueError> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.attribute_names(QueueAttributeName::QueueArn).customize();
        let answer = timeout(limit, Box::pin(request.config_override(attempts_of(limit)).send()));
        let answer = answer.await.map_err(|_| QueueError::Late)?;
        answer.map(drop).map_err(|error| AwsError::new("sqs:GetQueueAttributes", &error).into())
    }

    /// Sends the message. Needs `sqs:SendMessage`, and for a queue with a key of its own `kms:GenerateDataKey` and
    /// `kms:Decrypt`.
    pub(crate) async fn send(&self, message: &Message, limit: Duration) -> Result<(), QueueError> {
        if message.size() > LARGEST {
            return Err(QueueError::TooLarge);
        }
        let mut request = self.client.send_message().queue_url(&self.url).message_body(&message.body);
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            request = request.message_attributes(name, value.build().expect("it has a type"));
        }
        if std::path::Path::new(&self.url).extension().is_some_and(|extension| extension == "fifo") {
            request = request.message_group_id(&message.group).message_deduplication_id(&message.id);
        }
        let request = request.customize().config_override(attempts_of(limit));
        let answer = timeout(limit, Box::pin(request.send())).await.map_err(|_| QueueError::Late)?;
        answer.map(drop).map_err(|error| AwsError::new("sqs:SendMessage", &error).into())
    }

    /// Hides messages that were received, each by its receipt for so many seconds from now on. What SQS itself fails to do
    /// is asked for once more. Needs `sqs:ChangeMessageVisibility`.
    pub(crate) async fn hide(&self, receipts: &[(String, i32)], limit: Duration) -> Result<(), NotHidden> {
        let parts = receipts.chunks(BATCH).map(async |part| {
            let part: Vec<&(String, i32)> = part.iter().collect();
            let hidden = timeout(limit, self.hide_part(&part, limit)).await;
            hidden.unwrap_or(Err(NotHidden { count: part.len(), error: QueueError::Late }))
        });
        let failed = join_all(parts).await.into_iter().filter_map(Result::err);
        match failed.reduce(|first, next| NotHidden { count: first.count + next.count, ..first }) {
            Some(not_hidden) => Err(not_hidden),
            None => Ok(()),
        }
    }

    /// Hides as many as one request can have.
    async fn hide_part(&self, receipts: &[&(String, i32)], limit: Duration) -> Result<(), NotHidden> {
        let mut left = receipts.to_vec();
        let mut refused = 0;
        let mut error = None;
        for _ in 0..2 {
            let failed = self.change_visibility(&left, limit).await;
            let failed = failed.map_err(|error| NotHidden { count: refused + left.len(), error: error.into() })?;
            let (by_sender, by_sqs): (Vec<_>, Vec<_>) = failed.into_iter().partition(|entry| entry.sender_fault);
            refused += by_sender.len();
            error = by_sqs.first().or(by_sender.first()).map(|entry| entry.code.clone()).or(error);
            left = by_sqs.iter().filter_map(|entry| left.get(entry.id.parse::<usize>().ok()?).copied()).collect();
            if left.is_empty() {
                break;
            }
        }
        match error.filter(|_| refused + left.len() > 0) {
            Some(code) => Err(NotHidden { count: refused + left.len(), error: QueueError::InPart(code) }),
            None => Ok(()),
        }
    }

    /// Sends one request. Returns what SQS has not done of it.
    async fn change_visibility(
        &self,
        receipts: &[&(String, i32)],
        limit: Duration,
    ) -> Result<Vec<BatchResultErrorEntry>, AwsError> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (place, (receipt, seconds)) in receipts.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.receipt_handle(receipt).visibility_timeout(*seconds);
            request = request.entries(entry.build().expect("it has an id and a receipt"));
        }
        let answer = Box::pin(request.customize().config_override(attempts_of(limit)).send()).await;
        answer.map(|answer| answer.failed).map_err(|error| AwsError::new("sqs:ChangeMessageVisibility", &error))
    }
}

impl Message {
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
    fn size(&self) -> usize {
        let attribute = |(name, value): (&String, &String)| name.len() + "String".len() + value.len();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

impl QueueError {
    /// The way out for the operator.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Url => "set the variable to the queue's URL, such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME",
            Self::TooLarge => {
                "let the app client send less `ClientMetadata`; `provision users reconcile` makes the row"
            }
            Self::Late => {
                "give the function's subnets a way to Amazon SQS: a VPC endpoint with private DNS, or a NAT gateway"
            }
            Self::InPart(_) => {
                "look the code up in the API reference of Amazon SQS, ChangeMessageVisibilityBatch; the messages come again"
            }
            Self::Aws(error) => match error.cause() {
                AwsCause::Denied | AwsCause::Forbidden | AwsCause::KeyDenied => {
                    "allow the action in the function's role, as infra/iam/spill.json and replay.json do, in the queue's policy \
                     and in the VPC endpoint's; for a queue with a key of its own also kms:GenerateDataKey and kms:Decrypt"
                }
                AwsCause::NotFound => "set the variable to the URL of a queue that is there, in its own region",
                AwsCause::Unreachable | AwsCause::Silent => {
                    "give the function's subnets a way to Amazon SQS: a VPC endpoint with private DNS, or a NAT gateway"
                }
                _ => error.remedy(),
            },
        }
    }
}

/// Two attempts fit into this time, the first of which may have met a connection that is dead.
fn attempts_of(limit: Duration) -> config::Builder {
    config::Builder::new().timeout_config(TimeoutConfig::builder().operation_attempt_timeout(limit / 2).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_urls_of_one_queue_are_known() {
        let aws = Aws::default();
        let open = async |url: &str| Queue::open(url, &aws).await.expect("a URL");
        let queue = open("https://sqs.eu-central-1.amazonaws.com/111122223333/sign-ups").await;
        for (url, is_same) in [
            ("https://sqs.eu-central-1.amazonaws.com/111122223333/sign-ups", true),
            ("https://eu-central-1.queue.amazonaws.com/111122223333/sign-ups/", true),
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/sign-ups", false),
            ("https://sqs.eu-central-1.amazonaws.com/111122223333/sign-ups-dead-letters", false),
            ("https://sqs.eu-central-1.amazonaws.com/444455556666/sign-ups", false),
        ] {
            assert_eq!(queue.is_same(&open(url).await), is_same, "{url}");
        }
    }

    #[tokio::test]
    async fn what_is_no_url_of_a_queue_is_refused() {
        for url in
            ["sign-ups", "arn:aws:sqs:eu-central-1:111122223333:sign-ups", "https://sqs.eu-central-1.amazonaws.com/"]
        {
            assert!(matches!(Queue::open(url, &Aws::default()).await, Err(QueueError::Url)), "{url}");
        }
    }
}
