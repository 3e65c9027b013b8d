//! With which credentials, for which region, and over which connection `provision` asks AWS; and what it says if it cannot.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use testkit::Authority;

use crate::account::Account;
use crate::endpoint::{Endpoint, http, no_instance, refusal};

/// Two profiles with keys of their own.
const PROFILES: &str = "[profile prod]\naws_access_key_id = AKIAPROD\naws_secret_access_key = x\nregion = eu-west-1\n\
                        [profile dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = x\nregion = eu-north-1\n";

/// A laptop with AWS configuration files.
pub(crate) struct Laptop {
    home: TempDir,
}

impl Laptop {
    pub(crate) fn new(config: &str) -> Self {
        let home = TempDir::new().expect("a directory");
        std::fs::write(home.path().join("config"), config).expect("the file is writable");
        std::fs::write(home.path().join("rds.toml"), "identifier = \"db\"\n").expect("the file is writable");
        Self { home }
    }

    /// Writes the credentials file.
    pub(crate) fn keep(&self, credentials: &str) {
        std::fs::create_dir_all(self.file(".aws")).expect("a directory");
        std::fs::write(self.file(".aws/credentials"), credentials).expect("the file is writable");
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Asks for the DB instance's status at this endpoint.
    fn status(&self, endpoint: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments);
        command.env("AWS_ENDPOINT_URL", endpoint).envs(variables.iter().copied());
        command.output().expect("provision starts")
    }

    /// The command that does so, before it has an endpoint.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.home.path());
        command.env("AWS_CONFIG_FILE", self.file("config")).env("AWS_EC2_METADATA_DISABLED", "true");
        command.arg("--config").arg(self.file("rds.toml")).args(["instance", "status"]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// The access key and the region of the request.
    #[track_caller]
    pub(crate) fn signer(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let endpoint = Endpoint::new(no_instance);
        let output = self.status(&endpoint.url(), arguments, variables);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("there is no DB instance db"), "AWS was asked: {stderr}");
        endpoint.signers().join(", ")
    }

    /// What is printed instead of an answer.
    #[track_caller]
    pub(crate) fn failure(&self, endpoint: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.status(endpoint, arguments, variables);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "an error and a hint, each in one line: {stderr}");
        stderr
    }
}

pub(crate) const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "eu-central-1")];

#[track_caller]
pub(crate) fn assert_says(stderr: &str, expected: &[&str]) {
    for words in expected {
        assert!(stderr.contains(words), "expected {words:?} in {stderr}");
    }
}

#[test]
fn a_profile_on_the_command_line_wins_over_keys_in_the_environment() {
    let laptop = Laptop::new(PROFILES);
    let keys = &KEYS[..2];
    assert_eq!(laptop.signer(&["--profile", "prod"], keys), "AKIAPROD in eu-west-1");
    assert_eq!(
        laptop.signer(&["--profile", "prod"], &[keys, &[("AWS_PROFILE", "dev")]].concat()),
        "AKIAPROD in eu-west-1"
    );
    assert_eq!(laptop.signer(&["--profile", "prod", "--region", "eu-south-1"], keys), "AKIAPROD in eu-south-1");
}

#[test]
fn a_profile_in_the_environment_does_not() {
    let laptop = Laptop::new(PROFILES);
    assert_eq!(laptop.signer(&[], &[&KEYS[..2], &[("AWS_PROFILE", "dev")]].concat()), "AKIAENV in eu-north-1");
    assert_eq!(laptop.signer(&[], &[("AWS_PROFILE", "dev")]), "AKIADEV in eu-north-1");
}

#[test]
fn the_other_variable_for_a_profile_wins_as_with_the_aws_cli() {
    let laptop = Laptop::new(PROFILES);
    for variables in
        [&[("AWS_DEFAULT_PROFILE", "prod")][..], &[("AWS_DEFAULT_PROFILE", "prod"), ("AWS_PROFILE", "dev")]]
    {
        assert_eq!(laptop.signer(&[], variables), "AKIAPROD in eu-west-1");
    }
    let both = [("AWS_DEFAULT_PROFILE", ""), ("AWS_PROFILE", "dev")];
    assert_eq!(laptop.signer(&[], &both), "AKIADEV in eu-north-1", "an empty one is unset");
    assert_eq!(laptop.signer(&["--profile", "dev"], &[("AWS_DEFAULT_PROFILE", "prod")]), "AKIADEV in eu-north-1");
}

