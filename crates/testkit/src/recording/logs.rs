//! What AWS checks of requests to Amazon CloudWatch Logs.

use anyhow::bail;

use super::{ACCOUNT, Request};
use crate::policy::Check;

impl Request {
    pub(super) fn checks_of_logs(&self) -> anyhow::Result<Vec<Check>> {
        let stream = match self.operation.as_str() {
            "GetLogEvents" => self.required("logStreamName")?,
            // AWS checks the log group's streams: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html>
            "DescribeLogStreams" | "FilterLogEvents" => "",
            operation => bail!("no check of logs:{operation} is known"),
        };
        let group = self.required("logGroupName")?;
        Ok(vec![self.own(format!("arn:aws:logs:{}:{ACCOUNT}:log-group:{group}:log-stream:{stream}", self.region))])
    }
}
