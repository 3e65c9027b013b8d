"""Deploys infra/template.yaml as infra/samconfig.toml says, and what belongs to it.

    deploy.py [--dry-run]   builds, checks the template, shows the changes and asks; then schema, stack, role, trigger, and a
                            look at the whole deployment
    deploy.py rollback      gives the stack back the template, the programs and the parameters from before the last change
    deploy.py remove        detaches the trigger, and deletes the stack; its queues only once they are empty

Each command may be run again, also after it was interrupted. `--yes` confirms every question beforehand. `--no-build` takes
what is there, built and checked, as in a release. The AWS profile is that of AWS_PROFILE.

It runs in .tools/sam, which `make tools` installs. It needs what infra/iam says of the commands of `provision` that it runs,
and for CloudFormation what that makes: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
"""

import argparse
import json
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import zipfile

import boto3
import tomlkit
from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_parse

TOP = pathlib.Path(__file__).resolve().parent.parent
SAM = pathlib.Path(sys.executable).parent / "sam"
PROGRAMS = ("post-confirmation", "provision")
HERE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"

# The processor that a program is for, by its ELF header. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
MACHINES = {62: "x86_64", 183: "arm64"}

# The statuses of a stack that is made, and of one of which nothing is: a first deployment that failed or was only shown.
MADE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
NOT_MADE = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")

# States of the stack that are kept in the bucket of the zips, so that any operator can go back: the one before the last
# change, and the one before a change that may still be under way.
FORMER, PENDING = "before-the-last-change", "before-this-change"

# Of SAM's settings those that only SAM would follow, and not the rest of a deployment.
NOT_FOLLOWED = ("profile", "s3_bucket", "role_arn")


class Failed(Exception):
    """An error that is printed in one line, with the way out."""


def say(text):
    print(f"deploy: {text}", file=sys.stderr, flush=True)


def run(*command, allowed=(0,)):
    shown = shlex.join(map(str, command))
    say(f"$ {shown}")
    status = subprocess.run([str(part) for part in command], cwd=TOP).returncode
    if status not in allowed:
        raise Failed(f"`{shown}` ended with {status}; correct what it says, and run this again")
    return status


