use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::primitives::{DateTime, DateTimeFormat};
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat};
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::types::{FunctionCode, LogFormat, State};
use serde_json::json;

use super::Amended;
use crate::Moto;

/// The configuration of a service's SDK that leads to the server.
macro_rules! client {
    ($sdk:ident, $aws:expr) => {{
        let [(_, endpoint), ..] = $aws.environment();
        let config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("testing", "testing", None, None, "testkit"));
        $sdk::Client::from_conf(config.build())
    }};
}

fn server() -> Amended {
    Amended::before(Moto::shared().port()).expect("a server")
}

/// A policy of one statement.
fn policy(effect: &str, action: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource}]})
        .to_string()
}

async fn create_role(iam: &aws_sdk_iam::Client, name: &str) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}
    }]});
    let role = iam.create_role().role_name(name).assume_role_policy_document(trust.to_string());
    role.send().await.expect("a role").role.expect("a role").arn
}

fn decisions(results: &[EvaluationResult]) -> Vec<(&str, &str, PolicyEvaluationDecisionType)> {
    let decision = |result: &EvaluationResult| result.eval_decision.clone();
    results
        .iter()
        .map(|it| (it.eval_action_name.as_str(), it.eval_resource_name().unwrap_or("none"), decision(it)))
        .collect()
}

#[tokio::test]
async fn a_simulation_knows_all_policies_of_the_role() {
    use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};
    let aws = server();
    let iam = client!(aws_sdk_iam, aws);
    let arn = create_role(&iam, "simulated").await;
    let queue = "arn:aws:sqs:eu-central-1:123456789012:simulated";
    let inline = policy("Allow", "sqs:Send*", "arn:aws:sqs:*");
    iam.put_role_policy()
        .role_name("simulated")
        .policy_name("own")
        .policy_document(inline)
        .send()
        .await
        .expect("it is set");
    let denial =
        iam.create_policy().policy_name("denial").policy_document(policy("Deny", "sqs:*", &format!("{queue}-dead")));
    let denial = denial.send().await.expect("a policy").policy.and_then(|policy| policy.arn).expect("its ARN");
    let of_aws = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole";
    for policy in [denial.as_str(), of_aws] {
        iam.attach_role_policy().role_name("simulated").policy_arn(policy).send().await.expect("it is attached");
    }

    let dead = format!("{queue}-dead");
    let request = iam.simulate_principal_policy().policy_source_arn(&arn).action_names("sqs:SendMessage");
    let request = request.action_names("kms:Decrypt").resource_arns(queue).resource_arns(&dead);
    let answer = request.send().await.expect("a simulation");
    assert_eq!(
        decisions(answer.evaluation_results()),
        [
            ("sqs:SendMessage", queue, Allowed),
            ("sqs:SendMessage", dead.as_str(), ExplicitDeny),
            ("kms:Decrypt", queue, ImplicitDeny),
            ("kms:Decrypt", dead.as_str(), ImplicitDeny),
        ]
    );
    let request = iam.simulate_principal_policy().policy_source_arn(&arn).action_names("ec2:CreateNetworkInterface");
    let answer = request.send().await.expect("a simulation");
    assert_eq!(decisions(answer.evaluation_results()), [("ec2:CreateNetworkInterface", "*", Allowed)]);

    let none = iam.simulate_principal_policy().policy_source_arn(format!("{arn}-none")).action_names("sqs:SendMessage");
    assert_eq!(none.send().await.expect_err("no role").code(), Some("NoSuchEntity"));
}

#[tokio::test]
async fn a_simulation_honours_condition_keys_and_names_those_that_it_misses() {
    let aws = server();
    let iam = client!(aws_sdk_iam, aws);
    let arn = create_role(&iam, "conditional").await;
    let document = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": ["sqs.eu-central-1.amazonaws.com"]}}
    }});
    let own = iam.put_role_policy().role_name("conditional").policy_name("own").policy_document(document.to_string());
    own.send().await.expect("it is set");

    let request = || iam.simulate_principal_policy().policy_source_arn(&arn).action_names("kms:Decrypt");
    let without = request().send().await.expect("a simulation");
    let without = &without.evaluation_results()[0];
    assert_eq!(without.eval_decision, PolicyEvaluationDecisionType::ImplicitDeny);
    assert_eq!(without.missing_context_values(), ["kms:ViaService"]);
    let entry = ContextEntry::builder().context_key_name("kms:ViaService").context_key_type(ContextKeyTypeEnum::String);
    let entry = entry.context_key_values("sqs.eu-central-1.amazonaws.com").build();
    let with = request().context_entries(entry).send().await.expect("a simulation");
    assert_eq!(with.evaluation_results()[0].eval_decision, PolicyEvaluationDecisionType::Allowed);
}

