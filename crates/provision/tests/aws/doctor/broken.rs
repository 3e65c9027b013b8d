//! Deployments in which one thing is broken: exactly that is named, with the way out.

use serde_json::{Value, json};

use super::deployment::{Deployment, Options};
use super::report::{assert_advice, assert_wrong, assert_wrong_of, checks, report};

/// Changes a policy, security group, queue … of the deployment, in Python.
async fn broken(script: &str) -> Deployment {
    let deployment = Deployment::new().await;
    deployment.python(script);
    deployment
}

/// The usual deployment with interface endpoints.
async fn broken_endpoints(script: &str) -> Deployment {
    let deployment = Deployment::with(Options { endpoints: true, ..Options::default() }).await;
    deployment.python(script);
    deployment
}

/// The checks that need what the function's secret holds.
const OF_LOGIN: [&str; 3] = ["login", "rights", "concurrency"];

/// The checks that need the function.
const OF_FUNCTION: [&str; 17] = [
    "limits",
    "vpc",
    "access",
    "environment",
    "route",
    "secret",
    "rotation",
    "role",
    "login",
    "rights",
    "permission",
    "concurrency",
    "queue",
    "replay",
    "dead-letters",
    "version",
    "failures",
];

#[tokio::test]
async fn credentials_that_aws_does_not_know() {
    let deployment = Deployment::new().await;
    deployment.amended().refuse("sts", "GetCallerIdentity", "InvalidClientTokenId");
    assert_wrong(&deployment, "credentials", &[], &["InvalidClientTokenId"]);
}

#[tokio::test]
async fn a_clock_that_is_off_by_ten_minutes() {
    let deployment = Deployment::new().await;
    deployment.amended().set_clock_ahead(600);
    assert_wrong(&deployment, "clock", &[], &["off by 5m", "NTP"]);
}

#[tokio::test]
async fn a_db_instance_that_is_stopped() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name");
    deployment.rds().change(|aws| aws.instance_mut(name).status = "stopped".to_owned());
    assert_wrong(&deployment, "instance", &[], &["is stopped", "provision instance start"]);
}

#[tokio::test]
async fn a_db_instance_that_is_gone() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name").to_owned();
    deployment.rds().change(|aws| aws.instances.remove(&name));
    assert_wrong(&deployment, "instance", &[], &["there is no DB instance", "instance apply"]);
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name");
    let past = "2026-11-01T00:00:00Z".to_owned();
    deployment.rds().change(|aws| aws.instance_mut(name).certificate_until = past);
    assert_wrong(&deployment, "certificate", &[], &["has expired", "instance apply"]);
}

#[tokio::test]
async fn a_ca_that_the_function_does_not_trust() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name");
    deployment.rds().change(|aws| aws.instance_mut(name).set("CACertificateIdentifier", "rds-ca-2019"));
    assert_wrong(&deployment, "certificate", &[], &["do not know rds-ca-2019", "`ca` in the declaration"]);
}

#[tokio::test]
async fn a_version_without_standard_support() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name");
    deployment.rds().change(|aws| aws.instance_mut(name).set("EngineVersion", "13.22"));
    assert_wrong(&deployment, "support", &[], &["standard support is over", "instance upgrade"]);
}

#[tokio::test]
async fn a_change_that_waits_for_the_maintenance_window() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name");
    deployment.rds().change(|aws| {
        aws.instance_mut(name).pending.insert("DBInstanceClass".to_owned(), "db.m7g.large".to_owned());
    });
    assert_advice(&deployment, "pending", &["class → db.m7g.large", "instance apply --now"]);
}

#[tokio::test]
async fn a_login_of_the_operators_that_the_server_refuses() {
    let deployment = Deployment::new().await;
    let mut command = deployment.doctor();
    let url = command.get_envs().find_map(|(name, value)| (name == "PROD_CONNECTION_URL").then_some(value?));
    let url = url.expect("a URL").to_str().expect("UTF-8").replace("postgres://", "postgres://nobody");
    command.env("PROD_CONNECTION_URL", url);
    let unknown = ["schema", "rights", "concurrency", "users"];
    assert_wrong_of(&mut command, "port", &unknown, &["28P01"]);
}

