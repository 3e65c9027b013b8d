use std::sync::{Arc, Mutex};

use aws_sdk_rds::Client;
use aws_sdk_rds::operation::create_db_instance::{CreateDbInstanceInput, CreateDbInstanceOutput};
use aws_smithy_mocks::{mock, mock_client};

use aws_sdk_rds::types::Tag;

use super::*;
use crate::declaration::Declaration;

/// The request that this declaration leads to.
async fn request(text: &str, password: Option<&str>) -> CreateDbInstanceInput {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let rule = mock!(Client::create_db_instance)
        .match_requests(move |request| keep.lock().expect("no panic").replace(request.clone()).is_none())
        .then_output(|| CreateDbInstanceOutput::builder().build());
    let aws = Aws::with_rds(mock_client!(aws_sdk_rds, [&rule]));
    let declaration = Declaration::parse(text).expect("the declaration is valid");
    let wanted = Wanted {
        security_groups: vec!["sg-1".to_owned()],
        parameter_group: declaration.identifier.clone(),
        password: password.map(Into::into),
        keeps_extended_support: false,
        major_upgrade: None,
        declaration,
    };
    create_instance(&aws, &wanted).await.expect("it is created");
    seen.lock().expect("no panic").take().expect("one request")
}
#[tokio::test]
async fn every_field_of_the_declaration_reaches_aws() {
    let text = r#"
        identifier = "every-field"
        engine_version = "16.4"
        auto_minor_version_upgrade = false
        extended_support = true
        class = "db.m6g.large"
        database = "shop"
        port = 6543
        publicly_accessible = true
        availability_zone = "eu-west-1c"
        deletion_protection = false
        iam_authentication = false
        ca = "rds-ca-ecc384-g1"
        maintenance_window = "Mon:01:00-Mon:02:00"
        logs = ["postgresql", "upgrade"]
        [master]
        user = "boss"
        secret_kms_key = "alias/secrets"
        [storage]
        type = "io2"
        size = 200
        growth_limit = 400
        iops = 5000
        dedicated_log_volume = true
        [network]
        security_groups = ["sg-1"]
        subnet_group = "Private"
        type = "DUAL"
        [backups]
        days = 21
        window = "05:00-06:00"
        copy_tags = false
        [encryption]
        kms_key = "alias/shop"
        [performance_insights]
        days = 465
        mode = "advanced"
        kms_key = "alias/insights"
        [monitoring]
        interval = 30
        role = "arn:aws:iam::123456789012:role/monitoring"
        [domain]
        directory = "d-1234567890"
        iam_role = "rds-directory"
        [tags]
        project = "shop"
    "#;
    let tag = Tag::builder().key("project").value("shop").build();
    let expected = CreateDbInstanceInput::builder()
        .engine("postgres")
        .db_instance_identifier("every-field")
        .engine_version("16.4")
        .auto_minor_version_upgrade(false)
        .engine_lifecycle_support("open-source-rds-extended-support")
        .enable_cloudwatch_logs_exports("postgresql")
        .enable_cloudwatch_logs_exports("upgrade")
        .master_user_secret_kms_key_id("alias/secrets")
        .iops(5000)
        .dedicated_log_volume(true)
        .network_type("DUAL")
        .database_insights_mode("advanced".into())
        .performance_insights_kms_key_id("alias/insights")
        .domain("d-1234567890")
        .domain_iam_role_name("rds-directory")
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
        .performance_insights_retention_period(465)
        .monitoring_interval(30)
        .monitoring_role_arn("arn:aws:iam::123456789012:role/monitoring")
        .db_parameter_group_name("every-field")
        .copy_tags_to_snapshot(false)
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
async fn a_feature_that_is_off_is_not_requested() {
    let request = request("[storage]\ngrowth_limit = 0\n[performance_insights]\nenabled = false", None).await;
    assert_eq!((request.max_allocated_storage(), request.database_insights_mode()), (None, None));
    assert_eq!((request.domain(), request.enable_cloudwatch_logs_exports().len()), (None, 0));
    assert_eq!(
        (request.enable_performance_insights(), request.performance_insights_retention_period()),
        (Some(false), None)
    );
}
