//! The AWS profile that names the credentials, and those that it takes them from. Where the SDK and the AWS CLI would use
//! different credentials, the profile is refused.

use anyhow::{bail, ensure};
use aws_config::profile::{Profile, ProfileSet};

use super::environment::{self, Variable, shown};
use crate::error::Problem;

const KEY_ID: &str = "aws_access_key_id";
const SECRET_KEY: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";

/// The file with the token of a web identity.
const TOKEN_FILE: &str = "web_identity_token_file";

/// What a profile names as the source of its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The token of a web identity.
    Token,
    /// AWS IAM Identity Center.
    IdentityCenter,
    /// A login with the AWS Management Console.
    Console,
    /// A program.
    Program,
    /// Keys in the profile itself.
    Keys,
}

/// The settings that name each source, in the SDK's order: aws-config, profile/credentials/repr.rs.
const SETTINGS: [(Source, &[&str]); 5] = [
    (Source::Token, &[TOKEN_FILE]),
    (Source::IdentityCenter, &["sso_session", "sso_start_url", "sso_account_id", "sso_role_name", "sso_region"]),
    (Source::Console, &["login_session"]),
    (Source::Program, &["credential_process"]),
    (Source::Keys, &[KEY_ID, SECRET_KEY]),
];

/// The selected profile, and each that the one before takes its credentials from.
pub(super) struct Chain<'a> {
    profiles: Vec<&'a Profile>,
    /// The last one, unless another part of the environment gives its credentials.
    base: Option<&'a Profile>,
}

impl<'a> Chain<'a> {
    /// Follows `source_profile`. Fails if one of the profiles does not exist. The SDK would go on and look elsewhere for
    /// credentials, such as in a virtual machine's metadata.
    pub(super) fn find(profiles: &'a ProfileSet, is_named: bool, variable: Variable<'_>) -> anyhow::Result<Self> {
        let mut name = profiles.selected_profile();
        let mut visited: Vec<&Profile> = Vec::new();
        if !is_named && profiles.get_profile(name).is_none() {
            return Ok(Self { profiles: visited, base: None });
        }
        let base = loop {
            let Some(profile) = profiles.get_profile(name) else {
                return Err(missing(name, visited.last().map(|by| by.name()), profiles, variable));
            };
            let is_source = !visited.is_empty();
            visited.push(profile);
            if !takes_role(profile) || (is_source && has_keys(profile)) {
                break Some(profile);
            }
            match profile.get("source_profile") {
                Some(next) if next == profile.name() => break Some(profile),
                Some(next) if visited.iter().all(|profile| profile.name() != next) => name = next,
                // The SDK reports a loop, and a role without a source.
                _ => break None,
            }
        };
        Ok(Self { profiles: visited, base })
    }

    /// Fails if the SDK would use other credentials than the AWS CLI. `kept` is the credentials file alone.
    pub(super) fn check(&self, kept: &ProfileSet, variable: Variable<'_>) -> anyhow::Result<()> {
        let Some(base) = self.base else { return Ok(()) };
        let name = shown(base.name());
        let has_precedence = self.profiles.len() > 1 && has_keys(base);
        ensure!(
            base.get("credential_source").is_none() || takes_role(base) || has_precedence,
            Problem::new(
                format!(
                    "the AWS profile {name} has credential_source, which has a meaning only beside role_arn, and none \
                     beside {TOKEN_FILE}"
                ),
                "remove credential_source from the profile, or add the role_arn that it is for"
            )
        );
        let [config, credentials] = environment::files(variable);
        let kept = kept.get_profile(base.name());
        let is_kept = |setting: &str| kept.is_some_and(|kept| kept.get(setting).is_some());
        let mut settings = settings(base);
        let Some(first) = settings.next() else { return Ok(()) };
        // botocore, credentials.py: keys in the credentials file before a login or a program, those in the other after it.
        let of_cli = match first.0 {
            Source::Console | Source::Program if is_kept(KEY_ID) => (Source::Keys, KEY_ID),
            _ => first,
        };
        let of_sdk = if has_precedence { (Source::Keys, KEY_ID) } else { first };
        ensure!(
            of_cli.0 == of_sdk.0,
            Problem::new(
                format!("the AWS profile {name} names two sources of credentials, {KEY_ID} and {}", first.1),
                format!("remove one of the two from the profile, in {config} and {credentials}")
            )
        );
        let parts = || [KEY_ID, SECRET_KEY, SESSION_TOKEN].into_iter().filter(|part| base.get(part).is_some());
        ensure!(
            of_sdk.0 != Source::Keys || parts().all(is_kept) || !parts().any(is_kept),
            Problem::new(
                format!("the AWS profile {name} has one part of its keys in {config} and another in {credentials}"),
                format!("write {KEY_ID}, {SECRET_KEY} and {SESSION_TOKEN}, if there is one, in the same file")
            )
        );
        if let Some(path) = base.get(TOKEN_FILE).filter(|_| of_sdk.0 == Source::Token) {
            environment::check_token(path, &format!("{TOKEN_FILE} of the AWS profile {name}"))?;
        }
        Ok(())
    }

