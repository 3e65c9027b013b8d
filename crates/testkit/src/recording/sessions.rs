//! What AWS checks of requests to AWS Systems Manager and to Amazon ECS.

use anyhow::{Context, bail};

use super::{ACCOUNT, Request};
use crate::policy::Check;

impl Request {
    pub(super) fn checks_of_sessions(&self) -> anyhow::Result<Vec<Check>> {
        let Self { region, .. } = self;
        Ok(match self.operation.as_str() {
            "DescribeInstanceInformation" => vec![self.own("*")],
            // The target and the document, each for itself. One of AWS's documents has no account:
            // <https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-specify-session-document.html>
            "StartSession" => {
                let target = self.required("Target")?;
                let target = match target.strip_prefix("ecs:").map(|task| task.split('_').collect::<Vec<_>>()) {
                    Some(parts) => {
                        let [cluster, task, _container] = parts[..] else { bail!("{target} is no task") };
                        format!("arn:aws:ecs:{region}:{ACCOUNT}:task/{cluster}/{task}")
                    }
                    None => format!("arn:aws:ec2:{region}:{ACCOUNT}:instance/{target}"),
                };
                let document = format!("arn:aws:ssm:{region}::document/{}", self.required("DocumentName")?);
                vec![self.own(target), self.own(document)]
            }
            "TerminateSession" => {
                vec![self.own(format!("arn:aws:ssm:{region}:{ACCOUNT}:session/{}", self.required("SessionId")?))]
            }
            operation => bail!("no check of ssm:{operation} is known"),
        })
    }

    pub(super) fn checks_of_tasks(&self) -> anyhow::Result<Vec<Check>> {
        Ok(match self.operation.as_str() {
            "ListClusters" => vec![self.own("*")],
            // Its resources are container instances, and a task of Fargate has none.
            "ListTasks" => vec![self.own("*").with("ecs:cluster", self.required("cluster")?)],
            "DescribeTasks" => {
                let tasks = self.parameters.iter().filter(|(name, _)| name.starts_with("tasks."));
                let checks: Vec<Check> = tasks.map(|(_, arn)| self.own(arn)).collect();
                checks.first().context("no task is described")?;
                checks
            }
            operation => bail!("no check of ecs:{operation} is known"),
        })
    }
}
