//! The function's variables, beside what is declared.

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::rds::Endpoint;

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
            format!("set DB_SECRET_ID to the secret that {} writes", deployment.command("db grant --prod")),
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
    // Where the secret names the server, it is compared there.
    if deployment.find_instance().await?.is_some() {
        compare(deployment, &mut seen).await?;
    }
    Ok(seen)
}

async fn compare(deployment: &Deployment<'_>, seen: &mut Seen) -> anyhow::Result<()> {
    let function = deployment.function().await?;
    let declaration = deployment.declaration()?;
    let endpoint = deployment.instance().await?.endpoint();
    let host = endpoint.and_then(Endpoint::address).unwrap_or_default();
    let port = endpoint.and_then(Endpoint::port).unwrap_or(declaration.port);
    if let Some(own) = function.variable("PGHOST").filter(|own| !leads_to(own, host)) {
        seen.wrong(
            format!("PGHOST is {own}, and the declared DB instance is at {host}"),
            "correct PGHOST, or name the deployment's declaration with --config",
        );
    }
    if let Some(own) = function.variable("PGPORT").filter(|own| own.parse() != Ok(port)) {
        seen.wrong(format!("PGPORT is {own}, and the DB instance listens at {port}"), "correct PGPORT");
    }
    let database = &declaration.database;
    if let Some(own) = function.variable("PGDATABASE").filter(|own| own != database) {
        seen.wrong(
            format!("PGDATABASE is {own}, and the declared database is {database}"),
            "correct PGDATABASE, or `database` in the declaration",
        );
    }
    Ok(())
}

/// Whether the function's host is that of the DB instance, or of an RDS Proxy before it, which AWS does not tell from one
/// before another.
pub(super) fn leads_to(own: &str, host: &str) -> bool {
    own.eq_ignore_ascii_case(host) || own.contains(".proxy-")
}
