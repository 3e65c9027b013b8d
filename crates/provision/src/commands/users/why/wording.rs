//! How a story is told: with personal data or without, and with whole command lines.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::who::Who;
use crate::cli::quoted;

/// The words for values that may be personal, and the command lines of this deployment.
#[derive(Clone, Copy)]
pub(super) struct Wording<'a> {
    /// Makes a whole command line of a command.
    pub(super) command_line: &'a dyn Fn(&str) -> String,
    pub(super) who: &'a Who,
    pub(super) pool: &'a str,
    /// The function, if one is known.
    pub(super) function: Option<&'a str>,
    /// The options that name the queue, if one is known.
    pub(super) queue: Option<&'a str>,
    pub(super) is_production: bool,
    pub(super) is_redacted: bool,
}

impl Wording<'_> {
    fn personal(&self, value: &str, placeholder: &str) -> String {
        if self.is_redacted { placeholder.to_owned() } else { value.to_owned() }
    }

    pub(super) fn who(&self) -> String {
        self.personal(&self.who.text, "WHO")
    }

    pub(super) fn sub(&self, sub: &str) -> String {
        self.personal(sub, "SUB")
    }

    /// The id of another user's row.
    pub(super) fn other(&self, sub: &str) -> String {
        self.personal(sub, "OTHER-SUB")
    }

    pub(super) fn address(&self, address: &str) -> String {
        self.personal(address, "ADDRESS")
    }

    pub(super) fn handle(&self, handle: &str) -> String {
        self.personal(handle, "HANDLE")
    }

    pub(super) fn user_name(&self, name: &str) -> String {
        self.personal(name, "NAME")
    }

    /// This command again.
    pub(super) fn again(&self) -> String {
        let function = self.function.map(|name| format!(" --function {name}")).unwrap_or_default();
        let queue = self.queue.unwrap_or_default();
        self.users(&format!("why {}", quoted(&self.who())), &format!("{function}{queue}"))
    }

    /// The same in production.
    pub(super) fn in_production(&self) -> String {
        Wording { is_production: true, ..*self }.users(&format!("why {}", quoted(&self.who())), "")
    }

    /// `provision users reconcile` with these options, which begin with a space.
    pub(super) fn reconcile(&self, options: &str) -> String {
        self.users("reconcile", options)
    }

    fn users(&self, command: &str, options: &str) -> String {
        let production = if self.is_production { " --prod" } else { "" };
        (self.command_line)(&format!("users {command}{production} --pool {}{options}", self.pool))
    }

    /// A command of `provision trigger`.
    pub(super) fn trigger(&self, command: &str) -> String {
        let function = self.function.unwrap_or("NAME");
        (self.command_line)(&format!("trigger {command} --pool {} --function {function}", self.pool))
    }

    /// A command of `provision queue`.
    pub(super) fn queue(&self, command: &str) -> String {
        (self.command_line)(&format!("queue {command}{}", self.queue.unwrap_or(" --queue QUEUE")))
    }
}

pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

pub(super) fn rfc3339<S: Serializer>(value: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    time(*value).serialize(serializer)
}
