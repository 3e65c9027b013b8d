//! `infra/template.yaml`: what AWS makes of it. It is translated by SAM's own code, checked by `infra/dev/lint.py`, and deployed
//! at moto, which a script looks at as any client of AWS would.

mod alarms;
mod faults;
mod roles;
mod stack;
mod variables;

use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};
use testkit::{Moto, tool};

use crate::doctor::python;

const TEMPLATE: &str = include_str!("../../../../../infra/template.yaml");

/// The parameters without a default, but for those of what a stack finds: VPC and user pool.
const NEEDED: [(&str, &str); 3] = [
    ("DatabaseHost", "users-db.c0ffee.eu-central-1.rds.amazonaws.com"),
    ("DatabaseName", "app"),
    ("MasterSecretArn", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1f6c-AbCdEf"),
];

/// Every choice of the template, other than by default.
const CHOSEN: [(&str, &str); 16] = [
    ("FunctionName", "chosen"),
    ("Architecture", "x86_64"),
    ("HttpsEgressCidr", "10.0.0.0/16"),
    ("CreateSecretsManagerEndpoint", "yes"),
    ("CreateQueueEndpoint", "yes"),
    ("CreateCognitoEndpoint", "yes"),
    ("VpcCidr", "10.0.0.0/16"),
    ("DatabasePort", "5433"),
    ("DatabaseSecretArn", SECRET),
    ("SecretKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/of-the-secret"),
    ("ConnectionLimit", "none"),
    ("UseDatabaseProxy", "yes"),
    ("QueueKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/of-the-queues"),
    ("NightlyReconcile", "no"),
    ("LogRetentionDays", "365"),
    ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:operators"),
];

const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:of-the-role-AbCdEf";

/// Runs `infra/dev/lint.py`.
fn lint(arguments: &[&str]) -> Output {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/dev/lint.py");
    let mut command = Command::new(tool("sam/bin/python").expect("SAM"));
    // Nothing of the machine's own, such as a proxy or credentials.
    command.env_clear().arg(program).args(arguments).output().expect("Python starts")
}

/// What SAM makes of the template.
fn translated() -> &'static Value {
    static TRANSLATED: LazyLock<Value> = LazyLock::new(|| {
        let output = lint(&["--translate", concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/template.yaml")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    });
    &TRANSLATED
}

/// A stack at moto.
struct Stack(Value);

impl Stack {
    /// One with every default.
    fn usual() -> &'static Self {
        static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::deploy("usual", &[("FunctionName", "usual")]));
        &STACK
    }

    /// One with every choice.
    fn chosen() -> &'static Self {
        static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::deploy("chosen", &CHOSEN));
        &STACK
    }

    fn deploy(name: &str, parameters: &[(&str, &str)]) -> Self {
        let values: serde_json::Map<_, _> =
            NEEDED.iter().chain(parameters).map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let [(_, moto), ..] = Moto::shared().environment();
        Self(python::run(&json!({
            "script": include_str!("stack.py"),
            "variables": {"template": translated(), "values": values, "name": name},
            "moto": moto, "rds": moto, "amended": moto
        })))
    }

    /// The value of a parameter.
    fn value(&self, parameter: &str) -> &str {
        self.0["values"][parameter].as_str().unwrap_or_default()
    }

    /// The id that AWS has given a resource.
    fn id(&self, resource: &str) -> &str {
        self.0["made"][resource].as_str().unwrap_or_default()
    }

    /// The properties of a resource, as the template has them: for what moto does not keep.
    fn properties(&self, resource: &str) -> &Value {
        &self.0["resources"][resource]["Properties"]
    }

    /// Every resource of this type, with its properties.
    fn of_type(&self, name: &str) -> Vec<(&str, &Value)> {
        let resources = self.0["resources"].as_object().expect("resources").iter();
        let found = resources.filter(|(_, resource)| resource["Type"] == name);
        found.map(|(key, resource)| (key.as_str(), &resource["Properties"])).collect()
    }
}