#[tokio::test]
async fn a_function_that_is_not_there() {
    let deployment = broken("lambda_.delete_function(FunctionName=function)").await;
    assert_wrong(&deployment, "function", &OF_FUNCTION, &["there is no function", "--function"]);
}

#[tokio::test]
async fn a_function_whose_state_is_failed() {
    let deployment = Deployment::new().await;
    let state = json!({"State": "Failed", "StateReason": "The function's ENIs cannot be made", "LastUpdateStatus": "Successful",
        "LoggingConfig": {"LogFormat": "JSON"}});
    deployment.amended().set_function(deployment.id("function"), &state);
    assert_wrong(&deployment, "function", &[], &["it is Failed", "ENIs cannot be made"]);
}

#[tokio::test]
async fn a_runtime_that_the_zip_is_not_for() {
    let deployment = broken("lambda_.update_function_configuration(FunctionName=function, Runtime='python3.13')").await;
    assert_wrong(&deployment, "function", &[], &["python3.13", "set the runtime to provided.al2023"]);
}

#[tokio::test]
async fn a_time_limit_that_is_shorter_than_the_budget() {
    let deployment = broken("lambda_.update_function_configuration(FunctionName=function, Timeout=3)").await;
    assert_wrong(&deployment, "limits", &[], &["after 3 s", "6 s or more"]);
}

#[tokio::test]
async fn a_log_that_lambda_does_not_filter() {
    let deployment = Deployment::new().await;
    let state = json!({"State": "Active", "LastUpdateStatus": "Successful", "LoggingConfig": {"LogFormat": "Text"}});
    deployment.amended().set_function(deployment.id("function"), &state);
    assert_advice(&deployment, "limits", &["the log format is Text", "LogFormat=JSON"]);
}

#[tokio::test]
async fn a_function_outside_the_vpc_of_a_private_db_instance() {
    let deployment = Deployment::new().await;
    for operation in ["GetFunctionConfiguration", "GetFunction"] {
        deployment.amended().amend("lambda", operation, |answer| answer["VpcConfig"]["VpcId"] = json!("vpc-elsewhere"));
    }
    assert_wrong(&deployment, "vpc", &[], &["the function in vpc-elsewhere", "connect the two VPCs"]);
}

#[tokio::test]
async fn a_function_outside_any_vpc_that_the_db_instance_does_not_let_in() {
    let deployment = Deployment::new().await;
    let name = deployment.id("name");
    deployment.rds().change(|aws| aws.instance_mut(name).set("PubliclyAccessible", "true"));
    for operation in ["GetFunctionConfiguration", "GetFunction"] {
        deployment.amended().amend("lambda", operation, |answer| answer["VpcConfig"] = json!(null));
    }
    assert_wrong(&deployment, "access", &[], &["in no VPC", "into the VPC of the DB instance"]);
}

#[tokio::test]
async fn a_db_instance_that_does_not_let_the_function_in() {
    let deployment = broken(
        "rules = ec2.describe_security_groups(GroupIds=[instance_group])['SecurityGroups'][0]['IpPermissions']
ec2.revoke_security_group_ingress(GroupId=instance_group, IpPermissions=rules)",
    )
    .await;
    assert_wrong(
        &deployment,
        "access",
        &[],
        &["lets the function's", "access allow --from-group", deployment.id("function_group")],
    );
}

/// Lets the function's group out to this port alone.
fn out_to(port: u16) -> String {
    format!(
        "rules = ec2.describe_security_groups(GroupIds=[function_group])['SecurityGroups'][0]['IpPermissionsEgress']
ec2.revoke_security_group_egress(GroupId=function_group, IpPermissions=rules)
ec2.authorize_security_group_egress(GroupId=function_group, IpPermissions=[
    {{'IpProtocol': 'tcp', 'FromPort': {port}, 'ToPort': {port}, 'IpRanges': [{{'CidrIp': '0.0.0.0/0'}}]}}])"
    )
}

