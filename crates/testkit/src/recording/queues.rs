//! What AWS checks of requests to Amazon SQS.

use anyhow::bail;

use super::{ACCOUNT, Request};
use crate::policy::Check;

impl Request {
    pub(super) fn checks_of_queues(&self) -> anyhow::Result<Vec<Check>> {
        // A call for several messages needs the action of the one for a single message.
        let action = self.operation.trim_end_matches("Batch");
        let known = [
            "ChangeMessageVisibility",
            "DeleteMessage",
            "GetQueueAttributes",
            "GetQueueUrl",
            "ReceiveMessage",
            "SendMessage",
        ];
        if !known.contains(&action) {
            bail!("no check of sqs:{} is known", self.operation);
        }
        let name = self.get("QueueName").map_or_else(|| self.required("QueueUrl"), Ok)?;
        let name = name.rsplit('/').next().unwrap_or_default();
        Ok(vec![Check::new(format!("sqs:{action}"), format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", self.region))])
    }
}
