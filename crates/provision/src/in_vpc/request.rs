//! What the caller sends to the operator's function, and what comes back: one JSON document a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The variables of the caller's environment that the command may read there. None of them is a secret, and none names a
/// database: that one is the function's own.
pub(crate) const FORWARDED: [&str; 2] = ["SPILL_QUEUE_URL", "USER_POOL_ID"];

/// A command to run in the operator's function. It holds nothing secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The command line, without the program.
    pub(crate) arguments: Vec<String>,
    /// The text of the declaration, if there is one.
    #[serde(default)]
    pub(crate) config: Option<String>,
    /// The questions that the operator has confirmed.
    #[serde(default)]
    pub(crate) confirmed: Vec<Question>,
    /// Those that the operator has not.
    #[serde(default)]
    pub(crate) refused: Vec<Question>,
    /// Whether the caller has a terminal to ask at.
    #[serde(default)]
    pub(crate) asks: bool,
    /// The time that earlier invocations of the same command took.
    #[serde(default)]
    pub(crate) spent_seconds: u64,
    /// Of [`FORWARDED`] those that the caller has.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
}

/// A question, and the word that confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) question: String,
    pub(crate) expected: String,
}

/// A part of the answer. `Exit` is the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Frame {
    /// Whole lines of standard output.
    Stdout(String),
    /// Whole lines of standard error.
    Stderr(String),
    /// The command needs this confirmation. Nothing was done.
    Question(Question),
    /// The time is over, after this page, and the same request goes on from there.
    Again(i32),
    /// The time is over, and the command was ended.
    TimedOut,
    /// The exit status.
    Exit(u8),
}

impl Request {
    /// Fails for what no caller of this release sends.
    pub(crate) fn parse(payload: &serde_json::Value) -> Result<Self, String> {
        let request: Self = Self::deserialize(payload).map_err(|error| error.to_string())?;
        match request.variables.keys().find(|name| !FORWARDED.contains(&name.as_str())) {
            Some(name) => Err(format!("the variable {name} is not accepted")),
            None => Ok(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_names_no_database() {
        let request = |variables| Request::parse(&json!({"arguments": ["db", "load"], "variables": variables}));
        assert!(request(json!({"USER_POOL_ID": "eu-central-1_a"})).is_ok());
        for name in ["PROD_CONNECTION_URL", "PGHOST", "DB_SECRET_ID", "AWS_ENDPOINT_URL", "LD_PRELOAD"] {
            let refused = request(json!({name: "x"})).expect_err(name);
            assert_eq!(refused, format!("the variable {name} is not accepted"));
        }
    }

    #[test]
    fn a_request_of_another_release_is_refused() {
        for payload in [json!({}), json!([]), json!({"arguments": "db load"}), json!({"arguments": [], "url": "x"})] {
            assert!(Request::parse(&payload).is_err(), "{payload}");
        }
    }
}
