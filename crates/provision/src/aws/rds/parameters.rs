//! Parameter groups and their parameters.

use std::collections::BTreeMap;

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{ApplyMethod, Parameter as SdkParameter};

use super::tags::{list_tags, sdk_tags};
use super::{Aws, Explain, once};
use crate::declaration::Declaration;
use crate::error::Problem;

/// The most parameters in one request.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>
const PARAMETERS_PER_REQUEST: usize = 20;

/// A parameter group, or one that does not exist yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParameterGroup {
    pub(crate) name: String,
    /// Such as `postgres17`.
    pub(crate) family: String,
    /// None until it exists.
    pub(crate) arn: Option<String>,
    /// Every parameter of the family, as far as AWS reports them.
    pub(crate) parameters: BTreeMap<String, Parameter>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A parameter of a group or of its family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// The value in force, the default of the family included. None if PostgreSQL's own default is.
    pub(crate) value: Option<String>,
    /// True if it was set in this group, to another value than the default.
    pub(crate) is_set: bool,
    /// True if only a reboot puts a change in force.
    pub(crate) is_static: bool,
    pub(crate) is_modifiable: bool,
    /// Such as `0,1`, `10-2147483647` or `none,ddl,mod,all`.
    pub(crate) allowed: Option<String>,
    pub(crate) is_boolean: bool,
    pub(crate) is_list: bool,
}

/// One change of a group. The value is none where the parameter goes back to its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParameterChange {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) is_static: bool,
}

/// The family of a major version.
pub(crate) fn family(major: u32) -> String {
    format!("postgres{major}")
}

/// How this program describes the groups that it creates, which tells them from those of others.
fn description(identifier: &str) -> String {
    format!("Of {identifier}")
}

/// The group that belongs to the DB instance: the `attached` one if it is such a group, else the one that is named as the
/// instance, else the one whose name has the family behind the instance's, as after a major upgrade. It does not exist yet if
/// it has no ARN. A group of another family is left alone, and one that another program made is refused.
pub(crate) async fn find_own_parameter_group(
    aws: &Aws,
    declaration: &Declaration,
    family: &str,
    attached: Option<&str>,
) -> anyhow::Result<ParameterGroup> {
    let identifier = &declaration.identifier;
    let names = [identifier.clone(), format!("{identifier}-{family}")];
    let is_own = |name: &&str| names.iter().any(|own| own == name);
    let candidates = attached.filter(is_own).map(str::to_owned).into_iter().chain(names.clone());
    for name in candidates {
        let Some((found, made_by)) = describe(aws, &name).await? else {
            let parameters = family_parameters(aws, family).await;
            return Ok(ParameterGroup { name, family: family.to_owned(), parameters, ..ParameterGroup::default() });
        };
        if found.family != family {
            continue;
        }
        if made_by != description(identifier) {
            let problem = format!("the parameter group {name} exists, and another program made it ({made_by:?})");
            let remedy =
                format!("set parameter_group = \"{name}\", which uses it as it is, or choose another identifier");
            return Err(Problem::new(problem, remedy).into());
        }
        return complete(aws, found, declaration.tags.is_some()).await;
    }
    let problem = format!("the parameter groups {} are of another family than {family}", names.join(" and "));
    Err(Problem::new(problem, "create one of this family yourself, and set parameter_group to its name").into())
}

/// The declared group of the operator's own, which must be of this family.
pub(crate) async fn require_parameter_group(aws: &Aws, name: &str, family: &str) -> anyhow::Result<ParameterGroup> {
    let Some((group, _)) = describe(aws, name).await? else {
        return Err(Problem::new(format!("there is no parameter group {name}"), "correct parameter_group").into());
    };
    if group.family != family {
        let problem = format!("the parameter group {name} is of the family {}, not {family}", group.family);
        return Err(Problem::new(problem, "set parameter_group to one of this family").into());
    }
    Ok(group)
}

/// The group with this name and its description, without its parameters.
async fn describe(aws: &Aws, name: &str) -> anyhow::Result<Option<(ParameterGroup, String)>> {
    let answer = aws.rds.describe_db_parameter_groups().db_parameter_group_name(name).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("DBParameterGroupNotFound")) {
        return Ok(None);
    }
    let groups = answer.explain("rds:DescribeDBParameterGroups")?.db_parameter_groups.unwrap_or_default();
    Ok(groups.into_iter().next().map(|group| {
        let found = ParameterGroup {
            name: name.to_owned(),
            family: group.db_parameter_group_family.unwrap_or_default(),
            arn: group.db_parameter_group_arn,
            ..ParameterGroup::default()
        };
        (found, group.description.unwrap_or_default())
    }))
}

