//! Requests that moto has recorded, and what AWS would check of each.
//!
//! Which action needs which resources, and which other actions on the way:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>

mod body;
mod functions;
mod logs;
mod queues;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use self::body::of_form;
pub(crate) use self::body::of_json;
use crate::policy::{Call, Check};
use crate::rds;

/// The account that moto plays.
const ACCOUNT: &str = "123456789012";

/// What AWS appends to a secret's name: here to one that a request creates.
const SUFFIX: &str = "AbC123";

/// A secret that exists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secret {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) kms_key: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A signed request.
struct Request {
    region: String,
    service: String,
    operation: String,
    parameters: BTreeMap<String, String>,
}

/// What AWS would check of each request in the recording that was signed with this access key id.
pub(crate) fn calls(recording: &str, access_key_id: &str, secrets: &[Secret]) -> anyhow::Result<Vec<Call>> {
    let requests = recording.lines().filter_map(|line| Request::parse(line, access_key_id).transpose());
    let requests: Vec<Request> = requests.collect::<anyhow::Result<_>>()?;
    let creations = requests.iter().filter(|request| request.operation == "CreateSecret");
    let mut missing: BTreeSet<&str> = creations.filter_map(|request| request.get("Name")).collect();
    requests
        .iter()
        .map(|request| {
            missing.retain(|name| request.operation != "CreateSecret" || request.get("Name") != Some(name));
            Ok(Call { checks: request.checks(secrets, &missing)? })
        })
        .collect()
}

/// What AWS would check of a request that a stand-in has answered.
pub(crate) fn call(request: rds::Request) -> anyhow::Result<Call> {
    let rds::Request { service, action: operation, parameters } = request;
    let request = Request { region: "eu-central-1".to_owned(), service, operation, parameters };
    Ok(Call { checks: request.checks(&[], &BTreeSet::new())? })
}

impl Request {
    /// Reads a line of moto's recording, if it was signed with this access key id.
    fn parse(line: &str, access_key_id: &str) -> anyhow::Result<Option<Self>> {
        let request: Value = serde_json::from_str(line)?;
        let header = |name: &str| request["headers"][name].as_str();
        // "AWS4-HMAC-SHA256 Credential=KEY/20261125/eu-central-1/rds/aws4_request, …"
        let scope = header("Authorization").and_then(|value| value.split("Credential=").nth(1));
        let scope: Vec<&str> = scope.unwrap_or_default().split('/').collect();
        let [key, _day, region, service, ..] = scope[..] else { return Ok(None) };
        if key != access_key_id {
            return Ok(None);
        }
        let body = String::from_utf8(BASE64.decode(request["body"].as_str().unwrap_or_default())?)?;
        if service == "lambda" {
            let [method, url] = ["method", "url"].map(|name| request[name].as_str().unwrap_or_default());
            return Self::of_lambda(region, method, url, &body).map(Some);
        }
        // The JSON protocol names the operation in a header, the query protocol in the form.
        let operation = header("X-Amz-Target").and_then(|target| target.split('.').next_back());
        let parameters = if operation.is_some() { of_json(body.as_bytes())? } else { of_form(&body)? };
        let operation = operation.or_else(|| parameters.get("Action").map(String::as_str));
        let operation = operation.with_context(|| format!("a request without operation: {request}"))?.to_owned();
        Ok(Some(Self { region: region.to_owned(), service: service.to_owned(), operation, parameters }))
    }

