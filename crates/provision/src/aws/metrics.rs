//! Amazon CloudWatch: what AWS has counted.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Statistic};

use super::{Aws, Explain};

/// The period of a sum, and that of a newest value. AWS keeps points of a minute for 15 days, and those of an hour longer.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html>
const PERIODS: (Duration, Duration) = (Duration::from_hours(1), Duration::from_mins(1));

/// A metric of an AWS service: its namespace, its name, and its one dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Name and value, such as `FunctionName` and that of a function.
    pub(crate) dimension: (&'a str, &'a str),
}

impl Metric<'_> {
    /// The sum since then; 0 if AWS has counted nothing.
    pub(crate) async fn sum(&self, aws: &Aws, since: SystemTime) -> anyhow::Result<f64> {
        // The sum of no numbers would be -0.
        Ok(self
            .values(aws, since, Statistic::Sum, PERIODS.0)
            .await?
            .into_iter()
            .fold(0.0, |sum, (_, value)| sum + value))
    }

    /// The newest maximum since then; none if AWS has measured nothing.
    pub(crate) async fn newest_maximum(&self, aws: &Aws, since: SystemTime) -> anyhow::Result<Option<f64>> {
        let values = self.values(aws, since, Statistic::Maximum, PERIODS.1).await?;
        Ok(values.into_iter().max_by_key(|(time, _)| *time).map(|(_, value)| value))
    }

    async fn values(
        &self,
        aws: &Aws,
        since: SystemTime,
        statistic: Statistic,
        period: Duration,
    ) -> anyhow::Result<Vec<(i128, f64)>> {
        let (name, value) = self.dimension;
        let request = aws.cloudwatch.get_metric_statistics().namespace(self.namespace).metric_name(self.name);
        let request = request.dimensions(Dimension::builder().name(name).value(value).build());
        let request = request.start_time(since.into()).end_time(SystemTime::now().into());
        let request = request.period(i32::try_from(period.as_secs()).unwrap_or(i32::MAX)).statistics(statistic);
        let answer = request.send().await.explain("cloudwatch:GetMetricStatistics")?;
        let points = answer.datapoints.unwrap_or_default().into_iter();
        Ok(points
            .filter_map(|point| {
                let time = point.timestamp.as_ref().map(DateTime::as_nanos)?;
                Some((time, point.sum.or(point.maximum)?))
            })
            .collect())
    }
}
