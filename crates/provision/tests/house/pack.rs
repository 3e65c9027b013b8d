//! What `infra/dev/pack.py` makes of a program, here of stand-ins for one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use testkit::tool;

use crate::top;

/// Lists a zip's entries: name, date, who made it (3 is Unix), mode and content.
const LIST: &str = "\
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as zip:
    for entry in zip.infolist():
        print(entry.filename, entry.date_time, entry.create_system, oct(entry.external_attr >> 16), zip.read(entry))
";

fn python() -> Command {
    Command::new(tool("python/bin/python").expect("Python"))
}

/// A directory with a program of this content, as cargo-lambda leaves it.
fn built(content: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("bootstrap"), content).expect("a file");
    directory
}

fn pack(directory: &Path) -> Output {
    python().arg(top().join("infra/dev/pack.py")).arg(directory).output().expect("the script starts")
}

/// What the script says of a program that it packs.
#[track_caller]
fn packed(directory: &Path) -> String {
    let output = pack(directory);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_same_program_packed_twice_is_the_same_zip() {
    let content = b"\x7fELF\0GLIBC_2.17\0";
    let zips = [Duration::ZERO, Duration::from_hours(48)].map(|age| {
        let directory = built(content);
        let program = fs::File::options().write(true).open(directory.path().join("bootstrap")).expect("the program");
        program.set_modified(SystemTime::now() - age).expect("a time");
        packed(directory.path());
        packed(directory.path());
        directory
    });
    let [first, second] = zips.each_ref().map(|zip| fs::read(zip.path().join("bootstrap.zip")).expect("a zip"));
    assert!(first == second, "expected the same bytes, whenever and wherever it was built");

    let list = python().args(["-c", LIST]).arg(zips[0].path().join("bootstrap.zip")).output().expect("Python starts");
    let expected = "bootstrap (1980, 1, 1, 0, 0, 0) 3 0o100755 b'\\x7fELF\\x00GLIBC_2.17\\x00'\n";
    assert_eq!(String::from_utf8_lossy(&list.stdout), expected);
}

#[test]
fn a_program_is_packed_for_the_glibc_that_lambda_has() {
    // By number: 2.9 is older than 2.17.
    for (content, needed) in [(&b"\0GLIBC_2.2.5\0GLIBC_2.34\0"[..], "2.34"), (b"\0GLIBC_2.17\0GLIBC_2.9\0", "2.17")] {
        let said = packed(built(content).path());
        assert!(said.ends_with(&format!("for glibc {needed} or newer\n")), "{said}");
    }
}

#[test]
fn a_program_that_lambda_could_not_start_is_refused_with_the_remedy() {
    for (content, problem) in [
        (
            &b"\0GLIBC_2.34\0GLIBC_2.38\0"[..],
            "needs glibc 2.38, and Lambda has 2.34: build it with cargo-lambda and Zig\n",
        ),
        (b"\0GLIBC_2.34.1\0", "needs glibc 2.34.1, and Lambda has 2.34: build it with cargo-lambda and Zig\n"),
        (b"#!/bin/sh\n", "needs no glibc: build it for aarch64-unknown-linux-gnu or x86_64-unknown-linux-gnu\n"),
        // Only the whole word is the name of a version.
        (b"GLIBC_2.17", "needs no glibc: build it for aarch64-unknown-linux-gnu or x86_64-unknown-linux-gnu\n"),
    ] {
        let directory = built(content);
        // Of an earlier build: it must not be deployed in place of this one.
        fs::write(directory.path().join("bootstrap.zip"), "old").expect("a file");
        let output = pack(directory.path());
        let refusal = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "expected a refusal: {problem}");
        assert_eq!(refusal, format!("pack: {} {problem}", directory.path().join("bootstrap").display()));
        assert!(!directory.path().join("bootstrap.zip").exists(), "expected no zip: {problem}");
    }
}
