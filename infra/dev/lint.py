"""Checks templates of AWS SAM, without credentials or a network.

    lint.py TEMPLATE…              prints each fault as `TEMPLATE: RULE: …`; exit status 1 if there is one
    lint.py --translate TEMPLATE   prints what SAM makes of the template, as JSON

Four looks, since each misses what another sees: `sam validate`, `sam validate --lint`, cfn-lint on what SAM makes of the
template, and the checks below for faults that none of them sees.
"""

import json
import os
import pathlib
import re
import sys

os.environ["SAM_CLI_TELEMETRY"] = "0"
REGION = "eu-central-1"
# SAM asks for it, and calls nobody.
os.environ["AWS_DEFAULT_REGION"] = REGION

import cfnlint.api
from samcli.commands.validate.lib.exceptions import InvalidSamDocumentException
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

POLICIES = pathlib.Path(__file__).parent.parent / "iam"

# Lambda connects functions with a VPC by these, which AWS does not limit to resources.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
OF_LAMBDA = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}

# What the function needs in seconds to spend its budget of 4.5 s (docs/deployment.md).
LEAST_TIMEOUT = 6


def translate(text):
    """What SAM makes of a template, with objects of S3 in place of files."""
    # The template names none of AWS's managed policies, which SAM would look up.
    validator = SamTemplateValidator(yaml_parse(text), managed_policy_loader=None)
    return yaml_parse(validator.get_translated_template_if_valid())


def as_list(value):
    return value if isinstance(value, list) else [value]


def branches(value):
    """The values that a property may have: both of each `Fn::If`."""
    if isinstance(value, dict) and list(value) == ["Fn::If"]:
        return [branch for choice in value["Fn::If"][1:] for branch in branches(choice)]
    if isinstance(value, list):
        return [[item for entry in value for item in branches(entry) if item != {"Ref": "AWS::NoValue"}]]
    return [value]


def resource_of(reference):
    """The resource of the template that `Ref` or `Fn::GetAtt` names."""
    if isinstance(reference, dict):
        return reference.get("Ref") or as_list(reference.get("Fn::GetAtt", [None]))[0]
    return None