#[test]
fn white_space_around_the_name_of_a_profile_is_said_to_be_there() {
    let laptop = Laptop::new(PROFILES);
    for (arguments, variables, origin) in [
        (&[][..], &[("AWS_PROFILE", "prod ")][..], "AWS_PROFILE"),
        (&[], &[("AWS_DEFAULT_PROFILE", "prod\n")], "AWS_DEFAULT_PROFILE"),
        (&["--profile", " prod"], &[], "--profile"),
    ] {
        let stderr = laptop.failure("http://127.0.0.1:1", arguments, variables);
        assert_says(&stderr, &[&format!("error: {origin} has white space"), "hint: set "]);
    }
}

#[test]
fn an_unknown_profile_is_an_error_that_names_it_and_the_files() {
    let laptop = Laptop::new(PROFILES);
    let config = laptop.file("config");
    let config = config.to_string_lossy();
    for (arguments, variables) in
        [(&["--profile", "stage"][..], &KEYS[..]), (&["--profile", "stage"], &[]), (&[], &[("AWS_PROFILE", "stage")])]
    {
        let stderr = laptop.failure("http://127.0.0.1:1", arguments, variables);
        let expected = format!("the AWS profile stage is neither in {config} nor in ~/.aws/credentials");
        assert_says(&stderr, &[&expected, "hint: name one of these: dev, prod"]);
    }
    let secret = laptop.failure("http://127.0.0.1:1", &["--profile", "ada:hunter2"], &[]);
    assert!(!secret.contains("hunter2"), "{secret}");
    let chained = "[profile prod]\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\n";
    let stderr = Laptop::new(chained).failure("http://127.0.0.1:1", &["--profile", "prod"], &KEYS);
    assert_says(&stderr, &["the AWS profile base, which the profile prod names as source_profile,"]);
}

#[test]
fn a_broken_configuration_file_is_an_error_that_names_it() {
    let laptop = Laptop::new("[profile prod\nregion = eu-west-1\n");
    let stderr = laptop.failure("http://127.0.0.1:1", &[], &KEYS);
    assert_says(&stderr, &["cannot read the AWS configuration files", &laptop.file("config").to_string_lossy()]);
}

