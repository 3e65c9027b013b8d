//! The policies in `infra/iam` allow exactly what the commands request, of the declared deployment and no other.
//!
//! moto records the requests. Each group of commands signs with an access key of its own, so that only its requests
//! count, and not those of a test's preparations.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::LazyLock;

use testkit::{Call, Check, Incident, Moto, Policy, PoolSettings, Postgres, TestDatabase};

use crate::account::Account;
use crate::doctor::deployment::{Deployment, Options};
use crate::doctor::report::{checks, report};
use crate::queue::Queues;
use crate::reconcile::Reconciling;
use crate::tunnel::scene as tunnel;
use crate::why::{ADDRESS, Scene, arn};

/// Signs whatever must exist before the commands run.
const PREPARATION: &str = "preparation";

/// A KMS key of the deployment's own.
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1f6c0d3a-84b2-4e97-a5d0-c3b2a1908f7e";

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::recording().expect("moto starts"));

/// The policy with its placeholders filled in: these, and those of region and account.
#[track_caller]
fn policy(name: &str, values: &[(&str, &str)]) -> Policy {
    let place = [("REGION", "eu-central-1"), ("ACCOUNT", "123456789012")];
    Policy::read(name, &[&place[..], values].concat()).expect("the policy is readable")
}

/// Fails unless the policy allows what the calls need and nothing else, and the policy of another deployment, whose
/// values all differ, none of it but lists.
#[track_caller]
pub(crate) fn assert_allows_exactly(name: &str, values: &[(&str, &str)], calls: &[Call]) {
    let policy = |values: &[(&str, &str)]| policy(name, values);
    let own = policy(values);
    let differences = own.differences(calls);
    assert!(
        differences.is_empty(),
        "expected the policy to allow what the commands request:\n{}",
        differences.join("\n")
    );
    let others: Vec<String> = values.iter().map(|(_, value)| format!("another-{value}")).collect();
    let others: Vec<(&str, &str)> =
        values.iter().zip(&others).map(|((key, _), value)| (*key, value.as_str())).collect();
    let other = policy(&others);
    for call in calls {
        let is_general = |check: &Check| check.is_general() || own.allows(&Call { checks: vec![check.in_general()] });
        let is_list = call.checks.iter().all(is_general);
        assert_eq!(other.allows(call), is_list, "with the policy of another deployment: {call:?}");
    }
}

/// The only resource after this prefix among the calls of this action.
#[track_caller]
fn resource<'a>(calls: &'a [Call], action: &str, prefix: &str) -> &'a str {
    let checks = calls.iter().flat_map(|call| &call.checks);
    let found: BTreeSet<&str> = checks.filter_map(|check| check.resource_of(action, prefix)).collect();
    assert_eq!(found.len(), 1, "{action} of {prefix}: {found:?}");
    found.first().expect("one")
}

