//! The function as a trigger of the user pool.

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::function::{FunctionName, read_statements, statement_id};
use crate::aws::user_pool::{Heal, POST_CONFIRMATION, PRE_TOKEN};
use crate::cli::quoted;

/// The command that attaches the function.
fn attach(deployment: &Deployment<'_>, options: &str) -> String {
    let (pool, function) = (&deployment.pool_id, &deployment.function_name);
    deployment.command(&format!("trigger attach --pool {pool} --function {function}{options}"))
}

/// The command that removes a statement from the function's policy.
fn remove(deployment: &Deployment<'_>, statement: &str) -> String {
    let FunctionName { name, qualifier, .. } = &deployment.function_name;
    let qualifier = qualifier.as_ref().map(|qualifier| format!(" --qualifier {qualifier}")).unwrap_or_default();
    format!("`aws lambda remove-permission --function-name {name}{qualifier} --statement-id {}`", quoted(statement))
}

pub(super) async fn attachment(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let pool = deployment.pool().await?;
    deployment.function_name.ensure_beside(pool)?;
    let arn = deployment.function_name.arn(pool)?;
    let triggers = pool.triggers();
    match triggers.function(POST_CONFIRMATION) {
        // Without a qualifier it is the latest code, too.
        Some(attached) if attached.trim_end_matches(":$LATEST") == arn => {
            Ok(Seen::new(format!("{} calls the function", pool.name)))
        }
        Some(other) => {
            let mut seen = Seen::new(format!("{} calls {other}", pool.name));
            let attach = attach(deployment, " --replace");
            let remedy =
                format!("attach it in its place with {attach}, or name the one that is called with --function");
            seen.wrong(format!("sign-ups go to another function, {other}"), remedy);
            Ok(seen)
        }
        None => {
            let mut seen = Seen::new(format!("{} calls no function", pool.name));
            let remedy = format!("attach the function with {}", attach(deployment, ""));
            seen.wrong("no function is called when a user is confirmed", remedy);
            Ok(seen)
        }
    }
}

pub(super) async fn permission(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let pool = deployment.pool().await?;
    deployment.function().await?;
    let statements = read_statements(deployment.aws().await?, &deployment.function_name).await?;
    if let Some(denial) = statements.iter().find(|statement| statement.denies(pool)) {
        let mut seen = Seen::new(format!("{} denies it", denial.id));
        let remedy = format!("remove it with {}", remove(deployment, &denial.id));
        seen.wrong(format!("the statement {} denies that Cognito invokes the function", denial.id), remedy);
        return Ok(seen);
    }
    let permitting: Vec<_> = statements.iter().filter(|statement| statement.permits(pool)).collect();
    let Some(first) = permitting.first() else {
        let mut seen = Seen::new("Cognito has none for this pool");
        let remedy = format!("give it with {}", attach(deployment, ""));
        seen.wrong("Cognito may not invoke the function, so each sign-up fails", remedy);
        return Ok(seen);
    };
    let mut seen = Seen::new(format!("the statement {}", first.id));
    if !permitting.iter().any(|statement| statement.is_scoped()) {
        let FunctionName { name, qualifier, .. } = &deployment.function_name;
        let qualifier = qualifier.as_ref().map(|qualifier| format!(" --qualifier {qualifier}")).unwrap_or_default();
        let place = pool.place()?;
        let account = place.account();
        seen.wrong(
            format!("the statement {} has neither SourceArn nor SourceAccount: any pool of any account may invoke it", first.id),
            format!(
                "run `aws lambda add-permission --function-name {name}{qualifier} --statement-id {} --action \
                 lambda:InvokeFunction --principal cognito-idp.amazonaws.com --source-arn {} --source-account {account}`, then {}",
                statement_id(pool),
                pool.arn,
                remove(deployment, &first.id)
            ),
        );
    }
    Ok(seen)
}

pub(super) async fn healing(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let pool = deployment.pool().await?;
    let arn = deployment.function_name.arn(pool)?;
    Ok(match pool.triggers().healing(&arn) {
        Heal::PreToken => Seen::new("on, before each token"),
        Heal::PostAuthentication => Seen::new("on, after sign-ins"),
        Heal::None => {
            let mut seen = Seen::new("off");
            // A pool has one of each trigger.
            let is_taken = pool.triggers().function(PRE_TOKEN).is_some();
            let heal = attach(deployment, if is_taken { " --heal post-authentication" } else { " --heal pre-token" });
            seen.advise(
                "users whom the trigger misses get no row at their next sign-in",
                format!("{heal} changes that"),
            );
            seen
        }
    })
}
