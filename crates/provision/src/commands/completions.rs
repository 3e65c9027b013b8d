//! `provision completions`

use clap::Args;
use clap_complete::{Shell, generate};

use crate::cli::Context;
use crate::output::Outcome;

/// Write a shell's completion script to standard output
///
/// For bash: `provision completions bash > ~/.local/share/bash-completion/completions/provision`. For zsh:
/// `provision completions zsh > DIRECTORY/_provision`, in a directory of $fpath. For fish:
/// `provision completions fish > ~/.config/fish/completions/provision.fish`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell that reads the script
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        let mut script = Vec::new();
        generate(self.shell, &mut crate::command(), "provision", &mut script);
        context.show_script(&String::from_utf8(script)?)
    }
}
