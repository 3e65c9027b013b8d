//! What stands before the DB instance: its security groups and its port, as AWS has them.

use anyhow::ensure;
use ipnet::IpNet;

use super::address::has_public_part;
use crate::aws::Aws;
use crate::aws::ec2::{self, Rule, Source};
use crate::aws::rds::{self, DbInstance, Endpoint};
use crate::declaration::Declaration;
use crate::error::Problem;

/// The security groups before the DB instance and its port.
#[derive(Debug)]
pub(super) struct Ingress {
    identifier: String,
    /// None before it is created: then group and port are those of the declaration.
    instance: Option<DbInstance>,
    /// Those that the instance has.
    attached: Vec<String>,
    /// The declared ones, or the one that is named as the instance.
    own: Vec<String>,
    pub(super) port: i32,
}

impl Ingress {
    pub(super) async fn find(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Self> {
        let identifier = declaration.identifier.clone();
        let instance = rds::find_instance(aws, &identifier).await?;
        let groups = instance.iter().flat_map(DbInstance::vpc_security_groups);
        let has = |status: Option<&str>| matches!(status, Some("active" | "adding"));
        let attached =
            groups.filter(|group| has(group.status())).filter_map(|group| group.vpc_security_group_id.clone());
        let attached: Vec<String> = attached.collect();
        let mut own = declaration.network.security_groups.clone();
        let unattached: Vec<String> = own.iter().filter(|group| !attached.contains(group)).cloned().collect();
        if !unattached.is_empty() {
            ec2::require_security_groups(aws, &unattached).await?;
        }
        if own.is_empty() {
            own.extend(ec2::find_security_group(aws, declaration).await?);
        }
        ensure!(
            !own.is_empty() || instance.is_some(),
            Problem::new(
                format!("there is neither a DB instance nor a security group {identifier} in this region and account"),
                "choose the right --profile, --region and --config; if there is none yet, create it with `provision instance \
                 apply`"
            )
        );
        let port = instance.as_ref().and_then(DbInstance::endpoint).and_then(Endpoint::port);
        Ok(Self { identifier, instance, attached, own, port: port.unwrap_or(declaration.port) })
    }

    /// Every group whose rules matter: those of the instance, and its own ones even if they are not attached.
    pub(super) fn groups(&self) -> impl Iterator<Item = &String> {
        let unattached = self.own.iter().filter(|group| !self.attached.contains(group));
        self.attached.iter().chain(unattached)
    }

    /// Whether the group is before the instance, or will be when there is one.
    pub(super) fn is_in_force(&self, group: &str) -> bool {
        self.instance.is_none() || self.attached.iter().any(|attached| attached == group)
    }

    pub(super) fn exists(&self) -> bool {
        self.instance.is_some()
    }

    pub(super) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The source as AWS returns it: a group of the account that owns the instance's groups, without that account.
    pub(super) async fn canonical(&self, aws: &Aws, source: Source) -> anyhow::Result<Source> {
        let (Source::Group { account: Some(account), id }, Some(group)) = (&source, self.groups().next()) else {
            return Ok(source);
        };
        let is_own = ec2::find_owner(aws, group).await?.as_ref() == Some(account);
        Ok(if is_own { Source::Group { account: None, id: id.clone() } } else { source })
    }

    /// The group that gets new rules: the named one, or the instance's own.
    pub(super) fn choose(&self, named: Option<&str>) -> anyhow::Result<&str> {
        let Self { identifier, attached, own, .. } = self;
        let has = || match attached.len() {
            0 => "no security group".to_owned(),
            _ => attached.join(", "),
        };
        if let Some(named) = named {
            let group = self.groups().find(|group| *group == named && self.is_in_force(group));
            return Ok(group.ok_or_else(|| {
                let problem =
                    format!("the security group {named} is not attached to {identifier}, which has {}", has());
                Problem::new(problem, "name one of its security groups with --group, or none")
            })?);
        }
        if let Some(group) = own.iter().find(|group| self.is_in_force(group)) {
            return Ok(group);
        }
        let problem = match own.first() {
            Some(group) => format!("the security group {group} is not attached to {identifier}, which has {}", has()),
            None => format!("no security group is named {identifier}; the DB instance has {}", has()),
        };
        let remedy = "attach its own with `provision instance apply`, or name one that it has with --group";
        Err(Problem::new(problem, remedy).into())
    }

    /// The rule with this id, of a group before the instance, and of the named one if there is one.
    pub(super) fn find_rule<'a>(&self, rules: &'a [Rule], id: &str, group: Option<&str>) -> anyhow::Result<&'a Rule> {
        let list = "list the rules with `provision access list`";
        let Some(rule) = rules.iter().find(|rule| rule.rule_id == id) else {
            let groups: Vec<&str> = self.groups().map(String::as_str).collect();
            let problem = format!("{} has no rule {id} for port {}", groups.join(", "), self.port);
            return Err(Problem::new(problem, list).into());
        };
        let own = rule.security_group.as_str();
        if let Some(group) = group.filter(|group| *group != own) {
            let remedy = "leave out --group: a rule stays in its security group";
            return Err(Problem::new(format!("the rule {id} is one of {own}, not of {group}"), remedy).into());
        }
        ensure!(
            self.is_in_force(own),
            Problem::new(
                format!("the rule {id} is one of {own}, which is not attached to {}", self.identifier),
                "leave out --rule-id: the rule is then one of a security group that is attached"
            )
        );
        Ok(rule)
    }

    /// The rules of all groups that allow the instance's port.
    pub(super) async fn rules(&self, aws: &Aws) -> anyhow::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for group in self.groups() {
            rules.extend(ec2::list_rules(aws, group, self.port).await?);
        }
        Ok(rules)
    }

    /// Why the source does not reach the instance, whatever its security groups allow.
    pub(super) fn obstacle(&self, source: &Source) -> Option<String> {
        let (Some(instance), Source::Range(range)) = (&self.instance, source) else { return None };
        let identifier = &self.identifier;
        if matches!(range, IpNet::V6(_)) && instance.network_type().is_none_or(|kind| kind == "IPV4") {
            return Some(format!("{identifier} has IPv4 addresses only: allow an IPv4 address"));
        }
        let is_private = instance.publicly_accessible() != Some(true);
        (is_private && has_public_part(*range)).then(|| {
            format!("{identifier} has no public address: connect from its VPC, or with `provision db tunnel --prod`")
        })
    }
}
