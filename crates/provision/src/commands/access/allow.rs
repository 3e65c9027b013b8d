//! `provision access allow`

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use clap::Args;
use ipnet::IpNet;
use serde::Serialize;

use super::address::{find_own, parse_range, parse_url};
use super::ingress::Ingress;
use super::wish::{Change, Wish};
use super::{UserArgs, parse_group, parse_prefix_list, parse_rule_id, still_allowed};
use crate::aws::ec2::{Source, User};
use crate::cli::Context;
use crate::error::Problem;
use crate::terminal::harmless;

/// The service that reports this machine's address, unless PROVISION_ADDRESS_URL or --address-url names another one.
const ADDRESS_URL: &str = "https://checkip.amazonaws.com";

/// The longest time that a rule with an end is kept. What is meant for longer has no end.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Allow an address, a security group or a prefix list
///
/// Without an option, it is this machine's address. An operator has one rule of each kind (IPv4, IPv6); it moves to the new
/// address. Operators share a rule for the same source, and each has an end of their own.
#[derive(Debug, Args)]
pub(super) struct Allow {
    /// Addresses to allow; without it, this machine's own
    #[arg(long, value_name = "CIDR", value_parser = parse_range, conflicts_with_all = ["from_group", "from_prefix_list"])]
    cidr: Option<IpNet>,
    /// Security group to allow, such as the function's; of a peered account as 123456789012/sg-0123456789abcdef0
    #[arg(long, value_name = "SG-ID", value_parser = parse_group, conflicts_with = "from_prefix_list")]
    from_group: Option<Source>,
    /// Prefix list to allow, of AWS or your own
    #[arg(long, value_name = "PL-ID", value_parser = parse_prefix_list)]
    from_prefix_list: Option<Source>,
    /// Security group of the DB instance that gets the rule; without it, the declared one or the one that is named as the
    /// instance
    #[arg(long, value_name = "SG-ID")]
    group: Option<String>,
    /// Rewrite this rule, after a confirmation if it is also another operator's or program's; without it, the operator's
    /// own
    #[arg(long, value_name = "SGR-ID", value_parser = parse_rule_id)]
    rule_id: Option<String>,
    /// Time to keep the rule, such as 8h, at most 366 days; after it, `access revoke --expired` removes the rule. Without
    /// it, the rule has no end
    #[arg(long, value_name = "TIME", value_parser = parse_expiry, allow_hyphen_values = true)]
    expires: Option<Duration>,
    /// Confirm a range that is the whole internet, or a large part of it
    #[arg(long)]
    anyone: bool,
    #[command(flatten)]
    user: UserArgs,
    /// URL of the service that reports this machine's address; without it, the one in PROVISION_ADDRESS_URL, else
    /// checkip.amazonaws.com
    #[arg(long, value_name = "URL", value_parser = parse_url)]
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
    /// RFC 3339.
    until: Option<String>,
    /// Whether the DB instance exists: a rule can be made before.
    exists: bool,
    /// Why the source does not reach the DB instance all the same.
    obstacle: Option<String>,
    /// What differs from the wish: another rule still allows the former source, or has no end.
    note: Option<String>,
    /// The source that no rule allows any more.
    #[serde(skip)]
    closed: Option<String>,
}

impl Allow {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Allowed> {
        let declaration = context.declaration()?;
        let aws = context.aws().await?;
        let source = self.source(context)?;
        ensure!(
            self.anyone || !source.is_internet(),
            Problem::new(
                format!("{source} is the whole internet, or a large part of it"),
                "add --anyone if you mean it"
            )
        );
        let name = self.user.name(context)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        ensure!(
            !name.is_empty() && name.len() <= 64 && name.chars().all(is_word),
            Problem::new(
                format!("{name:?} cannot be in a rule's description"),
                "use 1 to 64 letters, digits and ._-@ with --user"
            )
        );
        let user = User::new(&name, self.expires.map(|time| SystemTime::now() + time));