#[test]
fn the_source_of_credentials_says_why_it_gives_none() {
    let role = "role_arn = arn:aws:iam::123456789012:role/ops\nmfa_serial = arn:aws:iam::123456789012:mfa/ada\n\
                source_profile = base\n[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = x\n";
    let cases: [(&str, &[&str]); 7] = [
        (
            "credential_process = sh -c 'echo vault: token expired >&2; echo more >&2; exit 2'",
            &["cannot get the AWS credentials for this command", "Stderr: vault: token expired\n"],
        ),
        ("credential_process = /nowhere/vault --token hunter2", &["cannot get the AWS credentials", "not found"]),
        (
            role,
            &[
                "cannot get the AWS credentials",
                "AccessDenied: User: ada is not authorized to perform: sts:AssumeRole",
                "hint: allow the profile's source to assume the role; if the role asks for MFA",
            ],
        ),
        (
            "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = ops",
            &["corp", "hint: correct the profile"],
        ),
        (
            "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = ops\n[sso-session corp]\n\
             sso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start",
            &["no AWS credentials for this command", "hint: log in with `aws sso login --profile prod`\n"],
        ),
        ("login_session = arn:aws:iam::123456789012:user/ada", &["hint: let the AWS CLI read the profile"]),
        (
            "output = json",
            &[
                "error: the AWS profile prod holds no credentials\nhint: give it some with `aws configure --profile prod`",
            ],
        ),
    ];
    let endpoint = Endpoint::new(|_| {
        refusal("AccessDenied", "User: ada is not authorized to perform: sts:AssumeRole on resource: ops")
    });
    for (profile, expected) in cases {
        let laptop = Laptop::new(&format!("[profile prod]\nregion = eu-west-1\n{profile}\n"));
        let stderr = laptop.failure(&endpoint.url(), &["--profile", "prod"], &KEYS);
        assert_says(&stderr, expected);
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

#[test]
fn an_empty_variable_is_unset_or_refused() {
    let laptop = Laptop::new(&PROFILES.replace("[profile dev]", "[default]"));
    let empty = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ACCESS_KEY_ID", "AWS_PAGER"];
    assert_eq!(laptop.signer(&[], &empty.map(|name| (name, ""))), "AKIADEV in eu-north-1");
    for name in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_RDS",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONFIG_FILE",
    ] {
        let stderr = laptop.failure("http://127.0.0.1:1", &[], &[&KEYS[..], &[(name, "")]].concat());
        assert_says(&stderr, &[&format!("error: {name} is set, but empty\nhint: unset it")]);
    }
}

#[test]
fn an_empty_value_of_a_profile_is_unset_or_refused() {
    let endpoint = Endpoint::new(no_instance);
    let keys = "aws_access_key_id = AKIAPROD\naws_secret_access_key = x\n";
    let laptop = Laptop::new(&format!("[default]\n{keys}region =\nca_bundle =\n"));
    let stderr = laptop.failure(&endpoint.url(), &[], &[]);
    assert_says(&stderr, &["no AWS region is set"]);
    let stderr = laptop.failure(&endpoint.url(), &["--region", "eu-west-1"], &[]);
    assert_says(&stderr, &["there is no DB instance db"]);
    let services = "services = own\n[services own]\nrds =\n  endpoint_url =\n";
    for empty in ["endpoint_url =\n", services] {
        let laptop = Laptop::new(&format!("[default]\n{keys}region = eu-west-1\n{empty}"));
        let mut command = laptop.command(&[]);
        let output = command.env_remove("AWS_ENDPOINT_URL").output().expect("provision starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_says(
            &stderr,
            &["endpoint_url of the AWS profile default, or of its services, is empty", "hint: remove"],
        );
    }
}

#[test]
fn half_a_key_is_no_reason_to_use_another_account() {
    let laptop = Laptop::new(&PROFILES.replace("[profile dev]", "[default]"));
    for (set, missing) in
        [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")]
    {
        let stderr = laptop.failure("http://127.0.0.1:1", &[], &[(set, "hunter2")]);
        assert_says(&stderr, &[&format!("{set} is set, but {missing} is not"), "hint: set AWS_"]);
        assert!(!stderr.contains("hunter2"), "{stderr}");
        assert_eq!(laptop.signer(&["--profile", "prod"], &[(set, "hunter2")]), "AKIAPROD in eu-west-1");
    }
}

#[test]
fn credentials_that_no_header_can_hold_are_refused() {
    let laptop = Laptop::new("");
    for (name, part) in [
        ("AWS_ACCESS_KEY_ID", "access key id"),
        ("AWS_SECRET_ACCESS_KEY", "secret access key"),
        ("AWS_SESSION_TOKEN", "session token"),
    ] {
        for value in ["hunter2\nx", "hunter2\u{7f}", "hünter2"] {
            let stderr = laptop.failure("http://127.0.0.1:1", &[], &[&KEYS[..], &[(name, value)]].concat());
            assert_says(&stderr, &[&format!("the AWS {part} holds a line break"), "hint: set it to the value alone"]);
            assert!(!stderr.contains("ter2"), "{stderr}");
        }
    }
}

#[test]
fn a_region_that_cannot_be_one_is_named_with_its_origin() {
    let laptop = Laptop::new(&PROFILES.replace("eu-north-1", "EU North"));
    for (arguments, variables, expected) in [
        (&["--region", "EU Central"][..], &[][..], "--region is not a region of AWS"),
        (&["--region", "EU-CENTRAL-1"], &[], "--region is not a region of AWS"),
        (&["--region", ""], &[], "--region is not a region of AWS"),
        (&[], &[("AWS_REGION", "eu central 1")], "AWS_REGION is not a region of AWS"),
        (&[], &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "https://x")], "AWS_DEFAULT_REGION is not a region of AWS"),
        (&["--profile", "dev"], &[("AWS_REGION", "")], "region in the AWS profile dev is not a region of AWS"),
    ] {
        let stderr = laptop.failure("http://127.0.0.1:1", arguments, &[&KEYS[..], variables].concat());
        assert_says(&stderr, &[expected, "hint: set it to a region such as eu-central-1"]);
    }
}

