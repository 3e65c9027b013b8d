//! Deployments in which nothing is broken, however they differ: nothing is named.

use serde_json::json;

use super::deployment::{Deployment, Options};
use super::report::{checks, report};

/// Members of tenants, with a contract of their own.
const OWN_TABLE: [&str; 3] = [
    include_str!("../../../../../docs/own-table/owner.sql"),
    include_str!("../../../../../docs/own-table/members.sql"),
    include_str!("../../../../../docs/own-table/hand-over.sql"),
];

/// Fails if something is named as wrong, or could not be looked at.
#[track_caller]
fn assert_sound(deployment: &Deployment) {
    let report = report(&mut deployment.doctor(), 0);
    assert_eq!(checks(&report, "wrong"), [] as [&str; 0], "{report:#}");
    assert_eq!(checks(&report, "unknown"), [] as [&str; 0], "{report:#}");
}

/// A test for each: the deployment's options, and what differs besides, in Python.
macro_rules! sound {
    ($($name:ident: $options:expr, $script:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let deployment = Deployment::with($options).await;
            deployment.python($script);
            assert_sound(&deployment);
        }
    )+};
}

sound! {
    as_documented: Options::default(), "";
    with_interface_endpoints: Options { endpoints: true, ..Options::default() }, "";
    on_graviton: Options { architecture: "arm64", ..Options::default() }, "";
    healing_before_tokens: Options { heal: Some("pre-token"), ..Options::default() }, "";
    healing_after_sign_ins: Options { heal: Some("post-authentication"), ..Options::default() }, "";
    without_a_spill_queue: Options { queue: false, ..Options::default() }, "";
    with_reserved_concurrency: Options { reserved_concurrency: Some(20), ..Options::default() }, "";
    with_as_many_processes_as_connections: Options { reserved_concurrency: Some(50), ..Options::default() }, "";
    with_more_memory: Options { memory: 1024, ..Options::default() }, "";
    with_a_long_time_limit: Options { timeout: 30, ..Options::default() }, "";
    with_the_shortest_time_limit: Options { timeout: 6, ..Options::default() }, "";
    without_users: Options { users: 0, ..Options::default() }, "";
    with_two_pages_of_users: Options { users: 61, ..Options::default() }, "";
    with_metrics_of_no_trouble: Options { metrics: vec![("Throttles", 0.0), ("Errors", 2.0)], ..Options::default() }, "";
    with_users_who_are_not_to_have_a_row: Options::default(), "
for name in ['invited', 'imported']:
    cognito.admin_create_user(UserPoolId=pool, Username=name)";
    letting_a_range_in: Options::default(), "
rules = ec2.describe_security_groups(GroupIds=[instance_group])['SecurityGroups'][0]['IpPermissions']
ec2.revoke_security_group_ingress(GroupId=instance_group, IpPermissions=rules)
ec2.authorize_security_group_ingress(GroupId=instance_group, IpPermissions=[
    {'IpProtocol': 'tcp', 'FromPort': 5000, 'ToPort': 6000, 'IpRanges': [{'CidrIp': '10.0.0.0/16'}]}])";
    let_out_to_two_ports_alone: Options::default(), "
rules = ec2.describe_security_groups(GroupIds=[function_group])['SecurityGroups'][0]['IpPermissionsEgress']
ec2.revoke_security_group_egress(GroupId=function_group, IpPermissions=rules)
ec2.authorize_security_group_egress(GroupId=function_group, IpPermissions=[
    {'IpProtocol': 'tcp', 'FromPort': port, 'ToPort': port, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]} for port in [443, 5432]])";
    through_a_transit_gateway: Options::default(), "
gateway = ec2.create_transit_gateway()['TransitGateway']['TransitGatewayId']
ec2.delete_route(RouteTableId=route_table, DestinationCidrBlock='0.0.0.0/0')
ec2.create_route(RouteTableId=route_table, DestinationCidrBlock='0.0.0.0/0', TransitGatewayId=gateway)";
    with_routes_of_the_main_table: Options::default(), "
table = ec2.describe_route_tables(RouteTableIds=[route_table])['RouteTables'][0]
for association in table['Associations']:
    ec2.disassociate_route_table(AssociationId=association['RouteTableAssociationId'])
main = ec2.describe_route_tables(Filters=[
    {'Name': 'vpc-id', 'Values': [vpc]}, {'Name': 'association.main', 'Values': ['true']}])['RouteTables'][0]
ec2.create_route(RouteTableId=main['RouteTableId'], DestinationCidrBlock='0.0.0.0/0', NatGatewayId=nat)";
    with_an_endpoint_that_lets_this_account_through: Options { endpoints: true, ..Options::default() }, "
