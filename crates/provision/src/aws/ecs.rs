//! Amazon ECS: the tasks that AWS Systems Manager reaches, by ECS Exec.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html>

use db::{AwsCause, AwsError};
use serde_json::{Map, Value, json};

use super::json::{ECS, call};
use super::{Aws, Explain};

/// The most tasks that one request describes.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>
const TASKS: usize = 100;

/// A task that runs in a VPC, with an address of its own.
#[derive(Debug)]
pub(crate) struct Task {
    /// Its cluster and id, such as `web/0f9e…`.
    pub(crate) name: String,
    /// The network interface with its address and its security groups.
    pub(crate) interface: String,
    /// How Systems Manager names it, if ECS Exec is turned on and its agent runs.
    pub(crate) target: Option<String>,
}

/// The running tasks of all clusters that have a network interface of their own, and why these may not be all: whoever uses
/// one cluster need not be allowed to look at the others.
pub(crate) async fn list_tasks(aws: &Aws) -> (Vec<Task>, Option<anyhow::Error>) {
    let (mut found, mut unseen) = (Vec::new(), None);
    let clusters = match list(aws, "ListClusters", json!({}), "clusterArns").await {
        Ok(clusters) => clusters,
        Err(error) => return (found, Some(error.context("ECS cannot be looked at"))),
    };
    for cluster in clusters {
        match tasks_of(aws, &cluster).await {
            Ok(tasks) => found.extend(tasks),
            Err(error) => {
                let is_refused = error.downcast_ref().is_some_and(|it: &AwsError| it.cause() == AwsCause::Denied);
                let name = cluster.rsplit('/').next().unwrap_or_default();
                unseen.get_or_insert(error.context(format!("the cluster {name} of ECS cannot be looked at")));
                if !is_refused {
                    // The next one would fail as well, after a while.
                    break;
                }
            }
        }
    }
    (found, unseen)
}

async fn tasks_of(aws: &Aws, cluster: &str) -> anyhow::Result<Vec<Task>> {
    let mut found = Vec::new();
    let running = json!({"cluster": cluster, "desiredStatus": "RUNNING"});
    for arns in list(aws, "ListTasks", running, "taskArns").await?.chunks(TASKS) {
        let tasks = request(aws, "DescribeTasks", &json!({"cluster": cluster, "tasks": arns})).await?;
        found.extend(array(tasks.get("tasks")).filter_map(Task::read));
    }
    Ok(found)
}

/// The ARNs in all pages of a list.
async fn list(aws: &Aws, operation: &str, mut page: Value, field: &str) -> anyhow::Result<Vec<String>> {
    let mut arns = Vec::new();
    loop {
        let answer = request(aws, operation, &page).await?;
        arns.extend(array(answer.get(field)).filter_map(Value::as_str).map(str::to_owned));
        match answer.get("nextToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
            Some(token) => page["nextToken"] = token.into(),
            None => return Ok(arns),
        }
    }
}

async fn request(aws: &Aws, operation: &str, body: &Value) -> anyhow::Result<Map<String, Value>> {
    call(aws, ECS, operation, body).await.explain(&format!("ecs:{operation}"))?.read()
}

fn array(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

impl Task {
    /// Reads it, if it runs and has a network interface.
    fn read(task: &Value) -> Option<Self> {
        let last = |field: &str| task[field].as_str()?.rsplit('/').next();
        let (cluster, id) = (last("clusterArn")?, last("taskArn")?);
        if task["lastStatus"] != "RUNNING" {
            return None;
        }
        let details = array(task.get("attachments")).flat_map(|attachment| array(attachment.get("details")));
        let mut interfaces = details.filter(|detail| detail["name"] == "networkInterfaceId");
        let interface = interfaces.find_map(|detail| detail["value"].as_str())?.to_owned();
        let has_agent = |container: &&Value| {
            array(container.get("managedAgents"))
                .any(|agent| agent["name"] == "ExecuteCommandAgent" && agent["lastStatus"] == "RUNNING")
        };
        let container = array(task.get("containers")).find(has_agent).and_then(|it| it["runtimeId"].as_str());
        let container = container.filter(|_| task["enableExecuteCommand"] == true);
        let target = container.map(|container| format!("ecs:{cluster}_{id}_{container}"));
        Some(Self { name: format!("{cluster}/{id}"), interface, target })
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_http_client::test_util::infallible_client_fn;
    use ureq::http::{Request, Response};

    use super::*;

    /// A task that can forward.
    fn task() -> Value {
        json!({
            "taskArn": "arn:aws:ecs:eu-central-1:123456789012:task/web/0f9e",
            "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/web",
            "lastStatus": "RUNNING",
            "enableExecuteCommand": true,
            "attachments": [{"type": "ElasticNetworkInterface", "details": [
                {"name": "subnetId", "value": "subnet-1"}, {"name": "networkInterfaceId", "value": "eni-1"}]}],
            "containers": [
                {"runtimeId": "0f9e-1", "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "STOPPED"}]},
                {"runtimeId": "0f9e-2", "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}]},
            ],
        })
    }

    #[test]
    fn a_task_is_reached_through_the_container_whose_agent_runs() {
        let found = Task::read(&task()).expect("it runs");
        assert_eq!(found.target.as_deref(), Some("ecs:web_0f9e_0f9e-2"));
        assert_eq!((found.name.as_str(), found.interface.as_str()), ("web/0f9e", "eni-1"));
    }

    #[tokio::test]
    async fn a_cluster_that_is_refused_hides_no_task_of_another_one() {
        let client = infallible_client_fn(|request: Request<_>| {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
            let target = request.headers()["x-amz-target"].to_str().unwrap_or_default().to_owned();
            let answer = match target.rsplit('.').next() {
                Some("ListClusters") => json!({"clusterArns": ["arn:x:cluster/other", "arn:x:cluster/web"]}),
                Some("ListTasks") => json!({"taskArns": ["arn:x:task/0f9e"]}),
                _ if body.contains("cluster/other") => {
                    let refusal = Response::builder().status(400).header("x-amzn-errortype", "AccessDeniedException");
                    return refusal.body("{}".to_owned()).expect("an answer");
                }
                _ => json!({ "tasks": [task()] }),
            };
            Response::new(answer.to_string())
        });
        let config = Aws::answered_by(client).region(aws_types::region::Region::new("eu-central-1")).build();
        let (found, unseen) = list_tasks(&Aws::new(config)).await;
        assert_eq!(found.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), ["web/0f9e"]);
        let unseen = format!("{:#}", unseen.expect("the other one"));
        assert!(unseen.starts_with("the cluster other of ECS cannot be looked at: "), "{unseen}");
        assert!(unseen.contains("ecs:DescribeTasks"), "{unseen}");
    }

    #[test]
    fn a_task_without_exec_or_without_its_agent_is_seen_and_not_reached() {
        let mut without_exec = task();
        without_exec["enableExecuteCommand"] = false.into();
        let mut without_agent = task();
        without_agent["containers"][1]["managedAgents"][0]["lastStatus"] = "PENDING".into();
        for task in [without_exec, without_agent] {
            assert_eq!(Task::read(&task).expect("it runs").target, None, "{task}");
        }
    }

    #[test]
    fn a_task_that_starts_or_has_no_interface_is_none() {
        let mut starting = task();
        starting["lastStatus"] = "PENDING".into();
        let mut on_host = task();
        on_host["attachments"] = json!([]);
        assert!(Task::read(&starting).is_none() && Task::read(&on_host).is_none());
    }
}