#[test]
fn a_profile_that_only_the_aws_cli_can_read_is_said_to_be_one() {
    let laptop = Laptop::new("[profile \"our prod\"]\nregion = eu-west-1\n[profile \"prod\"]\nregion = eu-west-1\n");
    for name in ["our prod", "prod", "größe"] {
        let stderr = laptop.failure("http://127.0.0.1:1", &["--profile", name], &[]);
        assert_says(
            &stderr,
            &[
                "the AWS SDK cannot use the name of the AWS profile",
                "aws configure export-credentials",
                "but its region with --region",
            ],
        );
    }
}

#[test]
fn a_configuration_file_that_cannot_be_read_is_said_to_be_one() {
    let laptop = Laptop::new(PROFILES);
    std::fs::write(laptop.file("config"), b"[profile prod]\nregion = \xe9\n").expect("the file is writable");
    let stderr = laptop.failure("http://127.0.0.1:1", &["--profile", "prod"], &[]);
    assert_says(&stderr, &["the AWS configuration file", "is not UTF-8", "hint: save it again in UTF-8"]);
    let directory = [("AWS_SHARED_CREDENTIALS_FILE", "/")];
    let stderr = Laptop::new(PROFILES).failure("http://127.0.0.1:1", &["--profile", "prod"], &directory);
    assert_says(&stderr, &["cannot read the AWS configuration file /", "directory"]);
}

#[test]
fn a_source_of_credentials_in_the_environment_is_not_looked_for_in_a_profile() {
    let laptop = Laptop::new("");
    let role = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ops"),
    ];
    let stderr = laptop.failure("http://127.0.0.1:1", &[], &role);
    let expected = "cannot read the token in /nowhere/token, which AWS_WEB_IDENTITY_TOKEN_FILE names: No such file";
    assert_says(&stderr, &[expected, "hint: correct AWS_WEB_IDENTITY_TOKEN_FILE"]);
    let token = [role[0], ("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/null"), role[2]];
    let refusing = Endpoint::new(|_| refusal("InvalidIdentityToken", "No OpenIDConnect provider found"));
    for profile in ["", "[default]\nregion = eu-central-1\n"] {
        let stderr = Laptop::new(profile).failure(&refusing.url(), &[], &token);
        assert_says(&stderr, &["No OpenIDConnect provider found", "hint: correct the variables that name the source"]);
    }
    let stderr = laptop.failure(&refusing.url(), &[], &token[..2]);
    assert_says(&stderr, &["AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not", "hint: set AWS_ROLE_ARN"]);
}

#[test]
fn a_login_that_has_ended_is_renewed_where_it_comes_from() {
    let token = "[profile prod]\nrole_arn = arn:aws:iam::123456789012:role/ops\nweb_identity_token_file = /dev/null\n";
    let role =
        [&KEYS[2..], &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/ops"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/null")]];
    for code in ["ExpiredToken", "RequestExpired"] {
        let endpoint = Endpoint::new(move |_| refusal(code, "The security token is expired"));
        let stderr = Laptop::new("").failure(&endpoint.url(), &[], &KEYS);
        assert_says(&stderr, &["export them again, or unset AWS_ACCESS_KEY_ID", "`aws sso login --profile NAME`"]);
        for (config, expected) in [
            (ROLE, "hint: renew the keys of the AWS profile base\n"),
            (token, "hint: renew the token in web_identity_token_file of the AWS profile prod\n"),
        ] {
            let stderr = Laptop::new(config).failure(&endpoint.url(), &["--profile", "prod"], &KEYS);
            assert_says(&stderr, &[expected]);
        }
        let stderr = Laptop::new("").failure(&endpoint.url(), &[], &role.concat());
        assert_says(&stderr, &["hint: renew what the variables name", "AWS_WEB_IDENTITY_TOKEN_FILE"]);
    }
}

