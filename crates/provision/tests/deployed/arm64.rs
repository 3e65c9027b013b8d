//! The function for arm64, on a machine with another processor.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use testkit::Function;

use crate::fixture::{Fixture, ensure, sign_up};
use crate::stack::top;

#[tokio::test]
#[ignore = "needs `infra/dev/build.sh arm64`, which takes minutes"]
async fn the_arm64_function_answers_under_an_emulator() {
    let program = top().join("target/lambda/arm64/post-confirmation/bootstrap");
    assert!(program.exists(), "{} is missing; run `infra/dev/build.sh arm64 post-confirmation`", program.display());
    let found = Command::new(top().join("infra/dev/arm64.sh")).arg("run").output().expect("the script starts");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let found = String::from_utf8(found.stdout).expect("text");
    // A machine that can run it itself has none.
    let emulator = found.lines().find_map(|line| line.strip_prefix("EMULATOR=")).unwrap_or_default();
    let directory = tempfile::tempdir().expect("a directory");
    let wrapper = directory.path().join("bootstrap");
    fs::write(&wrapper, format!("#!/bin/sh\nexec {emulator} \"{}\"\n", program.display())).expect("a file");
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).expect("a mode");

    let fixture = Fixture::new().await;
    let variables = fixture.variables(fixture.database.port);
    let function = Function::start(wrapper.to_str().expect("text"), &variables).await.expect("the function starts");
    let sample = sign_up();
    ensure(&function, &sample).await;
    fixture.assert_only_row_of(&sample).await;
}
