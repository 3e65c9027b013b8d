//! What the function's execution role may do.

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::function::Configuration;
use crate::aws::iam::{Access, denied};
use crate::aws::rds::DbInstance;

/// Any key, bucket or secret: where a role may use these, it may use all.
const OTHERS: [(&str, &str); 4] = [
    ("secretsmanager:GetSecretValue", "arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:another-secret-AbCdEf"),
    ("s3:GetObject", "arn:PARTITION:s3:::another-bucket/object"),
    ("sqs:SendMessage", "arn:PARTITION:sqs:REGION:ACCOUNT:another-queue"),
    ("iam:PassRole", "arn:PARTITION:iam::ACCOUNT:role/another-role"),
];

pub(super) async fn permissions(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let aws = deployment.aws().await?;
    let mut seen = Seen::new(function.role.clone());
    let needed = needed(deployment, function).await?;
    for Access { action, resource, .. } in denied(aws, &function.role, &needed).await? {
        seen.wrong(
            format!("the role may not do {action} on {resource}"),
            format!("allow it; infra/iam/{} has the statement (docs/deployment.md)", file_of(action)),
        );
    }
    let needless = needless(function);
    let refused = denied(aws, &function.role, &needless).await?;
    for Access { action, resource, .. } in needless.iter().filter(|access| !refused.contains(access)) {
        seen.wrong(
            format!("the role may do {action}, also on {resource}, which the function never does"),
            "narrow its policies down to infra/iam/function.json and, with a spill queue, spill.json",
        );
    }
    Ok(seen)
}

fn file_of(action: &str) -> &'static str {
    match action.split(':').next() {
        Some("sqs") => "spill.json",
        Some("ec2" | "logs") => "function.json beside AWS's AWSLambdaVPCAccessExecutionRole",
        _ => "function.json",
    }
}

async fn needed(deployment: &Deployment<'_>, function: &Configuration) -> anyhow::Result<Vec<Access>> {
    let (partition, region, account) = place(&function.arn);
    let mut needed = Vec::new();
    let log_group = format!("arn:{partition}:logs:{region}:{account}:log-group:{}", function.log_group);
    needed.push(Access::new("logs:CreateLogStream", format!("{log_group}:*")));
    needed.push(Access::new("logs:PutLogEvents", format!("{log_group}:log-stream:any")));
    if function.network.is_some() {
        for action in ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"] {
            needed.push(Access::new(action, "*"));
        }
    }
    if let Some(secret) = deployment.find_secret().await? {
        needed.push(Access::new("secretsmanager:GetSecretValue", secret.arn.clone()));
        // AWS's own key allows it itself.
        if let Some(key) = secret.kms_key.as_ref().filter(|key| key.contains(":key/")) {
            let decrypt = Access::new("kms:Decrypt", key.clone());
            let decrypt = decrypt.with("kms:ViaService", format!("secretsmanager.{region}.amazonaws.com"));
            needed.push(decrypt.with("kms:EncryptionContext:SecretARN", secret.arn.clone()));
        }
    }
    if function.variable("DB_AUTH").is_some() && !function.variable("PGHOST").unwrap_or_default().contains(".proxy-") {
        let resource = deployment.find_instance().await?.and_then(DbInstance::dbi_resource_id).unwrap_or_default();
        let user = function.variable("PGUSER").unwrap_or_default();
        let resource = format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{resource}/{user}");
        needed.push(Access::new("rds-db:connect", resource));
    }
    if let Some(queue) = deployment.find_queue().await? {
        needed.push(Access::new("sqs:SendMessage", queue.arn.clone()));
        needed.push(Access::new("sqs:GetQueueAttributes", queue.arn.clone()));
    }
    Ok(needed)
}

/// What a role that may do more than it must is usually allowed as well.
fn needless(function: &Configuration) -> Vec<Access> {
    let (partition, region, account) = place(&function.arn);
    let filled =
        |text: &str| text.replace("PARTITION", partition).replace("REGION", region).replace("ACCOUNT", account);
    let mut needless: Vec<_> = OTHERS.iter().map(|(action, resource)| Access::new(action, filled(resource))).collect();
    needless.push(Access::new("lambda:UpdateFunctionCode", function.arn.clone()));
    needless.push(Access::new("rds:DeleteDBInstance", filled("arn:PARTITION:rds:REGION:ACCOUNT:db:another-instance")));
    needless.push(Access::new(
        "cognito-idp:AdminDeleteUser",
        filled("arn:PARTITION:cognito-idp:REGION:ACCOUNT:userpool/REGION_another"),
    ));
    needless
}

/// Partition, region and account of an ARN.
fn place(arn: &str) -> (&str, &str, &str) {
    let parts: Vec<&str> = arn.split(':').collect();
    let part = |place: usize| parts.get(place).copied().unwrap_or_default();
    (part(1), part(3), part(4))
}