class Deployment:
    def __init__(self, options):
        self.options = options
        self.template = TOP / options.template
        config = pathlib.Path(options.config)
        if not config.exists():
            raise Failed(f"{config} is missing: copy infra/samconfig.example.toml there, and put in your own values")
        try:
            self.document = tomlkit.parse(config.read_text()).unwrap()
            settings = self.document["default"]["deploy"]["parameters"]
            self.stack, self.region = settings["stack_name"], settings["region"]
            given = settings["parameter_overrides"]
            # SAM would leave a parameter that is no longer given as it was: https://github.com/aws/aws-sam-cli/issues/4180
            declared = yaml_parse(self.template.read_text())["Parameters"]
            defaults = {name: str(parameter["Default"]) for name, parameter in declared.items() if "Default" in parameter}
            self.parameters = settings["parameter_overrides"] = {**defaults, **given}
            self.pool, self.function = self.parameters["UserPoolId"], self.parameters["FunctionName"]
        except (tomlkit.exceptions.ParseError, KeyError) as error:
            raise Failed(f"{config} cannot be used: {error}; compare it with infra/samconfig.example.toml") from error
        if foreign := [name for name in NOT_FOLLOWED if name in settings]:
            raise Failed(f"{config}: remove {', '.join(foreign)}: only SAM would follow it; the profile is that of AWS_PROFILE")
        if settings.get("s3_prefix") != self.stack or not settings.get("resolve_s3"):
            # Else all stacks would share their zips, and the removal of one would take those of the others.
            raise Failed(f'{config}: set resolve_s3 = true and s3_prefix = "{self.stack}"')
        # SAM and provision follow it, too.
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = self.region
        os.environ["SAM_CLI_TELEMETRY"] = "0"
        self.cloudformation, self.s3, self.sqs = map(boto3.client, ("cloudformation", "s3", "sqs"))

    def confirm(self, question):
        if self.options.yes:
            return
        if not sys.stdin.isatty():
            raise Failed(f"cannot ask, because standard input is no terminal: {question} Add --yes to confirm")
        if input(f"{question} Type `yes` to confirm: ").strip() != "yes":
            raise Failed("not confirmed, so nothing was changed")

    def provision(self, *arguments, **settings):
        """Runs provision: the one in PROVISION, else the one that was built for this machine, else the one in PATH."""
        built = TOP / "target/lambda" / HERE / "provision/bootstrap"
        program = os.environ.get("PROVISION") or (built if built.exists() else "provision")
        yes = ["--yes"] if self.options.yes else []
        return run(program, "--config", self.options.declaration, *arguments, *yes, **settings)

    def in_vpc(self, *arguments, **settings):
        return self.provision(*arguments, "--in-vpc", "--operator", f"{self.function}-operator", **settings)

    def describe(self):
        """The stack, or None where there is none."""
        try:
            return self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def ready(self):
        """The stack, or None, once it can be changed."""
        stack = self.describe()
        status = stack["StackStatus"] if stack else None
        if status in NOT_MADE:
            if not self.options.dry_run:
                # Nothing can be made of it.
                self.cloudformation.delete_stack(StackName=self.stack)
                self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=self.stack)
            return None
        if status == "UPDATE_ROLLBACK_FAILED":
            resume = f"aws cloudformation continue-update-rollback --stack-name {self.stack}"
            raise Failed(f"{self.stack} is {status}: correct what its events name, then run `{resume}`")
        if status and status.endswith("_IN_PROGRESS"):
            raise Failed(f"{self.stack} is {status}: wait until that has ended, and run this again")
        if status and status not in MADE and self.options.command != "remove":
            raise Failed(f"{self.stack} is {status}: correct what its events name, or remove it")
        return stack

    @staticmethod
    def parameters_of(stack):
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])}

    def state(self):
        """What the stack is made of now, or None where it is not made."""
        stack = self.describe()
        if stack is None or stack["StackStatus"] not in MADE:
            return None
        template = self.cloudformation.get_template(StackName=self.stack, TemplateStage="Original")["TemplateBody"]
        return {
            "template": template if isinstance(template, str) else json.dumps(template),
            "parameters": self.parameters_of(stack),
        }

    def bucket(self):
        """The bucket in which SAM keeps the zips."""
        managed = self.cloudformation.describe_stacks(StackName="aws-sam-cli-managed-default")["Stacks"][0]
        return next(output["OutputValue"] for output in managed["Outputs"] if output["OutputKey"] == "SourceBucket")

    def key(self, slot, part):
        return {"Bucket": self.bucket(), "Key": f"{self.stack}/{slot}/{part}"}

    def store(self, slot, state):
        # Apart, because CloudFormation takes a template of this size from a bucket only.
        self.s3.put_object(Body=state["template"].encode(), **self.key(slot, "template"))
        self.s3.put_object(Body=json.dumps(state["parameters"]).encode(), **self.key(slot, "parameters"))

    def stored(self, slot):
        """The state that is kept there, or None."""
        try:
            template, parameters = (self.s3.get_object(**self.key(slot, part))["Body"] for part in ("template", "parameters"))
        except self.s3.exceptions.NoSuchKey:
            return None
        return {"template": template.read().decode(), "parameters": json.loads(parameters.read())}

    def forget(self):
        """Deletes what is kept of a stack that is gone."""
        for slot in (FORMER, PENDING):
            for part in ("template", "parameters"):
                self.s3.delete_object(**self.key(slot, part))

    def settle(self):
        """Keeps the state before a change that has ended, here or after an interruption; returns the state now."""
        now, before = self.state(), self.stored(PENDING)
        if now is not None and before is not None and before != now:
            self.store(FORMER, before)
        return now

    def attach(self):
        return ["trigger", "attach", "--pool", self.pool, "--function", self.function]

    def grant(self):
        secret, limit = self.parameters["DatabaseSecretArn"], self.parameters["ConnectionLimit"]
        # An ARN ends with a hyphen and six characters that are not of the name.
        named = ["--secret", secret.split(":secret:")[1][:-7]] if secret else []
        return ["db", "grant", *named, *(["--connection-limit", limit] if limit != "none" else [])]

    def build(self):
        architecture = self.parameters["Architecture"]
        run("infra/dev/build.sh", architecture)
        if architecture != HERE:
            # The operator's own.
            run("infra/dev/build.sh", HERE, "provision")
        for program in PROGRAMS:
            zip = TOP / "target/lambda" / program / "bootstrap.zip"
            zip.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / "target/lambda" / architecture / program / "bootstrap.zip", zip)
        run(sys.executable, "infra/dev/lint.py", self.template)

    def zip(self, program):
        """The zip that the template names."""
        return self.template.parent.parent / "target/lambda" / program / "bootstrap.zip"

    def check_processors(self):
        for zip in map(self.zip, PROGRAMS):
            if not zip.exists():
                raise Failed(f"{zip} is missing: build it, or unpack the release whole")
            with zipfile.ZipFile(zip).open("bootstrap") as program:
                machine = MACHINES.get(int.from_bytes(program.read(20)[18:], "little"))
            if machine != self.parameters["Architecture"]:
                raise Failed(f"{zip} is for {machine}, and Architecture is {self.parameters['Architecture']}: correct one of them")

    def load(self):
        """Loads the schema of this release before its function comes, by its own operator's function."""
        name, client = f"{self.function}-operator", boto3.client("lambda")
        code = self.zip("provision").read_bytes()
        say(f"updating {name}")
        client.update_function_code(FunctionName=name, ZipFile=code, Architectures=[self.parameters["Architecture"]])
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        self.in_vpc("db", "load")

    def apply(self):
        stack = self.ready()
        for name in ("UserPoolId", "FunctionName"):
            now = self.parameters_of(stack or {}).get(name, self.parameters[name])
            if now != self.parameters[name]:
                # The pool would go on calling a function that is gone, or that it may no longer call.
                raise Failed(f"{name} is {now} in {self.stack}: remove that first, or use another stack_name beside it")
        if not self.options.no_build:
            self.build()
        self.check_processors()
        config = TOP / "target" / f"samconfig-{self.stack}.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(tomlkit.dumps(self.document))
        deploy = [SAM, "deploy", "--template", self.template, "--config-file", config, "--no-confirm-changeset"]
        deploy += ["--no-fail-on-empty-changeset"]
        if self.options.dry_run or not self.options.yes:
            run(*deploy, "--no-execute-changeset")
        if self.options.dry_run:
            if stack is not None:
                self.provision(*self.attach(), "--dry-run", allowed=(0, 3))
            return
        self.confirm(f"Deploy this to {self.stack}?")
        if stack is not None:
            self.store(PENDING, self.settle())
            self.load()
        run(*deploy)
        if stack is None:
            # Of a stack by this name that was removed.
            self.forget()
            self.in_vpc("db", "load")
        self.settle()
        self.in_vpc(*self.grant())
        self.provision(*self.attach())
        if self.options.no_doctor:
            return
        if self.provision("doctor", "--pool", self.pool, "--function", self.function, allowed=(0, 3)) == 3:
            raise Failed("everything is deployed, and the doctor has found something: docs/runbook.md leads from there")

    def rollback(self):
        stack = self.ready()
        if stack is None:
            raise Failed(f"there is no stack {self.stack}: deploy it")
        now, former = self.settle(), self.stored(FORMER)
        if former is None:
            raise Failed(f"nothing is known of {self.stack} before its last change; check out a former release and deploy that")
        if former == now:
            say(f"{self.stack} is as it was before its last change")
            return
        if stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE":
            say("CloudFormation has undone the last change, which failed, already: this goes back by one more")
        self.confirm(f"Give {self.stack} back the programs and settings from before the last change?")
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        key = self.key(FORMER, "template")
        self.cloudformation.update_stack(
            StackName=self.stack,
            TemplateURL=f"https://s3.{self.region}.{domain}/{key['Bucket']}/{key['Key']}",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in former["parameters"].items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        say("waiting until the stack is updated")
        # An hour: network interfaces and endpoints take their time.
        waiter = self.cloudformation.get_waiter("stack_update_complete")
        waiter.wait(StackName=self.stack, WaiterConfig={"Delay": 5, "MaxAttempts": 720})
        say("the schema stays as it is: a release works with that of the next one")

    def is_attached(self, pool, function):
        """Whether the pool calls the function."""
        described = boto3.client("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
        triggers = json.dumps(described.get("LambdaConfig", {}))
        return any(f":function:{function}{end}" in triggers for end in '":')

    def queues(self, function):
        """The URLs of the queues that exist, and whether there are events in one."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        urls = {}
        for name in (f"{function}-spill", f"{function}-dead-letters"):
            try:
                url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
                counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            except self.sqs.exceptions.QueueDoesNotExist:
                continue
            urls[url] = any(int(counts[count]) for count in names)
        return urls

    def remove(self):
        stack = self.ready()
        # What is there counts, whatever the parameters say now.
        there = {**self.parameters, **self.parameters_of(stack or {})}
        pool, function = there["UserPoolId"], there["FunctionName"]
        if stack is not None:
            for url in [url for url, is_used in self.queues(function).items() if is_used]:
                say(f"there are events in {url}: let the replay finish, or run `provision --in-vpc users reconcile` first")
            self.confirm(f"Detach {function} from {pool}, and delete {self.stack}? From then on sign-ups get no row.")
            if self.is_attached(pool, function):
                self.provision("trigger", "detach", "--pool", pool, "--function", function)
            run(SAM, "delete", "--stack-name", self.stack, "--region", self.region, "--no-prompts")
            self.forget()
        for url, is_used in self.queues(function).items():
            if is_used:
                say(f"kept, because there are events in it: {url}; delete it before you deploy {self.stack} again")
            else:
                self.sqs.delete_queue(QueueUrl=url)
        say(f"{self.stack} is gone; the database, its role and the role's secret are as they were")


def main():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="deploy.py", description=__doc__, formatter_class=formatter)
    parser.add_argument("command", nargs="?", choices=("apply", "rollback", "remove"), default="apply")
    parser.add_argument("--config", default=TOP / "infra/samconfig.toml", help="the parameters (default: infra/samconfig.toml)")
    parser.add_argument("--declaration", default="infra/rds.toml", help="the DB instance (default: infra/rds.toml)")
    parser.add_argument("--template", default="infra/template.yaml", help="the template (default: infra/template.yaml)")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument("--no-build", action="store_true", help="take zips and template as they are, without a check")
    parser.add_argument("--no-doctor", action="store_true", help="do not look at the deployment in the end")
    parser.add_argument("--yes", action="store_true", help="confirm every question beforehand")
    options = parser.parse_args()
    if options.dry_run and options.command != "apply":
        parser.error("--dry-run is for a deployment")
    try:
        getattr(Deployment(options), options.command)()
    except (Failed, BotoCoreError, ClientError) as error:
        sys.exit(f"deploy: {error}")
    except KeyboardInterrupt:
        say("interrupted: what CloudFormation has begun goes on; run this again afterwards")
        sys.exit(130)


if __name__ == "__main__":
    main()
