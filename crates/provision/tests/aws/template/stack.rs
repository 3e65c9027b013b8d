//! The template's resources at AWS are as meant.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::Moto;

use super::{Stack, TEMPLATE, translated};

/// The types that moto does not know, and leaves out without a word. Tests look at them in the template.
const UNKNOWN_TO_MOTO: [&str; 4] =
    ["AWS::CloudWatch::Alarm", "AWS::Lambda::EventInvokeConfig", "AWS::RDS::DBProxy", "AWS::RDS::DBProxyTargetGroup"];

#[test]
fn every_resource_is_there_but_those_that_moto_does_not_know() {
    assert_eq!(Stack::usual().0["skipped"], json!(UNKNOWN_TO_MOTO[..2]));
    assert_eq!(Stack::chosen().0["skipped"], json!(UNKNOWN_TO_MOTO));
}

#[test]
fn the_functions_run_as_documented() {
    let stack = Stack::usual();
    let functions = &stack.0["functions"];
    for (key, name, time_limit, memory, reserved) in [
        ("SignUpFunction", "usual", 6, 256, json!(43)),
        ("ReplayFunction", "usual-replay", 60, 128, json!(2)),
        ("OperatorFunction", "usual-operator", 900, 512, Value::Null),
    ] {
        let function = &functions[key];
        assert_eq!(function["FunctionName"], name);
        assert_eq!([&function["Runtime"], &function["Handler"]], ["provided.al2023", "bootstrap"], "{name}");
        assert_eq!([&function["Timeout"], &function["MemorySize"]], [time_limit, memory], "{name}");
        assert_eq!(function["reserved"], reserved, "{name}");
        let subnets: Vec<&str> = stack.value("SubnetIds").split(',').collect();
        let network = json!({"SubnetIds": subnets, "SecurityGroupIds": [stack.id("FunctionSecurityGroup")]});
        assert_eq!(function["network"], network, "{name}");
        // moto does not keep these.
        assert_eq!(stack.properties(key)["Architectures"], json!([{"Ref": "Architecture"}]));
        let logging = json!({"LogFormat": "JSON", "LogGroup": {"Ref": key.replace("Function", "LogGroup")}});
        assert_eq!(stack.properties(key)["LoggingConfig"], logging, "{name}");
    }
    let zips = TEMPLATE.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: ../target/lambda/"));
    let function = "post-confirmation/bootstrap.zip";
    assert_eq!(zips.collect::<Vec<_>>(), [function, function, "provision/bootstrap.zip"]);
    assert_eq!(Stack::chosen().0["functions"]["SignUpFunction"]["reserved"], Value::Null, "with ConnectionLimit none");
}

#[test]
fn no_reserved_concurrency_exceeds_the_connections_of_the_role() {
    let concurrency = translated()["Mappings"]["Concurrency"].as_object().expect("a mapping");
    let allowed = &translated()["Parameters"]["ConnectionLimit"];
    assert_eq!(allowed["Default"], "50", "the default of `provision db grant`");
    for limit in allowed["AllowedValues"].as_array().expect("a list").iter().filter_map(Value::as_str) {
        let reserved = &concurrency[limit];
        let [sign_up, replay] = ["SignUp", "Replay"].map(|function| reserved[function].as_u64().expect("a number"));
        if let Ok(limit) = limit.parse::<u64>() {
            assert!(sign_up + replay + (limit / 10).max(4) <= limit, "{limit} connections");
            let most = &Stack::usual().0["mapping"]["ScalingConfig"]["MaximumConcurrency"];
            assert_eq!(most, replay, "the replay is never throttled");
        }
    }
    assert_eq!(concurrency.len(), allowed["AllowedValues"].as_array().map_or(0, Vec::len));
}

