//! A profile whose credentials `provision` and the AWS CLI would find in different places, or in none.

use std::process::Command;

use crate::login::{KEYS, Laptop, assert_says};

const NOWHERE: &str = "http://127.0.0.1:1";
const PROFILE: &str = "[profile prod]\nregion = eu-west-1\n";
const PROGRAM: &str =
    "credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"AKIAPROGRAM\", \"SecretAccessKey\": \"x\"}'\n";
const PROD: [&str; 2] = ["--profile", "prod"];

/// Keys as a profile holds them.
fn keys(id: &str) -> String {
    format!("aws_access_key_id = {id}\naws_secret_access_key = x\n")
}

/// A laptop with this in the profile of the configuration file, and this in that of the credentials file.
fn laptop(config: &str, credentials: &str) -> Laptop {
    let laptop = Laptop::new(&format!("{PROFILE}{config}"));
    laptop.keep(&format!("[prod]\n{credentials}"));
    laptop
}

#[test]
fn a_source_in_the_environment_without_a_role_is_refused() {
    for source in ["Environment", "Ec2InstanceMetadata"] {
        let config = format!("credential_source = {source}\n{}", keys("AKIAPROD"));
        let stderr = laptop(&config, "").failure(NOWHERE, &PROD, &KEYS);
        assert_says(
            &stderr,
            &["the AWS profile prod has credential_source, which has a meaning only beside role_arn", "hint: remove"],
        );
    }
}

#[test]
fn two_sources_of_which_the_aws_cli_uses_the_other_are_refused() {
    let stderr = laptop(PROGRAM, &keys("AKIAKEPT")).failure(NOWHERE, &PROD, &[]);
    let expected = "the AWS profile prod names two sources of credentials, aws_access_key_id and credential_process";
    assert_says(&stderr, &[expected, "hint: remove one of the two"]);
    let role = "role_arn = arn:aws:iam::1:role/ops\nsource_profile = base\n";
    let base = format!("[profile base]\n{}sso_start_url = https://corp.awsapps.com/start\n", keys("AKIABASE"));
    let stderr = laptop(&format!("{role}{base}"), "").failure(NOWHERE, &PROD, &[]);
    assert_says(
        &stderr,
        &["the AWS profile base names two sources of credentials, aws_access_key_id and sso_start_url"],
    );
}

#[test]
fn two_sources_in_the_order_of_the_aws_cli_are_followed() {
    let config = format!("{PROGRAM}{}", keys("AKIAPROD"));
    assert_eq!(laptop(&config, "").signer(&PROD, &[]), "AKIAPROGRAM in eu-west-1");
    assert_eq!(laptop(&keys("AKIAPROD"), &keys("AKIAKEPT")).signer(&PROD, &[]), "AKIAKEPT in eu-west-1");
}

#[test]
fn keys_of_which_a_part_lies_in_the_other_file_are_refused() {
    for (config, credentials) in [
        (format!("{}aws_session_token = old\n", keys("AKIAPROD")), keys("AKIAKEPT")),
        (keys("AKIAPROD"), "aws_session_token = old\n".to_owned()),
        ("aws_secret_access_key = x\n".to_owned(), "aws_access_key_id = AKIAKEPT\n".to_owned()),
    ] {
        let stderr = laptop(&config, &credentials).failure(NOWHERE, &PROD, &[]);
        assert_says(
            &stderr,
            &["the AWS profile prod has one part of its keys in", "in ~/.aws/credentials", "hint: write"],
        );
    }
}

#[test]
fn a_web_identity_in_the_environment_and_a_profile_are_not_mixed_up() {
    let token = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/null"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/ops")];
    let laptop = laptop(&keys("AKIAPROD"), "");
    let stderr = laptop.failure(NOWHERE, &[], &[&token[..], &[("AWS_PROFILE", "prod")]].concat());
    assert_says(&stderr, &["AWS_WEB_IDENTITY_TOKEN_FILE and the AWS profile prod both name", "hint: unset"]);
    assert_eq!(laptop.signer(&PROD, &token), "AKIAPROD in eu-west-1");
}

#[test]
fn a_profile_without_credentials_is_said_to_be_one() {
    let expected =
        ["the AWS profile prod holds no credentials", "hint: give it some with `aws configure --profile prod`"];
    assert_says(&laptop("", "").failure(NOWHERE, &PROD, &KEYS), &expected);
    assert_says(&laptop("", "").failure(NOWHERE, &[], &[("AWS_PROFILE", "prod")]), &expected);
    let chained = "[profile ops]\nrole_arn = arn:aws:iam::1:role/ops\nsource_profile = prod\n";
    assert_says(&laptop(chained, "").failure(NOWHERE, &["--profile", "ops"], &KEYS), &expected);
}

#[test]
fn a_heading_with_which_a_profile_is_not_read_is_named() {
    for (config, credentials, expected) in [
        ("[prod]", "", "hint: write its heading as `[profile prod]`"),
        ("[Profile prod] # main", "", "hint: write its heading as `[profile prod]`"),
        ("", "[profile prod]", "hint: write its heading as `[prod]`"),
        ("", "[\"prod\"]", "hint: write its heading as `[prod]`"),
        ("[profile \"prod\"] # main", "", "the AWS SDK cannot use the name of the AWS profile prod\n"),
        ("[profile  'prod']", "", "aws configure export-credentials"),
    ] {
        let laptop = Laptop::new(config);
        laptop.keep(credentials);
        assert_says(&laptop.failure(NOWHERE, &PROD, &[]), &[expected]);
    }
    let spaced = Laptop::new(&format!("[ profile   prod ] # main\nregion = eu-west-1\n{}", keys("AKIAPROD")));
    assert_eq!(spaced.signer(&PROD, &[]), "AKIAPROD in eu-west-1");
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_before_it_is_read() {
    let laptop = laptop(&keys("AKIAPROD"), "");
    let pipe = laptop.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts").success());
    let pipe = pipe.to_string_lossy();
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::1:role/ops");
    for variables in [
        &[("AWS_SHARED_CREDENTIALS_FILE", &*pipe)][..],
        &[("AWS_CONFIG_FILE", &pipe)],
        &[("AWS_CA_BUNDLE", &pipe), KEYS[0], KEYS[1], KEYS[2]],
        &[("AWS_SHARED_CREDENTIALS_FILE", &pipe), KEYS[0], KEYS[1], KEYS[2]],
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", &pipe), role, KEYS[2]],
    ] {
        assert_says(&laptop.failure(NOWHERE, &[], variables), &["pipe", "it is no regular file", "hint: "]);
    }
}
