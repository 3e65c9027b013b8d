//! `provision doctor`, on a whole deployment.

mod deployment;
mod python;
mod sound;

use serde_json::json;

use self::deployment::{Deployment, Options};

#[tokio::test]
async fn the_commands_of_an_operator_find_no_fault_in_a_sound_deployment() {
    for options in [
        Options::default(),
        Options { endpoints: true, queue: false, heal: Some("pre-token"), users: 0, ..Options::default() },
        Options { heal: Some("post-authentication"), reserved_concurrency: Some(20), ..Options::default() },
    ] {
        let deployment = Deployment::with(options.clone()).await;
        let trigger = ["--pool", deployment.id("pool"), "--function", deployment.id("function")];
        let shown = deployment.json(&[&["trigger", "show"], &trigger[..]].concat(), 0);
        assert_eq!(shown["healing"], options.heal.unwrap_or("none"));
        let granted = deployment.json(&["db", "grant", "--prod", "--port", "5432", "--check"], 0);
        assert_eq!(granted["changes"], json!([]));
        assert_eq!(deployment.json(&["instance", "status"], 0)["status"], "available");
        assert_eq!(deployment.json(&["instance", "plan"], 0)["changes"], json!([]));
        let reconcile =
            ["users", "reconcile", "--prod", "--dry-run", "--settle", "0s", "--pool", deployment.id("pool")];
        assert_eq!(deployment.json(&reconcile, 0)["with_row"], options.users);
        if options.queue {
            deployment.json(&["queue", "show", "--queue", deployment.id("queue")], 0);
        }
    }
}
