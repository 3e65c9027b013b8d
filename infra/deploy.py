"""Deploys infra/template.yaml as infra/samconfig.toml says, and what belongs to it.

    deploy.py [--dry-run]   builds, checks the template, shows the changes, deploys; then schema, role, trigger, and a look
                            at the whole deployment
    deploy.py rollback      gives the stack back the template, the programs and the parameters from before the last deployment
    deploy.py remove        detaches the trigger, and deletes the stack; its queues only once they are empty

Each command does no harm when it is run again, also after it was interrupted. `--yes` confirms every question beforehand;
`--config FILE` names another file of parameters; `--no-build` takes what is there, built and checked, as in a release.

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

import boto3
import tomlkit
from botocore.exceptions import ClientError, WaiterError

TOP = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ("post-confirmation", "provision")
HERE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
# What the state before a deployment is kept under: in the bucket of the zips, so that any operator can go back to it.
BEFORE = "before-the-last-deployment"


class Failed(Exception):
    """An error that is printed in one line, with the way out."""


def say(text):
    print(f"deploy: {text}", file=sys.stderr, flush=True)


def run(*command, allowed=(0,)):
    say("$ " + shlex.join(map(str, command)))
    status = subprocess.run([str(part) for part in command], cwd=TOP).returncode
    if status not in allowed:
        raise Failed(f"`{shlex.join(map(str, command))}` ended with {status}; correct what it says, and run this again")
    return status


class Deployment:
    def __init__(self, options):
        self.options = options
        self.config = pathlib.Path(options.config)
        if not self.config.exists():
            raise Failed(f"{self.config} is missing: copy infra/samconfig.example.toml there, and put in your own values")
        try:
            settings = tomlkit.parse(self.config.read_text()).unwrap()["default"]["deploy"]["parameters"]
            self.stack, self.region = settings["stack_name"], settings["region"]
            self.parameters = settings["parameter_overrides"]
            self.pool = self.parameters["UserPoolId"]
        except (tomlkit.exceptions.ParseError, KeyError) as error:
            raise Failed(f"{self.config} cannot be used: {error}; compare it with infra/samconfig.example.toml") from error
        self.architecture = self.parameters.get("Architecture", "arm64")
        self.function = self.parameters.get("FunctionName", "post-confirmation")
        # Both SAM and provision follow it.
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = self.region
        os.environ["SAM_CLI_TELEMETRY"] = "0"
        self.cloudformation = boto3.client("cloudformation")
        self.s3 = boto3.client("s3")

    def confirm(self, question):
        if self.options.yes:
            return
        if not sys.stdin.isatty():
            raise Failed(f"cannot ask, because standard input is no terminal: {question}; add --yes to confirm")
        if input(f"{question} Type `yes` to confirm: ").strip() != "yes":
            raise Failed("not confirmed, so nothing was done")

    def provision(self, *arguments, **settings):
        """Runs provision: the one in PROVISION, else the one that was built for this machine, else the one in PATH."""
        built = TOP / "target/lambda" / HERE / "provision/bootstrap"
        program = os.environ.get("PROVISION") or (built if built.exists() else "provision")
        yes = ["--yes"] if self.options.yes else []
        return run(program, "--config", self.options.declaration, *arguments, *yes, **settings)

    def attach(self):
        return ["trigger", "attach", "--pool", self.pool, "--function", self.function]

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

    def bucket(self):
        """The bucket in which SAM keeps the zips."""
        managed = self.cloudformation.describe_stacks(StackName="aws-sam-cli-managed-default")["Stacks"][0]
        return next(output["OutputValue"] for output in managed["Outputs"] if output["OutputKey"] == "SourceBucket")

    def remember(self):
        """Keeps what the stack is made of now, for `rollback`."""
        stack = self.describe()
        if stack is None or stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
            return None
        template = self.cloudformation.get_template(StackName=self.stack, TemplateStage="Original")["TemplateBody"]
        parameters = [
            {key: parameter[key] for key in ("ParameterKey", "ParameterValue")} for parameter in stack.get("Parameters", [])
        ]
        return {"template": template if isinstance(template, str) else json.dumps(template), "parameters": parameters}

    def store(self, state):
        """Keeps this state. Apart, because CloudFormation takes a template of this size from a bucket only."""
        for part, text in (("template", state["template"]), ("parameters", json.dumps(state["parameters"]))):
            self.s3.put_object(Bucket=self.bucket(), Key=f"{self.stack}/{BEFORE}/{part}", Body=text.encode())

    def stored(self):
        """The state that is kept."""
        parts = {}
        for part in ("template", "parameters"):
            key = f"{self.stack}/{BEFORE}/{part}"
            parts[part] = self.s3.get_object(Bucket=self.bucket(), Key=key)["Body"].read().decode()
        return {"template": parts["template"], "parameters": json.loads(parts["parameters"])}

    def apply(self):
        if not self.options.no_build:
            run("infra/dev/build.sh", self.architecture)
            if self.architecture != HERE:
                # The operator's own.
                run("infra/dev/build.sh", HERE, "provision")
            for program in PROGRAMS:
                target = TOP / "target/lambda" / program / "bootstrap.zip"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TOP / "target/lambda" / self.architecture / program / "bootstrap.zip", target)
            run(sys.executable, "infra/dev/lint.py", self.options.template)
        before = self.remember()
        deploy = [pathlib.Path(sys.executable).parent / "sam", "deploy", "--template", self.options.template]
        deploy += ["--config-file", self.config.resolve(), "--no-fail-on-empty-changeset"]
        if self.options.dry_run:
            run(*deploy, "--no-execute-changeset", "--no-confirm-changeset")
            if before is not None:
                self.in_vpc("db", "load", "--check", allowed=(0, 3))
                self.provision(*self.attach(), "--dry-run", allowed=(0, 3))
            return
        run(*deploy, *(["--no-confirm-changeset"] if self.options.yes else ["--confirm-changeset"]))
        # A repetition that changes nothing must not make the state from before the last change unreachable.
        if before is not None and before != self.remember():
            self.store(before)
        self.in_vpc("db", "load")
        self.in_vpc("db", "grant")
        self.provision(*self.attach())
        if self.options.no_doctor:
            return
        if self.provision("doctor", "--pool", self.pool, "--function", self.function, allowed=(0, 3)) == 3:
            raise Failed("everything is deployed, and the doctor has found something: docs/runbook.md leads from there")

    def rollback(self):
        try:
            former = self.stored()
        except ClientError as error:
            raise Failed(f"there is no former state of {self.stack}: {error}; check out a former release and deploy it") from error
        now = self.remember()
        if now is None:
            raise Failed(f"the stack {self.stack} is missing or being changed; wait, or deploy")
        if former == now:
            say(f"{self.stack} is as it was before the last deployment")
            return
        self.confirm(f"Give {self.stack} back the programs and settings from before the last deployment?")
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        template = f"https://s3.{self.region}.{domain}/{self.bucket()}/{self.stack}/{BEFORE}/template"
        self.cloudformation.update_stack(
            StackName=self.stack,
            TemplateURL=template,
            Parameters=former["parameters"],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        say("waiting until the stack is updated")
        self.cloudformation.get_waiter("stack_update_complete").wait(StackName=self.stack, WaiterConfig={"Delay": 5})
        # So that a second rollback leads forward again.
        self.store(now)
        say("migrations of the database are not undone: each release works with the schema of the next one")

    def remove(self):
        stack = self.describe()
        if stack is None:
            say(f"there is no stack {self.stack}")
            return
        urls = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        urls = [urls[key] for key in ("SpillQueueUrl", "DeadLetterQueueUrl") if key in urls]
        self.confirm(
            f"Detach {self.function} from {self.pool} and delete the stack {self.stack}? From then on sign-ups get no row."
        )
        self.provision("trigger", "detach", "--pool", self.pool, "--function", self.function)
        run(pathlib.Path(sys.executable).parent / "sam", "delete", "--stack-name", self.stack, "--region", self.region, "--no-prompts")
        sqs = boto3.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        for url in urls:
            try:
                counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            except sqs.exceptions.QueueDoesNotExist:
                continue
            if any(int(counts[name]) for name in names):
                say(f"kept, because there are events in it: {url}; `provision queue show --queue {url}` shows them")
                continue
            sqs.delete_queue(QueueUrl=url)
        say("the database, its role and the role's secret are as they were: `provision instance delete`, docs/getting-started.md")


def main():
    parser = argparse.ArgumentParser(prog="deploy.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    except (Failed, WaiterError, ClientError) as error:
        sys.exit(f"deploy: {error}")
    except KeyboardInterrupt:
        say("interrupted; run it again: it goes on from there")
        sys.exit(130)


if __name__ == "__main__":
    main()