async fn complete(aws: &Aws, group: ParameterGroup, with_tags: bool) -> anyhow::Result<ParameterGroup> {
    let mut parameters = BTreeMap::new();
    let request = aws.rds.describe_db_parameters().db_parameter_group_name(&group.name);
    let mut pages = request.into_paginator().items().send();
    while let Some(parameter) = pages.next().await {
        parameters.extend(Parameter::read(parameter.explain("rds:DescribeDBParameters")?));
    }
    let tags = match &group.arn {
        Some(arn) if with_tags => list_tags(aws, arn).await?,
        _ => BTreeMap::new(),
    };
    Ok(ParameterGroup { parameters, tags, ..group })
}

/// The parameters that a new group of the family has. They only help to find a wrong one before anything is created, so
/// their absence is no error.
async fn family_parameters(aws: &Aws, family: &str) -> BTreeMap<String, Parameter> {
    let mut parameters = BTreeMap::new();
    let mut marker = None;
    loop {
        let request = aws.rds.describe_engine_default_parameters().db_parameter_group_family(family).set_marker(marker);
        let Ok(answer) = request.customize().config_override(once()).send().await else { return parameters };
        let Some(defaults) = answer.engine_defaults else { return parameters };
        parameters.extend(defaults.parameters.unwrap_or_default().into_iter().filter_map(Parameter::read));
        marker = defaults.marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return parameters;
        }
    }
}

/// Creates the parameter group. Returns false if another run was quicker.
pub(crate) async fn create_parameter_group(
    aws: &Aws,
    declaration: &Declaration,
    name: &str,
    family: &str,
) -> anyhow::Result<bool> {
    let request = aws.rds.create_db_parameter_group().db_parameter_group_name(name).db_parameter_group_family(family);
    let request = request.description(description(&declaration.identifier));
    match request.set_tags(sdk_tags(declaration)).send().await {
        Err(error) if error.code() == Some("DBParameterGroupAlreadyExists") => Ok(false),
        answer => Ok(answer.explain("rds:CreateDBParameterGroup").map(|_| true)?),
    }
}

/// Sets and resets these parameters of the group.
pub(crate) async fn change_parameters(aws: &Aws, group: &str, changes: &[ParameterChange]) -> anyhow::Result<()> {
    let (set, reset): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.value.is_some());
    for part in set.chunks(PARAMETERS_PER_REQUEST) {
        let request = aws.rds.modify_db_parameter_group().db_parameter_group_name(group);
        let request = request.set_parameters(Some(part.iter().map(|change| change.sdk()).collect()));
        request.send().await.explain("rds:ModifyDBParameterGroup")?;
    }
    for part in reset.chunks(PARAMETERS_PER_REQUEST) {
        let request = aws.rds.reset_db_parameter_group().db_parameter_group_name(group).reset_all_parameters(false);
        let request = request.set_parameters(Some(part.iter().map(|change| change.sdk()).collect()));
        request.send().await.explain("rds:ResetDBParameterGroup")?;
    }
    Ok(())
}

impl ParameterChange {
    fn sdk(&self) -> SdkParameter {
        let method = if self.is_static { ApplyMethod::PendingReboot } else { ApplyMethod::Immediate };
        let parameter = SdkParameter::builder().parameter_name(&self.name).apply_method(method);
        parameter.set_parameter_value(self.value.clone()).build()
    }
}

impl ParameterGroup {
    /// Whether AWS has reported the family: then a name that is not there does not exist.
    pub(crate) fn is_complete(&self) -> bool {
        self.parameters.values().any(|parameter| !parameter.is_set)
    }
}

impl Parameter {
    /// One that AWS has not reported. To apply it with the next reboot is valid for every parameter.
    pub(crate) fn unknown() -> Self {
        Self { is_static: true, is_modifiable: true, ..Self::default() }
    }

    fn read(parameter: SdkParameter) -> Option<(String, Self)> {
        let data_type = parameter.data_type.unwrap_or_default();
        let read = Self {
            value: parameter.parameter_value,
            is_set: parameter.source.as_deref() == Some("user"),
            is_static: parameter.apply_type.as_deref() != Some("dynamic"),
            is_modifiable: parameter.is_modifiable != Some(false),
            allowed: parameter.allowed_values.filter(|allowed| !allowed.is_empty()),
            is_boolean: data_type == "boolean",
            is_list: data_type == "list",
        };
        Some((parameter.parameter_name?, read))
    }

    /// The declared value in the form that RDS has for it, such as `1` for `on`.
    pub(crate) fn form(&self, declared: &str) -> String {
        let allowed = || self.allowed.iter().flat_map(|allowed| allowed.split(',')).map(str::trim);
        let truth = truth(declared);
        if truth.is_none() || allowed().any(|value| value == declared) || !(self.is_boolean || self.allowed.is_some()) {
            return declared.to_owned();
        }
        allowed().find(|value| self::truth(value) == truth).unwrap_or(declared).to_owned()
    }

