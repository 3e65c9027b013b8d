//! The declared DB instance.

use std::time::{Duration, SystemTime};

use db::Roots;
use humantime::format_rfc3339_seconds;

use super::deployment::{Deployment, without_instance};
use super::finding::Seen;
use crate::aws::rds::{self, PENDING_REBOOT, PendingChange, State};

/// A certificate that ends within this time is about to: RDS renews that of the server 30 days before at the latest.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html>
const NEAR: Duration = Duration::from_hours(14 * 24);

pub(super) async fn status(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let identifier = &deployment.declaration()?.identifier;
    let Some(instance) = deployment.find_instance().await? else {
        let target = deployment.context.target().await?;
        if !target.is_on_rds() {
            return Ok(Seen::off(format!("the database is on {}, and on no DB instance", target.login.host)));
        }
        let mut seen = Seen::new("there is none");
        let apply = deployment.command("instance apply");
        seen.wrong(
            format!("there is no DB instance {identifier} in this region and account"),
            format!("choose the right --profile, --region and --config, or create it with {apply}"),
        );
        return Ok(seen);
    };
    let status = rds::status(instance);
    let version = instance.engine_version().unwrap_or("an unknown version");
    let mut seen = Seen::new(format!("{identifier} is {status}, with PostgreSQL {version}"));
    let state = State::of(status);
    if !state.is_usable {
        let passes = || format!("wait for it with {}", deployment.command("instance wait"));
        let remedy = state.remedy(identifier, instance.allocated_storage).unwrap_or_else(passes);
        seen.wrong(format!("the DB instance is {status}, so the database cannot be used"), remedy);
    }
    Ok(seen)
}

pub(super) async fn certificate(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(instance) = deployment.find_instance().await? else { return Ok(without_instance()) };
    let details = instance.certificate_details();
    let ca = details.and_then(|details| details.ca_identifier()).or(instance.ca_certificate_identifier());
    let ca = ca.unwrap_or("an unknown CA");
    let until: Option<SystemTime> =
        details.and_then(|details| details.valid_till).and_then(|time| time.try_into().ok());
    let end = until.map(|until| format!(", until {}", format_rfc3339_seconds(until))).unwrap_or_default();
    let mut seen = Seen::new(format!("{ca}{end}"));
    let apply = deployment.command("instance apply");
    let remedy = format!("set `ca` in the declaration to a current one, such as rds-ca-rsa2048-g1, and run {apply}");
    let now = SystemTime::now();
    match until {
        Some(until) if until <= now => {
            seen.wrong("the server's certificate has expired, so no connection is made", &remedy);
        }
        Some(until) if until <= now + NEAR => {
            seen.advise("the server's certificate is about to expire, and RDS has not renewed it", &remedy);
        }
        _ => {}
    }
    let function = deployment.find_function().await.ok().flatten();
    let has_roots = function.is_some_and(|function| function.variable("PGSSLROOTCERT").is_some());
    // A proxy has a certificate of its own.
    if has_roots || (function.is_some() && deployment.has_proxy().await?) {
        return Ok(seen);
    }
    // The built-in roots are those of the current CAs alone.
    if !ca.ends_with("-g1") {
        seen.wrong(format!("the function's built-in roots do not know {ca}, so it trusts no such server"), remedy);
    }
    let region = deployment.region().await?;
    if Roots::Region(region.clone()).pem("").is_err() {
        seen.wrong(
            format!("the function has no built-in roots for {region}"),
            "put the region's bundle into the zip and name it in PGSSLROOTCERT: \
             https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html",
        );
    }
    Ok(seen)
}

pub(super) async fn support(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(instance) = deployment.find_instance().await? else { return Ok(without_instance()) };
    let support = rds::support(deployment.aws().await?, instance).await?;
    let version = instance.engine_version().unwrap_or("unknown");
    let Some(until) = support.standard_until else {
        return Ok(Seen::off(format!("AWS tells no end of PostgreSQL {version}")));
    };
    let mut seen = Seen::new(format!("PostgreSQL {version}, until {until}"));
    // Both in UTC, so that they are ordered as texts.
    let is_over = |time: SystemTime| until < format_rfc3339_seconds(time).to_string();
    let upgrade = deployment.command("instance upgrade");
    let remedy = format!("raise engine_version in the declaration, and run {upgrade}");
    if is_over(SystemTime::now()) {
        let problem = "standard support is over: AWS charges for Extended Support, or upgrades by itself";
        if deployment.declaration()?.extended_support {
            seen.advise(problem, remedy);
        } else {
            seen.wrong(problem, remedy);
        }
    } else if is_over(SystemTime::now() + Duration::from_hours(180 * 24)) {
        seen.advise("standard support ends within half a year", remedy);
    }
    Ok(seen)
}

pub(super) async fn pending(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(instance) = deployment.find_instance().await? else { return Ok(without_instance()) };
    let changes = rds::pending_changes(instance);
    let maintenance = rds::pending_maintenance(deployment.aws().await?, instance).await?;
    let mut seen = Seen::new(if changes.is_empty() && maintenance.is_empty() { "none" } else { "some" });
    if !changes.is_empty() {
        let shown: Vec<String> =
            changes.iter().map(|PendingChange { attribute, to }| format!("{attribute} → {to}")).collect();
        seen.advise(
            format!("these changes wait for the maintenance window: {}", shown.join(", ")),
            format!("let them wait, or make them now with {}", deployment.command("instance apply --now")),
        );
    }
    if rds::parameter_status(instance) == Some(PENDING_REBOOT) {
        let reboot = deployment.command("instance reboot");
        seen.advise("a changed parameter waits for a reboot", format!("run {reboot} at a quiet time"));
    }
    for action in maintenance {
        let time = action.applied_at.map(|time| format!(" at {time}")).unwrap_or_default();
        seen.advise(
            format!("RDS will make the maintenance {}{time}: the database is away for a while", action.action),
            "have a spill queue by then: the check `queue` says whether there is one",
        );
    }
    Ok(seen)
}