#[tokio::test]
async fn a_function_that_is_not_let_out_to_the_database() {
    let deployment = broken(&out_to(443)).await;
    assert_wrong(&deployment, "access", &[], &["lets it out to port 5432", "outbound rule for TCP 5432"]);
}

#[tokio::test]
async fn a_function_that_is_not_let_out_to_aws() {
    let deployment = broken(&out_to(5432)).await;
    assert_wrong(&deployment, "route", &[], &["lets it out to port 443", "outbound rule for TCP 443"]);
}

/// Sets variables of the function, or removes them.
fn variables(changes: &Value) -> String {
    format!(
        "import json
variables = lambda_.get_function_configuration(FunctionName=function)['Environment']['Variables']
variables |= json.loads(r'''{changes}''')
variables = {{name: value for name, value in variables.items() if value is not None}}
lambda_.update_function_configuration(FunctionName=function, Environment={{'Variables': variables}})"
    )
}

#[tokio::test]
async fn variables_that_contradict_each_other() {
    let deployment = broken(&variables(&json!({"CONNECTION_URL": "postgres://ada:hunter2@db/app"}))).await;
    let unknown = [&OF_LOGIN[..], &["secret", "rotation", "role", "replay"]].concat();
    assert_wrong(&deployment, "environment", &unknown, &["both DB_SECRET_ID and CONNECTION_URL are set"]);
}

#[tokio::test]
async fn a_port_that_is_not_the_db_instances() {
    let deployment = broken(&variables(&json!({"PGPORT": "6543"}))).await;
    // The replay has none.
    let deployment = {
        deployment.python(&variables(&json!({"PGPORT": "6543"})).replace("=function", "=replay"));
        deployment
    };
    assert_wrong(&deployment, "environment", &[], &["PGPORT is 6543", "correct PGPORT"]);
}

#[tokio::test]
async fn a_queue_that_is_no_urls() {
    let deployment = broken(&variables(&json!({"SPILL_QUEUE_URL": "sign ups"}))).await;
    let mut command = deployment.doctor();
    let unknown = ["role", "queue", "replay", "dead-letters"];
    assert_wrong_of(&mut command, "environment", &unknown, &["SPILL_QUEUE_URL", "--queue"]);
}

#[tokio::test]
async fn a_secrets_content_in_place_of_its_name_is_shown_nowhere() {
    let deployment = broken(&variables(&json!({"DB_SECRET_ID": "{\"password\": \"hunter2\"}"}))).await;
    let unknown = [&OF_LOGIN[..], &["secret", "rotation", "role", "replay"]].concat();
    assert_wrong(&deployment, "environment", &unknown, &["DB_SECRET_ID"]);
    for (service, operation) in deployment.amended().operations() {
        assert_ne!((service.as_str(), operation.as_str()), ("secretsmanager", "DescribeSecret"), "it is sent nowhere");
    }
}

#[tokio::test]
async fn a_nat_gateway_that_is_gone() {
    let deployment = broken("ec2.delete_nat_gateway(NatGatewayId=nat)").await;
    assert_wrong(
        &deployment,
        "route",
        &[],
        &["no way to Secrets Manager", "no way to Amazon SQS", "interface endpoint"],
    );
}

#[tokio::test]
async fn subnets_whose_way_out_is_for_public_addresses() {
    let deployment = broken(
        "table = ec2.describe_route_tables(RouteTableIds=[public_route_table])['RouteTables'][0]
gateway = next(route['GatewayId'] for route in table['Routes'] if route.get('GatewayId', '').startswith('igw-'))
ec2.delete_route(RouteTableId=route_table, DestinationCidrBlock='0.0.0.0/0')
ec2.create_route(RouteTableId=route_table, DestinationCidrBlock='0.0.0.0/0', GatewayId=gateway)",
    )
    .await;
    assert_wrong(&deployment, "route", &[], &["a function in a VPC has no public address", "NAT gateway"]);
}