#[test]
fn spilled_events_reach_the_replay_and_are_never_lost() {
    for stack in [Stack::usual(), Stack::chosen()] {
        let (queue, letters) = (&stack.0["queues"]["SpillQueue"], &stack.0["queues"]["DeadLetterQueue"]);
        let name = stack.value("FunctionName");
        let arn = |suffix: &str| format!("arn:aws:sqs:eu-central-1:123456789012:{name}-{suffix}");
        assert_eq!([&queue["QueueArn"], &letters["QueueArn"]], [&arn("spill"), &arn("dead-letters")]);
        assert_eq!([&queue["MessageRetentionPeriod"], &letters["MessageRetentionPeriod"]], ["604800", "1209600"]);
        assert_eq!(queue["VisibilityTimeout"], "360");
        let redrive: Value = serde_json::from_str(queue["RedrivePolicy"].as_str().expect("a policy")).expect("JSON");
        assert_eq!(redrive, json!({"deadLetterTargetArn": arn("dead-letters"), "maxReceiveCount": 10}));
        let mapping = &stack.0["mapping"];
        assert_eq!(
            [&mapping["EventSourceArn"], &mapping["FunctionArn"]],
            [&json!(arn("spill")), &stack.0["functions"]["ReplayFunction"]["FunctionArn"]]
        );
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!([&mapping["BatchSize"], &mapping["ScalingConfig"]["MaximumConcurrency"]], [10, 2]);
        assert_eq!(mapping["State"], "Enabled");
        // moto does not keep these.
        let allow = &stack.properties("DeadLetterQueue")["RedriveAllowPolicy"];
        assert_eq!(allow["redrivePermission"], "byQueue");
        assert!(allow["sourceQueueArns"].to_string().contains(":${FunctionName}-spill\""), "{allow}");
        for key in ["SpillQueue", "DeadLetterQueue"] {
            assert_eq!(stack.0["resources"][key]["UpdateReplacePolicy"], "Retain");
            let key_id = stack.0["queues"][key]["KmsMasterKeyId"].as_str().unwrap_or_default();
            assert_eq!(key_id, stack.value("QueueKeyArn"), "{key}");
            // moto always says that SQS encrypts them.
            let is_by_sqs = stack.properties(key)["SqsManagedSseEnabled"] == true;
            assert_eq!(is_by_sqs, key_id.is_empty(), "{key} is encrypted with one kind of key");
        }
    }
}

#[test]
fn the_functions_reach_the_database_and_aws_and_nothing_else() {
    for stack in [Stack::usual(), Stack::chosen()] {
        let port: u16 = stack.value("DatabasePort").parse().unwrap_or(5432);
        let groups = ["FunctionSecurityGroup", "ProxySecurityGroup"].map(|group| stack.id(group));
        let mut expected: Vec<Value> =
            groups.iter().filter(|id| !id.is_empty()).map(|id| json!(["tcp", port, id])).collect();
        expected.sort_by_key(Value::to_string);
        assert_eq!(stack.0["into_database"], json!(expected));
        // moto lets everything out of a stack's group.
        let outward = stack.properties("FunctionSecurityGroup")["SecurityGroupEgress"].as_array().expect("rules");
        let ports: Vec<String> = outward.iter().map(|rule| rule["ToPort"].to_string()).collect();
        let mut expected = vec![json!({"Ref": "DatabasePort"}).to_string(), "443".to_owned()];
        expected.extend((!stack.value("UseDatabaseProxy").is_empty()).then(|| "5432".to_owned()));
        assert_eq!(ports, expected);
        assert!(outward.iter().all(|rule| rule["IpProtocol"] == "tcp"), "{outward:?}");
    }
}

#[test]
fn interface_endpoints_and_rds_proxy_are_made_where_they_are_chosen() {
    let (usual, chosen) = (Stack::usual(), Stack::chosen());
    assert_eq!(usual.0["endpoints"], json!([]));
    let services = ["cognito-idp", "secretsmanager", "sqs"].map(|name| format!("com.amazonaws.eu-central-1.{name}"));
    assert_eq!(chosen.0["endpoints"], json!(services));
    for (_, endpoint) in chosen.of_type("AWS::EC2::VPCEndpoint") {
        assert_eq!(endpoint["PrivateDnsEnabled"], true);
        assert_eq!(endpoint["SecurityGroupIds"], json!([{"Ref": "EndpointSecurityGroup"}]));
    }
    let [(_, proxy)] = chosen.of_type("AWS::RDS::DBProxy")[..] else { panic!("expected one proxy") };
    assert_eq!(proxy["RequireTLS"], true);
    assert_eq!(proxy["Auth"][0]["SecretArn"], json!({"Ref": "DatabaseSecretArn"}), "the function's own login");
    assert_eq!(usual.of_type("AWS::RDS::DBProxy").len(), 0);
    let host = chosen.0["functions"]["SignUpFunction"]["variables"]["PGHOST"].as_str().expect("a host");
    assert!(host.contains(".proxy-"), "{host}");
    assert_eq!(chosen.0["functions"]["OperatorFunction"]["variables"]["PGHOST"], chosen.value("DatabaseHost"));
}

