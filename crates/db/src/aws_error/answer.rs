//! The meaning of an answer that is an error: AWS's own, or that of something in between.

use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ErrorMetadata, ProvideErrorMetadata};
use aws_sdk_secretsmanager::primitives::{DateTime, DateTimeFormat};

use super::AwsCause;
use super::codeless;
use super::table::{self, CLOCK, Meaning, POLICIES, TABLE};

/// AWS refuses signatures of 5 to 15 minutes before or after its own time; an answer takes some seconds.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
const CLOCK_TOLERANCE: Duration = Duration::from_mins(4);

/// An error as AWS answers it.
pub(super) struct Answer<'a> {
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    /// The whole answer, unless only the error in it is known.
    pub(super) http: Option<&'a HttpResponse>,
}

impl<'a> Answer<'a> {
    pub(super) fn of_metadata(error: &'a ErrorMetadata) -> Self {
        Self { code: code(error), message: error.message(), http: None }
    }

    fn status(&self) -> u16 {
        self.http.map_or(400, |http| http.status().as_u16())
    }

    pub(super) fn meaning(&self) -> &'static Meaning {
        let Some(code) = self.code else { return self.meaning_without_code() };
        let row = TABLE.iter().find(|row| row.codes.contains(&code));
        let is_fault = self.status() >= 500;
        match row {
            Some(row) if row.cause == AwsCause::Denied && !is_fault => self.policy().unwrap_or(row),
            Some(row) if matches!(row.cause, AwsCause::Invalid | AwsCause::Expired) && self.is_of_the_clock() => &CLOCK,
            Some(row) if row.passes_by_itself || !is_fault => row,
            // A service that blames itself may answer otherwise a moment later, whatever its code says.
            _ if is_fault => &table::UNAVAILABLE,
            _ => &table::UNKNOWN,
        }
    }

    fn meaning_without_code(&self) -> &'static Meaning {
        match self.status() {
            407 => &codeless::PROXY,
            429 => &codeless::THROTTLED,
            500.. => &codeless::UNAVAILABLE_WITHOUT_CODE,
            200..300 if !self.is_page() => &codeless::MALFORMED,
            _ => &codeless::UNREADABLE,
        }
    }

    /// Whether it is a page for a browser, such as that of a captive portal. AWS answers these requests with JSON or XML.
    fn is_page(&self) -> bool {
        self.content_type().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    }

    fn content_type(&self) -> Option<&'a str> {
        self.http?.headers().get("content-type")?.split(';').next()
    }

    /// The policy that denies, where it is not that of the credentials.
    fn policy(&self) -> Option<&'static Meaning> {
        let message = self.message?;
        if message.contains("no identity-based policy allows") {
            return None;
        }
        POLICIES.iter().find(|(words, _)| message.contains(words)).map(|(_, meaning)| meaning)
    }

    /// The action that the message names: a request can need others, such as iam:PassRole.
    pub(super) fn denied_action(&self) -> Option<String> {
        let (_, rest) = self.message?.split_once("not authorized to perform: ")?;
        let action = rest.split_whitespace().next()?;
        let is_plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let (service, name) = action.split_once(':')?;
        (is_plain(service) && is_plain(name)).then(|| action.to_owned())
    }

    /// Whether a refused signature or session comes from this machine's clock.
    fn is_of_the_clock(&self) -> bool {
        let says = |words| self.message.is_some_and(|message| message.contains(words));
        says("Signature expired") || says("Signature not yet current") || self.clocks().is_some()
    }

    /// The time of this machine and of the answer, if they differ by more than AWS allows.
    fn clocks(&self) -> Option<(DateTime, DateTime)> {
        let theirs = DateTime::from_str(self.http?.headers().get("date")?, DateTimeFormat::HttpDate).ok()?;
        let ours = DateTime::from(SystemTime::now());
        (ours.secs().abs_diff(theirs.secs()) > CLOCK_TOLERANCE.as_secs()).then_some((ours, theirs))
    }

    /// The first line of AWS's message, or what is known of an answer without one. Only the first: the message about a
    /// wrong signature goes on with the whole request, and with it the session's token.
    pub(super) fn text(&self) -> Option<String> {
        let mut parts: Vec<String> = self.message.and_then(sentence).map(str::to_owned).into_iter().collect();
        if self.code.is_none() && self.meaning().cause != AwsCause::Malformed {
            parts.extend(self.http.map(|http| {
                let kind = self.content_type();
                let is_plain = |kind: &&str| kind.chars().all(|c| c.is_ascii_alphanumeric() || "/+-.".contains(c));
                let kind = kind.filter(is_plain).map(|kind| format!(" and the type {kind}")).unwrap_or_default();
                format!("the answer is not AWS's: it has HTTP status {}{kind}, and no error code", http.status())
            }));
        }
        if let Some((ours, theirs)) = self.clocks() {
            let shown = |time: DateTime| time.fmt(DateTimeFormat::DateTime).unwrap_or_default();
            parts.push(format!("this machine's clock says {}, the answer {}", shown(ours), shown(theirs)));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The code of an error; an empty one is none.
pub(super) fn code(error: &impl ProvideErrorMetadata) -> Option<&str> {
    error.code().map(str::trim).filter(|code| !code.is_empty())
}

/// The first line, which ends where AWS quotes the request: an answer may have lost its line breaks on its way.
fn sentence(message: &str) -> Option<&str> {
    let line = first_line(message)?;
    let quotes = ["the canonical string", "canonical string", "the string-to-sign", "x-amz-security-token"];
    // Only ASCII changes, so every place is the same in both.
    let lower = line.to_ascii_lowercase();
    let end = quotes.iter().filter_map(|quote| lower.find(quote)).min();
    Some(line[..end.unwrap_or(line.len())].trim_end()).filter(|line| !line.is_empty())
}

/// The first line that is not empty.
pub(super) fn first_line(text: &str) -> Option<&str> {
    text.split(char::is_control).map(str::trim).find(|line| !line.is_empty())
}
