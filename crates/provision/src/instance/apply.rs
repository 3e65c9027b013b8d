//! `provision instance apply`

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use anyhow::{Context, ensure};
use aws_sdk_ec2::types::{ResourceType, Tag as Ec2Tag, TagSpecification};
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{ApplyMethod, DbInstance, Parameter, Tag};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::attributes::{ATTRIBUTES, When};
use super::deployed::{Deployed, require_instance, vpc};
use super::plan::Plan;
use super::wait::wait;
use crate::aws::{Aws, Explain};
use crate::declaration::{Declaration, Password};
use crate::output::Environment;
use crate::talk::{confirm, say};

/// A deployment that is as declared.
#[derive(Debug, Serialize)]
pub(crate) struct Applied {
    identifier: String,
    status: String,
    host: Option<String>,
    port: Option<i32>,
    secret_arn: Option<String>,
    /// With the master user's secret: `provision db grant` makes one that may do less.
    environment: Environment,
}

/// Brings what exists into line with the declaration.
///
/// Each step adopts what it finds, so a second run goes on where another was interrupted, and two at once do no harm.
/// With `now`, what would wait for the maintenance window is done at once.
pub(crate) async fn apply(
    aws: &Aws,
    declaration: &Declaration,
    password: Option<SecretString>,
    now: bool,
    patient: bool,
    agreed: bool,
) -> anyhow::Result<Applied> {
    let identifier = &declaration.identifier;
    let deployed = Deployed::find(aws, declaration).await?;
    let plan = Plan::new(declaration, &deployed);
    let replaced: Vec<_> = plan.changes.iter().filter(|change| change.when == When::Replace).collect();
    ensure!(
        replaced.is_empty(),
        "{identifier} cannot be changed like that; correct the declaration, or snapshot, delete and apply again:\n  {}",
        replaced.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
    );
    ensure!(
        declaration.master.password == Password::Managed || password.is_some() || deployed.instance.is_some(),
        "master.password is \"given\"; give it with --password-file, `-` for standard input"
    );
    if !plan.is_empty() {
        say(&plan.to_string());
        confirm(&format!("This changes {identifier} as shown."), "yes", agreed)?;
    }

    let mut declaration = declaration.clone();
    if declaration.network.security_group.is_none() {
        let group = match deployed.security_group {
            Some(group) => group,
            None => create_security_group(aws, &declaration).await?,
        };
        declaration.network.security_group = Some(group);
    }
    ensure_parameters(aws, &declaration, deployed.parameters).await?;
    match &deployed.instance {
        None => create_instance(aws, &declaration, password).await?,
        Some(instance) => {
            // It takes no change while it is still in the middle of another.
            let is_ready = instance.db_instance_status() == Some("available");
            if patient && !is_ready && plan.changes.iter().any(|change| change.subject == "instance") {
                wait(aws, identifier, "available").await?;
            }
            modify_instance(aws, &declaration, instance, now).await?;
        }
    }
    let instance = if patient { wait(aws, identifier, "available").await? } else { None };
    let instance = match instance {
        Some(instance) => instance,
        None => require_instance(aws, identifier).await?,
    };
    Ok(Applied::new(&declaration, instance))
}

async fn create_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    let name = &declaration.identifier;
    let tags = declaration.tags.iter().map(|(key, value)| Ec2Tag::builder().key(key).value(value).build());
    let name_tag = Ec2Tag::builder().key("Name").value(name).build();
    let specification = TagSpecification::builder().resource_type(ResourceType::SecurityGroup);
    let specification = specification.set_tags(Some(tags.chain([name_tag]).collect())).build();
    let request = aws.ec2.create_security_group().group_name(name).vpc_id(vpc(aws, declaration).await?);
    let answer = request.description(format!("Who may reach the DB instance {name}")).tag_specifications(specification);
    let answer = match answer.send().await {
        // Another run was quicker.
        Err(error) if error.code() == Some("InvalidGroup.Duplicate") => {
            let found = Deployed::find(aws, declaration).await?.security_group;
            return found.context("the security group was there a moment ago; run this again");
        }
        answer => answer.explain("ec2:CreateSecurityGroup")?,
    };
    let group = answer.group_id.context("ec2:CreateSecurityGroup told no id")?;
    say(&format!("created the security group {group} ({name}); `provision access allow` opens it"));
    Ok(group)
}