/// Runs each command to its end, differences found included.
#[track_caller]
fn run(account: &Account, commands: &[&[&str]]) {
    for command in commands {
        let output = account.run(command);
        let is_done = matches!(output.status.code(), Some(0 | 3));
        assert!(is_done, "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Fails if the group has a command that was not run: its requests would be unknown.
#[track_caller]
fn assert_complete<'a>(group: &str, run: impl Iterator<Item = &'a str>) {
    let command = provision::command();
    let group = command.find_subcommand(group).expect("a group of commands");
    let expected: BTreeSet<&str> = group.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(run.collect::<BTreeSet<_>>(), expected, "what was run on the left, the group's commands on the right");
}

#[tokio::test]
async fn the_policy_for_instances_allows_exactly_what_the_commands_request() {
    const NAME: &str = "policy-instance";
    const SNAPSHOT: &str = "policy-instance-before-deletion";
    const SOURCE: &str = "source-of-policy";
    let account = Account::at(&MOTO, "instance", NAME, "");
    let role = "arn:aws:iam::123456789012:role/rds-monitoring";
    let declaration = format!(
        "[encryption]\nkms_key = \"{KEY}\"\n[monitoring]\ninterval = 60\nrole = \"{role}\"\n\
         [domain]\ndirectory = \"d-1234567890\"\niam_role = \"rds-directory\"\n"
    );
    account.declare(&declaration);
    let creation: [&[&str]; 2] = [&["instance", "plan"], &["instance", "apply", "--yes"]];
    run(&account, &creation);
    account.declare(&format!("{declaration}[backups]\ndays = 14\n[tags]\nproject = \"users\"\n"));
    let rest: [&[&str]; 13] = [
        &["instance", "apply", "--yes"],
        &["instance", "status"],
        &["instance", "stop", "--yes"],
        &["instance", "start"],
        // moto reports nothing of a reboot.
        &["instance", "reboot", "--yes", "--no-wait"],
        &["instance", "wait"],
        &["instance", "snapshot", "--name", SNAPSHOT],
        &["instance", "snapshots"],
        &["instance", "delete", "--unprotect", "--yes"],
        &["instance", "restore", "--snapshot", SNAPSHOT, "--yes", "--no-wait"],
        &["instance", "apply", "--yes"],
        &["instance", "delete", "--unprotect", "--yes", "--skip-snapshot"],
        // The last one: moto takes what it restores like this for a read replica.
        &["instance", "restore", "--latest", "--source", SOURCE, "--yes", "--no-wait"],
    ];
    run(&Account::at(&MOTO, PREPARATION, SOURCE, &declaration), &[&["instance", "apply", "--yes"]]);
    run(&account, &rest);
    // What moto does not know.
    let lines = "engine_version = \"16\"\n[network]\nsubnet_group = \"default\"\n";
    let upgraded = Account::on_rds_before(&MOTO, "instance", NAME, lines);
    let apply: &[&str] = &["instance", "apply", "--yes", "--no-wait"];
    run(&upgraded, &[apply]);
    upgraded
        .declare(&format!("{lines}[parameters]\nlog_statement = \"ddl\"\n[tags]\nproject = \"users\"\nold = \"1\"\n"));
    run(&upgraded, &[apply]);
    upgraded.declare(&format!("{}[tags]\nproject = \"users\"\n", lines.replace("16", "17")));
    let others: [&[&str]; 3] =
        [apply, &["instance", "rotate-password", "--yes", "--no-wait"], &["instance", "upgrade", "--yes", "--no-wait"]];
    run(&upgraded, &others);
    assert_complete("instance", creation.iter().chain(&rest).chain(&others).map(|command| command[1]));

    let mut calls = MOTO.calls("instance").await.expect("the recording is readable");
    calls.extend(upgraded.rds().calls().expect("each request is known"));
    let values = [
        ("INSTANCE", NAME),
        ("SOURCE", SOURCE),
        ("SUBNET-GROUP", "default"),
        ("VPC-ID", resource(&calls, "ec2:CreateSecurityGroup", ":vpc/")),
        ("SG-ID", resource(&calls, "ec2:DeleteTags", ":security-group/")),
        ("KEY-ID", KEY.rsplit('/').next().expect("an id")),
        ("MONITORING-ROLE", "rds-monitoring"),
        ("DOMAIN-ROLE", "rds-directory"),
    ];
    assert_allows_exactly("instance.json", &values, &calls);
}

#[tokio::test]
async fn the_policy_for_access_allows_exactly_what_the_commands_request() {
    run(&Account::at(&MOTO, PREPARATION, "policy-access", ""), &[&["instance", "apply", "--yes"]]);
    let account = Account::at(&MOTO, "access", "policy-access", "");
    let commands: [&[&str]; 4] = [
        &["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"],
        // Moves the rule.
        &["access", "allow", "--user", "ada", "--cidr", "192.0.2.8"],
        &["access", "list"],
        &["access", "revoke", "--user", "ada"],
    ];
    run(&account, &commands);
    assert_complete("access", commands.iter().map(|command| command[1]));

    let calls = MOTO.calls("access").await.expect("the recording is readable");
    let group = resource(&calls, "ec2:AuthorizeSecurityGroupIngress", ":security-group/");
    assert_allows_exactly("access.json", &[("INSTANCE", "policy-access"), ("SG-ID", group)], &calls);
}

/// moto says this of the master secret of every DB instance.
const MASTER: (&str, &str) = ("admin", "P@55w0rd!");

/// `db setup` is refused in production, and `db connect` needs psql; both find production as `db url` does. `db tunnel` has a
/// policy of its own.
const NOT_RUN: [&str; 3] = ["setup", "connect", "tunnel"];

#[tokio::test]
async fn the_policy_for_databases_allows_exactly_what_the_commands_request() {
    const NAME: &str = "policy-database";
    run(&Account::at(&MOTO, PREPARATION, NAME, ""), &[&["instance", "apply", "--yes"]]);
    let postgres = Postgres::start().expect("a server");
    let database = TestDatabase { name: "postgres".to_owned(), ..postgres.database().await.expect("a database") };
    let client = database.connect().await.expect("the server is up");
    let (user, password) = MASTER;
    let master = format!("create role {user} login createdb createrole password '{password}'");
    client.batch_execute(&master).await.expect("a role");

    // A template has declared the secret with a key of its own, and without a value: `grant` reads it, tries to create it
    // and writes the value.
    MOTO.declare_secret("policy-database/post_confirmation_app", Some(KEY)).await.expect("a secret");
    let account = Account::at(&MOTO, "database", NAME, "");
    let commands: [&[&str]; 9] = [
        &["create"],
        &["load"],
        &["wait"],
        &["grant"],
        &["grant", "--rotate"],
        &["sessions"],
        &["url"],
        &["seed", "--yes"],
        &["drop", "--confirm", NAME],
    ];
    for command in commands {
        let mut run = account.command(&[&["db"], command, &["--prod"]].concat());
        // As through a tunnel to the declared instance.
        run.env("PGHOSTADDR", "127.0.0.1").env("PGPORT", database.port.to_string());
        run.env("PGSSLROOTCERT", &database.root_certificate);
        let output = run.output().expect("provision starts");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_complete("db", commands.iter().map(|command| command[0]).chain(NOT_RUN));

    let mut calls = MOTO.calls("database").await.expect("the recording is readable");
    // RDS checks this when the operator logs in with an IAM token; no request asks for it.
    let user = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/ada";
    calls.push(Call { checks: vec![Check::new("rds-db:connect", user)] });
    let values = [
        ("INSTANCE", NAME),
        ("SECRET-NAME", "policy-database/post_confirmation_app"),
        ("KEY-ID", KEY.rsplit('/').next().expect("an id")),
        ("RESOURCE-ID", "db-ABCDEFGHIJKL"),
        ("DB-USER", "ada"),
    ];
    assert_allows_exactly("database.json", &values, &calls);
}

#[tokio::test]
async fn the_policy_for_tunnels_allows_exactly_what_the_command_requests() {
    const NAME: &str = "policy-tunnel";
    let scene = tunnel::Scene::at(&MOTO, NAME, "both").await;
    scene.turn_exec_on();
    let task = format!("{NAME}/{}", scene.id("task"));
    let own = MOTO.calls("tunnel").await.expect("the recording is readable");
    assert_eq!(own, [], "nothing has been asked yet");
    for through in ["bastion", &task] {
        let mut command = scene.tunnel(&["--through", through, "--", "true"]);
        tunnel::stdout(command.env("AWS_ACCESS_KEY_ID", "tunnel"));
    }
    let mut calls = MOTO.calls("tunnel").await.expect("the recording is readable");
    calls.extend(scene.amended().calls().expect("each request is known"));
    // The plugin opens the connection, and resumes one that it has lost. The ids of sessions begin with what these variables
    // of IAM stand for, of a user or in a role:
    // https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html
    let sessions = [tunnel::SESSION, "AROAEXAMPLE:ada-0f6d2b3c4e5a69788"];
    for session in sessions.map(|id| format!("arn:aws:ssm:eu-central-1:123456789012:session/{id}")) {
        for action in ["ssmmessages:OpenDataChannel", "ssm:ResumeSession", "ssm:TerminateSession"] {
            calls.push(Call { checks: vec![Check::new(action, &session)] });
        }
    }
    // A session in a role may be named by the role's session alone: then its tag says whose it is.
    for action in ["ssm:ResumeSession", "ssm:TerminateSession"] {
        let session = Check::new(action, "arn:aws:ssm:eu-central-1:123456789012:session/grace-0f6d2b3c4e5a69788");
        let session = session.with("ssm:resourceTag/aws:ssmmessages:session-id", "AROAEXAMPLE:ada");
        calls.push(Call { checks: vec![session] });
    }
    let values = [
        ("INSTANCE", NAME),
        ("BASTION-ID", scene.id("bastion")),
        ("CLUSTER", NAME),
        ("${aws:username}", "ada"),
        ("${aws:userid}", "AROAEXAMPLE:ada"),
    ];
    assert_allows_exactly("tunnel.json", &values, &calls);
}

#[tokio::test]
async fn the_policy_for_triggers_allows_exactly_what_the_commands_request() {
    const FUNCTION: &str = "policy-trigger";
    let aws = PoolSettings::before(&MOTO).expect("a server");
    let sms = serde_json::json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/text-messages", "ExternalId": "x"});
    let pool = aws.create_pool("policy", &serde_json::json!({"SmsConfiguration": sms})).expect("a pool");
    let mfa = serde_json::json!({
        "UserPoolId": pool, "MfaConfiguration": "OPTIONAL",
        "SmsMfaConfiguration": {"SmsConfiguration": sms}, "EmailMfaConfiguration": {"Message": "{####}"}
    });
    aws.request("SetUserPoolMfaConfig", &mfa).expect("it is set");
    aws.create_function(FUNCTION).expect("a function");
    // The change resets a multi-factor setting, which is then restored.
    aws.at_next("UpdateUserPool", Incident::LossOfMfa("EmailMfaConfiguration"));
    let commands: [&[&str]; 3] =
        [&["trigger", "attach", "--yes"], &["trigger", "show"], &["trigger", "detach", "--yes"]];
    for command in commands {
        let mut run = Command::new(env!("CARGO_BIN_EXE_provision"));
        run.env_clear().envs(aws.environment()).env("AWS_ACCESS_KEY_ID", "trigger");
        run.args(command).args(["--pool", &pool, "--function", FUNCTION]);
        let output = run.output().expect("provision starts");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_complete("trigger", commands.iter().map(|command| command[1]));

    let calls = MOTO.calls("trigger").await.expect("the recording is readable");
    let values = [("USER-POOL-ID", pool.as_str()), ("FUNCTION", FUNCTION), ("SMS-ROLE", "text-messages")];
    assert_allows_exactly("trigger.json", &values, &calls);
}

#[tokio::test]
async fn the_policy_for_reconciling_allows_exactly_what_the_command_requests() {
    let reconciling = Reconciling::at(&MOTO, "reconcile", &["ada", "grace"]).await;
    // The user of the second row is asked for by id, and found nowhere.
    reconciling.sign_up("5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95", None, false, "2026-01-01T00:00:00Z").await;
    assert_eq!(reconciling.report(&[], 0)["missing"]["repaired"], 2);
    let calls = MOTO.calls("reconcile").await.expect("the recording is readable");
    assert_allows_exactly("reconcile.json", &[("USER-POOL-ID", reconciling.pool())], &calls);
}

#[tokio::test]
async fn the_policy_for_the_queue_allows_exactly_what_the_commands_request() {
    let queues = Queues::at(&MOTO, "policy-queue").await;
    for cause in ["DatabaseUnreachable", "InvalidEvent", "unknown"] {
        queues.add_dead_letter("{}", &[("cause", cause)]).await;
    }
    let commands = [&["show"][..], &["replay"], &["drop", "--cause", "InvalidEvent", "--yes"]];
    for command in commands {
        let output = queues.command(command).env("AWS_ACCESS_KEY_ID", "queue").output().expect("provision starts");
        let is_done = matches!(output.status.code(), Some(0 | 3));
        assert!(is_done, "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_complete("queue", commands.iter().map(|command| command[0]));
    let calls = MOTO.calls("queue").await.expect("the recording is readable");
    assert_allows_exactly("queue.json", &[("QUEUE", "policy-queue"), ("DEAD-LETTERS", "policy-queue-dead")], &calls);
}

/// What the doctor asks more questions about: the VPC's main route table, a secret with a key of its own and a rotation
/// that has not ended, an event that waits, and a user without a row. RDS has written a master secret.
const TROUBLED: &str = "
import json
table = ec2.describe_route_tables(RouteTableIds=[route_table])['RouteTables'][0]
for association in table['Associations']:
    ec2.disassociate_route_table(AssociationId=association['RouteTableAssociationId'])
main = ec2.describe_route_tables(Filters=[
    {'Name': 'vpc-id', 'Values': [vpc]}, {'Name': 'association.main', 'Values': ['true']}])['RouteTables'][0]
ec2.create_route(RouteTableId=main['RouteTableId'], DestinationCidrBlock='0.0.0.0/0', NatGatewayId=nat)
secrets.update_secret(SecretId=secret, KmsKeyId=key)
secrets.put_secret_value(SecretId=secret, SecretString='{}', VersionStages=['AWSPENDING'])
send(sqs, lambda_, queue_url, mapping, '{}')
confirmed(cognito, pool, 'late')
instance = {'Key': 'aws:rds:primaryDBInstanceArn', 'Value': f'arn:aws:rds:{REGION}:{ACCOUNT}:db:{name}'}
result = secrets.create_secret(Name=f'rds!db-{name}', SecretString=json.dumps(master), Tags=[instance])['ARN']";

/// The same function under an alias, with an endpoint beside the NAT gateway.
const UNDER_AN_ALIAS: &str = "
version = lambda_.publish_version(FunctionName=function)['Version']
lambda_.create_alias(FunctionName=function, Name='live', FunctionVersion=version)
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={'Value': True})
ec2.create_vpc_endpoint(
    VpcEndpointType='Interface', VpcId=vpc, ServiceName=f'com.amazonaws.{REGION}.sqs', SubnetIds=subnets,
    SecurityGroupIds=[function_group], PrivateDnsEnabled=True)";

/// A secret that the function knows by its name, and that is gone.
const WITHOUT_ITS_SECRET: &str = "
variables = lambda_.get_function_configuration(FunctionName=function)['Environment']['Variables']
lambda_.update_function_configuration(FunctionName=function, Environment={'Variables': variables | {'DB_SECRET_ID': secret}})
secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)";

#[tokio::test]
async fn the_policy_for_the_doctor_allows_exactly_what_the_command_requests() {
    let deployment = Deployment::at(&MOTO, "doctor", Options::default()).await;
    let prepared = (deployment.rds().requests().len(), deployment.amended().operations().len());
    let variables = format!("key, master = '{KEY}', {}", deployment.database.secret());
    let secret = deployment.python(&format!("{variables}{TROUBLED}")).as_str().map(str::to_owned);
    deployment.rds().change(|aws| aws.instance_mut(deployment.id("name")).secret = secret);
    let as_master = |mut command: Command| report(command.env_remove("PROD_CONNECTION_URL"), 3);
    let found = as_master(deployment.doctor());
    assert_eq!(checks(&found, "unknown"), [] as [&str; 0], "each check was made: {found:#}");
    deployment.python(UNDER_AN_ALIAS);
    let alias = format!("{}:live", deployment.id("function"));
    as_master(deployment.command(&["doctor", "--pool", deployment.id("pool"), "--function", &alias]));
    // Of a secret that exists, AWS checks the whole ARN, also where it is asked for by its name.
    let mut calls = MOTO.calls("doctor").await.expect("each request is known");
    deployment.python(WITHOUT_ITS_SECRET);
    let mut command = deployment.doctor();
    command.env("AWS_ACCESS_KEY_ID", "doctor-without-secret");
    as_master(command);
    calls.extend(MOTO.calls("doctor-without-secret").await.expect("each request is known"));
    calls.extend(deployment.rds().calls().expect("each request is known").split_off(prepared.0));
    calls.extend(deployment.amended().calls().expect("each request is known"));

    for (service, operation) in deployment.amended().operations().split_off(prepared.1) {
        let action = format!("{}:{operation}", if service == "monitoring" { "cloudwatch" } else { &service });
        let is_checked = |call: &Call| call.checks.iter().any(|check| check.resource_of(&action, "").is_some());
        assert!(service == "sts" || calls.iter().any(is_checked), "{action} is in no recording");
    }
    // RDS checks this when the function logs in with an IAM token, and so does the doctor; no request asks for it.
    let user = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/post_confirmation_app";
    calls.push(Call { checks: vec![Check::new("rds-db:connect", user)] });
    let role = |id| deployment.id(id).rsplit('/').next().expect("a name");
    let values = [
        ("INSTANCE", deployment.id("name")),
        ("SECRET-NAME", deployment.id("secret")),
        ("KEY-ID", KEY.rsplit('/').next().expect("an id")),
        ("RESOURCE-ID", "db-ABCDEFGHIJKL"),
        ("DB-USER", "post_confirmation_app"),
        ("USER-POOL-ID", deployment.id("pool")),
        ("FUNCTION", deployment.id("function")),
        ("EXECUTION-ROLE", role("role")),
        ("LOG-GROUP", deployment.id("log_group")),
        ("REPLAY-NAME", deployment.id("replay")),
        ("REPLAY-ROLE", role("replay_role")),
        ("QUEUE", deployment.id("queue")),
        ("DEAD-LETTERS", deployment.id("dead_letters")),
    ];
    assert_allows_exactly("doctor.json", &values, &calls);
}

#[tokio::test]
async fn the_policy_for_a_users_story_allows_exactly_what_the_command_requests() {
    const FUNCTION: &str = "policy-why";
    let attached = serde_json::json!({"LambdaConfig": {"PostConfirmation": arn(FUNCTION)}});
    let mut scene = Scene::at(&MOTO, FUNCTION, &attached).await;
    scene.access_key_id = "why";
    scene.confirmed_user();
    let queues = Queues::at(&MOTO, "policy-why").await;
    queues.add_dead_letter("{}", &[("cause", "DatabaseUnreachable")]).await;
    scene.stories(&[ADDRESS, "--queue", "policy-why"], 3);
    let calls = MOTO.calls("why").await.expect("the recording is readable");
    let values = [
        ("USER-POOL-ID", scene.pool.as_str()),
        ("FUNCTION", FUNCTION),
        ("LOG-GROUP", "/aws/lambda/policy-why"),
        ("QUEUE", "policy-why"),
        ("DEAD-LETTERS", "policy-why-dead"),
    ];
    assert_allows_exactly("why.json", &values, &calls);
}