#[test]
fn a_connection_that_ends_is_the_network_and_not_the_credentials() {
    let laptop = Laptop::new("");
    let closing = Endpoint::new(|_| String::new());
    for endpoint in [&closing.url(), "http://127.0.0.1:1"] {
        let stderr = laptop.failure(endpoint, &[], &KEYS);
        assert_says(&stderr, &["AWS cannot be reached for rds:DescribeDBInstances", "hint: check the network"]);
        assert!(!stderr.contains("credentials"), "{stderr}");
    }
}

#[test]
fn an_answer_that_is_not_awss_is_described() {
    let laptop = Laptop::new("");
    for (answer, expected) in [
        (
            http("200 OK", "text/html", "<html>Please log in to the hotel</html>"),
            "HTTP status 200 and the type text/html",
        ),
        (http("503 Service Unavailable", "text/plain", ""), "HTTP status 503 and the type text/plain"),
        (http("502 Bad Gateway", "text/html", "<html>"), "HTTP status 502"),
        (http("429 Too Many Requests", "text/html", ""), "AWS throttles rds:DescribeDBInstances: "),
        (
            http("502 Bad Gateway", "text/xml", "<ErrorResponse><Error><Code></Code></Error></ErrorResponse>"),
            "rds:DescribeDBInstances failed: the answer is not AWS's: it has HTTP status 502",
        ),
        (http("407 Proxy Authentication Required", "text/html", ""), "hint: correct the proxy in HTTPS_PROXY"),
    ] {
        let endpoint = Endpoint::new(move |_| answer.clone());
        let stderr = laptop.failure(&endpoint.url(), &[], &KEYS);
        assert_says(&stderr, &["rds:DescribeDBInstances", expected, "the answer is not AWS's"]);
        assert!(!stderr.contains("hotel"), "{stderr}");
    }
}

/// A profile that takes a role with the keys of another one, and one that logs in with AWS IAM Identity Center.
const ROLE: &str = "[profile prod]\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\n\
                    [profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = x\n";
const SSO: &str = "[profile prod]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n\
                   sso_account_id = 123456789012\nsso_role_name = ops\n";

/// A laptop, and what is asked there for credentials.
struct Source {
    laptop: Laptop,
    arguments: &'static [&'static str],
    variables: Vec<(&'static str, &'static str)>,
}

impl Source {
    fn of_profile(config: &str) -> Self {
        let variables = vec![("AWS_REGION", "eu-central-1")];
        Self { laptop: Laptop::new(config), arguments: &["--profile", "prod"], variables }
    }

    fn of_variables(variables: &[(&'static str, &'static str)]) -> Self {
        Self { laptop: Laptop::new(""), arguments: &[], variables: variables.to_vec() }
    }

    #[track_caller]
    fn failure(&self, endpoint: &str) -> String {
        self.laptop.failure(endpoint, self.arguments, &self.variables)
    }
}

/// Each service of AWS that gives credentials, asked with a login that is not over.
fn sources() -> [Source; 3] {
    let sso = Source::of_profile(SSO);
    let cache = sso.laptop.file(".aws/sso/cache");
    std::fs::create_dir_all(&cache).expect("a directory");
    let session = r#"{"accessToken": "hunter2", "expiresAt": "2099-01-01T00:00:00Z"}"#;
    // The SHA-1 of the start URL, as the AWS CLI names the file.
    std::fs::write(cache.join("a51746d4aa793ae07b25e90c3a5db96fc7832bd7.json"), session).expect("the file is writable");
    let token = Source::of_variables(&[
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ops"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/dev/null"),
    ]);
    [Source::of_profile(ROLE), sso, token]
}