async fn ensure_parameters(
    aws: &Aws,
    declaration: &Declaration,
    deployed: Option<BTreeMap<String, String>>,
) -> anyhow::Result<()> {
    let name = &declaration.identifier;
    if deployed.is_none() {
        let major = declaration.engine_version.split('.').next().unwrap_or_default();
        let request = aws.rds.create_db_parameter_group().db_parameter_group_name(name);
        let request = request.db_parameter_group_family(format!("postgres{major}")).description(format!("Of {name}"));
        match request.set_tags(tags(declaration)).send().await {
            // Another run was quicker.
            Err(error) if error.code() == Some("DBParameterGroupAlreadyExists") => {}
            answer => {
                answer.explain("rds:CreateDBParameterGroup")?;
                say(&format!("created the parameter group {name}"));
            }
        }
    }
    let deployed = deployed.unwrap_or_default();
    let changed = declaration.parameters.iter().filter(|(key, value)| deployed.get(*key) != Some(value));
    // Right for every parameter; those that need no reboot take effect with the next one as well.
    let parameter = |(key, value): (&String, &String)| {
        Parameter::builder().parameter_name(key).parameter_value(value).apply_method(ApplyMethod::PendingReboot).build()
    };
    let changed: Vec<Parameter> = changed.map(parameter).collect();
    // So many are allowed in one request.
    for part in changed.chunks(20) {
        let request = aws.rds.modify_db_parameter_group().db_parameter_group_name(name);
        request.set_parameters(Some(part.to_vec())).send().await.explain("rds:ModifyDBParameterGroup")?;
    }
    Ok(())
}

async fn create_instance(aws: &Aws, declaration: &Declaration, password: Option<SecretString>) -> anyhow::Result<()> {
    let d = declaration;
    let is_managed = d.master.password == Password::Managed;
    let insights = &d.performance_insights;
    let request = aws
        .rds
        .create_db_instance()
        .db_instance_identifier(&d.identifier)
        .engine("postgres")
        .engine_version(&d.engine_version)
        .db_instance_class(&d.class)
        .db_name(&d.database)
        .port(d.port)
        .publicly_accessible(d.publicly_accessible)
        .multi_az(d.multi_az)
        .set_availability_zone(d.availability_zone.clone())
        .deletion_protection(d.deletion_protection)
        .enable_iam_database_authentication(d.iam_authentication)
        .ca_certificate_identifier(d.ca.identifier())
        .preferred_maintenance_window(&d.maintenance_window)
        .master_username(&d.master.user)
        .set_manage_master_user_password(is_managed.then_some(true))
        .set_master_user_password(password.filter(|_| !is_managed).map(|password| password.expose_secret().to_owned()))
        .storage_type(d.storage.kind.name())
        .allocated_storage(d.storage.size)
        .set_max_allocated_storage((d.storage.growth_limit > 0).then_some(d.storage.growth_limit))
        .set_vpc_security_group_ids(d.network.security_group.clone().map(|group| vec![group]))
        .set_db_subnet_group_name(d.network.subnet_group.clone())
        .backup_retention_period(d.backups.days)
        .preferred_backup_window(&d.backups.window)
        .storage_encrypted(d.encryption.enabled)
        .set_kms_key_id(d.encryption.kms_key.clone())
        .enable_performance_insights(insights.enabled)
        .set_performance_insights_retention_period(insights.enabled.then_some(insights.days))
        .monitoring_interval(d.monitoring.interval)
        .set_monitoring_role_arn(d.monitoring.role.clone())
        .db_parameter_group_name(&d.identifier)
        .copy_tags_to_snapshot(true)
        .set_tags(tags(d));
    match request.send().await {
        // Another run was quicker.
        Err(error) if error.code() == Some("DBInstanceAlreadyExists") => {}
        answer => {
            answer.explain("rds:CreateDBInstance")?;
            say(&format!("{} is being created; that takes some ten minutes", d.identifier));
        }
    }
    Ok(())
}

/// In two requests, because only what takes effect at once is asked for at once.
async fn modify_instance(aws: &Aws, declaration: &Declaration, instance: &DbInstance, now: bool) -> anyhow::Result<()> {
    let identifier = &declaration.identifier;
    for at_once in [true, false] {
        let changed = ATTRIBUTES.iter().filter(|attribute| {
            let is_at_once = now || (attribute.when)(declaration, instance) == When::AtOnce;
            is_at_once == at_once && attribute.difference(declaration, instance).is_some()
        });
        let mut keys = Vec::new();
        let request = aws.rds.modify_db_instance().db_instance_identifier(identifier).apply_immediately(at_once);
        let request = changed.fold(request, |request, attribute| {
            keys.push(attribute.key);
            (attribute.modify)(request, declaration)
        });
        if !keys.is_empty() {
            request.send().await.explain("rds:ModifyDBInstance")?;
            say(&format!("{identifier}: changed {}", keys.join(", ")));
        }
    }
    let has = |tag: &Tag| instance.tag_list().contains(tag);
    let missing: Vec<Tag> = tags(declaration).unwrap_or_default().into_iter().filter(|tag| !has(tag)).collect();
    if !missing.is_empty() {
        let arn = instance.db_instance_arn().context("the DB instance has no ARN yet; run this again in a minute")?;
        let request = aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(missing));
        request.send().await.explain("rds:AddTagsToResource")?;
    }
    Ok(())
}

fn tags(declaration: &Declaration) -> Option<Vec<Tag>> {
    let tags = declaration.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty())
}