    fn get(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter).map(String::as_str)
    }

    fn required(&self, parameter: &str) -> anyhow::Result<&str> {
        self.get(parameter).with_context(|| format!("{} without {parameter}", self.operation))
    }

    fn has_tags(&self) -> bool {
        self.parameters.keys().any(|name| name.starts_with("Tag"))
    }

    fn checks(&self, secrets: &[Secret], missing: &BTreeSet<&str>) -> anyhow::Result<Vec<Check>> {
        match self.service.as_str() {
            "cognito-idp" => self.checks_of_user_pools(),
            "ec2" => self.checks_of_ec2(),
            "ecs" => self.checks_of_tasks(),
            "iam" => self.checks_of_roles(),
            "lambda" => self.checks_of_lambda(),
            "logs" => self.checks_of_logs(),
            // Of Amazon CloudWatch: the name that its requests are signed for.
            "monitoring" => self.checks_of_metrics(),
            "rds" => self.checks_of_rds(),
            "secretsmanager" => self.checks_of_secrets(secrets, missing),
            "sqs" => self.checks_of_queues(),
            "ssm" => self.checks_of_sessions(),
            // GetCallerIdentity is allowed whatever a policy says.
            "sts" => Ok(Vec::new()),
            service => bail!("no check of {service} is known"),
        }
    }

    fn own(&self, resource: impl Into<String>) -> Check {
        Check::new(format!("{}:{}", self.service, self.operation), resource)
    }

    fn checks_of_ec2(&self) -> anyhow::Result<Vec<Check>> {
        let arn = |resource: &str| format!("arn:aws:ec2:{}:{ACCOUNT}:{resource}", self.region);
        let group = |id: &str| arn(&format!("security-group/{id}"));
        Ok(match self.operation.as_str() {
            operation if operation.starts_with("Describe") => vec![self.own("*")],
            "CreateSecurityGroup" => {
                let tags =
                    Check::new("ec2:CreateTags", group("sg-new")).with("ec2:CreateAction", "CreateSecurityGroup");
                vec![self.own(group("sg-new")), self.own(arn(&format!("vpc/{}", self.required("VpcId")?))), tags]
            }
            "AuthorizeSecurityGroupIngress" | "RevokeSecurityGroupIngress" => {
                vec![self.own(group(self.required("GroupId")?))]
            }
            "CreateTags" | "DeleteTags" => vec![self.own(group(self.required("ResourceId.1")?))],
            "ModifySecurityGroupRules" => {
                let ids = self.parameters.iter().filter(|(name, _)| name.ends_with(".SecurityGroupRuleId"));
                let rules = ids.map(|(_, id)| self.own(arn(&format!("security-group-rule/{id}"))));
                std::iter::once(self.own(group(self.required("GroupId")?))).chain(rules).collect()
            }
            operation => bail!("no check of ec2:{operation} is known"),
        })
    }

    fn checks_of_rds(&self) -> anyhow::Result<Vec<Check>> {
        let arn = |kind: &str, name: &str| format!("arn:aws:rds:{}:{ACCOUNT}:{kind}:{name}", self.region);
        let named = |kind: &str, parameter: &str| Ok::<_, anyhow::Error>(arn(kind, self.required(parameter)?));
        let instance = || named("db", "DBInstanceIdentifier");
        let tag = |resource: String| Check::new("rds:AddTagsToResource", resource);
        let mut checks = match self.operation.as_str() {
            "DescribeDBEngineVersions"
            | "DescribeDBInstanceAutomatedBackups"
            | "DescribeDBMajorEngineVersions"
            | "DescribeEngineDefaultParameters"
            | "DescribeEvents"
            | "DescribePendingMaintenanceActions" => vec![self.own("*")],
            "DescribeDBParameterGroups" | "ResetDBParameterGroup" => {
                vec![self.own(named("pg", "DBParameterGroupName")?)]
            }
            "DescribeDBSubnetGroups" => vec![self.own(named("subgrp", "DBSubnetGroupName")?)],
            "DescribeDBInstances" | "RebootDBInstance" | "StartDBInstance" | "StopDBInstance" => {
                vec![self.own(instance()?)]
            }
            "DescribeDBParameters" | "ModifyDBParameterGroup" => vec![self.own(named("pg", "DBParameterGroupName")?)],
            "CreateDBParameterGroup" => {
                let group = named("pg", "DBParameterGroupName")?;
                let tags = self.has_tags().then(|| tag(group.clone()));
                std::iter::once(self.own(group)).chain(tags).collect()
            }
            "AddTagsToResource" | "ListTagsForResource" | "RemoveTagsFromResource" => {
                vec![self.own(self.required("ResourceName")?)]
            }
            "CreateDBSnapshot" => {
                let snapshot = named("snapshot", "DBSnapshotIdentifier")?;
                vec![self.own(instance()?), self.own(snapshot.clone()), tag(snapshot)]
            }
            // All of an instance, which may be deleted.
            "DescribeDBSnapshots" if self.get("DBSnapshotIdentifier").is_none() => vec![self.own("*")],
            "DescribeDBSnapshots" => {
                vec![self.own(arn("db", "*")), self.own(named("snapshot", "DBSnapshotIdentifier")?)]
            }
            "DeleteDBInstance" => {
                let snapshot = self.get("FinalDBSnapshotIdentifier").map(|name| arn("snapshot", name));
                let snapshot = snapshot.map(|snapshot| -> anyhow::Result<_> {
                    let creation = |resource| Check::new("rds:CreateDBSnapshot", resource);
                    Ok([creation(instance()?), creation(snapshot.clone()), tag(snapshot)])
                });
                std::iter::once(self.own(instance()?)).chain(snapshot.transpose()?.into_iter().flatten()).collect()
            }
            "CreateDBInstance" => {
                let version = self.required("EngineVersion")?.split('.').next().unwrap_or_default();
                let tags = self.has_tags().then(instance).transpose()?.map(tag);
                let own = [
                    self.own(instance()?),
                    self.own(named("pg", "DBParameterGroupName")?),
                    self.own(arn("og", &format!("default:postgres-{version}"))),
                    self.own(arn("subgrp", self.get("DBSubnetGroupName").unwrap_or("default"))),
                    // Of the first DB instance of an account.
                    Check::new(
                        "iam:CreateServiceLinkedRole",
                        format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
                    )
                    .with("iam:AWSServiceName", "rds.amazonaws.com"),
                ];
                own.into_iter().chain(tags).collect()
            }
            "RestoreDBInstanceFromDBSnapshot" => {
                let snapshot = self.own(named("snapshot", "DBSnapshotIdentifier")?);
                self.checks_of_restore(&instance()?).chain([snapshot]).collect()
            }
            "RestoreDBInstanceToPointInTime" => {
                let source = self.own(named("db", "SourceDBInstanceIdentifier")?);
                // If the source is deleted.
                let backups = self.own(arn("auto-backup", "*"));
                self.checks_of_restore(&named("db", "TargetDBInstanceIdentifier")?).chain([source, backups]).collect()
            }
            "ModifyDBInstance" => {
                let group = self.get("DBParameterGroupName").map(|name| self.own(arn("pg", name)));
                std::iter::once(self.own(instance()?)).chain(group).collect()
            }
            operation => bail!("no check of rds:{operation} is known"),
        };
        checks.extend(self.checks_of_rds_for_others());
        Ok(checks)
    }

    /// Of what a restored DB instance is made, whatever it is restored from.
    fn checks_of_restore(&self, instance: &str) -> impl Iterator<Item = Check> {
        let arn = |kind: &str, name: &str| format!("arn:aws:rds:{}:{ACCOUNT}:{kind}:{name}", self.region);
        let tags = self.has_tags().then(|| Check::new("rds:AddTagsToResource", instance));
        let group = self.get("DBParameterGroupName").map(|name| self.own(arn("pg", name)));
        let own = [
            self.own(instance),
            self.own(arn("og", "default:postgres-17")),
            self.own(arn("subgrp", self.get("DBSubnetGroupName").unwrap_or("default"))),
        ];
        own.into_iter().chain(group).chain(tags)
    }

    /// What RDS does in the caller's name to create or change a DB instance.
    fn checks_of_rds_for_others(&self) -> Vec<Check> {
        let Self { region, .. } = self;
        let via_rds = |action: &str, key: &str| {
            Check::new(action, key).with("kms:ViaService", format!("rds.{region}.amazonaws.com"))
        };
        let mut checks = Vec::new();
        if self.get("ManageMasterUserPassword") == Some("true") {
            let id = "rds!db-5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";
            let secret = format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{id}-{SUFFIX}");
            checks.extend(
                ["CreateSecret", "TagResource"].map(|action| Check::new(format!("secretsmanager:{action}"), &secret)),
            );
            // Of the key of Secrets Manager, which AWS manages.
            checks.push(via_rds("kms:DescribeKey", &format!("arn:aws:kms:{region}:{ACCOUNT}:key/of-secrets-manager")));
        }
        for key in ["KmsKeyId", "PerformanceInsightsKMSKeyId"].into_iter().filter_map(|name| self.get(name)) {
            checks.push(via_rds("kms:DescribeKey", key));
            checks.push(via_rds("kms:CreateGrant", key).with("kms:GrantIsForAWSResource", "true"));
        }
        if let Some(role) = self.get("MonitoringRoleArn") {
            checks.push(Check::new("iam:PassRole", role).with("iam:PassedToService", "monitoring.rds.amazonaws.com"));
        }
        // The calls of the Directory Service are the role's own:
        // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/postgresql-kerberos-setting-up.html
        if let Some(role) = self.get("DomainIAMRoleName") {
            let role = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
            checks.push(Check::new("iam:PassRole", role).with("iam:PassedToService", "rds.amazonaws.com"));
        }
        checks
    }

    fn checks_of_user_pools(&self) -> anyhow::Result<Vec<Check>> {
        let pool = format!("arn:aws:cognito-idp:{}:{ACCOUNT}:userpool/{}", self.region, self.required("UserPoolId")?);
        let known = [
            "AdminGetUser",
            "DescribeUserPool",
            "GetUserPoolMfaConfig",
            "ListUsers",
            "SetUserPoolMfaConfig",
            "UpdateUserPool",
        ];
        if !known.contains(&self.operation.as_str()) {
            bail!("no check of cognito-idp:{} is known", self.operation);
        }
        // Cognito sends text messages in this role.
        let role = self.parameters.iter().find(|(name, _)| name.ends_with("SmsConfiguration.SnsCallerArn"));
        let pass = role
            .map(|(_, role)| Check::new("iam:PassRole", role).with("iam:PassedToService", "cognito-idp.amazonaws.com"));
        Ok(std::iter::once(self.own(pool)).chain(pass).collect())
    }

    fn checks_of_metrics(&self) -> anyhow::Result<Vec<Check>> {
        match self.operation.as_str() {
            "GetMetricStatistics" => Ok(vec![Check::new("cloudwatch:GetMetricStatistics", "*")]),
            operation => bail!("no check of cloudwatch:{operation} is known"),
        }
    }

    fn checks_of_roles(&self) -> anyhow::Result<Vec<Check>> {
        match self.operation.as_str() {
            "SimulatePrincipalPolicy" => Ok(vec![self.own(self.required("PolicySourceArn")?)]),
            operation => bail!("no check of iam:{operation} is known"),
        }
    }

    fn checks_of_secrets(&self, secrets: &[Secret], missing: &BTreeSet<&str>) -> anyhow::Result<Vec<Check>> {
        let Self { region, operation, .. } = self;
        let id = self.get("SecretId").map_or_else(|| self.required("Name"), Ok)?;
        let arn = |name: &str| format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}");
        let found = secrets.iter().find(|secret| (secret.name == id || secret.arn == id) && !missing.contains(id));
        let secret = found.cloned().unwrap_or_else(|| {
            let arn = match operation.as_str() {
                "CreateSecret" => arn(&format!("{id}-{SUFFIX}")),
                _ if id.starts_with("arn:") => id.to_owned(),
                _ => arn(id),
            };
            Secret { arn, ..Secret::default() }
        });
        let tagged = secret.tags.iter().fold(self.own(&secret.arn), |check, (key, value)| {
            check.with(format!("secretsmanager:ResourceTag/{key}"), value)
        });
        let uses_of_key: &[&str] = match operation.as_str() {
            "GetSecretValue" => &["kms:Decrypt"],
            "PutSecretValue" => &["kms:Decrypt", "kms:GenerateDataKey"],
            "CreateSecret" | "DescribeSecret" | "ListSecretVersionIds" | "UpdateSecretVersionStage" => &[],
            operation => bail!("no check of secretsmanager:{operation} is known"),
        };
        let of_key = uses_of_key.iter().filter_map(|action| {
            let check = Check::new(*action, secret.kms_key.as_ref()?);
            let check = check.with("kms:ViaService", format!("secretsmanager.{region}.amazonaws.com"));
            Some(check.with("kms:EncryptionContext:SecretARN", &secret.arn))
        });
        Ok(std::iter::once(tagged).chain(of_key).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(service: &str, target: Option<&str>, body: &str) -> String {
        let signature = format!("AWS4-HMAC-SHA256 Credential=ada/20261125/eu-central-1/{service}/aws4_request");
        let mut headers = json!({"Authorization": signature});
        if let Some(target) = target {
            headers["X-Amz-Target"] = json!(target);
        }
        json!({"headers": headers, "body": BASE64.encode(body)}).to_string()
    }

    #[test]
    fn a_request_is_checked_under_its_own_key_alone() {
        let stop = recorded("rds", None, "Version=1&Action=StopDBInstance&DBInstanceIdentifier=users%2Ddb");
        let expected = Check::new("rds:StopDBInstance", "arn:aws:rds:eu-central-1:123456789012:db:users-db");
        assert_eq!(calls(&stop, "ada", &[]).expect("calls"), [Call { checks: vec![expected] }]);
        assert_eq!(calls(&stop, "bayko", &[]).expect("no calls"), []);
    }

    #[test]
    fn a_secret_is_checked_by_its_bare_name_before_it_exists_and_by_its_whole_arn_afterwards() {
        let read = recorded("secretsmanager", Some("secretsmanager.GetSecretValue"), r#"{"SecretId": "db/fn"}"#);
        let create = recorded("secretsmanager", Some("secretsmanager.CreateSecret"), r#"{"Name": "db/fn"}"#);
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db/fn";
        let secret = Secret {
            arn: format!("{arn}-XyZ789"),
            name: "db/fn".to_owned(),
            kms_key: Some("key".to_owned()),
            tags: [("owner".to_owned(), "ada".to_owned())].into(),
        };
        let calls = calls(&[read.clone(), create, read].join("\n"), "ada", &[secret]).expect("calls");
        assert_eq!(calls[0].checks, [Check::new("secretsmanager:GetSecretValue", arn)]);
        let whole = format!("{arn}-XyZ789");
        let tagged = |action: &str| Check::new(action, &whole).with("secretsmanager:ResourceTag/owner", "ada");
        assert_eq!(calls[1].checks, [tagged("secretsmanager:CreateSecret")]);
        let decrypt = Check::new("kms:Decrypt", "key").with("kms:EncryptionContext:SecretARN", &whole);
        let decrypt = decrypt.with("kms:ViaService", "secretsmanager.eu-central-1.amazonaws.com");
        assert_eq!(calls[2].checks, [tagged("secretsmanager:GetSecretValue"), decrypt]);
    }

    #[test]
    fn an_operation_that_nobody_has_looked_up_is_an_error() {
        let unknown = recorded("rds", None, "Action=SwitchoverReadReplica&DBInstanceIdentifier=x");
        assert!(calls(&unknown, "ada", &[]).is_err());
    }
}
