//! Creates and deletes a DB instance from its declaration, with moto as AWS. moto runs no database server, so nothing
//! can connect to this instance; every request is a real one.

use anyhow::ensure;
use testkit::Moto;

use crate::{expect_differences, provision, say};

/// The declaration without deletion protection: the demonstration ends with a deletion.
const DECLARATION: [&str; 2] = ["--config", "infra/rds.dev.toml"];

pub(crate) async fn run() -> anyhow::Result<()> {
    say("starting moto as Amazon RDS and EC2");
    let moto = Moto::start()?;
    let variables = moto.environment();
    let run = async |arguments: &[&str]| provision(&[arguments, &DECLARATION].concat(), &variables).await;

    expect_differences(&[&["instance", "plan"][..], &DECLARATION].concat(), &variables).await?;
    run(&["instance", "apply", "--yes"]).await?;
    // It ends with 3, and the demo with it, if it still finds differences.
    run(&["instance", "plan"]).await?;
    run(&["access", "allow", "--cidr", "192.0.2.7", "--user", "operator", "--expires", "8h"]).await?;
    let rules = run(&["access", "list"]).await?;
    ensure!(rules.contains("192.0.2.7/32"), "`access list` does not show the rule of `access allow`");
    run(&["instance", "status"]).await?;
    run(&["instance", "delete", "--yes"]).await?;
    say("planned, created, opened, inspected and deleted a DB instance");
    Ok(())
}
