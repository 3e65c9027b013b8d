//! How many sign-ups at once the deployment can take.

use std::time::{Duration, SystemTime};

use db::row::Columns;
use tokio_postgres::types::Type;

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::function::reserved_concurrency;
use crate::aws::metrics::Metric;
use crate::output::counted;

/// What PostgreSQL has when a role has no limit of its own.
const UNLIMITED: i32 = -1;

/// How far back counts go.
pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) async fn concurrency(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    deployment.function().await?;
    let reserved = reserved_concurrency(deployment.aws().await?, &deployment.function_name).await?;
    let login = deployment.login().await?;
    let target = deployment.context.target().await?;
    let user: &str = &login.user;
    let limits = target.with_session(async |session| {
        let rows = session.query_typed(include_str!("capacity/limits.sql"), &[(&user, Type::TEXT)]).await;
        let rows = rows.map_err(db::Error::from)?;
        let row = rows.first().expect("there is always one row");
        Ok((row.column::<Option<i32>>("of_role")?, row.column::<i32>("of_server")?))
    });
    let (of_role, of_server) = limits.await?;
    let of_role = of_role.filter(|limit| *limit != UNLIMITED);
    let shown = |limit: Option<i32>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    let mut seen = Seen::new(format!(
        "reserved concurrency: {}; connections of the role {user}: {}; of the server: {of_server}",
        reserved.map_or_else(|| "none".to_owned(), |reserved| reserved.to_string()),
        shown(of_role)
    ));
    if reserved == Some(0) {
        seen.wrong(
            "its reserved concurrency is 0, so Lambda throttles each sign-up",
            format!(
                "raise it, or delete it with `aws lambda delete-function-concurrency --function-name {}`",
                deployment.function_name.name
            ),
        );
    }
    // A proxy lets many share a connection.
    if deployment.has_proxy().await? {
        return Ok(seen);
    }
    if let (Some(reserved), Some(limit)) = (reserved, of_role)
        && reserved > limit
    {
        let problem = format!("{reserved} processes may run at once, and the role has {limit} connections");
        let grant = deployment.grant(&format!(" --connection-limit {reserved}")).await?;
        seen.wrong(problem, format!("run {grant}"));
    }
    if let Some(limit) = of_role.filter(|limit| *limit > of_server) {
        seen.wrong(
            format!("the role may have {limit} connections, and the server gives {of_server} to all"),
            format!(
                "lower the role's limit with {}, or raise max_connections",
                deployment.grant(&format!(" --connection-limit {of_server}")).await?
            ),
        );
    }
    if let Some(reserved) = reserved.filter(|reserved| of_role.is_none() && *reserved > of_server) {
        seen.wrong(
            format!("{reserved} processes may run at once, and the server gives {of_server} connections to all"),
            "lower the reserved concurrency, raise max_connections, or put RDS Proxy between",
        );
    }
    Ok(seen)
}

pub(super) async fn throttles(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let name = deployment.function_name.name.as_str();
    let metric = Metric { namespace: "AWS/Lambda", name: "Throttles", dimension: ("FunctionName", name) };
    let count = metric.sum(deployment.aws().await?, SystemTime::now() - DAY).await?;
    let mut seen = Seen::new(counted(count, "throttled call", "throttled calls"));
    if count > 0.0 {
        let reconcile = deployment.command(&format!("users reconcile --prod --pool {} --dry-run", deployment.pool_id));
        seen.wrong(
            format!(
                "Lambda has refused {}: a sign-up among them has no row and no line in the log",
                counted(count, "call", "calls")
            ),
            format!("raise the function's reserved concurrency or the account's, and find the users with {reconcile}"),
        );
    }
    Ok(seen)
}
