//! Which commands make sense in the VPC: those that need the database, and nothing of this machine.

use anyhow::ensure;

use crate::error::Problem;

/// The commands that run in the operator's function.
const ALLOWED: [&str; 12] = [
    "db create",
    "db load",
    "db wait",
    "db sessions",
    "db grant",
    "activity create",
    "activity show",
    "activity home",
    "users list",
    "users reconcile",
    "users why",
    "doctor",
];

/// What to do instead, by the command or its group.
const INSTEAD: [(&str, &str); 11] = [
    ("db drop", "run it through `provision db tunnel`"),
    ("db connect", "psql runs on this machine: run it through `provision db tunnel`"),
    ("db url", "the URL may hold a password, and leads nowhere from outside: open `provision db tunnel`"),
    ("db seed", "seed a development database, or run it through `provision db tunnel`"),
    ("db tunnel", "run it without --in-vpc: it leads from this machine into the VPC"),
    ("db setup", "it is for development, and refused in production"),
    ("completions", "run it without --in-vpc: it needs nothing but this program"),
    ("instance", "run it without --in-vpc: it needs AWS's API and no database"),
    ("access", "run it without --in-vpc: it needs AWS's API and no database"),
    ("trigger", "run it without --in-vpc: it needs AWS's API and no database"),
    ("queue", "run it without --in-vpc: it needs AWS's API and no database"),
];

/// Whether this command line begins with a command that runs in the operator's function.
pub(crate) fn is_allowed(command_line: &str) -> bool {
    let begins = |command: &&str| {
        command_line.strip_prefix(*command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    ALLOWED.iter().any(begins)
}

/// Fails for a command that does not run in the operator's function.
pub(crate) fn ensure_allowed(command: &str) -> anyhow::Result<()> {
    let group = command.split(' ').next().unwrap_or_default();
    let instead = INSTEAD.iter().find(|(name, _)| *name == command || *name == group);
    let remedy = instead.map_or("run it without --in-vpc", |(_, remedy)| remedy);
    ensure!(is_allowed(command), Problem::new(format!("`provision {command}` does not run in the VPC"), remedy));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_runs_in_the_vpc_or_says_what_to_do_instead() {
        let definition = crate::command();
        let mut commands = Vec::new();
        for group in definition.get_subcommands().filter(|group| !group.is_hide_set()) {
            let name = group.get_name().to_owned();
            let subcommands = group.get_subcommands().map(|command| format!("{name} {}", command.get_name()));
            commands.extend(subcommands);
            if !group.has_subcommands() {
                commands.push(name);
            }
        }
        for command in &commands {
            let group = command.split(' ').next().expect("a word");
            let instead = INSTEAD.iter().any(|(name, _)| *name == command || *name == group);
            assert!(is_allowed(command) != instead, "{command} is in one of both lists");
        }
        let is_command = |name: &str| commands.iter().any(|it| it == name || it.split(' ').next() == Some(name));
        let unknown = ALLOWED.iter().chain(INSTEAD.iter().map(|(name, _)| name)).find(|name| !is_command(name));
        #[cfg(feature = "instance")]
        assert_eq!(unknown, None, "each name is a command's");
        #[cfg(not(feature = "instance"))]
        let _ = unknown;
    }

    #[test]
    fn a_command_is_known_by_its_whole_words() {
        assert!(is_allowed("db load --check") && is_allowed("doctor"));
        assert!(!is_allowed("db loadx") && !is_allowed("db") && !is_allowed("db drop"));
    }
}
