//! The name of a queue as an operator writes it.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::ensure;

use crate::error::Problem;

/// A queue: its name in the region of the requests, its URL or its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueName {
    pub(crate) name: String,
    /// Whose it is, where that is written.
    pub(super) account: Option<String>,
    region: Option<String>,
}

impl QueueName {
    /// Fails if it lies in another region than the one that requests go to.
    pub(super) fn ensure_in(&self, here: Option<&str>) -> anyhow::Result<()> {
        let (Some(region), Some(here)) = (self.region.as_deref(), here) else { return Ok(()) };
        ensure!(
            region == here,
            Problem::new(
                format!("the queue {self} lies in {region}, and requests go to {here}"),
                format!("add --region {region}")
            )
        );
        Ok(())
    }

    /// The error where there is no such queue, in the region that requests go to.
    pub(crate) fn missing(&self, region: Option<&str>) -> Problem {
        let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
        let account = self.account.as_ref().map(|account| format!(" of account {account}")).unwrap_or_default();
        Problem::new(
            format!("there is no queue {self}{account}{place}, or these credentials may not know of it"),
            "correct the name, choose another region with --region, or other credentials with --profile; `aws sqs \
             list-queues` lists the queues",
        )
    }
}

impl Display for QueueName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for QueueName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected the name of a queue of Amazon SQS, its URL or its ARN";
        let text = text.trim();
        let (account, region, name) = if text.starts_with("arn:") {
            let parts: Vec<&str> = text.split(':').collect();
            let [_, _, "sqs", region, account, name] = parts[..] else { return Err(EXPECTED) };
            (Some(account), Some(region), name)
        } else if let Some((_, rest)) = text.split_once("://") {
            let parts: Vec<&str> = rest.split('/').collect();
            let [host, account, name] = parts[..] else { return Err(EXPECTED) };
            (Some(account), db::region_of_queue(host), name)
        } else {
            (None, None, text)
        };
        // To send a dead letter to such a queue again takes a group, which is not kept.
        if name.strip_suffix(".fifo").is_some() {
            return Err("a FIFO queue cannot be worked on here: use a standard queue for these events");
        }
        let is_account = |account: &str| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
        let is_name = (1..=80).contains(&name.len()) && is_word(name);
        if !is_name || !account.is_none_or(is_account) || !region.is_none_or(is_word) {
            return Err(EXPECTED);
        }
        let owned = |text: &str| text.to_owned();
        Ok(Self { name: owned(name), account: account.map(owned), region: region.map(owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_url_and_an_arn_are_read() {
        let read = |text: &str| {
            text.parse::<QueueName>().map(|QueueName { name, account, region }| {
                [Some(name), account, region].map(Option::unwrap_or_default).join(" ")
            })
        };
        assert_eq!(read("spill").as_deref(), Ok("spill  "));
        for (place, region) in [
            ("arn:aws-cn:sqs:cn-north-1:123456789012:spill", "cn-north-1"),
            ("https://sqs.eu-central-1.amazonaws.com/123456789012/spill", "eu-central-1"),
            ("https://sqs.eu-central-1.api.aws/123456789012/spill", "eu-central-1"),
            ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/spill", "us-gov-west-1"),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/spill", "cn-north-1"),
            ("https://vpce-0a1-b2.sqs.eu-central-1.vpce.amazonaws.com/123456789012/spill", "eu-central-1"),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/spill", "eu-west-1"),
            ("https://queue.amazonaws.com/123456789012/spill", "us-east-1"),
            ("http://127.0.0.1:4566/123456789012/spill", ""),
        ] {
            assert_eq!(read(place), Ok(format!("spill 123456789012 {region}")), "{place}");
        }
        for wrong in [
            "",
            "a b",
            "spill.fifo",
            "arn:aws:sns:eu-central-1:123456789012:spill",
            "arn:aws:sqs:eu-central-1:123456789012:spill:7",
            "https://sqs.eu-central-1.amazonaws.com/spill",
            "https://example.com/ada/spill",
            &"a".repeat(81),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
