//! The system's root certificates, which this program does not use.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// An empty file in place of the system's roots.
const NO_ROOTS: (&str, &str) = ("SSL_CERT_FILE", "/dev/null");

/// Starts this program again, once, with an environment in which native-tls finds no system roots.
///
/// It would parse all of them, some 140, before it drops them because only Amazon's are trusted: half of a cold start.
/// Only its environment prevents that, and a running process cannot safely change its own. `exec` takes about a
/// millisecond.
pub(crate) fn keep_openssl_from_the_systems() {
    let (name, value) = NO_ROOTS;
    if env::var(name).is_ok_and(|found| found == value) {
        return;
    }
    if let Ok(program) = env::current_exe() {
        // It only returns when it fails, and then this start is only slow.
        let _ = Command::new(program).args(env::args_os().skip(1)).env(name, value).exec();
    }
}
