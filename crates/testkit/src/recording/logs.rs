//! What AWS checks of requests to Amazon CloudWatch Logs.

use anyhow::bail;

use super::{ACCOUNT, Request};
use crate::policy::Check;

impl Request {
    pub(super) fn checks_of_logs(&self) -> anyhow::Result<Vec<Check>> {
        if self.operation != "FilterLogEvents" {
            bail!("no check of logs:{} is known", self.operation);
        }
        let group = self.required("logGroupName")?;
        // AWS checks the log group's streams: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html>
        let streams = format!("arn:aws:logs:{}:{ACCOUNT}:log-group:{group}:log-stream:", self.region);
        Ok(vec![self.own(streams)])
    }
}
