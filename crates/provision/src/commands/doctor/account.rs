//! The credentials of this program, and its clock.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use humantime::format_duration;

use super::deployment::{Deployment, Unknown};
use super::finding::Seen;

/// How far the clock may be off before AWS refuses each request.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
const MOST_SKEW: Duration = Duration::from_mins(5);

/// From here on it is worth a word: a row's time is the function's, and this machine's times are compared with it.
const SKEW: Duration = Duration::from_secs(30);

pub(super) async fn credentials(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let (identity, _) = match deployment.identity().await {
        Ok(known) => known,
        Err(error) => {
            let mut seen = Seen::new("there are none that can be used");
            seen.wrong_as(&error);
            return Ok(seen);
        }
    };
    match identity {
        Ok(identity) => Ok(Seen::new(format!("{} ({})", identity.arn, identity.place))),
        Err(unknown) => {
            let mut seen = Seen::new("AWS does not accept them");
            seen.wrong_as(&Unknown::error(unknown));
            Ok(seen)
        }
    }
}

pub(super) async fn clock(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let (_, time) = deployment.identity().await?;
    let time = time.context("AWS has not told its time")?;
    let now = SystemTime::now();
    let skew = now.duration_since(time).or_else(|_| time.duration_since(now)).unwrap_or_default();
    let shown = format_duration(Duration::from_secs(skew.as_secs()));
    let mut seen = Seen::new(format!("it differs by {shown}"));
    let remedy = "set the clock, and let NTP keep it";
    if skew >= MOST_SKEW {
        seen.wrong(format!("AWS refuses requests whose time is off by {}", format_duration(MOST_SKEW)), remedy);
    } else if skew >= SKEW {
        seen.advise(format!("the times in this report are off by {shown}"), remedy);
    }
    Ok(seen)
}
