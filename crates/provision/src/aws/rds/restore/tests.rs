use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_rds::Client;
use aws_sdk_rds::operation::describe_db_instance_automated_backups::DescribeDbInstanceAutomatedBackupsOutput;
use aws_sdk_rds::operation::describe_db_instances::DescribeDBInstancesError;
use aws_sdk_rds::operation::restore_db_instance_to_point_in_time::RestoreDbInstanceToPointInTimeOutput;
use aws_sdk_rds::types::DbInstanceAutomatedBackup;
use aws_sdk_rds::types::error::DbInstanceNotFoundFault;
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;
use crate::prompt::confirm;

#[tokio::test]
async fn a_deleted_instance_is_restored_from_the_backups_that_are_kept() {
    let backup = |resource: &str, created: i64| {
        let created = aws_sdk_rds::primitives::DateTime::from_secs(created);
        DbInstanceAutomatedBackup::builder()
            .dbi_resource_id(resource)
            .instance_create_time(created)
            .engine("postgres")
            .engine_version("17.6")
            .allocated_storage(50)
            .build()
    };
    let missing = mock!(Client::describe_db_instances).then_error(|| {
        let fault = DbInstanceNotFoundFault::builder();
        let code = aws_sdk_rds::error::ErrorMetadata::builder().code("DBInstanceNotFound").build();
        DescribeDBInstancesError::DbInstanceNotFoundFault(fault.meta(code).build())
    });
    let backups = mock!(Client::describe_db_instance_automated_backups).then_output(move || {
        let answer = DescribeDbInstanceAutomatedBackupsOutput::builder();
        let answer = answer.db_instance_automated_backups(backup("db-OLD", 1));
        answer.db_instance_automated_backups(backup("db-NEW", 2)).build()
    });
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let restore = mock!(Client::restore_db_instance_to_point_in_time)
        .match_requests(move |request| keep.lock().expect("no panic").replace(request.clone()).is_none())
        .then_output(|| RestoreDbInstanceToPointInTimeOutput::builder().build());
    let aws = Aws::with_rds(mock_client!(aws_sdk_rds, RuleMode::MatchAny, [&missing, &backups, &restore]));

    let declaration = Declaration::parse("identifier = \"db\"\n[storage]\nsize = 40").expect("a declaration");
    let time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    let origin = Origin::point_in_time(&aws, "db", Some(time)).await.expect("backups");
    origin.ensure_fits(&declaration).expect("they fit");
    let wanted = Wanted {
        declaration,
        security_groups: vec!["sg-1".to_owned()],
        parameter_group: "db".to_owned(),
        password: None,
        keeps_extended_support: false,
        major_upgrade: None,
    };
    let consent = confirm("", "", true).expect("confirmed");
    assert!(restore_instance(&aws, &wanted, &origin, "the latest backups of db", consent).await.expect("it is begun"));

    let request = seen.lock().expect("no panic").take().expect("one request");
    assert_eq!((request.source_dbi_resource_id(), request.source_db_instance_identifier()), (Some("db-NEW"), None));
    assert_eq!(request.target_db_instance_identifier(), Some("db"));
    assert_eq!((request.restore_time(), request.use_latest_restorable_time()), (Some(&time.into()), None));
    assert_eq!(request.vpc_security_group_ids(), ["sg-1"]);
    // RDS refuses less than the backup has.
    assert_eq!((request.allocated_storage(), request.max_allocated_storage()), (None, Some(100)));
}
