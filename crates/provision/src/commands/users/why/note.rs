//! Notes: where a story has gaps, and why.

use serde::Serialize;

use crate::error::remedy;
use db::{AwsCause, AwsError};

/// A place that could not be looked at, or not whole.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    pub(super) place: &'static str,
    pub(super) problem: String,
    pub(super) remedy: String,
}

/// All notes.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, place: &'static str, problem: impl Into<String>, remedy: impl Into<String>) {
        let note = Note { place, problem: problem.into(), remedy: remedy.into() };
        // Each place is asked several times.
        if !self.0.iter().any(|known| known.place == place && known.problem == note.problem) {
            self.0.push(note);
        }
    }

    /// The outcome; none, and a note, after an error of this place alone. One of the credentials or of the way to AWS ends
    /// the command: it would be everywhere.
    pub(super) fn unless<T>(&mut self, place: &'static str, outcome: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let is_general = |error: &AwsError| {
            !matches!(
                error.cause(),
                AwsCause::Denied
                    | AwsCause::Forbidden
                    | AwsCause::KeyDenied
                    | AwsCause::NotFound
                    | AwsCause::WrongState
                    | AwsCause::Throttled
                    | AwsCause::Unavailable
                    | AwsCause::Other
            )
        };
        if error.chain().filter_map(|cause| cause.downcast_ref()).any(is_general) {
            return Err(error);
        }
        // AWS's own message is left out: it can quote what the request asked for.
        self.add(place, error.to_string(), remedy(&error).unwrap_or_else(|| "try it again".to_owned()));
        Ok(None)
    }
}
