//! What a login may ask of its connection besides the address, the credentials and the encryption.

use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

use crate::Error;
use crate::parameters::{self, Sources};

/// Options of a connection, by libpq's names for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The name under which the server lists the session; without it, the program's.
    pub(crate) application_name: Option<String>,
    /// The time limit for connecting; without it, the program's alone.
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) target_session: TargetSession,
    /// Without it, it is used if both sides can.
    pub(crate) channel_binding: Option<ChannelBinding>,
}

/// The server that a session must be on: `target_session_attrs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TargetSession {
    #[default]
    Any,
    /// One that is no standby.
    Primary,
    /// One that writes: neither a standby nor set to read only.
    ReadWrite,
}

impl ConnectionOptions {
    pub(crate) fn read(sources: &Sources<'_>) -> Result<Self, Error> {
        let target_session = |text: &str| match text {
            "any" => Some(TargetSession::Any),
            "primary" => Some(TargetSession::Primary),
            "read-write" => Some(TargetSession::ReadWrite),
            _ => None,
        };
        let channel_binding = |text: &str| match text {
            "disable" => Some(ChannelBinding::Disable),
            "prefer" => Some(ChannelBinding::Prefer),
            "require" => Some(ChannelBinding::Require),
            _ => None,
        };
        // In libpq, no number above zero means no limit.
        let seconds = |text: &str| Some(Duration::from_secs(text.parse::<i32>().ok()?.try_into().unwrap_or_default()));
        let seconds = sources.parse("connect_timeout", seconds, "a number of seconds", "write a number, such as 10")?;
        Ok(Self {
            application_name: sources.get("application_name")?.map(|value| value.text().to_owned()),
            connect_timeout: seconds.filter(|limit| !limit.is_zero()),
            target_session: sources
                .parse(
                    "target_session_attrs",
                    target_session,
                    "any, primary or read-write",
                    "write read-write, or leave it out: a session that only reads is of no use here",
                )?
                .unwrap_or_default(),
            channel_binding: sources.parse(
                "channel_binding",
                channel_binding,
                "disable, prefer or require",
                "write require, or leave it out: it is used if the server can",
            )?,
        })
    }

    /// Those that were asked for, as variables for libpq.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.parameters().filter_map(|(keyword, value)| Some((parameters::variable(keyword)?, value)))
    }

    /// Those that were asked for, by libpq's names.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let target = match self.target_session {
            TargetSession::Any => None,
            TargetSession::Primary => Some("primary"),
            TargetSession::ReadWrite => Some("read-write"),
        };
        let channel_binding = self.channel_binding.map(|binding| match binding {
            ChannelBinding::Disable => "disable",
            ChannelBinding::Require => "require",
            _ => "prefer",
        });
        [
            ("application_name", self.application_name.clone()),
            ("connect_timeout", self.connect_timeout.map(|limit| limit.as_secs().to_string())),
            ("target_session_attrs", target.map(str::to_owned)),
            ("channel_binding", channel_binding.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(keyword, value)| Some((keyword, value?)))
    }
}
