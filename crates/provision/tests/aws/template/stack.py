# Deploys the template at moto and says what is there. Run by ../doctor/deployment.py, with these variables: `template` as SAM
# has translated it, `values` of its parameters, and `name` of the stack.


import ast

PROXY = "post-confirmation.proxy-c0ffee.eu-central-1.rds.amazonaws.com"


def decide(condition):
    """The value of a condition. moto decides conditions itself, but leaves a null in a list from which one removes an item."""
    [(operator, operands)] = condition.items()
    if operator == "Condition":
        return decide(template["Conditions"][operands])
    if operator == "Fn::Equals":
        return len({parameter(operand) for operand in operands}) == 1
    decided = [decide(operand) for operand in operands]
    return {"Fn::And": all(decided), "Fn::Or": any(decided), "Fn::Not": not decided[0]}[operator]


def parameter(operand):
    if not isinstance(operand, dict):
        return operand
    return values.get(operand["Ref"], template["Parameters"][operand["Ref"]].get("Default"))


def prune(node):
    """The same without `Fn::If`."""
    if isinstance(node, list):
        pruned = [prune(item) for item in node]
        return [item for item in pruned if item != {"Ref": "AWS::NoValue"}]
    if not isinstance(node, dict):
        return node
    if node == {"Fn::GetAtt": ["DatabaseProxy", "Endpoint"]}:
        # moto knows no RDS Proxy, and refuses what refers to it.
        return PROXY
    if list(node) == ["Fn::If"]:
        condition, yes, no = node["Fn::If"]
        return prune(yes if decide({"Condition": condition}) else no)
    return {key: prune(value) for key, value in node.items()}


def make_surroundings():
    """What a stack finds: VPC, user pool, and the zips that SAM has uploaded. Sets the parameters that name them."""
    ec2 = client("ec2", moto)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in range(2)]
    group = ec2.create_security_group(GroupName="database", Description="database", VpcId=vpc)["GroupId"]
    pool = client("cognito-idp", moto).create_user_pool(PoolName=name)["UserPool"]["Id"]
    values.update(VpcId=vpc, SubnetIds=",".join(subnets), DatabaseSecurityGroupId=group, UserPoolId=pool)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            code = resource["Properties"]["Code"] = {"S3Bucket": name, "S3Key": "bootstrap.zip"}
    s3 = client("s3", moto)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=name, Key=code["S3Key"], Body=archive())


def deploy():
    """The ids of the stack's resources, by their names in the template."""
    cloudformation = client("cloudformation", moto)
    whole = template | {"Resources": pruned()}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(whole), Parameters=parameters, Capabilities=["CAPABILITY_IAM"])
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages for resource in page["StackResourceSummaries"]
        # What moto does not know has no name.
        if resource["LogicalResourceId"]
    }


def pruned():
    """The resources that should be there, as the template has them."""
    resources = {
        key: resource for key, resource in template["Resources"].items()
        if "Condition" not in resource or decide({"Condition": resource["Condition"]})
    }
    return prune(resources)


def skipped(made):
    """The types that moto does not know, of resources that should be there."""
    expected = {key: resource["Type"] for key, resource in pruned().items()}
    unexpected = sorted(made.keys() - expected.keys())
    assert not unexpected, unexpected
    return sorted({kind for key, kind in expected.items() if key not in made})


def look(made):
    """What AWS says of them."""
    lambda_, iam, sqs, ec2 = (client(service, moto) for service in ["lambda", "iam", "sqs", "ec2"])
    events, logs = client("events", moto), client("logs", moto)

    def function(key):
        configuration = lambda_.get_function_configuration(FunctionName=made[key])
        concurrency = lambda_.get_function_concurrency(FunctionName=made[key])
        names = ["FunctionName", "Runtime", "Handler", "Timeout", "MemorySize", "Architectures", "FunctionArn"]
        return {name: configuration[name] for name in names} | {
            "variables": configuration["Environment"]["Variables"],
            "role": configuration["Role"].rsplit("/")[-1],
            "network": {key: configuration["VpcConfig"][key] for key in ["SubnetIds", "SecurityGroupIds"]},
            "reserved": concurrency.get("ReservedConcurrentExecutions"),
        }

    def statements(key):
        """moto leaves the managed policies of a stack's role out, and writes the document of its own ones in Python."""
        managed = [made[policy["Ref"]] for policy in template["Resources"][key]["Properties"]["ManagedPolicyArns"]]
        versions = [iam.get_policy_version(PolicyArn=policy, VersionId="v1")["PolicyVersion"] for policy in managed]
        names = iam.list_role_policies(RoleName=made[key])["PolicyNames"]
        own = [iam.get_role_policy(RoleName=made[key], PolicyName=name)["PolicyDocument"] for name in names]
        documents = [version["Document"] for version in versions] + [ast.literal_eval(document) for document in own]
        return [statement for document in documents for statement in document["Statement"]]

    def rules_into(group):
        filters = [{"Name": "group-id", "Values": [group]}]
        found = ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        return sorted(
            [rule["IpProtocol"], rule["FromPort"], rule["ReferencedGroupInfo"]["GroupId"]]
            for rule in found if not rule["IsEgress"])

    def retention(key):
        found = logs.describe_log_groups(logGroupNamePrefix=made[key])["logGroups"]
        return next(group["retentionInDays"] for group in found if group["logGroupName"] == made[key])

    def queue(key):
        return sqs.get_queue_attributes(QueueUrl=made[key], AttributeNames=["All"])["Attributes"]

    [mapping] = lambda_.list_event_source_mappings(FunctionName=made["ReplayFunction"])["EventSourceMappings"]
    rule = events.describe_rule(Name=made["OperatorFunctionNightly"])
    [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    filters = [{"Name": "vpc-id", "Values": [values["VpcId"]]}]
    return {
        "functions": {key: function(key) for key in ["SignUpFunction", "ReplayFunction", "OperatorFunction"]},
        "roles": {key: statements(key) for key in made if key.endswith("Role")},
        "policy": json.loads(lambda_.get_policy(FunctionName=made["SignUpFunction"])["Policy"])["Statement"],
        "queues": {key: queue(key) for key in ["SpillQueue", "DeadLetterQueue"]},
        "mapping": mapping,
        "rule": {key: rule[key] for key in ["ScheduleExpression", "State"]} | {"target": target},
        "logs": {key: retention(key) for key in made if key.endswith("LogGroup")},
        "into_database": rules_into(values["DatabaseSecurityGroupId"]),
        "endpoints": sorted(
            endpoint["ServiceName"] for endpoint in ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]),
        "dashboard": json.loads(
            client("cloudwatch", moto).get_dashboard(DashboardName=made["Dashboard"])["DashboardBody"]),
    }


make_surroundings()
made = deploy()
result = {"values": values, "made": made, "skipped": skipped(made), "resources": pruned()} | look(made)
