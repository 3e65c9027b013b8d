//! Parameter groups: what is set, what is the default, and what a change needs.

mod family;

use std::collections::BTreeMap;

pub(super) use self::family::Definition;
use super::ACCOUNT;
use super::account::{Account, check_tags};
use super::answer::{Answer, Refusal, Xml};
use super::request::Request;
use super::versions;

/// The most parameters in one answer. AWS has up to 100; every program must ask for the next page all the same.
const PAGE: usize = 20;

/// A parameter group.
#[derive(Clone, Debug)]
pub struct ParameterGroup {
    /// Such as `postgres17`.
    pub family: String,
    /// The parameters that differ from their default, or have none.
    ///
    /// Setting a parameter to its default does not change its source:
    /// <https://github.com/hashicorp/terraform-provider-aws/issues/23335>
    pub set: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Who made it tells it.
    pub description: String,
}

impl Account {
    fn group(&mut self, request: &Request) -> Result<&mut ParameterGroup, Refusal> {
        let name = request.get("DBParameterGroupName").unwrap_or_default().to_lowercase();
        self.parameter_groups.get_mut(&name).ok_or_else(|| missing(&name))
    }

    /// That the group exists and fits a version.
    pub(super) fn check_family(&self, group: &str, version: &str, action: &str) -> Result<(), Refusal> {
        let family = match group.strip_prefix("default.") {
            Some(family) => family,
            None => &self.parameter_groups.get(&group.to_lowercase()).ok_or_else(|| missing(group))?.family,
        };
        let wanted = versions::family(version);
        if family == wanted {
            return Ok(());
        }
        let article = if action == "CreateDBInstance" { "The parameter group" } else { "The Parameter Group" };
        Err(Refusal::combination(format!(
            "{article} {group} with DBParameterGroupFamily {family} cannot be used for this instance. Please use a \
             Parameter Group with DBParameterGroupFamily {wanted}"
        )))
    }

    pub(super) fn create_parameter_group(&mut self, request: &Request) -> Answer {
        check_tags(request)?;
        let name = request.get("DBParameterGroupName").unwrap_or_default().to_lowercase();
        if self.parameter_groups.contains_key(&name) {
            let message = format!("Parameter group {name} already exists");
            return Err(Refusal::new("DBParameterGroupAlreadyExists", message));
        }
        let family = request.get("DBParameterGroupFamily").unwrap_or_default().to_owned();
        if versions::newest(family.trim_start_matches("postgres")).is_none() {
            return Err(Refusal::value(format!("ParameterGroupFamily {family} is not a valid parameter group family")));
        }
        let description = request.get("Description").unwrap_or_default().to_owned();
        let tags = request.pairs("Tags", "Key", "Value").into_iter().collect();
        let group = ParameterGroup { family, set: BTreeMap::new(), tags, description };
        let view = group.view(&name);
        self.parameter_groups.insert(name, group);
        Ok(Xml::default().node("DBParameterGroup", view))
    }

    pub(super) fn delete_parameter_group(&mut self, request: &Request) -> Answer {
        let name = request.get("DBParameterGroupName").unwrap_or_default().to_lowercase();
        self.group(request)?;
        if self.instances.values().any(|instance| instance.parameter_group == name) {
            let message = "One or more database instances are still members of this parameter group.";
            return Err(Refusal::new("InvalidDBParameterGroupState", message));
        }
        self.parameter_groups.remove(&name);
        Ok(Xml::default())
    }

    pub(super) fn describe_parameter_groups(&mut self, request: &Request) -> Answer {
        let default = |name: &str| {
            let family = name.strip_prefix("default.")?.to_owned();
            let description = format!("Default parameter group for {family}");
            Some(ParameterGroup { family, set: BTreeMap::new(), tags: BTreeMap::new(), description })
        };
        let views = match request.get("DBParameterGroupName") {
            Some(name) => match default(name) {
                Some(group) => vec![group.view(name)],
                None => vec![self.group(request)?.view(&name.to_lowercase())],
            },
            None => self.parameter_groups.iter().map(|(name, group)| group.view(name)).collect(),
        };
        Ok(Xml::default().list("DBParameterGroups", "DBParameterGroup", views))
    }

