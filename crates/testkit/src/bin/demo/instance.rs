//! From a declaration to a DB instance and back, against AWS's APIs on this machine. moto has no database server, so
//! nothing can connect to this instance; but every request is a real one.

use anyhow::{bail, ensure};
use testkit::Moto;

use crate::{output, print, provision, say};

/// The throw-away declaration, because the story ends with a deletion.
const DECLARATION: [&str; 2] = ["--config", "infra/rds.dev.toml"];

pub(crate) async fn run() -> anyhow::Result<()> {
    say("starting moto as Amazon RDS and EC2");
    let moto = Moto::start()?;
    let run = async |arguments: &[&str]| {
        let (mut command, shown) = provision(&[arguments, &DECLARATION].concat())?;
        let text = output(command.envs(moto.environment()), &shown).await?;
        print(&text)?;
        anyhow::Ok(text)
    };

    let (mut command, shown) = provision(&[&["instance", "plan"][..], &DECLARATION].concat())?;
    say(&format!("$ {shown}"));
    let plan = command.envs(moto.environment()).status().await?;
    match plan.code() {
        Some(3) => say("exit status 3: something differs from the declaration"),
        _ => bail!("`{shown}` should find differences, and ended with {plan}"),
    }
    run(&["instance", "apply", "--yes"]).await?;
    let plan = run(&["instance", "plan"]).await?;
    ensure!(plan.contains("nothing differs"), "after apply, plan should find no difference");
    run(&["access", "allow", "--cidr", "192.0.2.7", "--user", "operator", "--expires", "8h"]).await?;
    let rules = run(&["access", "list"]).await?;
    ensure!(rules.contains("192.0.2.7/32"), "the rule should be listed");
    run(&["instance", "status"]).await?;
    run(&["instance", "delete", "--yes"]).await?;
    say("the instance was planned, made, opened, looked at and deleted");
    Ok(())
}
