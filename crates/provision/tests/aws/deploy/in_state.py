"""Runs infra/deploy.py at a stack that is said to have another status, in which moto's CloudFormation never is.

    in_state.py DEPLOY_PY STATUS ARGUMENT...
"""

import runpy
import sys

import boto3

program, status, *arguments = sys.argv[1:]


def amend(parsed, **_):
    for stack in parsed.get("Stacks", []):
        # SAM's own stack, with its bucket, is as it is.
        if not stack["StackName"].startswith("aws-sam-cli"):
            stack["StackStatus"] = status


boto3.setup_default_session()
if status != "AS_IT_IS":
    boto3.DEFAULT_SESSION.events.register("after-call.cloudformation.DescribeStacks", amend)
sys.argv = [program, *arguments]
runpy.run_path(program, run_name="__main__")
