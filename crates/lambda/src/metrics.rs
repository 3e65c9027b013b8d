//! One line of CloudWatch's Embedded Metric Format for each invocation.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

/// What is counted and measured of one invocation.
pub(crate) struct Metrics<'a> {
    /// The outcome's word, a dimension.
    pub(crate) outcome: &'a str,
    /// From the event to the answer.
    pub(crate) milliseconds: f64,
    /// Whether this is the process' first invocation.
    pub(crate) cold: bool,
    /// Whether a row was made.
    pub(crate) created: bool,
    /// Connections opened during the invocation.
    pub(crate) reconnects: u32,
    /// To find the log's other lines.
    pub(crate) request_id: &'a str,
}

impl Metrics<'_> {
    /// Writes the line to standard output, whatever the log's level is. CloudWatch makes the metrics of it.
    pub(crate) fn emit(&self) {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let line = json!({
            "_aws": {
                // Milliseconds fit 64 bits for the next 292 million years; JSON here has no 128.
                "Timestamp": u64::try_from(timestamp).unwrap_or_default(),
                "CloudWatchMetrics": [{
                    "Namespace": "PostConfirmation",
                    "Dimensions": [[], ["Outcome"]],
                    "Metrics": [
                        {"Name": "Invocations", "Unit": "Count"},
                        {"Name": "Milliseconds", "Unit": "Milliseconds"},
                        {"Name": "ColdStarts", "Unit": "Count"},
                        {"Name": "RowsCreated", "Unit": "Count"},
                        {"Name": "Reconnects", "Unit": "Count"},
                    ],
                }],
            },
            "Outcome": self.outcome,
            "Invocations": 1,
            "Milliseconds": self.milliseconds,
            "ColdStarts": u8::from(self.cold),
            "RowsCreated": u8::from(self.created),
            "Reconnects": self.reconnects,
            "RequestId": self.request_id,
        });
        // A line that nobody can read is not worth failing for.
        let _ = writeln!(io::stdout(), "{line}");
    }
}
