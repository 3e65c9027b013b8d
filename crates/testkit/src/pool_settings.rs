//! A stand-in for Amazon Cognito before moto, where moto is too kind or knows too little: settings that the SDK has never
//! heard of, refusals in AWS's words, and others that change the pool at the same time.
//!
//! moto keeps the pool. The stand-in adds settings to its answers, and keeps them only if `UpdateUserPool` sends them back.

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::Moto;
use crate::server::environment;

/// What `UpdateUserPool` takes no notice of in moto and refuses at AWS, as far as a client may be tempted to send it.
const NOT_TAKEN: [&str; 8] = [
    "Id",
    "Name",
    "Arn",
    "CreationDate",
    "LastModifiedDate",
    "SchemaAttributes",
    "EstimatedNumberOfUsers",
    "UsernameConfiguration",
];

/// The stand-in, a server of its own. Clones share their state; it ends with the process.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    state: Arc<Mutex<State>>,
    port: u16,
}

#[derive(Debug, Default)]
struct State {
    /// The settings beside moto's, by the pool's id.
    extras: BTreeMap<String, Extras>,
    /// The names of all that were set as such: moto may know one of them, in another form.
    names: BTreeSet<String>,
    /// What happens at requests to come, by their operation.
    incidents: Vec<(String, Incident)>,
    operations: Vec<String>,
}

/// Settings that moto does not keep.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Of the pool itself.
    pub settings: Map<String, Value>,
    /// Of `GetUserPoolMfaConfig`.
    pub mfa: Map<String, Value>,
}

/// What happens at a request.
#[derive(Clone, Debug)]
pub enum Incident {
    /// AWS refuses it with this code and message.
    Refusal(&'static str, String),
    /// Somebody gives the pool this setting, just before the request.
    ChangeBefore(&'static str, Value),
    /// Somebody gives the pool this setting, just after the request.
    ChangeAfter(&'static str, Value),
    /// The request resets this setting, though it is sent.
    Loss(&'static str),
    /// The request resets this multi-factor setting.
    LossOfMfa(&'static str),
    /// The request is carried out, and its answer is lost.
    LostAnswer,
    /// Nothing: the request is as any other.
    Nothing,
}

impl PoolSettings {
    /// A server before moto: all services are there.
    pub fn before(moto: &Moto) -> anyhow::Result<Self> {
        let state = Arc::default();
        let port = server::start(Arc::clone(&state), moto.port())?;
        Ok(Self { state, port })
    }

    /// The variables that lead an AWS SDK to the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.port)
    }

    /// Creates a pool with these settings, beside its name, and returns its id.
    pub fn create_pool(&self, name: &str, settings: &Value) -> anyhow::Result<String> {
        let mut settings = settings.clone();
        settings["PoolName"] = json!(name);
        let answer = self.request("CreateUserPool", &settings)?;
        Ok(answer["UserPool"]["Id"].as_str().context("moto returned no id")?.to_owned())
    }

    /// Creates a function, and the role that it needs.
    pub fn create_function(&self, name: &str) -> anyhow::Result<()> {
        let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        let form = format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={policy}");
        self.send("POST", "/", "iam", ("Content-Type", "application/x-www-form-urlencoded"), &form)?;
        let image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/image:latest";
        let role = format!("arn:aws:iam::123456789012:role/{name}");
        let body = json!({"FunctionName": name, "Role": role, "PackageType": "Image", "Code": {"ImageUri": image}});
        self.lambda("POST", "/2015-03-31/functions", &body)?;
        Ok(())
    }

    /// An answer of AWS Lambda.
    pub fn lambda(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "lambda", ("Content-Type", "application/json"), &text)
    }

    /// An answer of Amazon Cognito's user pools, such as that of `DescribeUserPool`.
    pub fn request(&self, operation: &str, body: &Value) -> anyhow::Result<Value> {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        self.send("POST", "/", "cognito-idp", ("X-Amz-Target", &target), &body.to_string())
    }

    /// Sets what moto does not keep of a pool.
    pub fn set_extras(&self, pool: &str, extras: Extras) {
        let mut state = self.state();
        state.names.extend(extras.settings.keys().cloned());
        state.extras.insert(pool.to_owned(), extras);
    }

    /// What happens at the next request of this operation. Of several, each happens in turn.
    pub fn at_next(&self, operation: &str, incident: Incident) {
        self.state().incidents.push((operation.to_owned(), incident));
    }

    /// The operations so far that change a pool or a function, without those of this kit.
    pub fn changing_operations(&self) -> Vec<String> {
        self.state().operations.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is locked")
    }

    fn send(&self, method: &str, path: &str, service: &str, header: (&str, &str), body: &str) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {service}.eu-central-1.amazonaws.com\r\nConnection: close\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testkit/20261125/eu-central-1/{service}/aws4_request\r\n\
             {}: {}\r\nContent-Length: {}\r\n\r\n{body}",
            header.0,
            header.1,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        anyhow::ensure!(status.starts_with('2'), "{service} answers {status}: {body}");
        // IAM answers XML, and nobody reads it.
        Ok(serde_json::from_str(body).unwrap_or_default())
    }
}

/// A request of Cognito as far as this stand-in reads it.
struct Request<'a> {
    operation: &'a str,
    pool: String,
    body: Map<String, Value>,
}

impl State {
    /// What happens at the request, and the refusal that it leads to, if it does.
    fn begin(&mut self, request: &Request<'_>) -> (Incident, Option<(String, String)>) {
        let position = self.incidents.iter().position(|(operation, _)| operation == request.operation);
        let incident = position.map_or(Incident::Nothing, |position| self.incidents.remove(position).1);
        if let Incident::ChangeBefore(name, value) = &incident {
            self.extras_of(&request.pool).settings.insert((*name).to_owned(), value.clone());
        }
        let refusal = match &incident {
            Incident::Refusal(code, message) => Some(((*code).to_owned(), message.clone())),
            _ if request.operation == "UpdateUserPool" => refusal(&request.body),
            _ => None,
        };
        (incident, refusal)
    }

