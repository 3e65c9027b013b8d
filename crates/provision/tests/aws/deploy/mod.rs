//! `infra/deploy.py` at stacks that it finds in the middle of something. docs/getting-started.md, which a test follows, has
//! it where all goes well.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Moto, tool};

const POOL: &str = "eu-central-1_AbCdEfGhI";

/// A stack whose one resource is a queue by the name of its parameter.
const TEMPLATE: &str = r#"{"Parameters": {"UserPoolId": {"Type": "String"}, "FunctionName": {"Type": "String"}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "FunctionName"}}}}}"#;

/// A checkout's files, and a stack at moto.
struct Deployment {
    directory: TempDir,
    stack: &'static str,
}

impl Deployment {
    /// Files that ask for a stack by this name.
    fn of(stack: &'static str) -> Self {
        let directory = TempDir::new().expect("a directory");
        fs::create_dir(directory.path().join("infra")).expect("a directory");
        let deployment = Self { directory, stack };
        deployment.configure(POOL);
        fs::write(deployment.template(), TEMPLATE).expect("a file");
        deployment
    }

    fn configure(&self, pool: &str) {
        let stack = self.stack;
        let text = format!(
            "[default.deploy.parameters]\nstack_name = {stack:?}\nregion = \"eu-central-1\"\nresolve_s3 = true\n\
             s3_prefix = {stack:?}\n[default.deploy.parameters.parameter_overrides]\nUserPoolId = {pool:?}\n\
             FunctionName = {stack:?}\nArchitecture = \"arm64\"\n"
        );
        fs::write(self.config(), text).expect("a file");
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("infra/samconfig.toml")
    }

    fn template(&self) -> PathBuf {
        self.directory.path().join("infra/template.json")
    }

    /// Makes the stack.
    fn made(self) -> Self {
        let parameters = json!([
            {"ParameterKey": "UserPoolId", "ParameterValue": POOL},
            {"ParameterKey": "FunctionName", "ParameterValue": self.stack},
        ]);
        let create = format!(
            "cloudformation.create_stack(StackName={:?}, TemplateBody={TEMPLATE:?}, Parameters={parameters})",
            self.stack
        );
        python(&create);
        self
    }

    /// Runs the program at the stack as if it had this status.
    fn run_in(&self, status: &str, arguments: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/deploy/in_state.py");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/deploy.py");
        let mut command = Command::new(tool("sam/bin/python").expect("SAM"));
        command.args([script, program, status]).args(arguments).arg("--config").arg(self.config());
        command.arg("--template").arg(self.template()).arg("--yes");
        command.env_clear().envs(Moto::shared().environment()).env("HOME", self.directory.path());
        command.stdin(Stdio::null()).output().expect("Python starts")
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.run_in("AS_IT_IS", arguments);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.success(), "{said}");
        said
    }

    /// What it says when it refuses.
    #[track_caller]
    fn refusal_in(&self, status: &str, arguments: &[&str]) -> String {
        let output = self.run_in(status, arguments);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains("Traceback"), "{said}");
        said
    }

    fn exists(&self) -> bool {
        let stacks = python("cloudformation.list_stacks()['StackSummaries']");
        let is_this = |stack: &&Value| stack["StackName"] == self.stack && stack["StackStatus"] != "DELETE_COMPLETE";
        stacks.as_array().expect("a list").iter().any(|stack| is_this(&stack))
    }
}

