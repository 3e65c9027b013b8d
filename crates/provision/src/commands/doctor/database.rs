//! The database: its port, the function's login there, its schema, the rights of the function's role.

use anyhow::{Context, bail};
use db::role::{self, Authentication, Role};
use db::{Budget, Error, Kind, contract, schema};

use super::deployment::{Deployment, LOGIN_LIMIT};
use super::finding::Seen;
use crate::error::{Problem, of_kind};

/// Where the port is reached from, if not from here.
const FROM_INSIDE: &str = "a private DB instance is reached from its VPC alone: run it there by \
                           `provision --in-vpc doctor`, or behind `provision db tunnel --prod --`";

pub(super) async fn port(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let target = deployment.context.target().await?;
    let opened = target.with_session(async |_| Ok(())).await;
    match opened {
        Ok(()) => Ok(Seen::new(format!("{} answers, and this login is accepted", target.name()))),
        Err(error) if is_out_of_reach(&error) => {
            let problem = format!("{} does not answer here", target.name());
            Err(Problem::new(problem, FROM_INSIDE).because(error).into())
        }
        Err(error) => {
            let mut seen = Seen::new(format!("{} answers, and refuses", target.name()));
            seen.wrong_as(&error);
            Ok(seen)
        }
    }
}

/// Whether no server was reached, which says nothing about what the function reaches.
fn is_out_of_reach(error: &anyhow::Error) -> bool {
    matches!(kind_of(error), Some(Kind::DatabaseUnreachable | Kind::BudgetExceeded))
}

pub(super) async fn login(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let (function, login) = (deployment.function().await?, deployment.login().await?);
    match deployment.database().await?.connect(&Budget::new(LOGIN_LIMIT)).await {
        Ok(session) => {
            session.close().await;
            Ok(Seen::new(format!("{} logs in to {} on {}", login.user, login.dbname, login.host)))
        }
        Err(error) if matches!(error.kind(), Kind::DatabaseUnreachable | Kind::BudgetExceeded) => {
            Err(Problem::new(format!("{} does not answer here", login.host), FROM_INSIDE).because(error).into())
        }
        Err(error) => {
            let mut seen = Seen::new(format!("{} does not get in to {} on {}", login.user, login.dbname, login.host));
            match error.kind() {
                // The function's own roots are in its zip.
                Kind::TlsRefused if function.variable("PGSSLROOTCERT").is_some() => {
                    let problem =
                        "the function has roots of its own, and with those of this machine the server is not trusted";
                    let remedy = "set PGSSLROOTCERT here to a copy of the function's file";
                    return Err(Problem::new(problem, remedy).because(error).into());
                }
                // The error itself knows more: roots, host name or port.
                Kind::TlsRefused => seen.wrong_as(&error.into()),
                kind => {
                    let remedy = of_kind(kind);
                    seen.wrong(format!("{:#}", anyhow::Error::from(error)), remedy);
                }
            }
            Ok(seen)
        }
    }
}

pub(super) async fn schema(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let target = deployment.context.target().await?;
    let (contract, migrations) = target
        .with_session(async |session| {
            let transaction = session.transaction().await?;
            let contract = contract::inspect(&transaction).await;
            Ok((contract, schema::pending(&transaction).await))
        })
        .await?;
    let load = deployment.command("db load --prod");
    let contract = match contract {
        Ok(contract) => contract,
        Err(error @ Error::ContractMissing) => {
            let mut seen = Seen::new("the database has no cognito.ensure_user");
            let remedy = format!("run {load}, or write the function for tables of your own (docs/own-table.md)");
            seen.wrong(error.to_string(), remedy);
            return Ok(seen);
        }
        Err(error) => bail!(error),
    };
    let state = match &migrations {
        // No migration of this program has made the contract.
        Err(Error::ContractForeign) => "of your own",
        Ok(pending) if pending.is_empty() => "up to date",
        Ok(_) => "behind",
        Err(_) => "not what they should be",
    };
    let mut seen = Seen::new(format!("the tables are {state}; cognito.ensure_user runs as {}", contract.owner));
    match migrations {
        Err(Error::ContractForeign) => {}
        Ok(pending) if pending.is_empty() => {}
        Ok(pending) => {
            seen.wrong(format!("these migrations are pending: {}", pending.join(", ")), format!("run {load}"));
        }
        Err(error) if matches!(error.kind(), Kind::MigrationsDiffer | Kind::SchemaMissing) => {
            seen.wrong_as(&error.into());
        }
        Err(error) => bail!(error),
    }
    for fault in &contract.faults {
        seen.wrong(format!("cognito.ensure_user: {fault}"), "correct the function (docs/own-table.md)");
    }
    for warning in &contract.warnings {
        seen.advise(format!("the contract: {warning}"), "docs/own-table.md has what it should be like");
    }
    Ok(seen)
}

/// What AWS's rotation by two alternating users appends to the name of the second one, which is a member of the first.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-two-users.html>
const CLONE: &str = "_clone";

pub(super) async fn rights(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let user = &deployment.login().await?.user;
    let name = user.strip_suffix(CLONE).unwrap_or(user);
    let authentications = match function.variable("DB_AUTH") {
        None => &[Authentication::Password][..],
        // The proxy takes the token, and may log in with a password itself.
        Some(_) if deployment.has_proxy().await? => &[Authentication::Iam, Authentication::Password],
        Some(_) => &[Authentication::Iam],
    };
    let target = deployment.context.target().await?;
    let plans = target.with_session(async |session| {
        let transaction = session.transaction().await?;
        let mut best: Option<(role::Plan, role::Plan)> = None;
        for &authentication in authentications {
            let role =
                |keeps_public| Role { name: name.to_owned(), authentication, connection_limit: None, keeps_public };
            let needed = role::plan(&transaction, &role(true)).await?;
            if best.as_ref().is_none_or(|(best, _)| needed.changes.len() < best.changes.len()) {
                best = Some((needed, role::plan(&transaction, &role(false)).await?));
            }
        }
        best.context("there is a way to log in")
    });
    let (needed, advised) = match plans.await {
        Ok(plans) => plans,
        Err(error) if kind_of(&error) == Some(Kind::RoleTooPowerful) => {
            let mut seen = Seen::new(format!("the role {name} is not as it must be"));
            seen.wrong_as(&error);
            return Ok(seen);
        }
        Err(error) => return Err(error),
    };
    let mut seen = Seen::new(format!("the role {name} may call cognito.ensure_user and nothing else"));
    let grant = deployment.grant("").await?;
    for change in &needed.changes {
        seen.wrong(format!("the role lacks this: {}", change.description), format!("run {grant}"));
    }
    for change in advised.changes.iter().filter(|change| !needed.changes.contains(change)) {
        seen.advise(format!("what PUBLIC may do, it may do too: {}", change.description), format!("run {grant}"));
    }
    Ok(seen)
}

/// The kind of the database's error, if it is one.
pub(super) fn kind_of(error: &anyhow::Error) -> Option<Kind> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind)
}
