//! `infra/dev/lint.py` sees each fault that somebody may make in the template.

use std::collections::BTreeSet;
use std::fs;

use super::{CHOSEN, NEEDED, TEMPLATE, lint, translated};

const EXAMPLE: &str = include_str!("../../../../../infra/samconfig.example.toml");

/// The head of its table of parameters.
const TABLE: &str = "[default.deploy.parameters.parameter_overrides]";

/// A fault: what the template has, what stands there in its place, and how the report of it begins.
type Fault = (&'static str, &'static str, &'static str);

/// What SAM refuses, each alone, because it then makes nothing of the template.
const REFUSED_BY_SAM: [Fault; 2] = [
    ("FunctionResponseTypes:", "FunctionResponseType:", "sam: [InvalidResourceException('ReplayFunctionSpilled'"),
    ("    Properties:\n      FunctionName: !Sub ${FunctionName}-replay", "    Properties:\n      Nam: replay", "sam: "),
];

/// What cfn-lint sees of the template itself, or of what SAM makes of it.
const SEEN_BY_CFN_LINT: [Fault; 7] = [
    ("Runtime: provided.al2023", "Runtime: provided.al2022", "E3030: Resources/SignUpFunction/Properties/Runtime: "),
    ("Architectures: [!Ref Architecture]", "Architectures: [arm65]", "E3030: Resources/ReplayFunction/Properties/Arch"),
    ("MaximumConcurrency: 2", "MaximumConcurrency: 1", "E3034: Resources/ReplayFunctionSpilled/Properties/ScalingConf"),
    (
        "Role: !GetAtt ReplayRole.Arn",
        "Role: !GetAtt ReplaysRole.Arn",
        "E1010: Resources/ReplayFunction/Properties/Role",
    ),
    ("VisibilityTimeout: 360", "VisibilityTimeout: 30", "E3505: Resources/SpillQueue/Properties/VisibilityTimeout: "),
    (
        "MaximumRetryAttempts: 0\n      Events",
        "MaximumRetryAttempts: 3\n      Events",
        "E3034: Resources/OperatorFunctionEv",
    ),
    ("  HasQueueKey: !Not [", "  NeverUsed: !Not [!Equals [!Ref QueueKeyArn, a]]\n  HasQueueKey: !Not [", "W8001: "),
];

/// What only this project's checks see.
const SEEN_BY_OWN_CHECKS: [Fault; 16] = [
    ("BatchSize: 10", "BatchSize: 20", "batches: ReplayFunctionSpilled has a batch of more than 10"),
    (
        "            FunctionResponseTypes: [ReportBatchItemFailures]\n",
        "",
        "batches: ReplayFunctionSpilled takes no reports",
    ),
    (
        "VisibilityTimeout: 360",
        "VisibilityTimeout: 300",
        "queues: ReplayFunctionSpilled reads a queue that hides events",
    ),
    ("MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 604800", "queues: SpillQueue keeps events as long"),
    ("    DeletionPolicy: RetainExceptOnCreate\n", "", "queues: SpillQueue is deleted with the stack"),
    ("      Timeout: 6\n", "      Timeout: 5\n", "functions: SignUpFunction has a time limit of less than 6 s"),
    ("        LogFormat: JSON\n", "        LogFormat: Text\n", "functions: SignUpFunction has no JSON log"),
    ("        LogGroup: !Ref ReplayLogGroup\n", "", "functions: ReplayFunction writes to a log group without"),
    ("      RetentionInDays: !Ref LogRetentionDays\n", "", "functions: SignUpFunction writes to a log group without"),
    ("Resource: !GetAtt SpillQueue.Arn", "Resource: \"*\"", "wildcards: SignUpRole allows sqs:SendMessage"),
    ("Action: [lambda:GetFunctionConcurrency,", "Action: [lambda:*,", "wildcards: OperatorRole allows lambda:*"),
    (
        "              - ec2:DescribeSubnets\n",
        "              - ec2:DeleteSubnet\n",
        "wildcards: NetworkPolicy allows ec2:Dele",
    ),
    ("      SourceArn: !Sub", "      # SourceArn: !Sub", "permissions: CognitoPermission lets the service invoke"),
    (
        "      SecurityGroupEgress:\n        - {Desc",
        "      SecurityGroupIngres:\n        - {Desc",
        "security_groups: EndpointS",
    ),
    ("EvaluationPeriods: 3", "EvaluationPeriods: 15", "alarms: ReconcileAlarm looks back further"),
    ("Default: post-confirmation\n", "Default: &name post-confirmation\n", "aliases: "),
];

/// The template with these in place of the first that it has of each.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(TEMPLATE.to_owned(), |template, (from, to)| {
        assert!(template.contains(from), "the template has no {from:?}");
        template.replacen(from, to, 1)
    })
}