/// What this Python expression is, with clients of boto3.
#[track_caller]
fn python(expression: &str) -> Value {
    let script = format!(
        "import boto3, json; cloudformation, s3, sqs = map(boto3.client, ('cloudformation', 's3', 'sqs')); \
         print(json.dumps({expression}, default=str))"
    );
    let mut command = Command::new(tool("sam/bin/python").expect("SAM"));
    command.env_clear().args(["-c", &script]).envs(Moto::shared().environment());
    let output = command.env("AWS_DEFAULT_REGION", "eu-central-1").output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_stack_of_which_nothing_was_made_is_deleted_before_it_is_deployed_anew() {
    let deployment = Deployment::of("first-failed").made();
    for dry in [true, false] {
        let arguments: &[&str] = if dry { &["--no-build", "--dry-run"] } else { &["--no-build"] };
        let said = deployment.refusal_in("ROLLBACK_COMPLETE", arguments);
        // The zips come next, and these files have none.
        assert!(said.contains("bootstrap.zip is missing: build it"), "{said}");
        assert_eq!(deployment.exists(), dry, "only a dry run leaves it: {said}");
    }
}

#[test]
fn a_stack_that_cannot_be_changed_now_is_left_as_it_is_with_the_way_out() {
    let deployment = Deployment::of("in-between").made();
    for (status, way_out) in [
        ("UPDATE_ROLLBACK_FAILED", "`aws cloudformation continue-update-rollback --stack-name in-between`"),
        ("UPDATE_IN_PROGRESS", "wait until that has ended, and run this again"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "wait until that has ended, and run this again"),
    ] {
        for command in ["apply", "rollback", "remove"] {
            let said = deployment.refusal_in(status, &[command]);
            assert!(said.contains(&format!("in-between is {status}: ")) && said.contains(way_out), "{command}: {said}");
        }
    }
    for command in ["apply", "rollback"] {
        let said = deployment.refusal_in("DELETE_FAILED", &[command]);
        assert!(said.contains("is DELETE_FAILED: correct what its events name, or remove it"), "{said}");
    }
    assert!(deployment.exists());
}

#[test]
fn a_deployment_never_moves_to_another_pool_or_function() {
    let deployment = Deployment::of("moved").made();
    deployment.configure("eu-central-1_ZzZzZzZzZ");
    let said = deployment.refusal_in("AS_IT_IS", &["--no-build"]);
    let expected =
        "UserPoolId is eu-central-1_AbCdEfGhI in moved: remove that first, or use another stack_name beside it";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_rollback_without_anything_to_go_back_to_says_so() {
    let deployment = Deployment::of("never-deployed");
    let said = deployment.refusal_in("AS_IT_IS", &["rollback"]);
    assert!(said.contains("there is no stack never-deployed: deploy it"), "{said}");
}

#[test]
fn a_rollback_after_an_interrupted_deployment_gives_back_what_was_there_before_it() {
    let deployment = Deployment::of("interrupted").made();
    let bucket = python(
        "[cloudformation.create_stack(StackName='aws-sam-cli-managed-default', TemplateBody=json.dumps({'Resources': {'B': \
         {'Type': 'AWS::S3::Bucket'}}, 'Outputs': {'SourceBucket': {'Value': {'Ref': 'B'}}}})), \
         cloudformation.describe_stacks(StackName='aws-sam-cli-managed-default')['Stacks'][0]['Outputs'][0]['OutputValue']][1]",
    );
    let said = deployment.refusal_in("AS_IT_IS", &["rollback"]);
    assert!(said.contains("nothing is known of interrupted before its last change"), "{said}");
    // As CloudFormation gives it back, which is what a deployment keeps.
    let keep = |slot: &str, template: &str| {
        let parameters = json!({"UserPoolId": POOL, "FunctionName": "interrupted"}).to_string();
        for (part, body) in
            [("template", format!("json.dumps(json.loads({template:?}))")), ("parameters", format!("{parameters:?}"))]
        {
            python(&format!("s3.put_object(Bucket={bucket}, Key='interrupted/{slot}/{part}', Body={body})"));
        }
    };
    let resources = || {
        let listed = "cloudformation.list_stack_resources(StackName='interrupted')['StackResourceSummaries']";
        python(&format!("[resource['LogicalResourceId'] for resource in {listed}]"))
    };
    // Interrupted as soon as the stack was changed.
    keep("before-this-change", &TEMPLATE.replace(r#""Queue": "#, r#""FormerQueue": "#));
    assert_eq!(resources(), json!(["Queue"]));
    let said = deployment.run(&["rollback"]);
    assert_eq!(resources(), json!(["FormerQueue"]), "{said}");
    let said = deployment.run(&["rollback"]);
    assert!(said.contains("interrupted is as it was before its last change"), "{said}");

    // The way back of CloudFormation itself, from a change that failed, is not this one.
    keep("before-the-last-change", TEMPLATE);
    let output = deployment.run_in("UPDATE_ROLLBACK_COMPLETE", &["rollback"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("has undone the last change, which failed, already: this goes back by one more"), "{said}");
    assert_eq!(resources(), json!(["Queue"]), "{said}");
}

#[test]
fn settings_that_only_sam_would_follow_are_refused() {
    let deployment = Deployment::of("foreign");
    let text = fs::read_to_string(deployment.config()).expect("the file");
    for (from, to, expected) in [
        ("resolve_s3 = true", "resolve_s3 = true\nprofile = \"prod\"", "remove profile: only SAM would follow it"),
        ("s3_prefix = \"foreign\"", "s3_prefix = \"all\"", "set resolve_s3 = true and s3_prefix = \"foreign\""),
        ("stack_name = \"foreign\"", "", "compare it with infra/samconfig.example.toml"),
    ] {
        fs::write(deployment.config(), text.replace(from, to)).expect("a file");
        let said = deployment.refusal_in("AS_IT_IS", &["--no-build"]);
        assert!(said.contains(expected), "{said}");
    }
    fs::remove_file(deployment.config()).expect("it was there");
    let said = deployment.refusal_in("AS_IT_IS", &["--no-build"]);
    assert!(said.contains("is missing: copy infra/samconfig.example.toml there"), "{said}");
}
