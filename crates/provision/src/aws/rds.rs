//! Amazon RDS: DB instances, their parameter groups and their snapshots.

mod attributes;
mod pending;
mod state;
mod wait;

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_rds::error::ProvideErrorMetadata;
pub(crate) use aws_sdk_rds::types::DbInstance;
use aws_sdk_rds::types::{ApplyMethod, Parameter, SourceType, Tag};
use humantime::format_rfc3339_seconds;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::attributes::{ATTRIBUTES, When};
pub(crate) use self::pending::pending_changes;
pub(crate) use self::wait::{
    TimeLimit, wait_for_change, wait_for_deletion, wait_for_snapshot, wait_for_status, wait_until_modifiable,
};
use super::{Aws, Explain};
use crate::declaration::{Declaration, Password};
use crate::error::Problem;
use crate::prompt::Consent;

/// The most parameters in one request.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>
const PARAMETERS_PER_REQUEST: usize = 20;

/// The DB instance, if there is one by this name.
pub(crate) async fn find_instance(aws: &Aws, identifier: &str) -> anyhow::Result<Option<DbInstance>> {
    let answer = aws.rds.describe_db_instances().db_instance_identifier(identifier).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("DBInstanceNotFound")) {
        return Ok(None);
    }
    Ok(answer.explain("rds:DescribeDBInstances")?.db_instances().first().cloned())
}

/// The DB instance, or an error that says how to create it.
pub(crate) async fn require_instance(aws: &Aws, identifier: &str) -> anyhow::Result<DbInstance> {
    find_instance(aws, identifier).await?.ok_or_else(|| {
        let problem = format!("there is no DB instance {identifier} in this region and account");
        Problem::new(problem, "run `provision instance apply`").into()
    })
}

/// The newest event's message. It only helps to understand a status, so its absence is no error.
pub(crate) async fn newest_event(aws: &Aws, identifier: &str) -> Option<String> {
    let request = aws.rds.describe_events().source_identifier(identifier).source_type(SourceType::DbInstance);
    let answer = request.duration(60).send().await.ok()?;
    let newest = answer.events().iter().max_by_key(|event| event.date.map(|date| date.as_nanos()));
    newest.and_then(|event| event.message.clone())
}

/// Creates the DB instance as declared. Returns false if another run was quicker.
pub(crate) async fn create_instance(
    aws: &Aws,
    declaration: &Declaration,
    password: Option<SecretString>,
) -> anyhow::Result<bool> {
    let given = password.filter(|_| declaration.master.password == Password::Given);
    let request = aws
        .rds
        .create_db_instance()
        .db_instance_identifier(&declaration.identifier)
        .engine("postgres")
        .copy_tags_to_snapshot(true)
        .set_master_user_password(given.map(|password| password.expose_secret().to_owned()))
        .set_tags(tags(declaration));
    let request = ATTRIBUTES.iter().fold(request, |request, attribute| (attribute.create)(request, declaration));
    match request.send().await {
        Err(error) if error.code() == Some("DBInstanceAlreadyExists") => Ok(false),
        answer => Ok(answer.explain("rds:CreateDBInstance").map(|_| true)?),
    }
}

/// Changes the attributes that differ and take effect `at_once`, or the others, and returns their keys. Needs one request
/// for each kind: RDS applies immediately either all changes of a request or none. With `now`, every change is at once.
pub(crate) async fn modify_instance(
    aws: &Aws,
    declaration: &Declaration,
    instance: &DbInstance,
    at_once: bool,
    now: bool,
) -> anyhow::Result<Vec<&'static str>> {
    let changed = ATTRIBUTES.iter().filter(|attribute| {
        let is_at_once = now || (attribute.when)(declaration, instance) == When::AtOnce;
        is_at_once == at_once && attribute.difference(declaration, instance).is_some()
    });
    let mut keys = Vec::new();
    let request = aws.rds.modify_db_instance().db_instance_identifier(&declaration.identifier);
    let request = changed.fold(request.apply_immediately(at_once), |request, attribute| {
        keys.push(attribute.key);
        (attribute.modify)(request, declaration)
    });
    if !keys.is_empty() {
        request.send().await.explain("rds:ModifyDBInstance")?;
    }
    Ok(keys)
}

/// Adds the declared tags that the DB instance lacks.
pub(crate) async fn add_tags(aws: &Aws, declaration: &Declaration, instance: &DbInstance) -> anyhow::Result<()> {
    let has = |tag: &Tag| instance.tag_list().contains(tag);
    let missing: Vec<Tag> = tags(declaration).unwrap_or_default().into_iter().filter(|tag| !has(tag)).collect();
    if !missing.is_empty() {
        let arn = instance
            .db_instance_arn()
            .ok_or_else(|| Problem::new("the DB instance has no ARN yet", "run this again in a minute"))?;
        let request = aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(missing));
        request.send().await.explain("rds:AddTagsToResource")?;
    }
    Ok(())
}