/// What is reported of each template.
fn reports(templates: &[String]) -> Vec<Vec<String>> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |number: usize| directory.path().join(format!("{number}.yaml")).display().to_string();
    let paths: Vec<String> = (0..templates.len()).map(path).collect();
    for (path, template) in paths.iter().zip(templates) {
        fs::write(path, template).expect("the file is writable");
    }
    let output = lint(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(i32::from(!text.is_empty())), "{}", String::from_utf8_lossy(&output.stderr));
    let of = |path: &String| {
        let start = format!("{path}: ");
        text.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    };
    paths.iter().map(of).collect()
}

#[test]
fn each_fault_in_the_template_is_seen() {
    let together: [&[Fault]; 2] = [&SEEN_BY_CFN_LINT, &SEEN_BY_OWN_CHECKS];
    let groups: Vec<&[Fault]> = REFUSED_BY_SAM.chunks(1).chain(together).collect();
    let templates: Vec<String> = groups
        .iter()
        .map(|faults| changed(&faults.iter().map(|(from, to, _)| (*from, *to)).collect::<Vec<_>>()))
        .collect();
    let mut unseen = Vec::new();
    for (faults, report) in groups.iter().zip(reports(&templates)) {
        let is_unseen = |(_, _, expected): &&Fault| !report.iter().any(|line| line.starts_with(expected));
        unseen.extend(faults.iter().filter(is_unseen).map(|fault| format!("{fault:?}, among:\n{}", report.join("\n"))));
    }
    assert!(unseen.is_empty(), "not seen:\n{}", unseen.join("\n"));
}

/// The template with these values as defaults of its parameters.
fn with_defaults(values: &[(&str, &str)]) -> String {
    let mut template = TEMPLATE.to_owned();
    for (parameter, value) in values {
        let start = template.find(&format!("\n  {parameter}:\n")).expect("a parameter") + 1;
        let end = start + template[start..].find("\n    Description:").expect("each parameter has a description");
        let quote = if template[start..end].contains("Type: Number") { "" } else { "\"" };
        let lines = template[start..end].lines().filter(|line| !line.starts_with("    Default:"));
        let lines = lines.map(str::to_owned).chain([format!("    Default: {quote}{value}{quote}")]);
        template.replace_range(start..end, &lines.collect::<Vec<_>>().join("\n"));
    }
    template
}

/// The parameters in `infra/samconfig.example.toml`.
fn example() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLE.lines().skip_while(|line| *line != TABLE).filter_map(parameter)
}

/// Those that it has in comments.
fn suggested() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLE.lines().skip_while(|line| *line != TABLE).filter_map(|line| parameter(line.strip_prefix("# ")?))
}

fn parameter(line: &'static str) -> Option<(&'static str, &'static str)> {
    let found = line.strip_suffix('"')?.split_once(" = \"");
    found.filter(|(name, _)| name.chars().all(char::is_alphanumeric))
}

#[test]
fn the_example_has_every_parameter_that_needs_a_value() {
    let table: toml::Table = EXAMPLE.parse().expect("TOML");
    let table = table["default"]["deploy"]["parameters"]["parameter_overrides"].as_table().expect("a table");
    let given: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(given, example().map(|(name, _)| name).collect());
    let parameters = translated()["Parameters"].as_object().expect("parameters");
    let needed =
        parameters.iter().filter(|(_, parameter)| parameter["Default"].is_null()).map(|(name, _)| name.as_str());
    assert_eq!(given, needed.collect());
}

#[test]
fn each_parameter_is_described() {
    for (name, parameter) in translated()["Parameters"].as_object().expect("parameters") {
        assert!(parameter["Description"].is_string(), "{name} has no description");
    }
}

#[test]
fn whatever_its_parameters_are_the_template_has_no_fault() {
    let chosen: Vec<_> = NEEDED.iter().chain(&CHOSEN).copied().collect();
    let example: Vec<_> = example().chain(suggested()).collect();
    let templates = [&chosen[..], &example].map(with_defaults);
    let which = ["with every choice", "as in infra/samconfig.example.toml"];
    for (report, which) in reports(&templates).iter().zip(which) {
        assert!(report.is_empty(), "{which}:\n{}", report.join("\n"));
    }
}
