//! What the SDK misreads in the environment and in the AWS configuration files: it would panic, or use another account.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{bail, ensure};
use aws_config::SdkConfig;
use aws_config::profile::ProfileSet;
use aws_types::service_config::ServiceConfigKey;

use crate::error::Problem;

/// The profile that is used if none is named.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// Reads a variable of the environment; an empty one counts as unset.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables whose empty value the SDK takes for one. It has no way to be told otherwise.
const MISREAD: [&str; 6] = [
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// The services that this program calls, and those that the SDK gets credentials from.
const SERVICES: [&str; 11] = [
    "Cognito Identity Provider",
    "EC2",
    "ECS",
    "Lambda",
    "RDS",
    "Secrets Manager",
    "SQS",
    "SSM",
    "SSO",
    "SSO OIDC",
    "STS",
];

/// The way to the credentials of a profile that the AWS CLI can read and the SDK cannot.
const EXPORT: &str = "let the AWS CLI read it, with `eval \"$(aws configure export-credentials --format env --profile \
                      NAME)\"`; then name no profile here, but its region with --region";

/// Fails if the SDK misreads this variable, which is set and empty.
pub(crate) fn check_empty(name: &str) -> Result<(), Problem> {
    if name.starts_with("AWS_ENDPOINT_URL") || MISREAD.contains(&name) {
        return Err(Problem::new(format!("{name} is set, but empty"), format!("unset it (`unset {name}`)")));
    }
    Ok(())
}

/// Fails if the environment has one half of a key. The SDK would look elsewhere for credentials, and use another account.
pub(super) fn check_keys(variable: Variable<'_>) -> anyhow::Result<()> {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.trim().is_empty());
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let (set, missing) = match names.map(is_set) {
        [true, false] => (names[0], names[1]),
        [false, true] => (names[1], names[0]),
        _ => return Ok(()),
    };
    let remedy = format!("set {missing} as well, or unset {set} to use a profile");
    bail!(Problem::new(format!("{set} is set, but {missing} is not"), remedy))
}

/// The profile that is named: by the option, or a variable in the order of the AWS CLI (botocore, configprovider.py).
pub(super) fn profile(option: Option<String>, variable: Variable<'_>) -> anyhow::Result<Option<String>> {
    let of_variable = |name: &'static str| Some((name, variable(name)?));
    let found = option.map(|profile| ("--profile", profile));
    let found = found.or_else(|| of_variable("AWS_DEFAULT_PROFILE")).or_else(|| of_variable("AWS_PROFILE"));
    let Some((origin, profile)) = found else { return Ok(None) };
    ensure!(
        profile.trim() == profile,
        Problem::new(
            format!("{origin} has white space before or after the name of the AWS profile"),
            format!("set {origin} to the name alone")
        )
    );
    Ok(Some(profile))
}

/// The region: that of the option, the environment, the profile or the virtual machine, in this order.
pub(super) fn region(
    option: Option<String>,
    profiles: &ProfileSet,
    variable: Variable<'_>,
) -> anyhow::Result<Option<String>> {
    let of_variable = |name: &str| Some((name.to_owned(), variable(name)?));
    let of_profile = || {
        let region = profiles.get("region").filter(|region| !region.is_empty())?;
        Some((format!("region in the AWS profile {}", shown(profiles.selected_profile())), region.to_owned()))
    };
    let found = option.map(|region| ("--region".to_owned(), region));
    let found = found.or_else(|| of_variable("AWS_REGION")).or_else(|| of_variable("AWS_DEFAULT_REGION"));
    let found = found.or_else(of_profile);
    Ok(found.map(|(name, region)| db::parse_region(&name, &region)).transpose()?)
}

/// Fails if the files name an endpoint that is empty.
pub(super) fn check_endpoints(config: &SdkConfig, profile: &str) -> anyhow::Result<()> {
    for service in SERVICES {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let endpoint = config.service_config().zip(key.build().ok()).and_then(|(config, key)| config.load_config(key));
        ensure!(
            endpoint.is_none_or(|endpoint| !endpoint.is_empty()),
            Problem::new(
                format!("endpoint_url of the AWS profile {}, or of its services, is empty", shown(profile)),
                "remove it from the AWS configuration file, or set it to a URL"
            )
        );
    }
    Ok(())
}

/// Fails if a configuration file is no file, such as a pipe: it is read several times, and a pipe may never end.
pub(super) fn check_kinds(variable: Variable<'_>) -> anyhow::Result<()> {
    for path in paths(variable) {
        ensure_file(&path).map_err(|error| {
            let problem = format!("cannot read the AWS configuration file {}", db::shown_path(&path));
            Problem::new(problem, "save it as a regular file, and name that").because(error)
        })?;
    }
    Ok(())
}

/// Fails if a configuration file cannot be read. The SDK would go on without it.
pub(super) fn check_files(variable: Variable<'_>) -> anyhow::Result<()> {
    for path in paths(variable) {
        let shown = db::shown_path(&path);
        match fs::read(&path) {
            Ok(bytes) => ensure!(
                std::str::from_utf8(&bytes).is_ok(),
                Problem::new(format!("the AWS configuration file {shown} is not UTF-8"), "save it again in UTF-8")
            ),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => bail!(
                Problem::new(
                    format!("cannot read the AWS configuration file {shown}"),
                    "make it readable for this user"
                )
                .because(error)
            ),
        }
    }
    Ok(())
}

/// Fails if the file with the token of a web identity, which this setting names, cannot be read.
pub(super) fn check_token(path: &str, setting: &str) -> anyhow::Result<()> {
    let path = Path::new(path);
    read(path).map(|_| ()).map_err(|error| {
        let problem = format!("cannot read the token in {}, which {setting} names", db::shown_path(path));
        Problem::new(problem, format!("correct {setting}, or choose another profile with --profile"))
            .because(error)
            .into()
    })
}

/// Reads a file, and nothing that may be read once only, or never ends.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    ensure_file(path)?;
    fs::read(path)
}

