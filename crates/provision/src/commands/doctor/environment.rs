//! The function's variables, beside what is declared.

use db::is_proxy;

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::rds::{DbInstance, Endpoint};

/// The variables that say which database it is.
const SOURCES: [&str; 3] = ["DB_SECRET_ID", "DB_AUTH", "CONNECTION_URL"];

pub(super) async fn variables(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let set: Vec<&str> = SOURCES.into_iter().filter(|name| function.variable(name).is_some()).collect();
    let mut seen = Seen::new(if set.is_empty() { "no database".to_owned() } else { set.join(", ") });
    if let Err(error) = deployment.settings().await {
        seen.wrong_as(&error);
        return Ok(seen);
    }
    if function.variable("CONNECTION_URL").is_some() {
        seen.wrong(
            "CONNECTION_URL holds the password, and whoever may describe the function reads it",
            format!("set DB_SECRET_ID to the secret that {} writes", deployment.grant("").await?),
        );
    }
    if let Err(error) = deployment.queue_name().await {
        seen.wrong_as(&error);
    }
    let region = deployment.region().await?;
    let queue = function.variable("SPILL_QUEUE_URL").and_then(|url| url.split('/').nth(2));
    if let Some(other) = queue.and_then(db::region_of_queue).filter(|other| *other != region) {
        seen.advise(
            format!("SPILL_QUEUE_URL is a queue in {other}, and the function is in {region}"),
            "have the queue in the function's region: another one is one more that can be away",
        );
    }
    compare(deployment, &mut seen).await?;
    Ok(seen)
}

/// Compares what the variables say of the server with the operator's database. What the secret says is compared there.
async fn compare(deployment: &Deployment<'_>, seen: &mut Seen) -> anyhow::Result<()> {
    let function = deployment.function().await?;
    let target = deployment.context.target().await?;
    let (host, dbname) = (&target.login.host, &target.login.dbname);
    let own = function.variable("PGHOST");
    if let Some(own) = own.filter(|own| !leads_to(own, host)) {
        seen.advise(
            format!("PGHOST is {own}, and the database is on {host}"),
            "correct PGHOST if that is no pooler before it, or choose the deployment with --config or PROD_CONNECTION_URL",
        );
    }
    // A pooler has a port of its own.
    let port = deployment.find_instance().await?.and_then(DbInstance::endpoint).and_then(Endpoint::port);
    let port =
        target.endpoint_port.map(i32::from).or(port).filter(|_| own.is_none_or(|own| own.eq_ignore_ascii_case(host)));
    if let (Some(own), Some(port)) = (function.variable("PGPORT"), port)
        && own.parse() != Ok(port)
        && !deployment.has_proxy().await?
    {
        seen.wrong(format!("PGPORT is {own}, and the server listens at {port}"), "correct PGPORT");
    }
    if let Some(own) = function.variable("PGDATABASE").filter(|own| own != dbname) {
        seen.wrong(
            format!("PGDATABASE is {own}, and the database is {dbname}"),
            "correct PGDATABASE, or choose the deployment with --config or PROD_CONNECTION_URL",
        );
    }
    Ok(())
}

/// Whether the function's host is the server's, or that of an RDS Proxy before it, which AWS does not tell from one before
/// another.
pub(super) fn leads_to(own: &str, host: &str) -> bool {
    own.eq_ignore_ascii_case(host) || is_proxy(own)
}
