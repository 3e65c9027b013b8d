"""Makes deployments at moto, and runs the scripts of tests on them.

Each line of standard input is a request: a script, its variables, and the endpoints of AWS. Its answer is a line as well:
what the script left in `result`, or why it failed. One process serves all tests: boto3 takes longer to load than a
deployment to make.
"""

import datetime
import functools
import io
import json
import sys
import time
import traceback
import zipfile

import boto3

REGION, ACCOUNT = "eu-central-1", "123456789012"
OF_LAMBDA_ITSELF = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
SERVICES = {
    "cloudwatch": "cloudwatch",
    "cognito": "cognito-idp",
    "ec2": "ec2",
    "ecs": "ecs",
    "iam": "iam",
    "lambda_": "lambda",
    "logs": "logs",
    "rds": "rds",
    "secrets": "secretsmanager",
    "sqs": "sqs",
}
SESSION = boto3.Session("preparation", "x", region_name=REGION)


@functools.cache
def client(service, endpoint):
    return SESSION.client(service, endpoint_url=endpoint)


class Client:
    """A client that is made when it is first used."""

    def __init__(self, service, endpoint):
        self._make = functools.partial(client, service, endpoint)

    def __getattr__(self, operation):
        return getattr(self._make(), operation)


def clients(moto, rds):
    endpoints = {"rds": rds}
    return {name: Client(service, endpoints.get(name, moto)) for name, service in SERVICES.items()}