    pub(super) fn describe_parameters(&mut self, request: &Request) -> Answer {
        let name = request.get("DBParameterGroupName").unwrap_or_default();
        let (family, set) = match name.strip_prefix("default.") {
            Some(family) => (family.to_owned(), BTreeMap::new()),
            None => self.group(request).map(|group| (group.family.clone(), group.set.clone()))?,
        };
        page(request, &family, &set)
    }

    pub(super) fn modify_parameter_group(&mut self, request: &Request) -> Answer {
        let group = self.group(request)?.clone();
        let changes = request.pairs("Parameters", "ParameterName", "ParameterValue");
        let methods = request.pairs("Parameters", "ParameterName", "ApplyMethod");
        if changes.len() > 20 {
            return Err(Refusal::value("At most 20 parameters can be modified in a single request."));
        }
        let mut set = group.set.clone();
        let mut needs_reboot = false;
        for ((name, value), (_, method)) in changes.iter().zip(&methods) {
            let definition = Definition::find(&group.family, name, value)?;
            if definition.is_static() && method == "immediate" {
                let message = format!("cannot use immediate apply method for static parameter: {name}");
                return Err(Refusal::combination(message));
            }
            let before = group.set.get(name).map_or(definition.default, String::as_str);
            needs_reboot |= before != value && method == "pending-reboot";
            if definition.default == value {
                set.remove(name);
            } else {
                set.insert(name.clone(), value.clone());
            }
        }
        self.finish_group(request, set, needs_reboot)
    }

    pub(super) fn reset_parameter_group(&mut self, request: &Request) -> Answer {
        let group = self.group(request)?.clone();
        let methods = request.pairs("Parameters", "ParameterName", "ApplyMethod");
        let mut set = group.set.clone();
        let mut needs_reboot = false;
        if request.is_on("ResetAllParameters") {
            needs_reboot = !set.is_empty();
            set.clear();
        }
        for (name, method) in methods {
            let definition = Definition::find(&group.family, &name, "")?;
            if definition.is_static() && method == "immediate" {
                let message = format!("cannot use immediate apply method for static parameter: {name}");
                return Err(Refusal::combination(message));
            }
            needs_reboot |= set.remove(&name).is_some() && method == "pending-reboot";
        }
        self.finish_group(request, set, needs_reboot)
    }

    fn finish_group(&mut self, request: &Request, set: BTreeMap<String, String>, needs_reboot: bool) -> Answer {
        self.group(request)?.set = set;
        let name = request.get("DBParameterGroupName").unwrap_or_default().to_lowercase();
        let users = self.instances.values_mut().filter(|instance| instance.parameter_group == name);
        users.filter(|_| needs_reboot).for_each(|user| "pending-reboot".clone_into(&mut user.parameter_status));
        Ok(Xml::default().text("DBParameterGroupName", name))
    }
}

/// The parameters of a family.
pub(super) fn describe_defaults(request: &Request) -> Answer {
    let family = request.get("DBParameterGroupFamily").unwrap_or_default();
    let parameters = page(request, family, &BTreeMap::new())?;
    Ok(Xml::default().node("EngineDefaults", parameters.text("DBParameterGroupFamily", family)))
}

/// The page that the request asks for.
fn page(request: &Request, family: &str, set: &BTreeMap<String, String>) -> Answer {
    let source = request.get("Source");
    let all: Vec<Xml> = family::of(family)
        .filter_map(|definition| {
            let user = set.get(definition.name);
            let own = if user.is_some() { "user" } else { definition.source };
            source.is_none_or(|source| source == own).then(|| definition.view(user, own))
        })
        .collect();
    let start: usize = request.get("Marker").map_or(Ok(0), str::parse).map_err(|_| Refusal::value("Invalid Marker"))?;
    let most = request.get("MaxRecords").and_then(|most| most.parse().ok()).unwrap_or(PAGE).min(PAGE);
    let marker = (start + most < all.len()).then_some(start + most);
    let page = all.into_iter().skip(start).take(most);
    Ok(Xml::default().list("Parameters", "Parameter", page).optional("Marker", marker))
}

impl ParameterGroup {
    fn view(&self, name: &str) -> Xml {
        Xml::default()
            .text("DBParameterGroupName", name)
            .text("DBParameterGroupFamily", &self.family)
            .text("Description", &self.description)
            .text("DBParameterGroupArn", format!("arn:aws:rds:eu-central-1:{ACCOUNT}:pg:{name}"))
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::new("DBParameterGroupNotFound", format!("DBParameterGroup not found: {name}"))
}
