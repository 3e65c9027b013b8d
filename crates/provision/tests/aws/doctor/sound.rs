//! Deployments in which nothing is wrong.

use super::deployment::{Deployment, Options};

#[tokio::test]
async fn a_first_look() {
    let deployment = Deployment::with(Options { endpoints: true, ..Options::default() }).await;
    let output = deployment.doctor(&[]);
    panic!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
