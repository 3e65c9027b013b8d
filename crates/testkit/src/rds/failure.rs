//! Answers that AWS, or what is on the way to it, gives in place of the right one.

use super::answer::{self, Refusal};
use super::request::Request;

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not at all: to count requests before one that fails.
    Pass,
    /// Too many requests.
    Throttling,
    /// The permission is missing, with AWS's sentence about it.
    Denied(String),
    /// Any other error.
    Refused(Refusal),
    /// A page of a proxy or a captive portal, with status 200.
    Html,
    /// Status 503 without a body.
    Unavailable,
    /// The connection is closed without an answer.
    Closed,
    /// No answer ever comes, and nothing was done.
    Silent,
    /// The same, but the request was carried out.
    DoneAndSilent,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    Closed,
    Silent,
}

impl Failure {
    /// Whether the request is carried out.
    pub(super) fn is_after_the_work(&self) -> bool {
        matches!(self, Self::Pass | Self::DoneAndSilent)
    }

    /// The answer in place of the right one.
    pub(super) fn answer(self, request: &Request, right: Option<(u16, String)>) -> Result<(u16, String), NoAnswer> {
        let refused = |refusal| Ok(answer::render(request, Err(refusal)));
        match self {
            Self::Pass => right.ok_or(NoAnswer::Silent),
            Self::Throttling => refused(Refusal::new("Throttling", "Rate exceeded")),
            Self::Denied(message) => refused(Refusal { status: 403, ..Refusal::new("AccessDenied", message) }),
            Self::Refused(refusal) => refused(refusal),
            Self::Html => Ok((200, "<!DOCTYPE html><html><body>Sign in to this network<br></body></html>".to_owned())),
            Self::Unavailable => Ok((503, String::new())),
            Self::Closed => Err(NoAnswer::Closed),
            Self::Silent | Self::DoneAndSilent => Err(NoAnswer::Silent),
        }
    }
}