class Checks:
    """The faults that neither SAM nor cfn-lint sees. The name of a rule is that of its method."""

    def __init__(self, template):
        self.resources = template["Resources"]

    def all(self):
        for rule in [name for name in vars(Checks) if name.startswith("check_")]:
            for logical_id, fault in getattr(self, rule)():
                yield f"{rule.removeprefix('check_')}: {logical_id} {fault}"

    def of_type(self, name):
        return [(key, value.get("Properties", {})) for key, value in self.resources.items() if value["Type"] == name]

    def properties(self, reference, name):
        resource = self.resources.get(resource_of(reference), {})
        return resource.get("Properties", {}) if resource.get("Type") == name else {}

    def check_batches(self):
        """A larger batch without a window, and an event that failed but counts as done."""
        for key, mapping in self.of_type("AWS::Lambda::EventSourceMapping"):
            if mapping.get("BatchSize", 10) > 10 and not mapping.get("MaximumBatchingWindowInSeconds"):
                yield key, "has a batch of more than 10 without a window, which Lambda refuses"
            if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
                yield key, "takes no reports of failures: one event that fails brings all of its batch back"

    def check_queues(self):
        """Settings that lose events."""
        for key, mapping in self.of_type("AWS::Lambda::EventSourceMapping"):
            queue = self.properties(mapping["EventSourceArn"], "AWS::SQS::Queue")
            timeout = self.properties(mapping["FunctionName"], "AWS::Lambda::Function").get("Timeout", 3)
            if queue.get("VisibilityTimeout", 30) < 6 * timeout:
                yield key, "reads a queue that hides events for less than six times the function's time limit"
            if "RedrivePolicy" not in queue:
                yield key, "reads a queue without a queue of dead letters"
        for key, queue in self.of_type("AWS::SQS::Queue"):
            if "RedrivePolicy" not in queue:
                continue
            letters = self.properties(queue["RedrivePolicy"]["deadLetterTargetArn"], "AWS::SQS::Queue")
            retention = queue.get("MessageRetentionPeriod", 345600)
            if letters.get("MessageRetentionPeriod", 345600) <= retention:
                yield key, "keeps events as long as its dead letters are kept, and these are as old"
            for queue_id in [key, resource_of(queue["RedrivePolicy"]["deadLetterTargetArn"])]:
                if self.resources.get(queue_id, {}).get("DeletionPolicy", "Delete") == "Delete":
                    yield queue_id, "is deleted with the stack, and the events in it"

    def check_functions(self):
        groups = {key for key, group in self.of_type("AWS::Logs::LogGroup") if "RetentionInDays" in group}
        for key, function in self.of_type("AWS::Lambda::Function"):
            if function.get("Timeout", 3) < LEAST_TIMEOUT:
                yield key, f"has a time limit of less than {LEAST_TIMEOUT} s"
            logging = function.get("LoggingConfig", {})
            if resource_of(logging.get("LogGroup")) not in groups:
                yield key, "writes to a log group without a retention: its log is kept, and paid for, for ever"
            if logging.get("LogFormat") != "JSON":
                yield key, "has no JSON log, so that Lambda does not filter by level"

    def check_permissions(self):
        for key, permission in self.of_type("AWS::Lambda::Permission"):
            is_service = str(permission.get("Principal")).endswith(".amazonaws.com")
            if is_service and "SourceArn" not in permission:
                yield key, "lets the service invoke the function for anybody"

    def check_security_groups(self):
        for key, group in self.of_type("AWS::EC2::SecurityGroup"):
            if not group.get("SecurityGroupEgress"):
                yield key, "has no rule for what leaves it, so AWS allows everything"

    def check_alarms(self):
        """A range that CloudWatch refuses.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
        """
        day = 24 * 60 * 60
        for key, alarm in self.of_type("AWS::CloudWatch::Alarm"):
            if alarm["Period"] * alarm["EvaluationPeriods"] > (7 * day if alarm["Period"] >= 3600 else day):
                yield key, "looks back further than CloudWatch does"

    def check_wildcards(self):
        """A statement on every resource, where infra/iam has none on every resource with these actions."""
        allowed = set(OF_LAMBDA)
        for path in POLICIES.glob("*.json"):
            for statement in json.loads(path.read_text())["Statement"]:
                if statement["Resource"] == "*":
                    allowed.update(as_list(statement["Action"]))
        for key, document in self.policies():
            for statement in branches(document["Statement"])[0]:
                actions = as_list(statement["Action"])
                wild = [action for action in actions if "*" in action]
                if "*" in as_list(statement.get("Resource")):
                    wild += [action for action in actions if action not in allowed]
                for action in wild:
                    yield key, f"allows {action} on every resource, or all of a kind"

    def policies(self):
        for name in ["AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"]:
            for key, policy in self.of_type(name):
                yield key, policy["PolicyDocument"]
        for key, role in self.of_type("AWS::IAM::Role"):
            for policy in role.get("Policies", []):
                yield key, policy["PolicyDocument"]


def lint(text):
    """Yields the faults."""
    # CloudFormation itself refuses them, and no tool says so.
    if re.search(r"(: |- )[&*][A-Za-z]", text):
        yield "aliases: a YAML anchor or alias"
    for match in cfnlint.api.lint(text, regions=[REGION]):
        yield f"{match.rule.id}: line {match.linenumber}: {match.message}"
    try:
        translated = translate(text)
    except InvalidSamDocumentException as error:
        yield f"sam: {' '.join(str(error).split())}"
        return
    for match in cfnlint.api.lint(json.dumps(translated), regions=[REGION]):
        where = "/".join(map(str, match.path or []))
        yield f"{match.rule.id}: {where}: {match.message}"
    yield from Checks(translated).all()


def main(arguments):
    if arguments[:1] == ["--translate"]:
        [path] = arguments[1:]
        print(json.dumps(translate(pathlib.Path(path).read_text())))
        return 0
    faults = [f"{path}: {fault}" for path in arguments for fault in dict.fromkeys(lint(pathlib.Path(path).read_text()))]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