#[tokio::test]
async fn an_endpoint_that_is_missing() {
    let deployment = broken_endpoints("ec2.delete_vpc_endpoints(VpcEndpointIds=[sqs_endpoint])").await;
    assert_wrong(
        &deployment,
        "route",
        &[],
        &["no way to Amazon SQS", "has no route out", "com.amazonaws.eu-central-1.sqs"],
    );
}

#[tokio::test]
async fn an_endpoint_that_does_not_let_the_function_in() {
    let deployment = broken_endpoints(
        "rules = ec2.describe_security_groups(GroupIds=[endpoint_group])['SecurityGroups'][0]['IpPermissions']
ec2.revoke_security_group_ingress(GroupId=endpoint_group, IpPermissions=rules)",
    )
    .await;
    assert_wrong(&deployment, "route", &[], &["lets nothing of the function in", "inbound rule for TCP 443"]);
}

#[tokio::test]
async fn an_endpoint_whose_policy_shuts_the_function_out() {
    let deployment = broken_endpoints(
        "import json
policy = {'Statement': [{'Effect': 'Allow', 'Principal': '*', 'Action': 'secretsmanager:ListSecrets', 'Resource': '*'}]}
ec2.modify_vpc_endpoint(VpcEndpointId=secretsmanager_endpoint, PolicyDocument=json.dumps(policy))",
    )
    .await;
    assert_wrong(&deployment, "route", &[], &["does not let secretsmanager:GetSecretValue through"]);
}

#[tokio::test]
async fn a_role_that_may_not_read_the_secret() {
    let deployment = broken("iam.delete_role_policy(RoleName=name, PolicyName='function')").await;
    assert_wrong(&deployment, "role", &[], &["may not do secretsmanager:GetSecretValue", "infra/iam/function.json"]);
}

#[tokio::test]
async fn a_role_that_may_not_write_to_the_queue() {
    let deployment = broken("iam.delete_role_policy(RoleName=name, PolicyName='spill')").await;
    assert_wrong(&deployment, "role", &[], &["may not do sqs:SendMessage", "infra/iam/spill.json"]);
}

#[tokio::test]
async fn a_role_that_may_do_more_than_it_must() {
    let deployment = broken(
        "import json
policy = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'secretsmanager:*', 'Resource': '*'}]}
iam.put_role_policy(RoleName=name, PolicyName='wide', PolicyDocument=json.dumps(policy))",
    )
    .await;
    assert_wrong(&deployment, "role", &[], &["also on arn:aws:secretsmanager", "which the function never does"]);
}

#[tokio::test]
async fn a_secret_that_is_gone() {
    let deployment = broken("secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)").await;
    assert_wrong(&deployment, "secret", &OF_LOGIN, &["which does not exist", "db grant --prod"]);
}

#[tokio::test]
async fn a_secret_that_is_marked_for_deletion() {
    let deployment = broken("secrets.delete_secret(SecretId=secret)").await;
    assert_wrong(&deployment, "secret", &OF_LOGIN, &["marked for deletion", "restore-secret"]);
}

#[tokio::test]
async fn a_secret_that_holds_no_login() {
    let deployment = broken("secrets.put_secret_value(SecretId=secret, SecretString='hunter2')").await;
    assert_wrong(&deployment, "secret", &OF_LOGIN, &["malformed JSON"]);
}

#[tokio::test]
async fn a_rotation_that_has_stopped_half_way() {
    let deployment =
        broken("secrets.put_secret_value(SecretId=secret, SecretString='{}', VersionStages=['AWSPENDING'])").await;
    deployment.amended().amend("secretsmanager", "ListSecretVersionIds", |answer| {
        for version in answer["Versions"].as_array_mut().expect("a list") {
            version["CreatedDate"] = json!(1_795_000_000.0);
        }
    });
    assert_wrong(&deployment, "rotation", &[], &["stopped half-way", "db grant --prod"]);
}

#[tokio::test]
async fn a_password_that_the_database_does_not_know() {
    let deployment = Deployment::new().await;
    deployment.execute(&format!("alter role {} password 'another'", deployment.id("database_role"))).await;
    assert_wrong(&deployment, "login", &[], &["28P01", "db grant --prod --rotate"]);
}

