//! What exists of the declared.

use std::collections::BTreeMap;

use anyhow::Context;
use aws_sdk_ec2::types::Filter;
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::DbInstance;

use crate::aws::{Aws, Explain};
use crate::declaration::Declaration;

/// The parts of a deployment, as far as they exist.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) instance: Option<DbInstance>,
    /// The parameters that were set in the group that is named as the instance.
    pub(crate) parameters: Option<BTreeMap<String, String>>,
    /// The id of the security group that is named as the instance.
    pub(crate) security_group: Option<String>,
}

impl Deployed {
    pub(crate) async fn find(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Self> {
        let identifier = &declaration.identifier;
        let security_group = match declaration.network.security_group {
            Some(_) => None,
            None => find_security_group(aws, declaration).await?,
        };
        Ok(Self {
            instance: find_instance(aws, identifier).await?,
            parameters: find_parameters(aws, identifier).await?,
            security_group,
        })
    }
}

/// The DB instance, if there is one by this name.
pub(crate) async fn find_instance(aws: &Aws, identifier: &str) -> anyhow::Result<Option<DbInstance>> {
    let answer = aws.rds.describe_db_instances().db_instance_identifier(identifier).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("DBInstanceNotFound")) {
        return Ok(None);
    }
    Ok(answer.explain("rds:DescribeDBInstances")?.db_instances().first().cloned())
}

/// The DB instance, or an error that says how to make it.
pub(crate) async fn require_instance(aws: &Aws, identifier: &str) -> anyhow::Result<DbInstance> {
    let instance = find_instance(aws, identifier).await?;
    instance.with_context(|| {
        format!("there is no DB instance {identifier} in this region and account; run `provision instance apply`")
    })
}

async fn find_parameters(aws: &Aws, group: &str) -> anyhow::Result<Option<BTreeMap<String, String>>> {
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

/// The declared VPC, or the default one.
pub(crate) async fn vpc(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    if let Some(vpc) = &declaration.network.vpc {
        return Ok(vpc.clone());
    }
    let is_default = Filter::builder().name("is-default").values("true").build();
    let answer = aws.ec2.describe_vpcs().filters(is_default).send().await.explain("ec2:DescribeVpcs")?;
    let vpc = answer.vpcs().first().and_then(|vpc| vpc.vpc_id.clone());
    vpc.context("this region has no default VPC; set network.vpc and network.subnet_group in the declaration")
}

/// The security group that is named as the instance, if there is one in its VPC.
pub(crate) async fn find_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Option<String>> {
    let vpc = vpc(aws, declaration).await?;
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let request = aws.ec2.describe_security_groups().filters(filter("group-name", &declaration.identifier));
    let answer = request.filters(filter("vpc-id", &vpc)).send().await.explain("ec2:DescribeSecurityGroups")?;
    Ok(answer.security_groups().first().and_then(|group| group.group_id.clone()))
}