    /// Fails if a profile has no credentials, and none are looked for elsewhere: it was chosen by the option, or another
    /// profile names it.
    pub(super) fn require_source(&self, is_of_option: bool) -> anyhow::Result<()> {
        match self.bare() {
            Some(name) if is_of_option || self.profiles.len() > 1 => bail!(bare(name)),
            _ => Ok(()),
        }
    }

    /// Fails if the environment names a web identity beside a profile's credentials: the AWS CLI takes the former, and the
    /// SDK the latter. Without its role, the SDK would look elsewhere.
    pub(super) fn check_web_identity(&self, variable: Variable<'_>) -> anyhow::Result<()> {
        let Some(path) = variable("AWS_WEB_IDENTITY_TOKEN_FILE") else { return Ok(()) };
        match self.profiles.first() {
            Some(profile) if takes_role(profile) => Ok(()),
            Some(profile) if settings(profile).next().is_some() => bail!(Problem::new(
                format!(
                    "AWS_WEB_IDENTITY_TOKEN_FILE and the AWS profile {} both name the credentials",
                    shown(profile.name())
                ),
                "unset AWS_WEB_IDENTITY_TOKEN_FILE, or choose the profile with --profile"
            )),
            _ if variable("AWS_ROLE_ARN").is_none() => bail!(Problem::new(
                "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not",
                "set AWS_ROLE_ARN as well, or unset AWS_WEB_IDENTITY_TOKEN_FILE"
            )),
            _ => environment::check_token(&path, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        }
    }

    /// The profile whose credentials are used or bring others, and their source; none for the environment's.
    pub(super) fn source(&self) -> Option<(&'a str, Option<Source>)> {
        let last = self.profiles.last()?;
        match self.base.map(|base| (base, settings(base).next())) {
            Some((_, None)) => None,
            Some((base, _)) if self.profiles.len() > 1 && has_keys(base) => Some((base.name(), Some(Source::Keys))),
            Some((base, Some((source, _)))) => Some((base.name(), Some(source))),
            None => Some((last.name(), None)),
        }
    }

    /// The profile that should have credentials, and has none.
    pub(super) fn bare(&self) -> Option<&'a str> {
        self.base.filter(|base| settings(base).next().is_none()).map(Profile::name)
    }
}

/// A profile that holds no credentials.
pub(super) fn bare(name: &str) -> Problem {
    let quoted = crate::cli::quoted(name);
    Problem::new(
        format!("the AWS profile {} holds no credentials", shown(name)),
        format!("give it some with `aws configure --profile {quoted}` or `aws configure sso --profile {quoted}`"),
    )
}

/// The settings of a profile that name a source, the one that the SDK uses first.
fn settings(profile: &Profile) -> impl Iterator<Item = (Source, &'static str)> {
    SETTINGS.iter().filter_map(|(source, names)| {
        let name = names.iter().find(|name| profile.get(name).is_some())?;
        Some((*source, *name))
    })
}

/// Whether the profile takes a role with the credentials of another source. With a token, the role is taken at once.
fn takes_role(profile: &Profile) -> bool {
    profile.get("role_arn").is_some() && profile.get(TOKEN_FILE).is_none()
}

fn has_keys(profile: &Profile) -> bool {
    [KEY_ID, SECRET_KEY].iter().all(|part| profile.get(part).is_some())
}

/// A profile that does not exist, or that the SDK leaves out.
fn missing(name: &str, by: Option<&str>, profiles: &ProfileSet, variable: Variable<'_>) -> anyhow::Error {
    if let Err(error) = environment::check_name(name, variable) {
        return error;
    }
    let [config, credentials] = environment::files(variable);
    let by = by.map(|by| format!(", which the profile {} names as source_profile,", shown(by))).unwrap_or_default();
    let mut known: Vec<&str> = profiles.profiles().collect();
    known.sort_unstable();
    let remedy = match known.len() {
        0 => "create one with `aws configure sso`".to_owned(),
        _ => format!("name one of these: {}", known.join(", ")),
    };
    Problem::new(format!("the AWS profile {}{by} is neither in {config} nor in {credentials}", shown(name)), remedy)
        .into()
}
