//! Why an event waits, or was given up.

use std::str::FromStr;

use db::Kind;
use serde::{Serialize, Serializer};

use crate::error::of_kind;

/// The error type of an event that identifies no user, as the function reports it.
const INVALID_EVENT: &str = "InvalidEvent";

/// The word for what says nothing that is known.
const UNKNOWN: &str = "unknown";

/// The cause that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The function's error type, other than the next one.
    Kind(Kind),
    /// The event identifies no user.
    InvalidEvent,
    /// None, or none that this release knows. Its text is never shown: anybody may have written it.
    Unknown,
}

impl Cause {
    /// What the attribute `cause` of a message says.
    pub(crate) fn of(attribute: Option<&str>) -> Self {
        attribute.and_then(|word| word.parse().ok()).unwrap_or(Self::Unknown)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.as_str(),
            Self::InvalidEvent => INVALID_EVENT,
            Self::Unknown => UNKNOWN,
        }
    }

    /// What to do about it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Kind(kind) => of_kind(kind),
            Self::InvalidEvent => {
                "drop them, because they identify no user, and find what sends them to the queue: only the function should"
            }
            Self::Unknown => {
                "look at them in the console of Amazon SQS: another program has sent them, or a newer release of the function"
            }
        }
    }
}

impl FromStr for Cause {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = Kind::ALL.iter().copied().find(|kind| kind.as_str() == text).map(Self::Kind);
        let other = || [Self::InvalidEvent, Self::Unknown].into_iter().find(|cause| cause.as_str() == text);
        kind.or_else(other).ok_or("expected an error type of docs/errors.md, such as DatabaseUnreachable, or `unknown`")
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_error_type_of_the_function_is_a_cause_with_a_remedy() {
        let documents = include_str!("../../../../docs/errors.md");
        let (_, section) = documents.split_once("\n## Error types\n").expect("a section of error types");
        let (section, _) = section.split_once("Only `provision` meets these").expect("those of the function first");
        let words: Vec<&str> =
            section.lines().filter_map(|row| row.strip_prefix("| `")?.split_once('`')).map(|(word, _)| word).collect();
        assert!(words.len() > 10, "{words:?}");
        for word in words {
            let cause = Cause::of(Some(word));
            assert_eq!(cause.as_str(), word);
            assert_ne!(cause.remedy(), of_kind(Kind::RoleChanged), "{word} is not the function's?");
        }
    }

    #[test]
    fn a_text_that_is_no_error_type_is_never_shown() {
        for text in [None, Some(""), Some("Ada Lovelace"), Some("databaseunreachable"), Some("unknown")] {
            assert_eq!(Cause::of(text).as_str(), "unknown", "{text:?}");
        }
    }
}