    /// Takes over what the request says of the settings that moto does not keep.
    fn finish(&mut self, request: &Request<'_>, incident: &Incident) {
        let extras = self.extras_of(&request.pool);
        match request.operation {
            "UpdateUserPool" => {
                extras.settings.retain(|name, _| request.body.contains_key(name));
                for (name, value) in &mut extras.settings {
                    *value = request.body[name].clone();
                }
            }
            "SetUserPoolMfaConfig" => {
                let kept = ["EmailMfaConfiguration", "WebAuthnConfiguration"];
                let sent = request.body.iter().filter(|(name, _)| kept.contains(&name.as_str()));
                extras.mfa = sent.map(|(name, value)| (name.clone(), value.clone())).collect();
            }
            _ => {}
        }
        match incident {
            Incident::Loss(name) => drop(extras.settings.remove(*name)),
            Incident::LossOfMfa(name) => drop(extras.mfa.remove(*name)),
            Incident::ChangeAfter(name, value) => drop(extras.settings.insert((*name).to_owned(), value.clone())),
            _ => {}
        }
    }

    /// The answer with what moto does not keep.
    fn complete(&mut self, request: &Request<'_>, answer: &mut Value) {
        let Extras { settings, mfa } = self.extras_of(&request.pool).clone();
        let is_pool = request.operation == "DescribeUserPool";
        let (answer, added) = if is_pool { (&mut answer["UserPool"], settings) } else { (answer, mfa) };
        if let Value::Object(answer) = answer {
            answer.retain(|name, _| !is_pool || !self.names.contains(name));
            answer.extend(added);
        }
    }

    fn extras_of(&mut self, pool: &str) -> &mut Extras {
        self.extras.entry(pool.to_owned()).or_default()
    }
}

/// What AWS refuses and moto does not.
fn refusal(body: &Map<String, Value>) -> Option<(String, String)> {
    let invalid = |message: String| Some(("InvalidParameterException".to_owned(), message));
    if let Some(name) = body.keys().find(|name| NOT_TAKEN.contains(&name.as_str())) {
        return invalid(format!("Unknown parameter in input: \"{name}\""));
    }
    let policy = body.get("Policies").and_then(|policies| policies.get("PasswordPolicy"));
    let is_new = policy.is_some_and(|policy| policy.get("TemporaryPasswordValidityDays").is_some());
    let config = body.get("AdminCreateUserConfig");
    if is_new && config.is_some_and(|config| config.get("UnusedAccountValidityDays").is_some()) {
        let message = "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays";
        return invalid(message.to_owned());
    }
    let triggers = body.get("LambdaConfig")?;
    let config = triggers.get("PreTokenGenerationConfig").map(|config| &config["LambdaArn"]);
    match (triggers.get("PreTokenGeneration"), config) {
        (Some(one), Some(other)) if one != other => {
            invalid("PreTokenGeneration and PreTokenGenerationConfig must have the same Lambda ARN".to_owned())
        }
        _ => None,
    }
}