#[tokio::test]
async fn the_settings_of_a_function_are_reported_as_the_test_has_set_them() {
    let aws = server();
    let role = create_role(&client!(aws_sdk_iam, aws), "configured").await;
    let lambda = client!(aws_sdk_lambda, aws);
    for name in ["configured", "plain"] {
        let code = FunctionCode::builder().image_uri("123456789012.dkr.ecr/image:latest").build();
        let function = lambda.create_function().function_name(name).role(&role).code(code).package_type("Image".into());
        function.send().await.expect("a function");
    }
    aws.set_function("configured", &json!({"State": "Inactive", "LoggingConfig": {"LogFormat": "JSON"}}));

    let configuration = lambda.get_function_configuration().function_name("configured").send().await.expect("it");
    let format = configuration.logging_config().and_then(|logging| logging.log_format()).map(LogFormat::as_str);
    assert_eq!((configuration.state().map(State::as_str), format), (Some("Inactive"), Some("JSON")));
    let function = lambda.get_function().function_name("configured").send().await.expect("it").configuration;
    assert_eq!(function.and_then(|function| function.state).map(|it| it.to_string()).as_deref(), Some("Inactive"));
    let plain = lambda.get_function_configuration().function_name("plain").send().await.expect("it");
    assert_eq!(plain.state().map(State::as_str), Some("Active"), "another function is left alone");
    let missing = lambda.get_function_configuration().function_name("missing").send().await.expect_err("no function");
    assert_eq!(missing.code(), Some("ResourceNotFoundException"), "an error stays as it is");

    aws.answer("lambda", "GetAccountSettings", json!({"AccountLimit": {"UnreservedConcurrentExecutions": 10}}));
    let limit = lambda.get_account_settings().send().await.expect("it").account_limit.expect("a limit");
    assert_eq!(limit.unreserved_concurrent_executions(), Some(10));
}

#[tokio::test]
async fn a_refused_operation_has_its_code_in_each_protocol() {
    let aws = server();
    for (service, operation, code) in [
        ("lambda", "GetFunctionConfiguration", "AccessDeniedException"),
        ("iam", "ListRoles", "AccessDenied"),
        ("monitoring", "ListMetrics", "AccessDenied"),
        ("secretsmanager", "ListSecrets", "AccessDeniedException"),
    ] {
        aws.refuse(service, operation, code);
    }
    let function = client!(aws_sdk_lambda, aws).get_function_configuration().function_name("any").send().await;
    assert_eq!(function.expect_err("refused").code(), Some("AccessDeniedException"));
    let roles = client!(aws_sdk_iam, aws).list_roles().send().await.expect_err("refused");
    assert_eq!(roles.code(), Some("AccessDenied"));
    let metrics = client!(aws_sdk_cloudwatch, aws).list_metrics().send().await;
    assert_eq!(metrics.expect_err("refused").code(), Some("AccessDenied"));
    let secrets = client!(aws_sdk_secretsmanager, aws).list_secrets().send().await;
    assert_eq!(secrets.expect_err("refused").code(), Some("AccessDeniedException"));
    let identity = client!(aws_sdk_sts, aws).get_caller_identity().send().await.expect("others are answered");
    assert_eq!(identity.account(), Some("123456789012"));
    assert!(aws.operations().contains(&("sts".to_owned(), "GetCallerIdentity".to_owned())));
}

#[tokio::test]
async fn metrics_are_read_as_they_were_written() {
    let aws = server();
    let metrics = client!(aws_sdk_cloudwatch, aws);
    let function = Dimension::builder().name("FunctionName").value("measured").build();
    let now = SystemTime::now();
    let datum = MetricDatum::builder().metric_name("Throttles").dimensions(function.clone()).value(3.0);
    let datum = datum.timestamp(DateTime::from(now - Duration::from_hours(1))).build();
    metrics.put_metric_data().namespace("AWS/Lambda").metric_data(datum).send().await.expect("it is written");

    let metric = Metric::builder().namespace("AWS/Lambda").metric_name("Throttles").dimensions(function).build();
    let stat = MetricStat::builder().metric(metric).period(300).stat("Sum").build();
    let query = MetricDataQuery::builder().id("throttles").metric_stat(stat).build();
    let request = metrics.get_metric_data().metric_data_queries(query);
    let request = request.start_time(DateTime::from(now - Duration::from_hours(24))).end_time(DateTime::from(now));
    let answer = request.send().await.expect("metrics");
    let result = &answer.metric_data_results()[0];
    assert_eq!((result.id(), result.values(), result.timestamps().len()), (Some("throttles"), &[3.0][..], 1));
}

#[tokio::test]
async fn the_clock_of_aws_is_as_the_test_sets_it() {
    let aws = server();
    aws.set_clock_ahead(7200);
    let answer =
        crate::server::forward(aws.port, hyper::Request::get("/").body(http_body_util::Full::default()).expect("one"));
    let answer = answer.await.expect("an answer");
    let date = answer.headers()["date"].to_str().expect("text").to_owned();
    let date = DateTime::from_str(&date, DateTimeFormat::HttpDate).expect("a date");
    let ahead = date.secs() - DateTime::from(SystemTime::now()).secs();
    assert!((7000..=7200).contains(&ahead), "{ahead} s ahead");
}