#[tokio::test]
async fn a_schema_that_is_behind() {
    let deployment = Deployment::new().await;
    deployment.execute("delete from cognito.schema_history where version = 7").await;
    assert_wrong(&deployment, "schema", &[], &["V7__forgotten", "db load --prod"]);
}

#[tokio::test]
async fn a_contract_that_runs_without_its_owners_rights() {
    let deployment = Deployment::new().await;
    deployment.execute("alter function cognito.ensure_user(jsonb) security invoker").await;
    assert_wrong(&deployment, "schema", &["rights"], &["not `security definer`", "docs/own-table.md"]);
}

#[tokio::test]
async fn a_role_that_may_not_call_the_contract() {
    let deployment = Deployment::new().await;
    let role = deployment.id("database_role");
    deployment.execute(&format!("revoke all on function cognito.ensure_user(jsonb) from {role}")).await;
    assert_wrong(&deployment, "rights", &[], &["EXECUTE on cognito.ensure_user", "db grant --prod --role"]);
}

#[tokio::test]
async fn a_pool_that_calls_nothing() {
    let deployment = broken("cognito.update_user_pool(UserPoolId=pool, LambdaConfig={})").await;
    assert_wrong(&deployment, "trigger", &[], &["no function is called", "trigger attach --pool"]);
}

#[tokio::test]
async fn a_pool_that_calls_another_function() {
    let deployment = broken(
        "cognito.update_user_pool(UserPoolId=pool, LambdaConfig={'PostConfirmation': function_arn + '-of-others'})",
    )
    .await;
    assert_wrong(&deployment, "trigger", &[], &["sign-ups go to another function", "--replace"]);
}

#[tokio::test]
async fn a_permission_that_cognito_lacks() {
    let deployment = broken("lambda_.remove_permission(FunctionName=function, StatementId=statement)").await;
    assert_wrong(&deployment, "permission", &[], &["Cognito may not invoke", "trigger attach --pool"]);
}

#[tokio::test]
async fn a_permission_for_any_pool() {
    let deployment = broken(
        "lambda_.remove_permission(FunctionName=function, StatementId=statement)
lambda_.add_permission(FunctionName=function, StatementId='any', Action='lambda:InvokeFunction', Principal='cognito-idp.amazonaws.com')",
    )
    .await;
    assert_wrong(
        &deployment,
        "permission",
        &[],
        &["neither SourceArn nor SourceAccount", "add-permission", "--statement-id any"],
    );
}

#[tokio::test]
async fn healing_that_is_off() {
    let deployment = Deployment::new().await;
    assert_advice(&deployment, "healing", &["get no row at their next sign-in", "--heal pre-token"]);
}

#[tokio::test]
async fn more_processes_than_the_role_has_connections() {
    let deployment = Deployment::with(Options { reserved_concurrency: Some(60), ..Options::default() }).await;
    assert_wrong(
        &deployment,
        "concurrency",
        &[],
        &["60 processes", "50 connections", "--connection-limit 60", "--secret sound-"],
    );
}

#[tokio::test]
async fn a_function_that_is_throttled_altogether() {
    let deployment = Deployment::with(Options { reserved_concurrency: Some(0), ..Options::default() }).await;
    assert_wrong(&deployment, "concurrency", &[], &["throttles each sign-up", "delete-function-concurrency"]);
}

#[tokio::test]
async fn a_role_that_may_have_more_connections_than_the_server() {
    let deployment = Deployment::new().await;
    deployment.execute(&format!("alter role {} connection limit 9000", deployment.id("database_role"))).await;
    assert_wrong(&deployment, "concurrency", &[], &["may have 9000 connections", "max_connections"]);
}

#[tokio::test]
async fn calls_that_lambda_has_throttled() {
    let deployment = Deployment::with(Options { metrics: vec![("Throttles", 3.0)], ..Options::default() }).await;
    assert_wrong(&deployment, "throttles", &[], &["refused 3 calls", "users reconcile --prod"]);
}