#[test]
fn the_night_starts_slices_of_one_reconcile_and_never_one_again() {
    let rule = &Stack::usual().0["rule"];
    assert_eq!([&rule["ScheduleExpression"], &rule["State"]], ["cron(0/15 1-5 * * ? *)", "ENABLED"]);
    assert_eq!(rule["target"]["Input"], r#"{"scheduled":"reconcile"}"#);
    assert_eq!(rule["target"]["Arn"], Stack::usual().0["functions"]["OperatorFunction"]["FunctionArn"]);
    assert_eq!(rule["target"]["RetryPolicy"]["MaximumRetryAttempts"], 0);
    let [(_, invocation)] = Stack::usual().of_type("AWS::Lambda::EventInvokeConfig")[..] else {
        panic!("expected one")
    };
    assert_eq!(invocation["MaximumRetryAttempts"], 0);
    assert_eq!(Stack::chosen().0["rule"]["State"], "DISABLED");
}

#[test]
fn the_logs_end() {
    for (stack, days) in [(Stack::usual(), 30), (Stack::chosen(), 365)] {
        let expected = json!({"SignUpLogGroup": days, "ReplayLogGroup": days, "OperatorLogGroup": days});
        assert_eq!(stack.0["logs"], expected);
    }
}

/// What `provision` shows of the usual stack, as JSON.
fn provision(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.env_clear().envs(Moto::shared().environment()).args(arguments).args(["--output", "json"]);
    let output = command.stdin(Stdio::null()).output().expect("provision starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn provision_attaches_the_function_and_adds_no_second_permission() {
    let stack = Stack::usual();
    let target = ["--pool", stack.value("UserPoolId"), "--function", "usual"];
    provision(&[&["trigger", "attach", "--yes"], &target[..]].concat());
    let shown = provision(&[&["trigger", "show"], &target[..]].concat());
    assert_eq!([&shown["attached"], &shown["permitted"]], [true, true]);
    let [statement] = &stack.0["policy"].as_array().expect("a policy")[..] else { panic!("expected one statement") };
    let shown = shown["permissions"].as_array().expect("permissions");
    assert_eq!(shown.iter().map(|shown| &shown["id"]).collect::<Vec<_>>(), [&statement["Sid"]]);
    let conditions = statement["Condition"].to_string();
    assert!(conditions.contains("AWS:SourceArn") && conditions.contains("AWS:SourceAccount"), "{conditions}");
}

#[test]
fn provision_finds_no_setting_of_the_queues_that_loses_events() {
    let queue = Stack::usual().id("SpillQueue");
    let shown = provision(&["queue", "show", "--queue", queue]);
    assert_eq!(shown["findings"], json!([]), "{shown}");
}

#[test]
fn each_output_that_is_a_command_is_one_of_provision() {
    let outputs = translated()["Outputs"].as_object().expect("outputs");
    let commands = outputs.values().filter_map(|output| output["Value"]["Fn::Sub"].as_str());
    let commands: BTreeSet<&str> = commands.filter_map(|command| command.strip_prefix("provision ")).collect();
    let root = provision::command();
    for command in &commands {
        let mut words = command.split(' ').filter(|word| !word.starts_with("--")).take(2);
        let group = root.find_subcommand(words.next().expect("a group")).expect(command);
        assert!(
            !group.has_subcommands() || group.find_subcommand(words.next().expect("a command")).is_some(),
            "{command}"
        );
    }
    assert_eq!(commands.len(), 4);
}