impl Applied {
    fn new(declaration: &Declaration, instance: DbInstance) -> Self {
        let endpoint = instance.endpoint;
        let host = endpoint.as_ref().and_then(|endpoint| endpoint.address.clone());
        let port = endpoint.as_ref().and_then(|endpoint| endpoint.port);
        let secret_arn = instance.master_user_secret.and_then(|secret| secret.secret_arn);
        let mut environment: BTreeMap<_, _> = [("PGDATABASE", declaration.database.clone())].into();
        environment.extend(host.clone().map(|host| ("PGHOST", host)));
        environment.extend(port.map(|port| ("PGPORT", port.to_string())));
        environment.extend(secret_arn.clone().map(|arn| ("DB_SECRET_ID", arn)));
        let status = instance.db_instance_status.unwrap_or_else(|| "unknown".to_owned());
        let environment = Environment(environment);
        Self { identifier: declaration.identifier.clone(), status, host, port, secret_arn, environment }
    }
}

impl Display for Applied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { identifier, status, environment, .. } = self;
        write!(f, "{identifier} is {status}\n\n{environment}")?;
        if self.secret_arn.is_some() {
            f.write_str("\n\nThat is the master user; `provision db grant --prod` makes a role that may do less.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::create_db_instance::{CreateDbInstanceInput, CreateDbInstanceOutput};
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    /// The request that this declaration leads to.
    async fn request(text: &str, password: Option<&str>) -> CreateDbInstanceInput {
        let seen = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&seen);
        let rule = mock!(Client::create_db_instance)
            .match_requests(move |request| keep.lock().expect("no panic").replace(request.clone()).is_none())
            .then_output(|| CreateDbInstanceOutput::builder().build());
        let aws = Aws::with_rds(mock_client!(aws_sdk_rds, [&rule]));
        let declaration = Declaration::parse(text).expect("the declaration is right");
        create_instance(&aws, &declaration, password.map(Into::into)).await.expect("it is created");
        seen.lock().expect("no panic").take().expect("one request")
    }

    #[tokio::test]
    async fn every_field_of_the_declaration_reaches_aws() {
        let text = r#"
            identifier = "every-field"
            engine_version = "16.4"
            class = "db.m6g.large"
            database = "shop"
            port = 6543
            publicly_accessible = true
            availability_zone = "eu-west-1c"
            deletion_protection = false
            iam_authentication = false
            ca = "rds-ca-ecc384-g1"
            maintenance_window = "mon:01:00-mon:02:00"
            [master]
            user = "boss"
            [storage]
            type = "io2"
            size = 200
            growth_limit = 400
            [network]
            security_group = "sg-1"
            subnet_group = "private"
            [backups]
            days = 21
            window = "05:00-06:00"
            [encryption]
            kms_key = "alias/shop"
            [performance_insights]
            days = 31
            [monitoring]
            interval = 30
            role = "arn:aws:iam::123456789012:role/monitoring"
            [tags]
            project = "shop"
        "#;
        let tag = Tag::builder().key("project").value("shop").build();
        let expected = CreateDbInstanceInput::builder()
            .engine("postgres")
            .db_instance_identifier("every-field")
            .engine_version("16.4")
            .db_instance_class("db.m6g.large")
            .db_name("shop")
            .port(6543)
            .publicly_accessible(true)
            .multi_az(false)
            .availability_zone("eu-west-1c")
            .deletion_protection(false)
            .enable_iam_database_authentication(false)
            .ca_certificate_identifier("rds-ca-ecc384-g1")
            .preferred_maintenance_window("mon:01:00-mon:02:00")
            .master_username("boss")
            .manage_master_user_password(true)
            .storage_type("io2")
            .allocated_storage(200)
            .max_allocated_storage(400)
            .vpc_security_group_ids("sg-1")
            .db_subnet_group_name("private")
            .backup_retention_period(21)
            .preferred_backup_window("05:00-06:00")
            .storage_encrypted(true)
            .kms_key_id("alias/shop")
            .enable_performance_insights(true)
            .performance_insights_retention_period(31)
            .monitoring_interval(30)
            .monitoring_role_arn("arn:aws:iam::123456789012:role/monitoring")
            .db_parameter_group_name("every-field")
            .copy_tags_to_snapshot(true)
            .tags(tag)
            .build()
            .expect("all that is required is there");
        assert_eq!(request(text, None).await, expected);
    }

    #[tokio::test]
    async fn a_given_password_is_sent_only_where_it_is_declared() {
        let given = request("[master]\npassword = \"given\"", Some("hunter2")).await;
        assert_eq!((given.master_user_password(), given.manage_master_user_password()), (Some("hunter2"), None));
        let managed = request("", Some("hunter2")).await;
        assert_eq!((managed.master_user_password(), managed.manage_master_user_password()), (None, Some(true)));
    }

    #[tokio::test]
    async fn what_is_turned_off_is_not_asked_for() {
        let request = request("[storage]\ngrowth_limit = 0\n[performance_insights]\nenabled = false", None).await;
        assert_eq!(request.max_allocated_storage(), None);
        assert_eq!(
            (request.enable_performance_insights(), request.performance_insights_retention_period()),
            (Some(false), None)
        );
    }
}
