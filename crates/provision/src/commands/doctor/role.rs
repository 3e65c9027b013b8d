//! What the function's execution role may do.

use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::Aws;
use crate::aws::function::Configuration;
use crate::aws::iam::{Access, Decision, decide};
use crate::aws::queue::Queue;

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
    let mut needed = needed(deployment, function).await?;
    if let Some(queue) = deployment.find_queue().await? {
        needed.extend(of_queue(queue, &["sqs:SendMessage", "sqs:GetQueueAttributes"]));
    }
    check(aws, &mut seen, "the role", &function.role, &needed).await?;
    for (Access { action, resource, .. }, decision) in decide(aws, &function.role, &needless(function)).await? {
        if decision == Decision::Allowed {
            seen.wrong(
                format!("the role may do {action}, also on {resource}, which the function never does"),
                "narrow its policies down to infra/iam/function.json and, with a spill queue, spill.json",
            );
        }
    }
    Ok(seen)
}

/// Names what the role may not do.
pub(super) async fn check(
    aws: &Aws,
    seen: &mut Seen,
    whose: &str,
    role: &str,
    needed: &[Access],
) -> anyhow::Result<()> {
    for (Access { action, resource, .. }, decision) in decide(aws, role, needed).await? {
        let remedy = format!("allow it; infra/iam/{} has the statement (docs/deployment.md)", file_of(action));
        match decision {
            Decision::Allowed => {}
            Decision::Conditional => seen.advise(
                format!("{whose} may do {action} on {resource} under a condition that cannot be tried from here"),
                "see that the condition holds, such as a tag of the resource",
            ),
            // The key's own policy may allow it.
            Decision::Denied if action.starts_with("kms:") => {
                seen.advise(
                    format!("{whose} may not do {action} on {resource}, unless the key's policy allows it"),
                    remedy,
                );
            }
            Decision::Denied => seen.wrong(format!("{whose} may not do {action} on {resource}"), remedy),
        }
    }
    Ok(())
}

/// These actions on a queue, and what its own key needs.
pub(super) fn of_queue(queue: &Queue, actions: &[&'static str]) -> Vec<Access> {
    let mut needed: Vec<_> = actions.iter().map(|action| Access::new(action, queue.arn.clone())).collect();
    if let Some(key) = queue.kms_key.as_ref().filter(|key| key.contains(":key/")) {
        let (_, region, _) = place(&queue.arn);
        for action in ["kms:GenerateDataKey", "kms:Decrypt"] {
            let access = Access::new(action, key.clone()).with("kms:ViaService", format!("sqs.{region}.amazonaws.com"));
            needed.push(access.with("kms:EncryptionContext:aws:sqs:arn", queue.arn.clone()));
        }
    }
    needed
}

fn file_of(action: &str) -> &'static str {
    match action.split(':').next() {
        Some("sqs") if action.ends_with(":SendMessage") || action.ends_with(":GetQueueAttributes") => "spill.json",
        Some("sqs") => "replay.json",
        Some("ec2" | "logs") => "function.json beside AWS's AWSLambdaVPCAccessExecutionRole",
        _ => "function.json",
    }
}

/// What a function that writes rows needs: its log, its network, its login.
pub(super) async fn needed(deployment: &Deployment<'_>, function: &Configuration) -> anyhow::Result<Vec<Access>> {
    let (partition, region, account) = place(&function.arn);
    let mut needed = Vec::new();
    let log_group = format!("arn:{partition}:logs:{region}:{account}:log-group:{}", function.log_group);
    for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
        needed.push(Access::new(action, format!("{log_group}:log-stream:any")));
    }
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
            // It is in the secret's region, which may be another one.
            let (_, region, _) = place(&secret.arn);
            let decrypt = decrypt.with("kms:ViaService", format!("secretsmanager.{region}.amazonaws.com"));
            needed.push(decrypt.with("kms:EncryptionContext:SecretARN", secret.arn.clone()));
        }
    }
    let instance = deployment.find_instance().await?;
    if let (Some(instance), true, false) =
        (instance, function.variable("DB_AUTH").is_some(), deployment.has_proxy().await?)
    {
        let user = function.variable("PGUSER").unwrap_or_default();
        let resource = instance.dbi_resource_id().unwrap_or_default();
        needed.push(Access::new(
            "rds-db:connect",
            format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{resource}/{user}"),
        ));
    }
    Ok(needed)
}

/// What a role that may do more than it must is usually allowed as well.
fn needless(function: &Configuration) -> Vec<Access> {
    let (partition, region, account) = place(&function.arn);
    let filled =
        |text: &str| text.replace("PARTITION", partition).replace("REGION", region).replace("ACCOUNT", account);
    let mut needless: Vec<_> = OTHERS.iter().map(|(action, resource)| Access::new(action, filled(resource))).collect();
    // Without the alias.
    let arn: Vec<&str> = function.arn.split(':').take(7).collect();
    needless.push(Access::new("lambda:UpdateFunctionCode", arn.join(":")));
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
