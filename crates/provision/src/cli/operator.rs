//! What a command knows of the operator's function: as its caller, or in it.

use std::path::Path;
use std::time::Duration;

use super::{Context, DEFAULT_CONFIG};
use crate::aws::function::FunctionName;
use crate::error::Problem;
use crate::in_vpc::{self, Invocation, Limit};
use crate::prompt;

impl Context {
    /// Whether a question can be asked: here, or at the caller of the operator's function.
    pub(crate) fn can_ask(&self) -> bool {
        self.invocation.as_ref().map_or_else(prompt::can_ask, Invocation::can_ask)
    }

    /// How long the command may take: as long as it was told, and no longer than the invocation that it runs in.
    pub(crate) fn limit(&self, of_command: Option<Duration>) -> Limit {
        match &self.invocation {
            Some(invocation) => invocation.limit(of_command),
            None => Limit::of_command(of_command),
        }
    }

    /// The file of the declaration, unless it is the default one and does not exist.
    pub(crate) fn config(&self) -> Option<&Path> {
        Some(self.global.config.as_path()).filter(|config| *config != Path::new(DEFAULT_CONFIG) || config.exists())
    }

    /// The name of the operator's function.
    pub(crate) fn operator(&self) -> anyhow::Result<FunctionName> {
        if let Some(name) = &self.global.operator {
            return Ok(name.clone());
        }
        let name = self.variable("OPERATOR_FUNCTION")?;
        let wrong = |problem| {
            Problem::new(format!("OPERATOR_FUNCTION: {problem}"), "correct it, or name the function with --operator")
        };
        Ok(name.as_deref().unwrap_or(in_vpc::DEFAULT_FUNCTION).trim().parse().map_err(wrong)?)
    }
}
