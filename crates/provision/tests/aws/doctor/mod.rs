//! `provision doctor`, on a whole deployment.

mod broken;
pub(crate) mod deployment;
pub(crate) mod python;
pub(crate) mod report;
mod sound;

use serde_json::{Value, json};
use testkit::schema_problem;

use self::deployment::{Deployment, Options};

/// Compares the role of the function with what it should be.
const CHECK_GRANT: [&str; 6] = ["db", "grant", "--prod", "--port", "5432", "--check"];

#[tokio::test]
async fn the_commands_of_an_operator_find_no_fault_in_a_sound_deployment() {
    for options in [
        Options::default(),
        Options { endpoints: true, queue: false, heal: Some("pre-token"), users: 0, ..Options::default() },
        Options { heal: Some("post-authentication"), reserved_concurrency: Some(20), ..Options::default() },
    ] {
        let deployment = Deployment::with(options.clone()).await;
        let shown = show_trigger(&deployment);
        assert_eq!([&shown["attached"], &shown["permitted"]], [true, true]);
        assert_eq!(shown["healing"], options.heal.unwrap_or("none"));
        assert_eq!(deployment.json(&CHECK_GRANT, 0)["changes"], json!([]));
        assert_eq!(deployment.json(&["instance", "status"], 0)["status"], "available");
        assert_eq!(deployment.json(&["instance", "plan"], 0)["changes"], json!([]));
        let reconcile = "users reconcile --prod --dry-run --settle 0s --rps 1000 --pool";
        let reconcile: Vec<_> = reconcile.split(' ').chain([deployment.id("pool")]).collect();
        assert_eq!(deployment.json(&reconcile, 0)["with_row"], options.users);
        if options.queue {
            deployment.json(&["queue", "show", "--queue", deployment.id("queue")], 0);
        }
    }
}

fn show_trigger(deployment: &Deployment) -> Value {
    let target = ["--pool", deployment.id("pool"), "--function", deployment.id("function")];
    deployment.json(&[&["trigger", "show"], &target[..]].concat(), 0)
}

#[tokio::test]
async fn aws_answers_for_a_deployment_as_it_would_itself() {
    let deployment = Deployment::with(Options { metrics: vec![("Throttles", 3.0)], ..Options::default() }).await;
    let function =
        deployment.python("result = client('lambda', amended).get_function_configuration(FunctionName=function)");
    assert_eq!(function["VpcConfig"]["VpcId"], deployment.id("vpc"));
    assert_eq!((&function["LoggingConfig"]["LogFormat"], &function["State"]), (&json!("JSON"), &json!("Active")));
    let variables = json!({"DB_SECRET_ID": deployment.id("secret_arn"), "SPILL_QUEUE_URL": deployment.id("queue_url")});
    assert_eq!(function["Environment"]["Variables"], variables);

    let decisions = deployment.python(
        "simulated = client('iam', amended).simulate_principal_policy(
    PolicySourceArn=role, ActionNames=['secretsmanager:GetSecretValue', 'sqs:SendMessage', 'ec2:CreateNetworkInterface'],
    ResourceArns=[secret_arn, queue_arn])
result = [result['EvalDecision'] for result in simulated['EvaluationResults']]",
    );
    let (yes, no) = ("allowed", "implicitDeny");
    assert_eq!(decisions, json!([yes, no, no, yes, yes, yes]));

    let messages = deployment.python(
        "events = logs.filter_log_events(logGroupName=log_group)['events']
result = [json.loads(event['message']) for event in events]",
    );
    let schema = include_str!("../../../../../docs/reference/log-line.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let messages = messages.as_array().expect("a list");
    assert_eq!(messages.len(), 2, "a line for each user");
    for message in messages {
        assert_eq!(schema_problem(message, &schema), None, "{message}");
    }

    let throttles = deployment.python(
        "now = datetime.datetime.now(datetime.timezone.utc)
result = cloudwatch.get_metric_statistics(
    Namespace='AWS/Lambda', MetricName='Throttles', Dimensions=[{'Name': 'FunctionName', 'Value': function}],
    StartTime=now - datetime.timedelta(days=1), EndTime=now, Period=300, Statistics=['Sum'])['Datapoints'][0]['Sum']",
    );
    assert_eq!(throttles, 3.0);

    let waiting = deployment.python(
        "send(sqs, lambda_, queue_url, mapping, '{}', cause='DatabaseUnavailable')
sqs.send_message(QueueUrl=dead_letters_url, MessageBody='{}')
attribute = 'ApproximateNumberOfMessages'
queues = [queue_url, dead_letters_url]
waiting = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=['All'])['Attributes'][attribute] for url in queues]
result = waiting + [lambda_.get_event_source_mapping(UUID=mapping)['State']]",
    );
    assert_eq!(waiting, json!(["1", "1", "Enabled"]), "the mapping at moto swallows no message");
}

#[tokio::test]
async fn a_test_can_break_each_part_of_a_deployment() {
    let deployment = Deployment::new().await;
    deployment.python("lambda_.remove_permission(FunctionName=function, StatementId=statement)");
    assert_eq!(show_trigger(&deployment)["permitted"], false);

    let role = deployment.id("database_role");
    deployment.execute(&format!("revoke execute on function cognito.ensure_user from {role}")).await;
    let changes = deployment.json(&CHECK_GRANT, 3)["changes"].to_string();
    assert!(changes.contains("ensure_user"), "{changes}");

    deployment.rds().change(|aws| "stopped".clone_into(&mut aws.instance_mut(deployment.id("name")).status));
    assert_eq!(deployment.json(&["instance", "status"], 0)["status"], "stopped");

    deployment.amended().refuse("sqs", "GetQueueUrl", "AccessDenied");
    let output = deployment.run(&["queue", "show", "--queue", deployment.id("queue")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AccessDenied"), "{output:?}");
}
