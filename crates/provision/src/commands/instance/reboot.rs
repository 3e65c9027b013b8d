//! `provision instance reboot`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::{WaitArgs, in_full};
use crate::aws::rds::{self, PENDING_REBOOT, State};
use crate::cli::Context;
use crate::error::Problem;

/// Reboot the DB instance
///
/// Puts parameters in force that wait for a reboot. The server restarts; without a standby that takes a minute or more.
#[derive(Debug, Args)]
pub(super) struct Reboot {
    /// Let the standby take over; the instance must be multi-AZ
    #[arg(long)]
    failover: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A DB instance that was rebooted.
#[derive(Debug, Serialize)]
pub(super) struct Rebooted {
    identifier: String,
    status: String,
    /// `in-sync` if every parameter is in force, `pending-reboot` if one still waits.
    parameters: Option<String>,
}

impl Reboot {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Rebooted> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let limit = self.wait.limit.start();
        let mut instance = rds::require_own_instance(aws, identifier).await?;
        ensure!(
            !self.failover || instance.multi_az == Some(true),
            Problem::new(format!("{identifier} has no standby that could take over"), "leave out --failover")
        );
        let question = format!("This reboots {}: its sessions end.", in_full(aws, &instance).await?);
        let consent = context.confirm(&question, identifier)?;

        let is_ready = |status| State::of(status).is_modifiable || status == rds::INCOMPATIBLE_PARAMETERS;
        if !is_ready(rds::status(&instance)) {
            instance = self.wait.until_modifiable(aws, identifier, limit).await?;
        }
        let was_pending = rds::parameter_status(&instance) == Some(PENDING_REBOOT);
        rds::reboot_instance(aws, identifier, self.failover, consent).await?;
        let instance = if self.wait.no_wait {
            rds::require_instance(aws, identifier).await?
        } else {
            // Only if they were pending before does their status tell of the reboot.
            let is_visible = |instance: &_| was_pending && rds::parameter_status(instance) == Some("in-sync");
            rds::wait_for_change(aws, identifier, "available", limit, is_visible).await?
        };
        Ok(Rebooted {
            identifier: identifier.clone(),
            status: rds::status(&instance).to_owned(),
            parameters: rds::parameter_status(&instance).map(str::to_owned),
        })
    }
}

impl Display for Rebooted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.identifier, self.status)?;
        match self.parameters.as_deref() {
            Some("in-sync") => write!(f, "; every parameter is in force"),
            Some(status) => write!(f, "; its parameters are {status}"),
            None => Ok(()),
        }
    }
}