#[tokio::test]
async fn a_queue_that_keeps_events_for_a_day() {
    let deployment =
        broken("sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={'MessageRetentionPeriod': '86400'})").await;
    assert_wrong(
        &deployment,
        "queue",
        &[],
        &["MessageRetentionPeriod", "a longer outage of the database loses events"],
    );
}

#[tokio::test]
async fn a_queue_that_is_gone() {
    let deployment = broken("sqs.delete_queue(QueueUrl=queue_url)").await;
    assert_wrong(&deployment, "queue", &[], &["there is no queue", "SPILL_QUEUE_URL"]);
}

#[tokio::test]
async fn events_that_nobody_replays() {
    let deployment = broken(
        "send(sqs, lambda_, queue_url, mapping, '{}')
moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
cloudwatch.put_metric_data(Namespace='AWS/SQS', MetricData=[{
    'MetricName': 'ApproximateAgeOfOldestMessage', 'Dimensions': [{'Name': 'QueueName', 'Value': queue}],
    'Timestamp': moment, 'Value': 100000}])",
    )
    .await;
    assert_wrong(&deployment, "queue", &[], &["1 event waits, the oldest for at least 1day", "nobody replays them"]);
}

#[tokio::test]
async fn a_queue_that_no_function_takes_from() {
    let deployment = broken("lambda_.delete_event_source_mapping(UUID=mapping)").await;
    assert_wrong(&deployment, "replay", &[], &["no function replays", "event source mapping"]);
}

#[tokio::test]
async fn an_event_source_mapping_that_is_disabled() {
    let deployment = broken("lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)").await;
    assert_wrong(&deployment, "replay", &[], &["Disabled", "--enabled"]);
}

#[tokio::test]
async fn a_replay_that_may_not_receive() {
    let deployment = broken("iam.delete_role_policy(RoleName=name + '-replay', PolicyName='replay')").await;
    assert_wrong(&deployment, "replay", &[], &["may not do sqs:ReceiveMessage", "infra/iam/replay.json"]);
}

#[tokio::test]
async fn a_replay_that_writes_elsewhere() {
    let script = variables(&json!({"PGDATABASE": "other"})).replace("=function", "=replay");
    let deployment = broken(&script).await;
    assert_wrong(&deployment, "replay", &[], &["PGDATABASE of the replay", "the variables of the function"]);
}

#[tokio::test]
async fn a_replay_whose_dead_letters_go_elsewhere() {
    let script =
        variables(&json!({"DEAD_LETTER_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/other"}));
    let deployment = broken(&script.replace("=function", "=replay")).await;
    assert_wrong(&deployment, "replay", &[], &["DEAD_LETTER_QUEUE_URL of the replay is not"]);
}

#[tokio::test]
async fn a_replay_that_may_not_read_the_secret() {
    let deployment = broken("iam.delete_role_policy(RoleName=name + '-replay', PolicyName='function')").await;
    assert_wrong(&deployment, "replay", &[], &["the replay's role may not do secretsmanager:GetSecretValue"]);
}

#[tokio::test]
async fn a_queue_of_dead_letters_that_is_gone() {
    let deployment = broken("sqs.delete_queue(QueueUrl=dead_letters_url)").await;
    assert_wrong(&deployment, "queue", &[], &["queue of dead letters", "does not exist"]);
}

#[tokio::test]
async fn a_function_that_is_called_and_reports_nothing() {
    let deployment = Deployment::with(Options { metrics: vec![("Invocations", 7.0)], ..Options::default() }).await;
    deployment.python("logs.delete_log_group(logGroupName=log_group)");
    assert_wrong(&deployment, "version", &[], &["called it 7 times", "another architecture"]);
}

#[tokio::test]
async fn a_process_that_crashes() {
    let deployment = broken(
        "logs.put_log_events(logGroupName=log_group, logStreamName=log_stream, logEvents=[
    {'timestamp': int((time.time() - 60) * 1000), 'message': '8476a536 Error: Runtime exited with error: signal: killed'}])",
    )
    .await;
    assert_wrong(&deployment, "failures", &[], &["crashed: 1 time", "the function's architecture"]);
}