def archive():
    """What a function needs to exist: moto runs none."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    return content.getvalue()


class Deployment:
    """A deployment as docs/deployment.md describes it."""

    def __init__(self, options, moto):
        self.options = options
        self.aws = clients(moto, None)
        self.name = options["name"]
        self.ids = {"secret_arn": options["secret_arn"], "name": self.name, "function": self.name, "replay": None, "queue": None}

    def make(self):
        self.make_network()
        self.make_queues()
        variables = {"DB_SECRET_ID": self.options["secret_arn"]}
        if self.options["queue"]:
            variables["SPILL_QUEUE_URL"] = self.ids["queue_url"]
        self.ids["role"] = self.make_role(self.name, ["function.json", "spill.json"])
        self.ids["function_arn"] = self.make_function(self.name, self.ids["role"], variables, self.options["timeout"])
        if self.options["reserved_concurrency"] is not None:
            self.aws["lambda_"].put_function_concurrency(
                FunctionName=self.name, ReservedConcurrentExecutions=self.options["reserved_concurrency"])
        if self.options["queue"]:
            self.make_replay(variables)
        self.make_pool()
        self.write_log()
        self.write_metrics()
        return self.ids

    def make_network(self):
        ec2, ids = self.aws["ec2"], self.ids
        vpc = ids["vpc"] = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

        def subnet(number):
            zone = REGION + "ab"[number % 2]
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)
            return subnet["Subnet"]["SubnetId"]

        def group(purpose):
            name = f"{self.name}-{purpose}"
            return ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]

        def let_in(group, source, port):
            source = [{"GroupId": source}]
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": source}])

        subnets = ids["subnets"] = [subnet(0), subnet(1)]
        ids["function_group"], ids["instance_group"] = group("function"), group("instance")
        let_in(ids["instance_group"], ids["function_group"], 5432)
        table = ids["route_table"] = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        for each in subnets:
            ec2.associate_route_table(RouteTableId=table, SubnetId=each)
        if self.options["endpoints"]:
            ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
            ids["endpoint_group"] = group("endpoints")
            let_in(ids["endpoint_group"], ids["function_group"], 443)
            for service in ["secretsmanager", "sqs"]:
                endpoint = ec2.create_vpc_endpoint(
                    VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.{service}",
                    SubnetIds=subnets, SecurityGroupIds=[ids["endpoint_group"]], PrivateDnsEnabled=True)
                ids[f"{service}_endpoint"] = endpoint["VpcEndpoint"]["VpcEndpointId"]
        else:
            public = ids["public_subnet"] = subnet(2)
            gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
            outward = ids["public_route_table"] = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
            ec2.create_route(RouteTableId=outward, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
            ec2.associate_route_table(RouteTableId=outward, SubnetId=public)
            address = ec2.allocate_address(Domain="vpc")["AllocationId"]
            nat = ids["nat"] = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
            ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)

    def make_queues(self):
        if not self.options["queue"]:
            return
        sqs, ids = self.aws["sqs"], self.ids
        ids["queue"], ids["dead_letters"] = f"{self.name}-sign-ups", f"{self.name}-dead-letters"
        ids["queue_arn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{ids['queue']}"
        dead_letters_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{ids['dead_letters']}"
        day = 24 * 60 * 60
        ids["dead_letters_url"] = sqs.create_queue(QueueName=ids["dead_letters"], Attributes={
            "MessageRetentionPeriod": str(14 * day), "SqsManagedSseEnabled": "true"})["QueueUrl"]
        ids["queue_url"] = sqs.create_queue(QueueName=ids["queue"], Attributes={
            "MessageRetentionPeriod": str(7 * day), "SqsManagedSseEnabled": "true", "VisibilityTimeout": "360",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": 10})})["QueueUrl"]

    def make_role(self, name, policies):
        iam = self.aws["iam"]
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        for policy in policies:
            if policy == "function.json" or self.options["queue"]:
                iam.put_role_policy(RoleName=name, PolicyName=policy.removesuffix(".json"), PolicyDocument=self.policy(policy))
        iam.attach_role_policy(RoleName=name, PolicyArn=OF_LAMBDA_ITSELF)
        return role

    def policy(self, file):
        """A policy of infra/iam, filled in, without its statements for keys of one's own and for IAM tokens."""
        document = json.loads(self.options["policies"][file])
        values = {
            "REGION": REGION, "ACCOUNT": ACCOUNT, "SECRET-NAME": self.options["secret"],
            "DEAD-LETTERS": self.ids.get("dead_letters") or "", "QUEUE": self.ids["queue"] or "",
        }
        statements = []
        for statement in map(json.dumps, document["Statement"]):
            if "KEY-ID" not in statement and "RESOURCE-ID" not in statement:
                for placeholder, value in values.items():
                    statement = statement.replace(placeholder, value)
                statements.append(json.loads(statement))
        return json.dumps({"Version": document["Version"], "Statement": statements})

    def make_function(self, name, role, variables, timeout):
        function = self.aws["lambda_"].create_function(
            FunctionName=name, Role=role, Code={"ZipFile": archive()}, Runtime="provided.al2023", Handler="bootstrap",
            Architectures=[self.options["architecture"]], Timeout=timeout, MemorySize=self.options["memory"],
            Environment={"Variables": variables},
            VpcConfig={"SubnetIds": self.ids["subnets"], "SecurityGroupIds": [self.ids["function_group"]]})
        return function["FunctionArn"]

    def make_replay(self, variables):
        name = self.ids["replay"] = f"{self.name}-replay"
        self.ids["replay_role"] = self.make_role(name, ["function.json", "replay.json"])
        variables = variables | {"DEAD_LETTER_QUEUE_URL": self.ids["dead_letters_url"]}
        self.make_function(name, self.ids["replay_role"], variables, 60)
        mapping = self.aws["lambda_"].create_event_source_mapping(
            EventSourceArn=self.ids["queue_arn"], FunctionName=name, BatchSize=10, ScalingConfig={"MaximumConcurrency": 2},
            FunctionResponseTypes=["ReportBatchItemFailures"])
        self.ids["mapping"] = mapping["UUID"]

    def make_pool(self):
        cognito, ids, arn = self.aws["cognito"], self.ids, self.ids["function_arn"]
        triggers = {"PostConfirmation": arn}
        if self.options["heal"] == "pre-token":
            triggers["PreTokenGeneration"] = arn
            triggers["PreTokenGenerationConfig"] = {"LambdaVersion": "V1_0", "LambdaArn": arn}
        if self.options["heal"] == "post-authentication":
            triggers["PostAuthentication"] = arn
        pool = cognito.create_user_pool(PoolName=self.name, LambdaConfig=triggers)["UserPool"]
        ids["pool"], ids["pool_arn"], ids["statement"] = pool["Id"], pool["Arn"], f"provision-trigger-{pool['Id']}"
        self.aws["lambda_"].add_permission(
            FunctionName=self.name, StatementId=ids["statement"], Action="lambda:InvokeFunction",
            Principal="cognito-idp.amazonaws.com", SourceArn=pool["Arn"], SourceAccount=ACCOUNT)
        ids["subs"] = [confirmed(cognito, pool["Id"], f"user-{number}") for number in range(self.options["users"])]

    def write_log(self):
        logs, group = self.aws["logs"], f"/aws/lambda/{self.name}"
        self.ids["log_group"], self.ids["log_stream"] = group, f"{datetime.date.today():%Y/%m/%d}/[$LATEST]0123456789abcdef"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=self.ids["log_stream"])
        for_users = [report(self.ids, sub, self.options["version"]) for sub in self.ids["subs"] or [None]]
        write_log(logs, self.ids, for_users)

    def write_metrics(self):
        for metric, value in self.options["metrics"]:
            write_metric(self.aws["cloudwatch"], self.name, metric, value)