#[test]
fn an_answer_in_place_of_the_credentials_that_is_not_awss_is_not_the_profiles_fault() {
    for (status, kind, body) in [
        ("200 OK", "text/html", "<html>Please log in to the hotel</html>"),
        ("200 OK", "application/json", "{}"),
        ("200 OK", "text/plain", ""),
        ("302 Found", "text/html", "<html>hotel</html>"),
        ("403 Forbidden", "text/html", "<html>hotel</html>"),
        ("502 Bad Gateway", "text/html", "<html>hotel</html>"),
        ("503 Service Unavailable", "text/plain", ""),
    ] {
        let endpoint = Endpoint::new(move |_| http(status, kind, body));
        for source in sources() {
            assert_says(
                &source.failure(&endpoint.url()),
                &[
                    "error: cannot get the AWS credentials for this command: the answer is not AWS's\n",
                    "hint: check the network for a login page or a proxy, and AWS_ENDPOINT_URL",
                ],
            );
        }
    }
}

#[test]
fn an_endpoint_that_is_no_url_is_said_to_be_one_and_the_request_is_not_shown() {
    for source in sources().into_iter().chain([Source::of_variables(&KEYS)]) {
        for (endpoint, cause) in [
            ("localhost:4566", "endpoint must contain scheme"),
            ("https://ada:hunter2@x y", "endpoint is not a valid URI"),
            ("ftp://localhost", "unsupported scheme ftp"),
        ] {
            let stderr = source.failure(endpoint);
            assert_says(&stderr, &[cause, "hint: set AWS_ENDPOINT_URL and those of single services"]);
            assert!(!stderr.contains("hunter2") && !stderr.contains("RoleArn"), "{stderr}");
        }
    }
}

#[test]
fn an_endpoint_of_ones_own_and_one_of_a_kind_exclude_each_other() {
    for mut source in [Source::of_profile(ROLE), Source::of_variables(&KEYS)] {
        for (variable, kind) in [("AWS_USE_FIPS_ENDPOINT", "FIPS"), ("AWS_USE_DUALSTACK_ENDPOINT", "Dualstack")] {
            source.variables.push((variable, "true"));
            let stderr = source.failure("http://127.0.0.1:1");
            source.variables.pop();
            assert_says(&stderr, &[kind, "custom endpoint are not supported", "hint: unset AWS_USE_FIPS_ENDPOINT"]);
        }
    }
}

#[test]
fn an_endpoint_of_a_container_or_a_virtual_machine_that_gives_no_credentials_is_named() {
    let page = Endpoint::new(|_| http("200 OK", "text/html", "<html>hotel</html>"));
    let failing = Endpoint::new(|_| http("403 Forbidden", "text/plain", "hotel"));
    for endpoint in [&*page.url(), &failing.url(), "http://127.0.0.1:1"] {
        let container = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint);
        let machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint), ("AWS_EC2_METADATA_DISABLED", "false")];
        for (source, variables, expected) in [
            ("EcsContainer", &[container][..], "hint: check that AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            ("Ec2InstanceMetadata", &machine, "hint: on a virtual machine of Amazon EC2"),
        ] {
            let role = "role_arn = arn:aws:iam::123456789012:role/ops\ncredential_source";
            let laptop = Laptop::new(&format!("[profile prod]\n{role} = {source}\n"));
            let variables = [&[("AWS_REGION", "eu-central-1")], variables].concat();
            let mut found = vec![laptop.failure("http://127.0.0.1:1", &["--profile", "prod"], &variables)];
            // On a laptop, nothing answers in the place of the virtual machine's metadata.
            if source == "EcsContainer" || endpoint != "http://127.0.0.1:1" {
                found.push(Laptop::new("").failure("http://127.0.0.1:1", &[], &variables));
            }
            for stderr in found {
                assert_says(&stderr, &["error: cannot get the AWS credentials for this command: ", expected]);
                assert!(!stderr.contains("hotel"), "{stderr}");
            }
        }
    }
    let elsewhere = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/cc?tok=hunter2");
    for profile in ["", "[default]\nregion = eu-west-1\n"] {
        let stderr = Laptop::new(profile).failure("http://127.0.0.1:1", &[], &[elsewhere, KEYS[2]]);
        assert_says(&stderr, &["http://192.0.2.1/", "hint: check that AWS_CONTAINER_CREDENTIALS_FULL_URI"]);
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
    let role = "[profile prod]\nrole_arn = arn:aws:iam::1:role/ops\ncredential_source = Ec2InstanceMetadata\n";
    let stderr = Laptop::new(role).failure("http://127.0.0.1:1", &["--profile", "prod"], &KEYS);
    assert_says(&stderr, &["hint: unset AWS_EC2_METADATA_DISABLED, or name a profile"]);
}

