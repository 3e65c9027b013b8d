//! The demo's stories are what a newcomer sees first. The one of sign-ups needs a build of its own and is not run here.

use std::process::Command;

#[test]
fn the_story_of_a_db_instance_ends_well() {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg("provision").output().expect("the demo starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("planned, created, opened, inspected and deleted a DB instance"), "{stderr}");
}
