//! Answers of AWS in which what its documentation promises is absent: an error or `unknown`, and never a panic.

use std::process::Output;

use testkit::Postgres;

use crate::answers::{Answer, Answers, COMMANDS, is_json};

/// The lists of all answers, each with one element in which everything is absent, or all but what names it. A service
/// reads its own and passes over the others.
const ELEMENTS: &str = "<DBInstances><DBInstance><Endpoint/><MasterUserSecret/><PendingModifiedValues/><DBSubnetGroup/>\
    <DBParameterGroups><DBParameterGroup/></DBParameterGroups><TagList><Tag/></TagList>\
    <VpcSecurityGroups><VpcSecurityGroupMembership/></VpcSecurityGroups></DBInstance></DBInstances>\
    <DBSnapshots><DBSnapshot/></DBSnapshots><DBSnapshot/><DBInstance/><Events><Event/></Events>\
    <Parameters><Parameter/></Parameters>\
    <vpcSet><item/></vpcSet><securityGroupInfo><item/></securityGroupInfo>\
    <securityGroupRuleSet><item/><item><isEgress>false</isEgress><referencedGroupInfo/></item>\
    <item><isEgress>false</isEgress><cidrIpv4>192.0.2.1/32</cidrIpv4></item></securityGroupRuleSet>";

/// The same for an instance that is there, so that more is asked of it.
const AVAILABLE: &str = "<DBInstances><DBInstance><DBInstanceStatus>available</DBInstanceStatus>\
    <Endpoint><Address>users-db.aaaaaaaaaa.eu-central-1.rds.amazonaws.com</Address></Endpoint>\
    <MasterUserSecret><SecretArn>arn:aws:secretsmanager:eu-central-1:1:secret:x</SecretArn></MasterUserSecret>\
    </DBInstance></DBInstances><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>\
    <securityGroupInfo><item><groupId>sg-1</groupId></item></securityGroupInfo>";

/// An answer of each protocol that holds these elements.
fn holding(operation: &str, elements: &str) -> Answer {
    if is_json(operation) {
        return (200, "{}".to_owned());
    }
    (
        200,
        format!(
            "<{operation}Response><{operation}Result>{elements}</{operation}Result>{elements}</{operation}Response>"
        ),
    )
}

/// Fails if the command has panicked, or has failed without a word.
#[track_caller]
fn assert_explained(output: &Output, what: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    // None is a wait that the test has ended.
    assert!(matches!(output.status.code(), Some(0 | 1 | 3) | None), "{what}: {} {stderr}", output.status);
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    assert!(
        output.status.code() != Some(1) || stderr.starts_with("error: ") || stderr.contains("\nerror: "),
        "{what}: {stderr}"
    );
}

#[test]
fn an_answer_in_which_everything_is_absent_is_no_panic() {
    for (name, elements) in [("nothing", ""), ("empty elements", ELEMENTS), ("an available instance", AVAILABLE)] {
        let aws = Answers::start(move |operation| holding(operation, elements));
        for arguments in COMMANDS {
            assert_explained(&aws.run(arguments), &format!("{name}: {arguments:?}"));
        }
    }
}

#[test]
fn an_absent_status_is_unknown() {
    let aws = Answers::start(|operation| holding(operation, ELEMENTS));
    for arguments in [&["instance", "status"][..], &["instance", "wait"]] {
        let output = aws.run(arguments);
        let written = [output.stdout, output.stderr].concat();
        let written = String::from_utf8(written).expect("UTF-8");
        assert!(written.contains("unknown"), "expected an unknown status of {arguments:?}: {written}");
    }
}

#[test]
fn an_answer_that_is_none_is_an_error_with_a_hint() {
    for body in ["", "<", "<html><body>busy</body></html>", "{\"x\": ", "\u{0}"] {
        for status in [200, 400, 503] {
            let aws = Answers::start(move |_| (status, body.to_owned()));
            for arguments in [["instance", "status"], ["access", "list"]] {
                let output = aws.run(&arguments);
                assert_explained(&output, &format!("{status} {body:?} {arguments:?}"));
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success() || stderr.contains("\nhint: "), "{status} {body:?}: {stderr}");
            }
        }
    }
}

#[tokio::test]
async fn a_secret_without_arn_and_version_is_an_error_that_says_so() {
    let database = Postgres::shared().database().await.expect("a database");
    db::schema::load(&mut database.connect().await.expect("a session")).await.expect("the schema");
    let missing = (400, "{\"__type\": \"ResourceNotFoundException\"}".to_owned());
    let login = format!(
        "{{\"SecretString\": \"{{\\\"host\\\":\\\"localhost\\\",\\\"port\\\":{},\\\"dbname\\\":\\\"{}\\\",\
         \\\"username\\\":\\\"nobody_yet\\\",\\\"password\\\":\\\"hunter2\\\"}}\"}}",
        database.port, database.name
    );
    for (name, secret, expected) in [
        ("created", missing, "AWS returned no ARN"),
        ("empty", (200, "{}".to_owned()), "holds no login of a role"),
        ("read", (200, login), "AWS returned no ARN"),
    ] {
        let aws = Answers::start(move |operation| match operation {
            "GetSecretValue" => secret.clone(),
            _ => (200, "{}".to_owned()),
        });
        let mut command = aws.command(&["db", "grant", "--role", "nobody_yet", "--yes"]);
        command.env("CONNECTION_URL", database.url()).env("PGSSLROOTCERT", &database.root_certificate);
        let output = command.output().expect("provision starts");
        assert_explained(&output, name);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(expected) && !stderr.contains("hunter2"), "{name}: {stderr}");
        let roles = "select count(*) from pg_roles where rolname = 'nobody_yet'";
        let client = database.connect().await.expect("a session");
        let roles: i64 = client.query_one(roles, &[]).await.expect("an answer").get(0);
        assert_eq!(roles, 0, "{name}: no role is created");
    }
}
