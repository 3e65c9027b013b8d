//! What `infra/dev/release.sh` makes of programs that were built, here of stand-ins for them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use toml::Table;

use crate::{read, top};

/// Each architecture with Rust's name for it.
const ARCHITECTURES: [(&str, &str); 2] =
    [("arm64", "aarch64-unknown-linux-gnu"), ("x86_64", "x86_64-unknown-linux-gnu")];

/// What the changelog says of the version.
const NOTES: &str = "For all.\n\n### Added\n\n- A word.\n";

/// Does what the release asks of `provision`.
const PROVISION: &str = r#"#!/bin/sh
case $1 in
completions) echo "for $2" ;;
man) mkdir -p "$2" && echo page >"$2/provision.1" ;;
--version) echo provision ;;
*) exit 2 ;;
esac
"#;

/// A checkout in which both programs were built.
struct Checkout(TempDir);

impl Checkout {
    fn new() -> Self {
        let checkout = Self(tempfile::tempdir().expect("a directory"));
        for name in ["Cargo.toml", "CHANGELOG.md"] {
            fs::copy(top().join(name), checkout.path(name)).expect("a copy");
        }
        for name in [".cargo", ".tools", "Cargo.lock", "LICENSE", "README.md"] {
            symlink(top().join(name), checkout.path(name)).expect("a link");
        }
        for name in ["crates", "infra"] {
            run(Command::new("cp").arg("-r").arg(top().join(name)).arg(checkout.path(name)));
        }
        for (architecture, _) in ARCHITECTURES {
            for program in ["post-confirmation", "provision"] {
                let built = checkout.path(&format!("target/lambda/{architecture}/{program}"));
                fs::create_dir_all(&built).expect("a directory");
                fs::write(built.join("bootstrap.zip"), format!("{architecture} {program}")).expect("a file");
            }
            let program = checkout.path(&format!("target/lambda/{architecture}/provision/bootstrap"));
            fs::write(&program, PROVISION).expect("a file");
            // As a forge's artifacts are.
            fs::set_permissions(&program, Permissions::from_mode(0o644)).expect("a mode");
        }
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn release(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.path("infra/dev/release.sh"));
        command.args(arguments).env("SOURCE_DATE_EPOCH", "1700000000").env_remove("GITHUB_REPOSITORY");
        command.output().expect("the script starts")
    }

    #[track_caller]
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.release(arguments);
        assert!(!output.status.success(), "expected a refusal of {arguments:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// Makes the release, and returns its sums.
    fn files(&self) -> String {
        let output = self.release(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        run(Command::new("sha256sum")
            .args(["--check", "--quiet", "SHA256SUMS"])
            .current_dir(self.path("target/dist/files")));
        read(&self.path("target/dist/files/SHA256SUMS"))
    }

    /// Unpacks an archive of the release.
    fn unpacked(&self, archive: &str) -> TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        let archive = self.path("target/dist/files").join(archive);
        run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(directory.path()));
        directory
    }

