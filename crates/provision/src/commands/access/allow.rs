//! `provision access allow`

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use clap::Args;
use ipnet::IpNet;
use serde::Serialize;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::UserArgs;
use crate::aws::ec2::{self, Rule, Source};
use crate::cli::Context;
use crate::error::Problem;

/// The time limit for the service that reports this machine's address.
const ADDRESS_LIMIT: Duration = Duration::from_secs(10);

/// The service that reports this machine's address, unless PROVISION_ADDRESS_URL or --address-url names another one.
const ADDRESS_URL: &str = "https://checkip.amazonaws.com";

/// Allow an address or a security group
///
/// Without an option, it is this machine's address. An operator has one rule of each kind (IPv4, IPv6); it moves to the new address.
#[derive(Debug, Args)]
pub(super) struct Allow {
    /// Addresses to allow; without it, this machine's own
    #[arg(long, value_name = "CIDR", value_parser = parse_range)]
    cidr: Option<IpNet>,
    /// Security group to allow, such as the function's
    #[arg(long, value_name = "SG-ID", conflicts_with = "cidr")]
    from_group: Option<String>,
    /// Rewrite this rule; without it, the operator's own
    #[arg(long, value_name = "SGR-ID")]
    rule_id: Option<String>,
    /// Time to keep the rule, such as 8h; after it, `access revoke --expired` removes the rule
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// Confirm a range that is the whole internet
    #[arg(long)]
    anyone: bool,
    #[command(flatten)]
    user: UserArgs,
    /// URL of the service that reports this machine's address; without it, the one in PROVISION_ADDRESS_URL, else
    /// checkip.amazonaws.com
    #[arg(long, value_name = "URL")]
    address_url: Option<String>,
}

/// The rule that allows the source now.
#[derive(Debug, Serialize)]
pub(super) struct Allowed {
    security_group: String,
    source: String,
    port: i32,
    #[serde(flatten)]
    change: Change,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
enum Change {
    Added,
    Moved { rule_id: String, from: String },
    Unchanged,
}

impl Allow {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Allowed> {
        let declaration = context.declaration()?;
        let aws = context.aws().await?;
        let source = self.source(context)?;
        if let Source::Range(range) = &source {
            ensure!(
                self.anyone || range.prefix_len() > 0,
                Problem::new(format!("{range} is the whole internet"), "add --anyone if you mean it")
            );
        }
        let user = self.user.name(context)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        ensure!(
            !user.is_empty() && user.len() <= 64 && user.chars().all(is_word),
            Problem::new(
                format!("{user:?} cannot be in a rule's description"),
                "use 1 to 64 letters, digits and ._-@ with --user"
            )
        );

        let (group, port) = (ec2::require_security_group(aws, declaration).await?, declaration.port);
        let rules = ec2::list_rules(aws, &group, port).await?;
        let shown = source.to_string();
        let own = match &self.rule_id {
            Some(id) => Some(rules.iter().find(|rule| rule.rule_id == *id).ok_or_else(|| {
                let problem = format!("{group} has no rule {id} for port {port}");
                Problem::new(problem, "list the rules with `provision access list`")
            })?),
            None => rules.iter().find(|rule| source.is_kind_of(&rule.source) && rule.user.as_ref() == Some(&user)),
        };
        let description = Rule::describe(&user, self.expires.map(|time| SystemTime::now() + time));
        let change = match own {
            Some(rule) if rule.source == shown && self.expires.is_none() && !rule.expired => Change::Unchanged,
            // AWS refuses a second rule for the same source.
            _ if rules.iter().any(|rule| rule.source == shown && Some(rule) != own) => Change::Unchanged,
            Some(rule) => {
                ec2::modify_rule(aws, &group, &rule.rule_id, &source, port, &description).await?;
                Change::Moved { rule_id: rule.rule_id.clone(), from: rule.source.clone() }
            }
            None if ec2::authorize(aws, &group, &source, port, &description).await? => Change::Added,
            None => Change::Unchanged,
        };
        Ok(Allowed { security_group: group, source: shown, port, change })
    }

    fn source(&self, context: &Context) -> anyhow::Result<Source> {
        Ok(match (&self.from_group, self.cidr) {
            (Some(group), _) => Source::Group(group.clone()),
            (None, Some(range)) => Source::Range(range),
            (None, None) => {
                let of_variable = || context.variable("PROVISION_ADDRESS_URL");
                let url = self.address_url.clone().map_or_else(of_variable, |url| Ok(Some(url)))?;
                Source::Range(own_address(url.as_deref().unwrap_or(ADDRESS_URL))?)
            }
        })
    }
}

/// Reads an address or a range. An address is a range of one.
fn parse_range(text: &str) -> Result<IpNet, String> {
    let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range
        .map(|range| range.trunc())
        .map_err(|_| "use an address such as 192.0.2.1, or a range such as 192.0.2.0/24".to_owned())
}

/// This machine's address, as the service at `url` sees it.
fn own_address(url: &str) -> anyhow::Result<IpNet> {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    let agent = Agent::config_builder().timeout_global(Some(ADDRESS_LIMIT)).tls_config(tls).build().new_agent();
    let answer = agent.get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    let answer = answer.map_err(|error| {
        let problem = format!("{url} does not report this machine's address");
        Problem::new(problem, "name the address with --cidr").because(error)
    })?;
    let address = answer.trim().parse::<IpAddr>().map_err(|_| {
        let problem = format!("the answer of {url} is no address");
        Problem::new(problem, "name the address with --cidr, or another service with --address-url")
    })?;
    Ok(IpNet::from(address))
}

impl Display for Allowed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { security_group, source, port, .. } = self;
        match &self.change {
            Change::Added => write!(f, "{source} may now reach port {port} ({security_group})"),
            Change::Moved { rule_id, from } => {
                write!(f, "{source} may now reach port {port}, and {from} may not ({security_group}, {rule_id})")
            }
            Change::Unchanged => write!(f, "{source} may reach port {port} already ({security_group})"),
        }
    }
}
