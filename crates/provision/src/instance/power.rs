//! `provision instance start` and `provision instance stop`

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use aws_sdk_rds::primitives::{DateTime, DateTimeFormat};
use serde::Serialize;

use super::deployed::require_instance;
use super::wait::wait;
use crate::aws::{Aws, Explain};
use crate::talk::say;

/// RDS starts a stopped instance again after this time, so that it misses no maintenance.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
const STOP_LIMIT: Duration = Duration::from_hours(7 * 24);

/// Whether an instance runs now.
#[derive(Debug, Serialize)]
pub(crate) struct Power {
    identifier: String,
    status: String,
    /// When AWS starts it again, RFC 3339; none if it runs.
    starts_again_at: Option<String>,
}

pub(crate) async fn start(aws: &Aws, identifier: &str, patient: bool) -> anyhow::Result<Power> {
    let instance = require_instance(aws, identifier).await?;
    if instance.db_instance_status() == Some("stopped") {
        aws.rds.start_db_instance().db_instance_identifier(identifier).send().await.explain("rds:StartDBInstance")?;
    } else {
        say(&format!("{identifier} is not stopped, but {}", instance.db_instance_status().unwrap_or("unknown")));
    }
    if patient {
        wait(aws, identifier, "available").await?;
    }
    Ok(Power {
        identifier: identifier.to_owned(),
        status: if patient { "available" } else { "starting" }.to_owned(),
        starts_again_at: None,
    })
}

pub(crate) async fn stop(aws: &Aws, identifier: &str, patient: bool) -> anyhow::Result<Power> {
    let instance = require_instance(aws, identifier).await?;
    let mut starts_again_at = instance.automatic_restart_time;
    if instance.db_instance_status() == Some("stopped") {
        say(&format!("{identifier} is stopped already"));
    } else {
        aws.rds.stop_db_instance().db_instance_identifier(identifier).send().await.explain("rds:StopDBInstance")?;
        starts_again_at = starts_again_at.or_else(|| Some(DateTime::from(SystemTime::now() + STOP_LIMIT)));
        if patient {
            // "stopped" is a dead end only for those who wait for something else.
            wait(aws, identifier, "stopped").await?;
        }
    }
    let starts_again_at = starts_again_at.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok());
    Ok(Power {
        identifier: identifier.to_owned(),
        status: if patient { "stopped" } else { "stopping" }.to_owned(),
        starts_again_at,
    })
}

impl Display for Power {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.identifier, self.status)?;
        match &self.starts_again_at {
            Some(time) => write!(f, "; AWS starts it again after 7 days, at {time}"),
            None => Ok(()),
        }
    }
}