    /// Whether the declared value is in force.
    pub(crate) fn has(&self, declared: &str) -> bool {
        // RDS reports no value for an empty one.
        let Some(value) = &self.value else { return declared.is_empty() && self.allowed.is_none() };
        let number = |text: &str| text.parse::<f64>().ok();
        let items = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
        value == declared
            || (self.is_boolean && truth(value).is_some() && truth(value) == truth(declared))
            || number(value).is_some_and(|value| number(declared) == Some(value))
            || (self.is_list && items(value) == items(declared))
    }

    /// What is wrong with the declared value, if anything.
    pub(crate) fn fault(&self, declared: &str) -> Option<String> {
        if !self.is_modifiable {
            return Some("cannot be changed on RDS".to_owned());
        }
        let allowed = self.allowed.as_ref()?;
        let is_formula = declared.contains('{') || declared.contains('(');
        let is_allowed = |value: &str| allowed.split(',').map(str::trim).any(|rule| allows(rule, value));
        let is_good =
            if self.is_list { declared.split(',').all(|item| is_allowed(item.trim())) } else { is_allowed(declared) };
        let shown = if declared.is_empty() { "empty: leave it out for the default" } else { declared };
        (!is_formula && !is_good).then(|| format!("may be {allowed}, not {shown}"))
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "yes" => Some(true),
        "0" | "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// Whether one rule, a value or a range such as `-1-100`, allows the value.
fn allows(rule: &str, value: &str) -> bool {
    let range = || {
        let (low, high) = rule.get(1..)?.split_once('-')?;
        let low = format!("{}{low}", rule.get(..1)?);
        let (low, high, value): (f64, f64, f64) = (low.parse().ok()?, high.parse().ok()?, value.parse().ok()?);
        Some((low..=high).contains(&value))
    };
    rule == value || range().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: &str, allowed: &str) -> Parameter {
        Parameter {
            value: Some(value.to_owned()),
            allowed: Some(allowed.to_owned()),
            is_modifiable: true,
            is_boolean: allowed == "0,1",
            is_list: value.contains("pg_stat_statements"),
            ..Parameter::default()
        }
    }

    #[test]
    fn a_value_that_is_in_force_in_another_form_is_no_difference() {
        for (deployed, allowed, declared) in [
            ("1", "0,1", "on"),
            ("0", "0,1", "false"),
            ("0.9", "0-1", "0.90"),
            ("pg_stat_statements,auto_explain", "auto_explain,pg_stat_statements", "pg_stat_statements, auto_explain"),
            ("{DBInstanceClassMemory/9531392}", "6-8388607", "{DBInstanceClassMemory/9531392}"),
        ] {
            assert!(parameter(deployed, allowed).has(declared), "{deployed} and {declared}");
        }
        let empty = Parameter { is_list: true, is_modifiable: true, ..Parameter::default() };
        assert!(empty.has("") && !empty.has("auto_explain"), "AWS reports no value for an empty one");
        let limited = Parameter { value: None, ..parameter("", "0,1") };
        assert!(!limited.has(""));
        assert_eq!(limited.fault("").as_deref(), Some("may be 0,1, not empty: leave it out for the default"));
        assert!(!parameter("1", "0,1").has("off"));
        assert!(!parameter("ddl", "none,ddl,mod,all").has("all"));
    }

    #[test]
    fn a_boolean_is_sent_in_the_form_that_the_parameter_allows() {
        assert_eq!(parameter("0", "0,1").form("on"), "1");
        assert_eq!(parameter("off", "off,on,pglz").form("1"), "on");
        assert_eq!(parameter("200", "6-8388607").form("1"), "1");
    }

    #[test]
    fn a_value_that_is_not_allowed_is_found() {
        for (allowed, declared, is_good) in [
            ("0,1", "1", true),
            ("0,1", "2", false),
            ("none,ddl,mod,all", "ddl", true),
            ("none,ddl,mod,all", "everything", false),
            ("-1-2147483647", "-1", true),
            ("-1-2147483647", "-2", false),
            ("6-8388607", "{DBInstanceClassMemory/9531392}", true),
            ("0-1", "0.5", true),
        ] {
            assert_eq!(parameter("", allowed).fault(declared).is_none(), is_good, "{declared} of {allowed}");
        }
        let fixed = Parameter { is_modifiable: false, ..parameter("1", "0,1") };
        assert_eq!(fixed.fault("0").as_deref(), Some("cannot be changed on RDS"));
    }
}