#[tokio::test]
async fn healing_that_fails_at_sign_ins() {
    let deployment = broken(
        "failure = {'level': 'WARN', 'errorType': 'BudgetExceeded', 'error': 'x', 'remedy': 'y'}
write_log(logs, ids, [report(ids, None, '0.1.0', outcome='heal-failed', **failure)])",
    )
    .await;
    assert_advice(&deployment, "failures", &["BudgetExceeded: 1 time", "tried to heal"]);
}

#[tokio::test]
async fn a_dead_letter() {
    let deployment = broken("sqs.send_message(QueueUrl=dead_letters_url, MessageBody='{}')").await;
    assert_wrong(&deployment, "dead-letters", &[], &["1 event was given up", "queue show --queue"]);
}

#[tokio::test]
async fn a_function_of_another_version() {
    let deployment = broken("write_log(logs, ids, [report(ids, None, '0.0.7')])").await;
    assert_advice(&deployment, "version", &["the function is version 0.0.7"]);
}

#[tokio::test]
async fn failures_of_the_last_day() {
    let deployment = broken(
        "failure = {'level': 'ERROR', 'errorType': 'NotAllowed', 'error': 'x', 'remedy': 'y'}
write_log(logs, ids, [report(ids, None, '0.1.0', outcome='failed', **failure)] * 2)",
    )
    .await;
    assert_wrong(&deployment, "failures", &[], &["NotAllowed: 2 times", "provision db grant --prod"]);
}

#[tokio::test]
async fn a_call_that_lambda_has_cut_off() {
    let deployment = broken(
        "moment = int((time.time() - 60) * 1000)
logs.put_log_events(logGroupName=log_group, logStreamName=log_stream, logEvents=[
    {'timestamp': moment, 'message': '8476a536 Task timed out after 3.00 seconds'}])",
    )
    .await;
    assert_wrong(&deployment, "failures", &[], &["cut off by Lambda: 1 time", "6 s or more"]);
}

#[tokio::test]
async fn a_confirmed_user_without_a_row() {
    let deployment = broken("confirmed(cognito, pool, 'late')").await;
    assert_wrong(&deployment, "users", &[], &["1 confirmed user has no row", "users reconcile --prod"]);
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_no_pass() {
    let deployment = Deployment::new().await;
    deployment.amended().refuse("lambda", "GetPolicy", "AccessDeniedException");
    let report = report(&mut deployment.doctor(), 3);
    assert_eq!(checks(&report, "unknown"), ["permission"]);
    assert_eq!(checks(&report, "wrong"), [] as [&str; 0]);
    assert!(report.to_string().contains("lambda:GetPolicy"), "{report}");
}

#[tokio::test]
async fn the_report_reads_well() {
    let deployment = broken("cognito.update_user_pool(UserPoolId=pool, LambdaConfig={})").await;
    deployment.amended().refuse("logs", "FilterLogEvents", "AccessDeniedException");
    let output = deployment.doctor().args(["--settle", "0s"]).output().expect("provision starts");
    assert_eq!(output.status.code(), Some(3));
    let filters = vec![
        (r"sound-\d+", "NAME"),
        (r"test_\d+(_[a-z]+)?", "DATABASE"),
        (r"eu-central-1_[0-9a-zA-Z]+", "POOL"),
        (r"(vpc|subnet|sg|nat)-[0-9a-f]+", "$1-ID"),
        (r"post_confirmation_DATABASE-[a-zA-Z]{6}", "post_confirmation_DATABASE-ABCDEF"),
        (r"differs by \d+s", "differs by 0s"),
        (r":\d+ \(address", ":PORT (address"),
        (r"--config [^ `]+", "--config FILE"),
        (r"until 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "until TIME"),
        (r"of the server: \d+", "of the server: 97"),
        (r"PostgreSQL \d+\.\d+", "PostgreSQL VERSION"),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!("doctor", String::from_utf8_lossy(&output.stdout));
    });
}