    /// The names of the components in a program's bill of materials.
    fn components(&self, program: &str) -> Vec<String> {
        let bill = read(&self.path(&format!("target/dist/files/{program}.cdx.json")));
        let bill: Value = serde_json::from_str(&bill).expect("JSON");
        let components = bill["components"].as_array().expect("a list").iter();
        components.map(|component| component["name"].as_str().expect("a name").to_owned()).collect()
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// A template of cargo-binstall for an architecture: <https://github.com/cargo-bins/cargo-binstall/blob/main/SUPPORT.md>
fn binstall(key: &str, target: &str) -> String {
    let manifest: Table = read(&top().join("crates/provision/Cargo.toml")).parse().expect("a manifest");
    let template = manifest["package"]["metadata"]["binstall"][key].as_str().expect("a template").to_owned();
    let values = BTreeMap::from([
        ("repo", "REPOSITORY"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("name", "provision"),
        ("bin", "provision"),
        ("target", target),
        ("archive-suffix", ".tgz"),
        ("binary-ext", ""),
    ]);
    values.into_iter().fold(template, |text, (name, value)| text.replace(&format!("{{ {name} }}"), value))
}

fn code_uris(template: &str) -> Vec<&str> {
    let mut found: Vec<&str> = template.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: ")).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn assert_operators_archive(checkout: &Checkout, target: &str) {
    let url = binstall("pkg-url", target);
    let (place, archive) = url.rsplit_once('/').expect("a path");
    assert_eq!(place, format!("REPOSITORY/releases/download/v{}", version()));
    let unpacked = checkout.unpacked(archive);
    let program = unpacked.path().join(binstall("bin-dir", target));
    assert_eq!(run(Command::new(&program).arg("--version")), "provision\n");
    let directory = program.parent().expect("a directory");
    for (name, expected) in [
        ("completions/provision.bash", "for bash\n"),
        ("completions/_provision", "for zsh\n"),
        ("completions/provision.fish", "for fish\n"),
        ("man/provision.1", "page\n"),
    ] {
        assert_eq!(read(&directory.join(name)), expected, "{name}");
    }
    for name in ["LICENSE", "README.md", "NOTICES.txt"] {
        assert!(directory.join(name).is_file(), "expected {name} in {archive}");
    }
}

fn assert_deployment(checkout: &Checkout, architecture: &str) {
    let name = format!("deployment-{architecture}-v{}", version());
    let unpacked = checkout.unpacked(&format!("{name}.tgz"));
    let infra = unpacked.path().join(name).join("infra");
    let template = read(&infra.join("template.yaml"));
    let default = format!("  Architecture:\n    Type: String\n    Default: {architecture}\n");
    assert!(template.contains(&default), "expected{default}");
    let zips = code_uris(&template);
    let contents: Vec<String> = zips.iter().map(|zip| read(&infra.join(zip))).collect();
    assert_eq!(
        contents,
        [format!("{architecture} post-confirmation"), format!("{architecture} provision")],
        "{zips:?}"
    );
    for name in ["rds.toml", "iam/function.json"] {
        assert!(infra.join(name).is_file(), "expected {name} in the archive");
    }
}

#[test]
fn a_release_has_for_each_architecture_what_users_download() {
    let checkout = Checkout::new();
    let changelog =
        format!("# Changelog\n\n## Unreleased\n\n- later\n\n## {}\n\n{NOTES}\n## 0.0.1\n\n- old\n", version());
    fs::write(checkout.path("CHANGELOG.md"), changelog).expect("a file");
    let sums = checkout.files();
    for (architecture, target) in ARCHITECTURES {
        assert_operators_archive(&checkout, target);
        assert_deployment(&checkout, architecture);
        let zip = read(&checkout.path(&format!("target/dist/files/bootstrap-{architecture}.zip")));
        assert_eq!(zip, format!("{architecture} post-confirmation"));
    }
    let [function, operator] = ["post-confirmation", "provision"].map(|program| checkout.components(program));
    let has = |components: &[String], name: &str| components.iter().any(|component| component == name);
    assert!(
        has(&operator, "aws-sdk-ec2") && !has(&function, "aws-sdk-ec2"),
        "expected the SDK of EC2 in provision alone"
    );
    for components in [&function, &operator] {
        assert!(has(components, "openssl-src") && has(components, "tokio"), "{components:?}");
        assert!(!has(components, "testkit") && !has(components, "proptest"), "expected nothing that only tests use");
    }
    let notices = read(&checkout.path("target/dist/files/NOTICES.txt"));
    assert!(notices.contains("openssl-src ") && notices.contains("Apache License"), "expected OpenSSL's licence");
    assert_eq!(read(&checkout.path("target/dist/NOTES.md")), NOTES);

    assert_eq!(checkout.files(), sums, "expected the same files of the same programs");
}

#[test]
fn only_a_version_that_is_declared_and_described_is_released() {
    let checkout = Checkout::new();
    let version = version();
    assert!(checkout.release(&["check", &format!("v{version}")]).status.success());
    let refusal = checkout.refusal(&["check", "v987.6.5"]);
    assert!(refusal.contains(&format!("has the version {version}, not 987.6.5")), "{refusal}");

    let changelog = read(&checkout.path("CHANGELOG.md"));
    let heading = format!("\n## {version}");
    assert!(changelog.contains(&heading), "expected{heading}");
    fs::write(checkout.path("CHANGELOG.md"), changelog.replace(&heading, "\n## 0.0.0")).expect("a file");
    let refusal = checkout.refusal(&["check"]);
    assert!(refusal.contains(&format!("no section \"## {version}\"")), "{refusal}");
}

#[test]
fn a_release_without_one_of_its_programs_is_none() {
    let checkout = Checkout::new();
    fs::remove_file(checkout.path("target/lambda/arm64/post-confirmation/bootstrap.zip")).expect("it was there");
    let refusal = checkout.refusal(&[]);
    assert!(refusal.contains("target/lambda/arm64/post-confirmation/bootstrap.zip is missing"), "{refusal}");
    assert!(!checkout.path("target/dist/files/SHA256SUMS").exists(), "expected no sums");
}

#[test]
fn the_archives_are_found_only_where_the_manifest_says() {
    let checkout = Checkout::new();
    let check = |checkout: &Checkout| {
        let mut command = Command::new(checkout.path("infra/dev/release.sh"));
        command.arg("check").env("GITHUB_SERVER_URL", "https://forge.example").env("GITHUB_REPOSITORY", "owner/name");
        command.output().expect("the script starts")
    };
    let manifest = checkout.path("crates/provision/Cargo.toml");
    let lines = read(&manifest);
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("repository")).collect();
    fs::write(&manifest, lines.join("\n")).expect("a file");
    let refusal = check(&checkout);
    assert!(!refusal.status.success(), "expected a refusal");
    let refusal = String::from_utf8_lossy(&refusal.stderr).into_owned();
    let line = "repository = \"https://forge.example/owner/name\"";
    assert!(refusal.contains(&format!("write {line} below [package]")), "{refusal}");

    fs::write(&manifest, lines.join("\n").replace("[package]\n", &format!("[package]\n{line}\n"))).expect("a file");
    assert!(check(&checkout).status.success(), "expected the remedy to help");
}