fn tags(declaration: &Declaration) -> Option<Vec<Tag>> {
    let tags = declaration.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty())
}

/// Turns deletion protection off.
pub(crate) async fn unprotect_instance(aws: &Aws, identifier: &str, _consent: &Consent) -> anyhow::Result<()> {
    let request = aws.rds.modify_db_instance().db_instance_identifier(identifier).deletion_protection(false);
    request.apply_immediately(true).send().await.explain("rds:ModifyDBInstance")?;
    Ok(())
}

/// Deletes the DB instance, after a final snapshot by this name if there is one.
pub(crate) async fn delete_instance(
    aws: &Aws,
    identifier: &str,
    final_snapshot: Option<&str>,
    _consent: Consent,
) -> anyhow::Result<()> {
    let request = aws.rds.delete_db_instance().db_instance_identifier(identifier);
    let request = request.skip_final_snapshot(final_snapshot.is_none());
    let request = request.set_final_db_snapshot_identifier(final_snapshot.map(str::to_owned));
    request.send().await.explain("rds:DeleteDBInstance")?;
    Ok(())
}

/// Starts the stopped DB instance.
pub(crate) async fn start_instance(aws: &Aws, identifier: &str) -> anyhow::Result<()> {
    aws.rds.start_db_instance().db_instance_identifier(identifier).send().await.explain("rds:StartDBInstance")?;
    Ok(())
}

/// Stops the DB instance.
pub(crate) async fn stop_instance(aws: &Aws, identifier: &str) -> anyhow::Result<()> {
    aws.rds.stop_db_instance().db_instance_identifier(identifier).send().await.explain("rds:StopDBInstance")?;
    Ok(())
}

/// The time at which AWS starts the stopped DB instance again, if AWS reports it.
pub(crate) fn automatic_restart(instance: &DbInstance) -> Option<SystemTime> {
    instance.automatic_restart_time.and_then(|time| time.try_into().ok())
}

/// Begins a snapshot by this name.
pub(crate) async fn create_snapshot(aws: &Aws, identifier: &str, snapshot: &str) -> anyhow::Result<()> {
    let request = aws.rds.create_db_snapshot().db_instance_identifier(identifier).db_snapshot_identifier(snapshot);
    request.send().await.explain("rds:CreateDBSnapshot")?;
    Ok(())
}

/// A snapshot's name with the time in it, such as `users-db-20260102t030405`: AWS allows it, and it sorts by time.
pub(crate) fn dated_name(identifier: &str) -> String {
    let now = format_rfc3339_seconds(SystemTime::now()).to_string();
    let date: String = now.trim_end_matches('Z').to_lowercase().split(['-', ':']).collect();
    format!("{identifier}-{date}")
}

/// The parameters that were set in the parameter group by this name, if there is one.
pub(crate) async fn find_parameters(aws: &Aws, group: &str) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    let mut pages =
        aws.rds.describe_db_parameters().db_parameter_group_name(group).source("user").into_paginator().items().send();
    let mut parameters = BTreeMap::new();
    while let Some(parameter) = pages.next().await {
        if parameter.as_ref().is_err_and(|error| error.code() == Some("DBParameterGroupNotFound")) {
            return Ok(None);
        }
        let parameter = parameter.explain("rds:DescribeDBParameters")?;
        if let (Some(name), Some(value)) = (parameter.parameter_name, parameter.parameter_value) {
            parameters.insert(name, value);
        }
    }
    Ok(Some(parameters))
}

/// Creates the parameter group that is named as the DB instance. Returns false if another run was quicker.
pub(crate) async fn create_parameter_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<bool> {
    let name = &declaration.identifier;
    let major = declaration.engine_version.split('.').next().unwrap_or_default();
    let request = aws.rds.create_db_parameter_group().db_parameter_group_name(name);
    let request = request.db_parameter_group_family(format!("postgres{major}")).description(format!("Of {name}"));
    match request.set_tags(tags(declaration)).send().await {
        Err(error) if error.code() == Some("DBParameterGroupAlreadyExists") => Ok(false),
        answer => Ok(answer.explain("rds:CreateDBParameterGroup").map(|_| true)?),
    }
}

/// Sets these parameters of the group.
pub(crate) async fn set_parameters(
    aws: &Aws,
    group: &str,
    parameters: impl Iterator<Item = (&String, &String)>,
) -> anyhow::Result<()> {
    // Valid for every parameter: a dynamic one takes effect with the next reboot as well.
    let parameter = |(key, value): (&String, &String)| {
        Parameter::builder().parameter_name(key).parameter_value(value).apply_method(ApplyMethod::PendingReboot).build()
    };
    let parameters: Vec<Parameter> = parameters.map(parameter).collect();
    for part in parameters.chunks(PARAMETERS_PER_REQUEST) {
        let request = aws.rds.modify_db_parameter_group().db_parameter_group_name(group);
        request.set_parameters(Some(part.to_vec())).send().await.explain("rds:ModifyDBParameterGroup")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
