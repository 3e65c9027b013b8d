//! Errors of the command line, as clap shows them.

use std::error::Error as _;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};

use super::Cli;
use crate::terminal::harmless;

/// The error to show: that of the same arguments in `harmless` characters, if they are wrong as well.
pub(super) fn shown(error: &clap::Error, of_harmless: Option<clap::Error>) -> clap::Error {
    let mut error = of_harmless.unwrap_or_else(|| of_value(error));
    let argument = error.get(ContextKind::InvalidArg);
    if matches!(argument, Some(ContextValue::String(argument)) if argument == "--prod") {
        error.remove(ContextKind::SuggestedArg);
        let tip = "--prod is an option of db, activity and users, as in `provision db url --prod`";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        error.insert(ContextKind::Usage, ContextValue::StyledStr(Cli::command().render_usage()));
    }
    error
}

/// The error about a value that is wrong only for its characters, which are shown as escapes.
fn of_value(error: &clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(harmless(text)),
        _ => None,
    };
    let (Some(argument), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) else {
        return clap::Error::new(error.kind());
    };
    let cause = error.source().map(|cause| format!(": {}", harmless(cause))).unwrap_or_default();
    clap::Error::raw(error.kind(), format!("invalid value '{value}' for '{argument}'{cause}\n"))
}
