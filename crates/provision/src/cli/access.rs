//! `provision access`

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::Surroundings;
use crate::access::{self, Admission, Revocation, Source};

#[derive(Debug, Subcommand)]
pub(super) enum AccessCommand {
    /// Let this machine's address in, another one, or a security group
    Allow {
        /// The addresses to let in, in place of our own
        #[arg(long, value_name = "CIDR", value_parser = parse_range)]
        cidr: Option<IpNet>,
        /// The security group to let in, such as the function's
        #[arg(long, value_name = "SG-ID", conflicts_with = "cidr")]
        from_group: Option<String>,
        /// Rewrite this rule, in place of our own
        #[arg(long, value_name = "SGR-ID")]
        rule_id: Option<String>,
        /// How long, such as 8h; `access revoke --expired` ends it
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
        /// Really let the whole internet in
        #[arg(long)]
        anyone: bool,
        #[command(flatten)]
        user: User,
        /// The service that tells our address
        #[arg(
            long,
            value_name = "URL",
            env = "PROVISION_ADDRESS_URL",
            default_value = "https://checkip.amazonaws.com"
        )]
        address_url: String,
    },
    /// Remove our own rules, or others
    Revoke {
        /// Remove the rules with these ids
        #[arg(long, value_name = "SGR-ID", conflicts_with = "expired")]
        rule_id: Vec<String>,
        /// Remove all whose time is over
        #[arg(long)]
        expired: bool,
        #[command(flatten)]
        user: User,
    },
    /// Show who may reach the DB instance
    List,
}

#[derive(Clone, Debug, Args)]
pub(super) struct User {
    /// Whose rule it is, as its description tells
    #[arg(long, env = "USER", default_value = "operator")]
    user: String,
}

impl AccessCommand {
    pub(super) async fn run(self, surroundings: &Surroundings) -> anyhow::Result<()> {
        let output = surroundings.output;
        let declaration = &surroundings.declaration()?;
        let aws = &surroundings.aws().await?;
        match self {
            Self::Allow { cidr, from_group, rule_id, expires, anyone, user, address_url } => {
                let source = match (from_group, cidr) {
                    (Some(group), _) => Source::Group(group),
                    (None, Some(range)) => Source::Range(range),
                    (None, None) => Source::Range(access::own_address(&address_url)?),
                };
                let admission = Admission { source, user: user.user, rule_id, expires, anyone };
                output.show(&access::allow(aws, declaration, admission).await?)
            }
            Self::Revoke { rule_id, expired, user } => {
                let which = match (expired, rule_id.is_empty()) {
                    (true, _) => Revocation::Expired,
                    (false, false) => Revocation::Ids(rule_id),
                    (false, true) => Revocation::Of(user.user),
                };
                output.show(&access::revoke(aws, declaration, which).await?)
            }
            Self::List => output.show(&access::list(aws, declaration).await?),
        }
    }
}

/// An address stands for itself alone.
fn parse_range(text: &str) -> Result<IpNet, String> {
    let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range
        .map(|range| range.trunc())
        .map_err(|_| "write an address such as 192.0.2.1, or a range such as 192.0.2.0/24".to_owned())
}