        let ingress = Ingress::find(aws, declaration).await?;
        let source = ingress.canonical(aws, source).await?;
        let named = self.group.as_deref();
        let rules = ingress.rules(aws).await?;
        let rewritten = self.rule_id.as_ref().map(|id| ingress.find_rule(&rules, id, named)).transpose()?;
        let group = match rewritten {
            Some(rule) => &rule.security_group,
            None => ingress.choose(named)?,
        };
        let wish = Wish { aws, group, port: ingress.port, source: &source, user: &user, rules: &rules };
        let change = match rewritten {
            Some(rule) => wish.rewrite(rule, |question| context.confirm(question, &rule.rule_id)).await?,
            None => wish.fulfil().await?,
        };
        let (rule, mut rules) = wish.read_result(&ingress).await?;
        let until = rule.user(&name).and_then(|part| part.until.clone());
        let is_endless = self.expires.is_some() && !rule.is_own();
        let endless = is_endless.then(|| format!("{} has no end: another program has made it", rule.rule_id));
        rules.retain(|rule| ingress.is_in_force(&rule.security_group));
        let shown = source.to_string();
        let former = change.former().filter(|former| *former != shown);
        let still = former.and_then(|former| still_allowed(former, &rules));
        let closed = former.filter(|_| still.is_none()).map(str::to_owned);
        let notes: Vec<String> = still.into_iter().chain(endless).collect();
        Ok(Allowed {
            security_group: group.to_owned(),
            source: shown,
            port: ingress.port,
            until,
            exists: ingress.exists(),
            obstacle: ingress.obstacle(&source),
            note: Some(notes.join("; ")).filter(|notes| !notes.is_empty()),
            closed,
            change,
        })
    }

    fn source(&self, context: &Context) -> anyhow::Result<Source> {
        if let Some(source) = self.from_group.as_ref().or(self.from_prefix_list.as_ref()) {
            return Ok(source.clone());
        }
        if let Some(range) = self.cidr {
            return Ok(Source::Range(range));
        }
        let of_variable = || context.variable("PROVISION_ADDRESS_URL");
        let url = self.address_url.clone().map_or_else(of_variable, |url| Ok(Some(url)))?;
        Ok(Source::Range(find_own(url.as_deref().unwrap_or(ADDRESS_URL))?))
    }
}

fn parse_expiry(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=LONGEST).contains(&time) {
        Ok(time)
    } else {
        Err("use a time from 1s to 366 days, such as 8h".to_owned())
    }
}

impl Display for Allowed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { security_group, source, port, change, until, exists, obstacle, note, closed } = self;
        let is_new = *change != Change::Unchanged;
        let mut line = String::new();
        match (exists, obstacle) {
            (false, _) => {
                write!(line, "{source} will be able to reach port {port} of the DB instance once it is created")?;
            }
            (true, Some(_)) => {
                write!(line, "{source} is {} allowed at port {port}", if is_new { "now" } else { "already" })?;
            }
            (true, None) if is_new => write!(line, "{source} may now reach port {port}")?,
            (true, None) => write!(line, "{source} may reach port {port} already")?,
        }
        match until {
            Some(until) if is_new => write!(line, ", until {until}")?,
            None if matches!(change, Change::Renewed { .. }) => write!(line, ", without an end")?,
            Some(_) | None => {}
        }
        if let Some(closed) = closed {
            write!(line, ", and {closed} may not")?;
        }
        if let Change::Shared { with, .. } = change {
            write!(line, ", by the rule of {with}")?;
        }
        write!(line, " ({security_group}")?;
        match change {
            Change::Moved { rule_id, .. } | Change::Renewed { rule_id } | Change::Shared { rule_id, .. } => {
                write!(line, ", {rule_id})")?;
            }
            Change::Added | Change::Unchanged => write!(line, ")")?,
        }
        f.write_str(&harmless(line))?;
        for line in note.iter().chain(obstacle) {
            write!(f, "\n{}", harmless(line))?;
        }
        Ok(())
    }
}
