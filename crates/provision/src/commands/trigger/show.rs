//! `provision trigger show`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use super::{TriggerArgs, find_missed};
use crate::aws::function::{Statement, function_exists, read_statements, statement_id};
use crate::aws::user_pool::{Heal, POST_CONFIRMATION, read_user_pool};
use crate::cli::Context;
use crate::output::table;
use crate::terminal::harmless;

/// Show the pool's triggers and the function's permission
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    target: TriggerArgs,
}

/// A trigger of the pool.
#[derive(Debug, Serialize)]
struct TriggerState {
    trigger: String,
    function: String,
    /// Whether it is the function that the command line names.
    is_this: bool,
}

/// Who may invoke the function, or may not.
#[derive(Debug, Serialize)]
struct PermissionState {
    #[serde(flatten)]
    statement: Statement,
    /// Whether it allows Cognito to invoke the function for this pool.
    for_this_pool: bool,
    /// Whether it denies that.
    denies_this_pool: bool,
    /// Whether `provision trigger attach` has added it.
    is_own: bool,
}

/// The pool and the function.
#[derive(Debug, Serialize)]
pub(super) struct State {
    pool: String,
    name: String,
    place: String,
    function: String,
    exists: bool,
    attached: bool,
    permitted: bool,
    healing: Heal,
    triggers: Vec<TriggerState>,
    permissions: Vec<PermissionState>,
    /// What to do, if there is anything.
    next: Option<String>,
    /// How users are found who were confirmed before, where the pool calls the function.
    #[serde(skip)]
    earlier: Option<String>,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<State> {
        let Self { target } = self;
        let aws = context.aws().await?;
        let pool = read_user_pool(aws, &target.pool.id(context)?).await?;
        let function = target.function;
        function.ensure_beside(&pool)?;
        let arn = function.arn(&pool)?;
        let exists = function_exists(aws, &function).await?;
        let statements = if exists { read_statements(aws, &function).await? } else { Vec::new() };
        let own = statement_id(&pool);
        let permissions: Vec<_> = statements
            .into_iter()
            .map(|statement| PermissionState {
                for_this_pool: statement.permits(&pool),
                denies_this_pool: statement.denies(&pool),
                is_own: statement.id == own,
                statement,
            })
            .collect();
        let triggers = pool.triggers();
        let attached = triggers.function(POST_CONFIRMATION) == Some(&arn);
        let denial = permissions.iter().find(|permission| permission.denies_this_pool);
        let permitted = denial.is_none() && permissions.iter().any(|permission| permission.for_this_pool);
        let healing = triggers.healing(&arn);
        let command = |name: &str, options: &str| {
            let command = format!("trigger {name} --pool {} --function {function}{options}", pool.id);
            format!("`{}`", context.command_line(&command))
        };
        let next = if !exists && triggers.call(&arn) {
            Some(format!("the pool calls a function that does not exist: create it, or run {}", command("detach", "")))
        } else if !exists {
            Some("create the function, or correct --function".to_owned())
        } else if !attached {
            let replace = if triggers.function(POST_CONFIRMATION).is_some() { " --replace" } else { "" };
            Some(format!("sign-ups do not reach the function: attach it with {}", command("attach", replace)))
        } else if let Some(PermissionState { statement, .. }) = denial {
            Some(format!(
                "the statement {} denies that Cognito invokes the function, so sign-ups fail: remove it from the \
                 function's policy",
                statement.id
            ))
        } else if !permitted {
            Some(format!(
                "Cognito may not invoke the function, so sign-ups fail: allow it with {}",
                command("attach", "")
            ))
        } else if healing == Heal::None {
            let heal = command("attach", " --heal pre-token");
            Some(format!("users whom a trigger missed get no row at their next token; {heal} changes that"))
        } else {
            None
        };
        let state = |(trigger, function): (&str, &str)| TriggerState {
            trigger: trigger.to_owned(),
            is_this: function == arn,
            function: function.to_owned(),
        };
        let earlier = (exists && attached && permitted).then(|| find_missed(context, &pool.id));
        Ok(State {
            place: pool.place()?.to_string(),
            triggers: triggers.functions().into_iter().map(state).collect(),
            pool: pool.id,
            name: pool.name,
            function: arn,
            exists,
            attached,
            permitted,
            healing,
            permissions,
            next,
            earlier,
        })
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            pool, name, place, function, exists, permitted, healing, triggers, permissions, next, earlier, ..
        } = self;
        write!(f, "user pool:  {} ({}; {})", harmless(name), harmless(pool), harmless(place))?;
        write!(f, "\nfunction:   {}{}", harmless(function), if *exists { "" } else { ", which does not exist" })?;
        let by: Vec<String> = permissions
            .iter()
            .filter(|permission| permission.for_this_pool)
            .map(|PermissionState { statement, is_own, .. }| {
                format!("{}{}", harmless(&statement.id), if *is_own { "" } else { ", which another program has added" })
            })
            .collect();
        let by = if *permitted {
            by.join("; ")
        } else {
            "none: Cognito may not invoke the function for this pool".to_owned()
        };
        write!(f, "\npermission: {by}")?;
        let healing = match healing {
            Heal::PreToken => "before each token (pre-token)",
            Heal::PostAuthentication => "after sign-ins (post-authentication)",
            Heal::None => "off",
        };
        write!(f, "\nhealing:    {healing}")?;
        if triggers.is_empty() {
            write!(f, "\n\nThe pool has no trigger.")?;
        } else {
            f.write_str("\n\n")?;
            let rows = triggers.iter().map(|TriggerState { trigger, function, is_this }| {
                let this = if *is_this { "this function".to_owned() } else { function.clone() };
                [trigger.clone(), this]
            });
            table(f, ["trigger", "calls"], rows)?;
        }
        let (others, denials): (Vec<_>, Vec<_>) = permissions
            .iter()
            .filter(|permission| !permission.for_this_pool)
            .map(|permission| &permission.statement)
            .partition(|statement| statement.is_allow());
        for (title, statements) in
            [("Others that may invoke the function:", others), ("Denied by the function's policy:", denials)]
        {
            if statements.is_empty() {
                continue;
            }
            write!(f, "\n\n{title}")?;
            for Statement { id, principals, sources, .. } in statements {
                let sources = if sources.is_empty() { String::new() } else { format!(" for {}", sources.join(", ")) };
                write!(f, "\n  {}", harmless(format!("{id}: {}{sources}", principals.join(", "))))?;
            }
        }
        next.iter().chain(earlier).try_for_each(|line| write!(f, "\n\n{}", harmless(line)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_that_denies_is_not_listed_as_one_that_allows() {
        let statement =
            |id: &str, effect: &str| json!({"Sid": id, "Effect": effect, "Principal": {"AWS": "111122223333"}});
        let policy = json!({"Statement": [statement("other", "Allow"), statement("barred", "Deny")]});
        let permission =
            |statement| PermissionState { statement, for_this_pool: false, denies_this_pool: false, is_own: false };
        let state = State {
            pool: "eu-central-1_A".to_owned(),
            name: "users".to_owned(),
            place: "here".to_owned(),
            function: "f".to_owned(),
            exists: true,
            attached: false,
            permitted: false,
            healing: Heal::None,
            triggers: Vec::new(),
            permissions: Statement::all(&policy).into_iter().map(permission).collect(),
            next: None,
            earlier: None,
        };
        let lists = "Others that may invoke the function:\n  other: 111122223333\n\nDenied by the function's policy:\n  \
                     barred: 111122223333";
        assert!(state.to_string().ends_with(lists), "{state}");
    }
}