#[test]
fn awss_own_sentence_is_never_dropped() {
    let laptop = Laptop::new("");
    for (code, message, expected) in [
        (
            "AccessDenied",
            "User: ada is not authorized to perform: iam:PassRole on resource: role",
            "do not allow iam:PassRole",
        ),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20261125T100000Z is now earlier than 20261125T110000Z",
            "hint: correct this machine's clock",
        ),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            "a region that is not enabled",
        ),
        (
            "AccessDenied",
            "ada may not, with an explicit deny in a service control policy",
            "hint: ask the administrators of the AWS organization",
        ),
    ] {
        let endpoint = Endpoint::new(move |_| refusal(code, message));
        let stderr = laptop.failure(&endpoint.url(), &[], &KEYS);
        assert_says(&stderr, &[message, code, expected]);
    }
}

#[test]
fn the_root_of_a_proxy_that_opens_tls_is_trusted_where_it_is_named() {
    let authority = Authority::new("proxy root").expect("an authority");
    let laptop = Laptop::new(&format!("[profile proxy]\nca_bundle = {}\n", "BUNDLE"));
    let bundle = laptop.file("bundle.pem");
    std::fs::write(&bundle, authority.root_certificate()).expect("the file is writable");
    let bundle = bundle.to_string_lossy();
    std::fs::write(laptop.file("config"), format!("[profile proxy]\nca_bundle = {bundle}\n")).expect("writable");

    let endpoint = Endpoint::with_tls(&authority.issue("localhost").expect("a certificate"), no_instance);
    let url = format!("https://localhost:{}", endpoint.port());
    let stderr = laptop.failure(&url, &[], &KEYS);
    assert_says(&stderr, &["because of the server's certificate", "UnknownIssuer", "AWS_CA_BUNDLE"]);
    for variable in [("AWS_CA_BUNDLE", &*bundle), ("AWS_PROFILE", "proxy")] {
        let stderr = laptop.failure(&url, &[], &[&KEYS[..], &[variable]].concat());
        assert_says(&stderr, &["there is no DB instance db"]);
    }
    let other = format!("https://127.0.0.1:{}", endpoint.port());
    let stderr = laptop.failure(&other, &[], &[&KEYS[..], &[("AWS_CA_BUNDLE", &*bundle)]].concat());
    assert_says(&stderr, &["because of the server's certificate", "hint: check AWS_ENDPOINT_URL"]);
    for (file, cause) in [("/nowhere.pem", "No such file"), ("/dev/null", "it holds no certificate")] {
        let stderr = laptop.failure(&url, &[], &[&KEYS[..], &[("AWS_CA_BUNDLE", file)]].concat());
        assert_says(&stderr, &[file, cause, "hint: correct AWS_CA_BUNDLE"]);
    }
}

#[test]
fn a_proxy_is_used_and_its_refusal_reported() {
    let laptop = Laptop::new("");
    let proxy = Endpoint::new(|_| http("407 Proxy Authentication Required", "text/html", ""));
    let through = |variable: &'static str, endpoint: &str| {
        laptop.failure(endpoint, &[], &[&KEYS[..], &[(variable, &*proxy.url())]].concat())
    };
    for (variable, endpoint) in [("HTTPS_PROXY", "https://rds.example.com"), ("HTTP_PROXY", "http://rds.example.com")] {
        assert_says(
            &through(variable, endpoint),
            &["the proxy refuses rds:DescribeDBInstances", "hint: correct the proxy"],
        );
    }
}

#[test]
fn a_question_names_the_account_and_the_region_without_an_endpoint_of_aws_sts() {
    let account = Account::new("asked", "");
    account.apply();
    for command in [&["instance", "delete", "--unprotect"][..], &["instance", "apply"]] {
        account.declare("[backups]\ndays = 14\n");
        let mut command = account.command(command);
        let output = command.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1").output().expect("provision starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_says(&stderr, &["cannot ask", "account 123456789012, eu-central-1"]);
    }
}
