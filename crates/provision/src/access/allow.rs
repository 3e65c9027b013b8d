//! `provision access allow`

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use ipnet::IpNet;
use serde::Serialize;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::rule::{Rule, rules, security_group};
use crate::aws::{Aws, Explain};
use crate::declaration::Declaration;

/// How long the service that tells the own address may take.
const ADDRESS_LIMIT: Duration = Duration::from_secs(10);

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Range(IpNet),
    /// A security group, such as the function's.
    Group(String),
}

/// What to allow.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    pub(crate) source: Source,
    /// Whose rule it is.
    pub(crate) user: String,
    /// The rule to rewrite, in place of the user's own.
    pub(crate) rule_id: Option<String>,
    pub(crate) expires: Option<Duration>,
    /// Let the whole internet in, if that is asked for.
    pub(crate) anyone: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Allowed {
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

/// The address that the service at `url` sees us come from.
pub(crate) fn own_address(url: &str) -> anyhow::Result<IpNet> {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    let agent = Agent::config_builder().timeout_global(Some(ADDRESS_LIMIT)).tls_config(tls).build().new_agent();
    let answer = agent.get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    let answer = answer.with_context(|| format!("{url} does not tell our address; give it with --cidr"))?;
    let address: IpAddr = answer.trim().parse().ok().with_context(|| {
        format!("the answer of {url} is no address; give ours with --cidr, or another service with --address-url")
    })?;
    Ok(IpNet::from(address))
}

/// Lets the source in to the port of the DB instance. The user's own rule is moved there, if there is one of the same
/// kind; a second time changes nothing.
pub(crate) async fn allow(aws: &Aws, declaration: &Declaration, admission: Admission) -> anyhow::Result<Allowed> {
    let Admission { source, user, rule_id, expires, anyone } = admission;
    if let Source::Range(range) = &source {
        ensure!(
            anyone || range.prefix_len() > 0,
            "{range} is the whole internet; add --anyone if that is what you want"
        );
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    ensure!(
        !user.is_empty() && user.len() <= 64 && user.chars().all(is_word),
        "{user:?} cannot be in a rule's description; give 1 to 64 letters, digits and ._-@ with --user"
    );
    let (group, port) = (security_group(aws, declaration).await?, declaration.port);
    let known = rules(aws, &group, port).await?;
    let shown = source.to_string();
    let own = match &rule_id {
        Some(id) => {
            let rule = known.iter().find(|rule| rule.rule_id == *id);
            Some(rule.with_context(|| {
                format!("{group} has no rule {id} for port {port}; `provision access list` shows them")
            })?)
        }
        None => known.iter().find(|rule| source.is_kind_of(&rule.source) && rule.user.as_ref() == Some(&user)),
    };
    let description = Rule::describe(&user, expires.map(|time| SystemTime::now() + time));
    let change = match own {
        Some(rule) if rule.source == shown && expires.is_none() && !rule.expired => Change::Unchanged,
        // Somebody else's rule lets it in as well, and AWS refuses a second one.
        _ if known.iter().any(|rule| rule.source == shown && Some(rule) != own) => Change::Unchanged,
        Some(rule) => {
            let update = SecurityGroupRuleUpdate::builder().security_group_rule_id(&rule.rule_id);
            let update = update.security_group_rule(source.request(port, &description)).build();
            let request = aws.ec2.modify_security_group_rules().group_id(&group).security_group_rules(update);
            request.send().await.explain("ec2:ModifySecurityGroupRules")?;
            Change::Moved { rule_id: rule.rule_id.clone(), from: rule.source.clone() }
        }
        None => {
            let request = aws.ec2.authorize_security_group_ingress().group_id(&group);
            match request.ip_permissions(source.permission(port, &description)).send().await {
                // Another run was quicker.
                Err(error) if error.code() == Some("InvalidPermission.Duplicate") => Change::Unchanged,
                answer => answer.explain("ec2:AuthorizeSecurityGroupIngress").map(|_| Change::Added)?,
            }
        }
    };
    Ok(Allowed { security_group: group, source: shown, port, change })
}

impl Source {
    /// Whether a rule's source is of the same kind: IPv4, IPv6, or this very group.
    fn is_kind_of(&self, source: &str) -> bool {
        match self {
            Self::Range(range) => {
                source.parse().is_ok_and(|other: IpNet| other.addr().is_ipv4() == range.addr().is_ipv4())
            }
            Self::Group(group) => source == group,
        }
    }

    fn permission(&self, port: i32, description: &str) -> IpPermission {
        let permission = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
        match self {
            Self::Range(IpNet::V4(range)) => {
                permission.ip_ranges(IpRange::builder().cidr_ip(range.to_string()).description(description).build())
            }
            Self::Range(IpNet::V6(range)) => permission
                .ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range.to_string()).description(description).build()),
            Self::Group(group) => permission
                .user_id_group_pairs(UserIdGroupPair::builder().group_id(group).description(description).build()),
        }
        .build()
    }

    fn request(&self, port: i32, description: &str) -> SecurityGroupRuleRequest {
        let request = SecurityGroupRuleRequest::builder().ip_protocol("tcp").from_port(port).to_port(port);
        match self {
            Self::Range(IpNet::V4(range)) => request.cidr_ipv4(range.to_string()),
            Self::Range(IpNet::V6(range)) => request.cidr_ipv6(range.to_string()),
            Self::Group(group) => request.referenced_group_id(group),
        }
        .description(description)
        .build()
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Group(group) => f.write_str(group),
        }
    }
}

impl Display for Allowed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { security_group, source, port, .. } = self;
        match &self.change {
            Change::Added => write!(f, "{source} may now reach port {port} ({security_group})"),
            Change::Moved { rule_id, from } => {
                write!(f, "{source} may now reach port {port}, in place of {from} ({security_group}, {rule_id})")
            }
            Change::Unchanged => write!(f, "{source} may reach port {port} already ({security_group})"),
        }
    }
}
