//! The function's secret.

use std::time::{Duration, SystemTime};

use db::Kind;
use humantime::format_rfc3339_seconds;

use super::database::kind_of;
use super::deployment::Deployment;
use super::environment::leads_to;
use super::finding::Seen;

/// A rotation takes seconds, or minutes where its function must be started. What takes longer has stopped.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot_rotation.html>
const LONGEST_ROTATION: Duration = Duration::from_hours(1);

/// A rotation begins within its window, of a day at most.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html>
const ROTATION_WINDOW: Duration = Duration::from_hours(24);

pub(super) async fn content(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let Some(id) = function.variable("DB_SECRET_ID") else {
        return Ok(Seen::off("the function has no secret"));
    };
    let grant = deployment.command("db grant --prod");
    let Some(secret) = deployment.find_secret().await? else {
        let mut seen = Seen::new(format!("there is no secret {id}"));
        seen.wrong(
            format!("DB_SECRET_ID names {id}, which does not exist in this region and account"),
            format!("create it with {grant}, and set DB_SECRET_ID as it says"),
        );
        return Ok(seen);
    };
    let mut seen = Seen::new(secret.arn.clone());
    if secret.is_deleted {
        let problem = "it is marked for deletion, so it cannot be read";
        seen.wrong(problem, format!("restore it: `aws secretsmanager restore-secret --secret-id {id}`"));
        return Ok(seen);
    }
    let login = match deployment.read_login().await {
        Ok(login) => login,
        Err(error) if kind_of(&error) == Some(Kind::SecretInvalid) => {
            seen.wrong_as(&error);
            return Ok(seen);
        }
        // These credentials may not read it, or the settings are wrong.
        Err(error) => return Err(error),
    };
    let target = deployment.context.target().await?;
    let again = deployment.grant("").await?;
    let rewrite = || format!("write it with {again}, or choose the deployment with --config or PROD_CONNECTION_URL");
    let host = &target.login.host;
    if function.variable("PGHOST").is_none() && !leads_to(&login.host, host) {
        seen.advise(format!("it is for {}, and the database is on {host}", login.host), rewrite());
    }
    if function.variable("PGDATABASE").is_none() && login.dbname != target.login.dbname {
        let problem = format!("it is for the database {}, and not for {}", login.dbname, target.login.dbname);
        seen.wrong(problem, rewrite());
    }
    let Some(instance) = deployment.find_instance().await? else { return Ok(seen) };
    if instance.master_username() == Some(login.user.as_str()) {
        seen.wrong(
            format!("it is that of the master user {}, who may do anything", login.user),
            format!("give the function a role of its own with {grant}, and set DB_SECRET_ID as it says"),
        );
    }
    Ok(seen)
}

pub(super) async fn rotation(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    if deployment.function().await?.variable("DB_SECRET_ID").is_none() {
        return Ok(Seen::off("the function has no secret"));
    }
    let Some(secret) = deployment.find_secret().await? else {
        return Ok(Seen::off("there is no such secret"));
    };
    let due = secret.next_rotation.map(|time| format!(", next by {}", format_rfc3339_seconds(time)));
    let rotated = format!("it is rotated{}", due.unwrap_or_default());
    let mut seen = Seen::new(if secret.is_rotated { rotated } else { "nobody rotates it".to_owned() });
    let rotate = format!("`aws secretsmanager rotate-secret --secret-id {}`", secret.arn);
    let now = SystemTime::now();
    let stopped = secret.pending_since.filter(|since| *since + LONGEST_ROTATION < now);
    if let Some(since) = stopped {
        let remedy = if secret.is_rotated {
            format!("look at the log of the rotation function, and start it again: {rotate}")
        } else {
            format!("finish it with {}", deployment.grant("").await?)
        };
        seen.wrong(format!("a rotation has stopped half-way at {}", format_rfc3339_seconds(since)), remedy);
    } else if secret.is_rotated && secret.next_rotation.is_some_and(|due| due + ROTATION_WINDOW < now) {
        seen.wrong(
            "its rotation is overdue",
            format!("look at the log of the rotation function, and start it: {rotate}"),
        );
    }
    Ok(seen)
}
