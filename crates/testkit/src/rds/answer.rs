//! Answers: XML, or an error in AWS's words.

use std::fmt::{Display, Write};

use super::request::Request;

/// The part of an answer that is the action's own, or its refusal.
pub(crate) type Answer = Result<Xml, Refusal>;

/// XML elements, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// Adds an element with a text.
    pub(crate) fn text(mut self, name: &str, text: impl Display) -> Self {
        let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(self.0, "<{name}>{text}</{name}>");
        self
    }

    /// Adds an element with a text, if there is one.
    pub(super) fn optional(self, name: &str, text: Option<impl Display>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds an element with elements.
    #[expect(clippy::needless_pass_by_value, reason = "it is built for this call")]
    pub(super) fn node(mut self, name: &str, children: Self) -> Self {
        let _ = write!(self.0, "<{name}>{}</{name}>", children.0);
        self
    }

    /// Adds a list, whose entries have the name `item`.
    pub(crate) fn list(self, name: &str, item: &str, entries: impl IntoIterator<Item = Self>) -> Self {
        let entries = entries.into_iter().fold(Self::default(), |list, entry| list.node(item, entry));
        self.node(name, entries)
    }

    /// Adds a list of texts.
    pub(crate) fn texts<T: Display>(self, name: &str, item: &str, texts: impl IntoIterator<Item = T>) -> Self {
        let texts = texts.into_iter().fold(Self::default(), |list, text| list.text(item, text));
        self.node(name, texts)
    }
}

/// An error that AWS answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Such as `InvalidParameterCombination`.
    pub code: String,
    /// AWS's sentence.
    pub message: String,
}

impl Refusal {
    /// The caller's mistake.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let status = if code.contains("NotFound") { 404 } else { 400 };
        Self { status, code: code.to_owned(), message: message.into() }
    }

    pub(super) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBInstanceState", message)
    }

    /// A gap in this stand-in. AWS has no such code, so a test that meets it fails with this sentence.
    pub(super) fn unknown(what: impl Display) -> Self {
        let message =
            format!("testkit's stand-in for Amazon RDS does not know {what}: add it to crates/testkit/src/rds");
        Self { status: 501, code: "StandInIsIncomplete".to_owned(), message }
    }
}

/// The HTTP status and the body.
pub(crate) fn render(request: &Request, answer: Answer) -> (u16, String) {
    let Request { service, action, .. } = request;
    let id = "7f3c2b1a-0000-4000-8000-000000000000";
    match (service.as_str(), answer) {
        ("ec2", Ok(Xml(body))) => (
            200,
            format!(
                "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{id}</requestId>{body}\
                 </{action}Response>"
            ),
        ),
        ("ec2", Err(Refusal { status, code, message })) => {
            let error = Xml::default().text("Code", code).text("Message", message);
            let errors = Xml::default().list("Errors", "Error", [error]).text("RequestID", id);
            (status, Xml::default().node("Response", errors).0)
        }
        (service, Ok(Xml(body))) => {
            let version = match service {
                "iam" => "2010-05-08",
                "sts" => "2011-06-15",
                _ => "2014-10-31",
            };
            (
                200,
                format!(
                    "<{action}Response xmlns=\"https://{service}.amazonaws.com/doc/{version}/\"><{action}Result>{body}\
                     </{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
                     </{action}Response>"
                ),
            )
        }
        (_, Err(Refusal { status, code, message })) => {
            let sender = if status < 500 { "Sender" } else { "Receiver" };
            let error = Xml::default().text("Type", sender).text("Code", code).text("Message", message);
            let error = Xml::default().node("Error", error).text("RequestId", id);
            (status, Xml::default().node("ErrorResponse", error).0)
        }
    }
}