def confirmed(cognito, pool, name):
    """The id of a new user who is confirmed."""
    attributes = [{"Name": "email", "Value": f"{name}@example.com"}, {"Name": "email_verified", "Value": "true"}]
    user = cognito.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes)["User"]
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password="Passw0rd!", Permanent=True)
    return next(attribute["Value"] for attribute in user["Attributes"] if attribute["Name"] == "sub")


def report(ids, sub, version, outcome="created", **fields):
    """A report line of the function, as docs/reference/log-line.schema.json has it, of an hour ago."""
    moment = time.time() - 60 * 60
    timestamp = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat(timespec="milliseconds")
    metrics = [{"Name": "Invocations", "Unit": "Count"}, {"Name": "Milliseconds", "Unit": "Milliseconds"}]
    line = {
        "timestamp": timestamp.replace("+00:00", "Z"),
        "level": "INFO",
        "message": "the user has a row",
        "requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "outcome": outcome,
        "sub": sub or "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95",
        "userPoolId": ids["pool"],
        "milliseconds": 3.2,
        "steps": {"query": 2.9},
        "attempts": 1,
        "coldStart": False,
        "version": version,
        "_aws": {"Timestamp": int(moment * 1000), "CloudWatchMetrics": [{
            "Namespace": "PostConfirmation", "Dimensions": [["FunctionName", "Outcome"]], "Metrics": metrics}]},
        "FunctionName": ids["function"],
        "Outcome": outcome,
        "Invocations": 1,
        "Milliseconds": 3.2,
    }
    return line | fields


def write_log(logs, ids, lines):
    """Writes these lines into the function's log."""
    moment = int((time.time() - 60 * 60) * 1000)
    events = [{"timestamp": moment + number, "message": json.dumps(line)} for number, line in enumerate(lines)]
    logs.put_log_events(logGroupName=ids["log_group"], logStreamName=ids["log_stream"], logEvents=events)


def write_metric(cloudwatch, function, metric, value):
    """Writes a metric of AWS Lambda, of an hour ago."""
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=[{
        "MetricName": metric, "Dimensions": [{"Name": "FunctionName", "Value": function}], "Timestamp": moment,
        "Value": value}])


def send(sqs, lambda_, queue_url, mapping, body, **attributes):
    """Sends a message that waits: moto would hand it to the function, which it cannot run, in the same request."""
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    enabled = lambda_.get_event_source_mapping(UUID=mapping)["State"] == "Enabled"
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
    sqs.send_message(QueueUrl=queue_url, MessageBody=body, MessageAttributes=attributes)
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=enabled)


def run(request):
    ids = request["variables"].get("ids") or {}
    of_request = {name: request[name] for name in ["moto", "rds", "amended"]}
    scope = globals() | of_request | clients(request["moto"], request["rds"]) | ids | request["variables"]
    scope["result"] = None
    exec(request["script"], scope)
    return {"result": scope["result"]}


for line in sys.stdin:
    try:
        answer = run(json.loads(line))
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer, default=str), flush=True)