import json
policy = {'Statement': [{'Effect': 'Allow', 'Principal': {'AWS': '123456789012'}, 'Action': 'secretsmanager:Get*',
    'Resource': 'arn:aws:secretsmanager:*:123456789012:secret:*'}]}
ec2.modify_vpc_endpoint(VpcEndpointId=secretsmanager_endpoint, PolicyDocument=json.dumps(policy))";
    with_the_secret_by_its_name: Options::default(), "
for each in [function, replay]:
    variables = lambda_.get_function_configuration(FunctionName=each)['Environment']['Variables']
    variables['DB_SECRET_ID'] = secret
    lambda_.update_function_configuration(FunctionName=each, Environment={'Variables': variables})";
    with_a_policy_of_its_own_name: Options::default(), "
import json
document = iam.get_role_policy(RoleName=name, PolicyName='function')['PolicyDocument']
iam.delete_role_policy(RoleName=name, PolicyName='function')
arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))['Policy']['Arn']
iam.attach_role_policy(RoleName=name, PolicyArn=arn)";
    with_a_key_of_its_own: Options::default(), "
import json
key = 'arn:aws:kms:eu-central-1:123456789012:key/1f6c0d3a-84b2-4e97-a5d0-c3b2a1908f7e'
secrets.update_secret(SecretId=secret, KmsKeyId=key)
policy = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'kms:Decrypt', 'Resource': key, 'Condition': {
    'StringEquals': {'kms:ViaService': 'secretsmanager.eu-central-1.amazonaws.com'}}}]}
for role in [name, name + '-replay']:
    iam.put_role_policy(RoleName=role, PolicyName='key', PolicyDocument=json.dumps(policy))";
    with_other_triggers_beside: Options::default(), "
cognito.update_user_pool(UserPoolId=pool, LambdaConfig={
    'PostConfirmation': function_arn, 'PreSignUp': function_arn + '-gate', 'CustomMessage': function_arn + '-words'})";
    that_others_may_invoke_as_well: Options::default(), "
lambda_.add_permission(FunctionName=function, StatementId='others', Action='lambda:InvokeFunction', Principal='events.amazonaws.com')";
    that_all_pools_of_the_account_may_invoke: Options::default(), "
lambda_.remove_permission(FunctionName=function, StatementId=statement)
lambda_.add_permission(
    FunctionName=function, StatementId='pools', Action='lambda:InvokeFunction', Principal='cognito-idp.amazonaws.com',
    SourceArn='arn:aws:cognito-idp:eu-central-1:123456789012:userpool/*')";
    that_was_never_called: Options::default(), "logs.delete_log_group(logGroupName=log_group)";
    whose_log_group_is_that_of_others_too: Options::default(), "
failure = {'errorType': 'NotAllowed', 'error': 'x', 'remedy': 'y', 'FunctionName': 'another'}
write_log(logs, ids, [report(ids, None, '0.1.0', outcome='failed', **failure)])";
    in_a_vpc_that_is_connected_with_the_databases: Options::default(), "
other = ec2.create_vpc(CidrBlock='10.1.0.0/16')['Vpc']['VpcId']
peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other)['VpcPeeringConnection']['VpcPeeringConnectionId']
ec2.create_route(RouteTableId=route_table, DestinationCidrBlock='10.1.0.0/16', VpcPeeringConnectionId=peering)";
    whose_queue_has_kept_events: Options::default(), "
kept = {'level': 'WARN', 'errorType': 'DatabaseUnreachable', 'error': 'x', 'remedy': 'y'}
write_log(logs, ids, [report(ids, None, '0.1.0', outcome='spilled', **kept)])";
    whose_failures_are_over: Options::default(), "
moment = int((time.time() - 30 * 60 * 60) * 1000)
import json
line = report(ids, None, '0.1.0', outcome='failed', errorType='NotAllowed', error='x', remedy='y')
logs.put_log_events(logGroupName=log_group, logStreamName=log_stream, logEvents=[{'timestamp': moment, 'message': json.dumps(line)}])";
}

#[tokio::test]
async fn whose_secret_is_rotated() {
    let deployment = Deployment::new().await;
    deployment.amended().amend("secretsmanager", "DescribeSecret", |answer| {
        answer["RotationEnabled"] = json!(true);
        answer["NextRotationDate"] = json!(4_000_000_000.0);
    });
    assert_sound(&deployment);
}

#[tokio::test]
async fn of_a_table_of_the_applications_own() {
    let deployment = Deployment::new().await;
    deployment.execute("drop schema cognito cascade; drop table public.users cascade").await;
    deployment.execute(&OWN_TABLE.join("\n")).await;
    deployment.write_rows().await;
    deployment.json(&["db", "grant", "--prod", "--port", "5432", "--yes"], 0);
    assert_sound(&deployment);
}