/// A directory is left to the read itself, and so is a file that does not exist. `/dev/null` is a usual empty file.
fn ensure_file(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    if metadata.is_file() || metadata.is_dir() || path == Path::new("/dev/null") {
        return Ok(());
    }
    Err(io::Error::other("it is no regular file"))
}

/// Fails if the SDK leaves the profile out because of its name, which the AWS CLI reads, or because of its heading.
pub(super) fn check_name(name: &str, variable: Variable<'_>) -> anyhow::Result<()> {
    // aws-runtime, env_config/parse.rs
    let is_usable = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c));
    let headings = paths(variable).map(|path| heading(&fs::read_to_string(path).unwrap_or_default(), name));
    ensure!(
        is_usable && !matches!(&headings[0], Some(heading) if heading.contains(['"', '\''])),
        Problem::new(format!("the AWS SDK cannot use the name of the AWS profile {}", shown(name)), EXPORT)
    );
    let right = [if name == DEFAULT_PROFILE { "" } else { "profile " }, ""];
    for ((heading, file), right) in headings.iter().zip(files(variable)).zip(right) {
        ensure!(
            heading.is_none(),
            Problem::new(
                format!("the AWS profile {} in {file} has a heading with which it is not read", shown(name)),
                format!("write its heading as `[{right}{}]`", shown(name))
            )
        );
    }
    Ok(())
}

/// The heading in this text that is, or is meant to be, this profile's.
fn heading(text: &str, profile: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (heading, _) = line.trim().strip_prefix('[')?.split_once(']')?;
        let heading = heading.trim();
        let (word, rest) = heading.split_once(char::is_whitespace).unwrap_or((heading, ""));
        let name = if word.eq_ignore_ascii_case("profile") { rest } else { heading };
        (name.trim().trim_matches(['"', '\'']).trim() == profile).then(|| heading.to_owned())
    })
}

/// The name of a profile, unless it is none: a mistyped command line may hold anything.
pub(super) fn shown(profile: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._@ ".contains(c);
    if profile.chars().all(is_plain) { profile } else { "(not a plain name)" }
}

/// The files in which profiles are looked for.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html>
const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")];

/// The files as an error shows them.
pub(super) fn files(variable: Variable<'_>) -> [String; 2] {
    FILES.map(|(name, default)| {
        let path = variable(name).map(PathBuf::from);
        path.map_or_else(|| default.to_owned(), |path| db::shown_path(&path).into_owned())
    })
}

/// The paths at which they are read.
pub(super) fn paths(variable: Variable<'_>) -> [PathBuf; 2] {
    FILES.map(|(name, default)| {
        let path = variable(name).unwrap_or_else(|| default.to_owned());
        match (path.strip_prefix("~/"), variable("HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(path),
        }
    })
}
