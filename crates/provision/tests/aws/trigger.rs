//! `provision trigger`: the function becomes a trigger of a pool, and the pool keeps everything else.

use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value, json};
use testkit::{Extras, Incident, Moto, PoolSettings};

use crate::account::text;

/// A value that no output may hold.
const SECRET: &str = "external-id-hunter2";

/// A user pool with many settings, a function, and AWS.
struct Fixture {
    aws: PoolSettings,
    pool: String,
    function: &'static str,
}

/// Settings of every kind that moto keeps.
fn settings() -> Value {
    let sns = "arn:aws:iam::123456789012:role/sns";
    json!({
        "Policies": {"PasswordPolicy": {
            "MinimumLength": 12, "RequireUppercase": true, "RequireLowercase": true, "RequireNumbers": false,
            "RequireSymbols": false, "PasswordHistorySize": 3, "TemporaryPasswordValidityDays": 3
        }},
        "DeletionProtection": "ACTIVE",
        "LambdaConfig": {
            "PreSignUp": arn("gate"),
            "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": arn("sender")},
            "KMSKeyID": "arn:aws:kms:eu-central-1:123456789012:key/1f6c0d3a-84b2-4e97-a5d0-c3b2a1908f7e"
        },
        "AutoVerifiedAttributes": ["email"],
        "SmsVerificationMessage": "Code {####}",
        "EmailVerificationMessage": "Your code is {####}",
        "EmailVerificationSubject": "Your code",
        "VerificationMessageTemplate": {
            "SmsMessage": "Code {####}", "EmailMessage": "Your code is {####}", "EmailSubject": "Your code",
            "DefaultEmailOption": "CONFIRM_WITH_CODE"
        },
        "SmsAuthenticationMessage": "Sign in with {####}",
        "MfaConfiguration": "OPTIONAL",
        "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
        "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": true, "DeviceOnlyRememberedOnUserPrompt": true},
        "EmailConfiguration": {
            "SourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/users@example.com",
            "EmailSendingAccount": "DEVELOPER", "ReplyToEmailAddress": "users@example.com"
        },
        "SmsConfiguration": {"SnsCallerArn": sns, "ExternalId": SECRET, "SnsRegion": "eu-central-1"},
        "UserPoolTags": {"project": "users"},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": false, "UnusedAccountValidityDays": 3,
            "InviteMessageTemplate": {"EmailSubject": "Welcome", "EmailMessage": "{username} {####}"}
        },
        "Schema": [{"Name": "plan", "AttributeDataType": "String", "Mutable": true}],
        "UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"},
        "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]}
    })
}

/// What the SDK does not know, and what moto does not keep.
fn extras() -> Extras {
    let object = |value: Value| value.as_object().expect("an object").clone();
    Extras {
        settings: object(json!({
            "DcrConfiguration": {"Enabled": true, "Scopes": ["openid"]},
            "InventedTomorrow": {"Deep": [{"Whole": 9_007_199_254_740_993_u64, "Part": 0.25}], "Nothing": []}
        })),
        mfa: object(json!({
            "EmailMfaConfiguration": {"Message": "{####}", "Subject": "Code"},
            "WebAuthnConfiguration": {"RelyingPartyId": "example.com", "UserVerification": "preferred"}
        })),
    }
}

fn arn(function: &str) -> String {
    format!("arn:aws:lambda:eu-central-1:123456789012:function:{function}")
}

impl Fixture {
    /// A pool with all [`settings`] and [`extras`].
    fn new(function: &'static str) -> Self {
        let fixture = Self::with(function, &settings());
        let sms = json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/sns", "ExternalId": SECRET});
        let mfa = json!({
            "UserPoolId": fixture.pool, "MfaConfiguration": "OPTIONAL",
            "SmsMfaConfiguration": {"SmsAuthenticationMessage": "{####}", "SmsConfiguration": sms},
            "SoftwareTokenMfaConfiguration": {"Enabled": true}
        });
        fixture.aws.request("SetUserPoolMfaConfig", &mfa).expect("it is set");
        fixture.aws.set_extras(&fixture.pool, extras());
        fixture
    }

    fn with(function: &'static str, settings: &Value) -> Self {
        let aws = PoolSettings::before(Moto::shared()).expect("a server");
        let pool = aws.create_pool("users", settings).expect("a pool");
        aws.create_function(function).expect("a function");
        Self { aws, pool, function }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.env_clear().envs(self.aws.environment()).arg("trigger").args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command for this pool and function.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        let target = ["--pool", &self.pool, "--function", self.function];
        let output = self.command(&[arguments, &target].concat()).output().expect("provision starts");
        let written = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        assert!(!String::from_utf8_lossy(&written).contains(SECRET), "a setting's value is shown");
        output
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    #[track_caller]
    fn attach(&self, options: &[&str]) -> Value {
        self.json(&[&["attach", "--yes"], options].concat(), 0)
    }

    #[track_caller]
    fn detach(&self) -> Value {
        self.json(&["detach", "--yes"], 0)
    }

    /// Runs the command, which must fail with these words.
    #[track_caller]
    fn assert_refused(&self, arguments: &[&str], words: &[&str]) {
        assert_fails(&self.run(arguments), words);
    }

    /// The pool as AWS describes it, without dates.
    fn describe(&self) -> Map<String, Value> {
        let answer = self.signed("DescribeUserPool");
        let mut pool = answer["UserPool"].as_object().expect("a pool").clone();
        pool.retain(|name, _| !name.ends_with("Date"));
        pool
    }

    fn mfa(&self) -> Value {
        self.signed("GetUserPoolMfaConfig")
    }

    fn signed(&self, operation: &str) -> Value {
        self.aws.request(operation, &json!({"UserPoolId": self.pool})).expect("an answer")
    }

    /// Everything but the triggers, with the multi-factor settings.
    fn rest(&self) -> (Map<String, Value>, Value) {
        let mut pool = self.describe();
        pool.remove("LambdaConfig");
        // The former name of TemporaryPasswordValidityDays, which AWS derives from it and moto stores.
        pool["AdminCreateUserConfig"].as_object_mut().map(|config| config.remove("UnusedAccountValidityDays"));
        (pool, self.mfa())
    }

    fn triggers(&self) -> Value {
        self.describe().get("LambdaConfig").cloned().unwrap_or_else(|| json!({}))
    }

    /// Sets the triggers as another program would.
    fn set_triggers(&self, triggers: &Value) {
        let body = json!({"UserPoolId": self.pool, "LambdaConfig": triggers});
        self.aws.request("UpdateUserPool", &body).expect("it is set");
    }

    /// The ids of the statements in the function's policy.
    fn statements(&self) -> Vec<String> {
        let path = format!("/2015-03-31/functions/{}/policy", self.function);
        let Ok(answer) = self.aws.lambda("GET", &path, &Value::Null) else { return Vec::new() };
        let policy: Value = serde_json::from_str(answer["Policy"].as_str().expect("a policy")).expect("JSON");
        policy["Statement"].as_array().expect("a list").iter().map(|statement| text(&statement["Sid"])).collect()
    }

    fn own_statement(&self) -> String {
        format!("provision-trigger-{}", self.pool)
    }

    /// Adds a permission as another program would.
    fn permit(&self, id: &str, source: &str) {
        let path = format!("/2015-03-31/functions/{}/policy", self.function);
        let body = json!({
            "StatementId": id, "Action": "lambda:InvokeFunction", "Principal": "cognito-idp.amazonaws.com",
            "SourceArn": source
        });
        self.aws.lambda("POST", &path, &body).expect("it is added");
    }

    fn pool_arn(&self) -> String {
        format!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/{}", self.pool)
    }
}

#[track_caller]
fn assert_fails(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "expected {word:?} in {stderr}");
    }
}

#[test]
fn a_pool_keeps_every_setting_through_attach_and_detach() {
    let fixture = Fixture::new("keeps");
    let (before, rest) = (fixture.triggers(), fixture.rest());
    assert!(rest.0.contains_key("InventedTomorrow") && rest.1["EmailMfaConfiguration"].is_object(), "{rest:?}");
    let attached = fixture.attach(&["--heal", "pre-token"]);
    assert_eq!((&attached["permission"], &attached["name"]), (&json!("added"), &json!("users")));
    let mut expected = before.clone();
    expected["PostConfirmation"] = json!(arn("keeps"));
    expected["PreTokenGeneration"] = json!(arn("keeps"));
    expected["PreTokenGenerationConfig"] = json!({"LambdaArn": arn("keeps"), "LambdaVersion": "V1_0"});
    assert_eq!(fixture.triggers(), expected);
    assert_eq!(fixture.rest(), rest, "only the triggers change");
    assert_eq!(fixture.statements(), [fixture.own_statement()]);

    assert_eq!(fixture.detach()["permission"], "removed");
    assert_eq!((fixture.triggers(), fixture.rest()), (before, rest));
    assert_eq!(fixture.statements(), [] as [String; 0]);
}

#[test]
fn what_is_attached_or_detached_already_is_left_alone() {
    let fixture = Fixture::new("twice");
    fixture.attach(&["--heal", "post-authentication"]);
    let (operations, triggers) = (fixture.aws.changing_operations(), fixture.triggers());
    assert_eq!(operations, ["AddPermission", "UpdateUserPool"], "the permission first");
    for options in [&[][..], &["--heal", "post-authentication"], &["--replace"]] {
        let again = fixture.attach(options);
        assert_eq!((&again["triggers"], &again["permission"]), (&json!([]), &json!("unchanged")), "{options:?}");
    }
    assert_eq!((fixture.aws.changing_operations(), fixture.triggers()), (operations, triggers));
    fixture.detach();
    let operations = fixture.aws.changing_operations();
    assert_eq!(operations[2..], ["UpdateUserPool", "RemovePermission"], "the permission last");
    let again = String::from_utf8(fixture.run(&["detach", "--yes"]).stdout).expect("UTF-8");
    assert!(again.starts_with("nothing to change in the user pool users ("), "{again}");
    assert_eq!(fixture.aws.changing_operations(), operations);
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let fixture = Fixture::new("dry");
    let (triggers, rest) = (fixture.triggers(), fixture.rest());
    let plan = fixture.json(&["attach", "--dry-run"], 3);
    let change = json!([{"trigger": "PostConfirmation", "from": null, "to": arn("dry")}]);
    assert_eq!((&plan["triggers"], &plan["permission"], &plan["dry_run"]), (&change, &json!("added"), &json!(true)));
    fixture.json(&["detach", "--dry-run"], 0);
    assert_eq!((fixture.triggers(), fixture.rest()), (triggers, rest));
    assert_eq!(fixture.aws.changing_operations(), [] as [String; 0]);
    fixture.attach(&[]);
    fixture.json(&["attach", "--dry-run"], 0);
    fixture.json(&["detach", "--dry-run"], 3);
}

#[test]
fn the_question_names_account_region_pool_function_and_change() {
    let fixture = Fixture::new("asked");
    let question = format!(
        "cannot ask, because standard input is no terminal: This changes the user pool users ({}; account 123456789012, \
         eu-central-1): PostConfirmation: none → {}; permission to invoke it: none → {}",
        fixture.pool,
        arn("asked"),
        fixture.own_statement()
    );
    fixture.assert_refused(&["attach"], &[&question, "hint: add --yes to confirm"]);
    assert_eq!(fixture.aws.changing_operations(), [] as [String; 0]);
}

#[test]
fn another_function_is_replaced_only_on_request_and_never_detached() {
    let fixture = Fixture::new("replacing");
    let config = json!({"LambdaArn": arn("other"), "LambdaVersion": "V2_0"});
    let other = json!({
        "PostConfirmation": arn("other"), "PreTokenGeneration": arn("other"), "PreTokenGenerationConfig": config
    });
    fixture.set_triggers(&other);
    let conflict =
        format!("PostConfirmation of the user pool {} calls another function: {}", fixture.pool, arn("other"));
    fixture.assert_refused(&["attach", "--yes"], &[&conflict, "hint: add --replace"]);
    assert_eq!(fixture.detach()["triggers"], json!([]));
    assert_eq!((fixture.triggers(), fixture.aws.changing_operations()), (other, Vec::new()));

    fixture.attach(&["--replace", "--heal", "pre-token"]);
    let triggers = fixture.triggers();
    assert_eq!(triggers["PostConfirmation"], arn("replacing"));
    let kept = json!({"LambdaArn": arn("replacing"), "LambdaVersion": "V2_0"});
    assert_eq!(triggers["PreTokenGenerationConfig"], kept, "the version of the event is kept");
}

#[test]
fn a_permission_that_exists_counts_and_only_the_own_one_is_removed() {
    let fixture = Fixture::with("permitted", &json!({}));
    fixture.permit("of-a-template", &fixture.pool_arn());
    assert_eq!(fixture.attach(&[])["permission"], "unchanged");
    assert_eq!(fixture.detach()["permission"], "unchanged");
    assert_eq!(fixture.statements(), ["of-a-template"]);

    let fixture = Fixture::with("permitted-another", &json!({}));
    fixture.permit("of-another-pool", &format!("{}x", fixture.pool_arn()));
    assert_eq!(fixture.attach(&[])["permission"], "added");
    fixture.detach();
    assert_eq!(fixture.statements(), ["of-another-pool"]);
}

#[test]
fn an_own_statement_that_allows_something_else_is_replaced() {
    let fixture = Fixture::with("stale", &json!({}));
    fixture
        .permit(&fixture.own_statement(), "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Other");
    assert_eq!(fixture.attach(&[])["permission"], "replaced");
    assert_eq!(fixture.statements(), [fixture.own_statement()]);
    assert_eq!(fixture.json(&["show"], 0)["permitted"], true);
}

#[test]
fn the_permission_stays_while_another_trigger_calls_the_function() {
    let fixture = Fixture::with("shared", &json!({"LambdaConfig": {"PreSignUp": arn("shared")}}));
    fixture.attach(&[]);
    assert_eq!(fixture.detach()["permission"], "unchanged");
    assert_eq!(fixture.triggers(), json!({"PreSignUp": arn("shared")}));
    assert_eq!(fixture.statements(), [fixture.own_statement()]);
}

#[test]
fn a_setting_that_aws_refuses_is_named_and_nothing_has_changed() {
    let fixture = Fixture::new("refused");
    let before = (fixture.triggers(), fixture.rest());
    let message = "Value at 'dcrConfiguration' failed to satisfy constraint";
    fixture.aws.at_next("UpdateUserPool", Incident::Refusal("InvalidParameterException", message.to_owned()));
    let words =
        ["so nothing was changed: DcrConfiguration: ", message, "hint: correct what AWS names in the Cognito console"];
    fixture.assert_refused(&["attach", "--yes"], &words);
    assert_eq!((fixture.triggers(), fixture.rest()), before);
    assert_eq!(fixture.statements(), [] as [String; 0], "the permission that was added is removed again");
}

#[test]
fn a_setting_that_is_lost_is_set_back_and_named() {
    let fixture = Fixture::new("lossy");
    let before = (fixture.triggers(), fixture.rest());
    // The request that undoes it sends the setting again only if it was in what was read before.
    fixture.aws.at_next("UpdateUserPool", Incident::ChangeAfter("InventedTomorrow", json!("reset")));
    let words = ["with the trigger, InventedTomorrow of the user pool", "all of it was set back to what it was"];
    fixture.assert_refused(&["attach", "--yes"], &words);
    assert_eq!((fixture.triggers(), fixture.rest()), before);
    assert_eq!(fixture.statements(), [] as [String; 0]);
    fixture.attach(&[]);
    assert_eq!(fixture.rest(), before.1);
}

#[test]
fn what_cannot_be_set_back_is_named() {
    let fixture = Fixture::new("lost");
    fixture.aws.at_next("UpdateUserPool", Incident::Loss("DcrConfiguration"));
    let words =
        ["DcrConfiguration of the user pool", "it was undone, but for DcrConfiguration", "hint: set what the error"];
    fixture.assert_refused(&["attach", "--yes"], &words);
    assert_eq!(fixture.triggers(), settings()["LambdaConfig"]);
    assert_eq!(fixture.statements(), [] as [String; 0]);
}

#[test]
fn multi_factor_settings_that_the_change_resets_are_restored() {
    let fixture = Fixture::new("factors");
    let rest = fixture.rest();
    fixture.aws.at_next("UpdateUserPool", Incident::LossOfMfa("EmailMfaConfiguration"));
    fixture.attach(&[]);
    assert_eq!(fixture.rest(), rest);
    assert_eq!(fixture.triggers()["PostConfirmation"], arn("factors"));
    assert_eq!(fixture.aws.changing_operations(), ["AddPermission", "UpdateUserPool", "SetUserPoolMfaConfig"]);
}

#[test]
fn a_change_of_somebody_else_between_question_and_write_is_noticed() {
    let fixture = Fixture::new("between");
    fixture.aws.at_next("DescribeUserPool", Incident::Nothing);
    fixture.aws.at_next("DescribeUserPool", Incident::ChangeBefore("DcrConfiguration", json!({"Enabled": false})));
    let words = [
        "was changed meanwhile (DcrConfiguration.Enabled, DcrConfiguration.Scopes), so nothing was done",
        "hint: run this again",
    ];
    fixture.assert_refused(&["attach", "--yes"], &words);
    assert_eq!(fixture.describe()["DcrConfiguration"], json!({"Enabled": false}), "it is not overwritten");
    assert_eq!((fixture.triggers(), fixture.statements()), (settings()["LambdaConfig"].clone(), Vec::new()));
    fixture.attach(&[]);
    assert_eq!(fixture.describe()["DcrConfiguration"], json!({"Enabled": false}));

    let fixture = Fixture::new("dated");
    fixture.aws.at_next("DescribeUserPool", Incident::Nothing);
    fixture.aws.at_next("DescribeUserPool", Incident::ChangeBefore("LastModifiedDate", json!(1_900_000_000)));
    fixture.assert_refused(&["attach", "--yes"], &["was changed meanwhile (LastModifiedDate)"]);
}

#[test]
fn a_lost_answer_is_no_failure() {
    let fixture = Fixture::new("silent");
    for operation in ["AddPermission", "UpdateUserPool"] {
        fixture.aws.at_next(operation, Incident::LostAnswer);
    }
    fixture.attach(&[]);
    assert_eq!(fixture.triggers()["PostConfirmation"], arn("silent"));
    assert!(fixture.statements().contains(&fixture.own_statement()));
}

#[test]
fn the_permission_stays_while_a_change_that_aws_has_not_refused_may_take_effect() {
    let fixture = Fixture::with("late", &json!({}));
    let failure = "An internal error occurred.".to_owned();
    // The SDK tries again by itself.
    for _ in 0..10 {
        fixture.aws.at_next("UpdateUserPool", Incident::Refusal("InternalErrorException", failure.clone()));
    }
    let output = fixture.run(&["attach", "--yes"]);
    let left = format!("may call the function soon, so the permission {} was left: ", fixture.own_statement());
    assert_fails(&output, &[&left, &failure, "hint: run this again in a minute"]);
    assert_eq!(fixture.statements(), [fixture.own_statement()]);
    // It takes effect after the answer.
    fixture.set_triggers(&json!({"PostConfirmation": arn("late")}));
    let state = fixture.json(&["show"], 0);
    assert_eq!((&state["attached"], &state["permitted"]), (&json!(true), &json!(true)), "{state}");
}

#[test]
fn a_permission_that_cannot_be_removed_is_told_as_the_only_thing_left() {
    let fixture = Fixture::with("denied", &json!({}));
    fixture.attach(&[]);
    let denial = "User is not authorized to perform: lambda:RemovePermission".to_owned();
    fixture.aws.at_next("RemovePermission", Incident::Refusal("AccessDeniedException", denial));
    let left = format!("no longer calls the function, and only the permission {} is left: ", fixture.own_statement());
    let words = [&left, "do not allow lambda:RemovePermission", "then run this again: it removes the permission"];
    fixture.assert_refused(&["detach", "--yes"], &words);
    assert_eq!(fixture.triggers(), json!({}));
    let again = fixture.detach();
    assert_eq!((&again["permission"], fixture.statements().len()), (&json!("removed"), 0));
}

#[test]
fn a_policy_that_is_full_is_told_with_the_way_out() {
    let fixture = Fixture::with("full", &json!({}));
    let message = "The final policy size (20578) is bigger than the limit (20480).".to_owned();
    fixture.aws.at_next("AddPermission", Incident::Refusal("PolicyLengthExceededException", message.clone()));
    let words = ["would exceed AWS's 20 KB", &message, "hint: remove a statement that nobody needs any more"];
    fixture.assert_refused(&["attach", "--yes"], &words);
    assert_eq!(fixture.triggers(), json!({}));
}

#[test]
fn another_change_in_progress_is_told_after_the_time_limit() {
    let fixture = Fixture::new("busy");
    let sentence = "Another operation is in progress".to_owned();
    fixture.aws.at_next("UpdateUserPool", Incident::Refusal("ConcurrentModificationException", sentence.clone()));
    let words = ["another change of the user pool is in progress", &sentence, "--timeout"];
    fixture.assert_refused(&["attach", "--yes", "--timeout", "0s"], &words);
    assert_eq!(fixture.statements(), [] as [String; 0]);
    let conflict = "The operation cannot be performed at this time. An update is in progress".to_owned();
    fixture.aws.at_next("AddPermission", Incident::Refusal("ResourceConflictException", conflict.clone()));
    let words = ["another change of the function busy is in progress", &conflict, "--timeout"];
    fixture.assert_refused(&["attach", "--yes", "--timeout", "0s"], &words);
    assert_eq!(fixture.triggers(), settings()["LambdaConfig"]);
}

#[test]
fn a_name_that_cannot_be_right_is_explained() {
    let fixture = Fixture::with("named", &json!({}));
    let run = |pool: &str, function: &str| {
        let target = ["attach", "--yes", "--pool", pool, "--function", function];
        fixture.command(&target).output().expect("provision starts")
    };
    let (pool, here) = (fixture.pool.as_str(), "account 123456789012, eu-central-1");
    let absent = format!("there is no function absent in {here}");
    assert_fails(&run(pool, "absent"), &[&absent, "create the function first"]);
    for place in ["us-east-1:123456789012", "eu-central-1:210987654321"] {
        let output = run(pool, &format!("arn:aws:lambda:{place}:function:named"));
        assert_fails(
            &output,
            &["the function named lies in account ", here, "hint: name a function of the pool's account"],
        );
    }
    assert_fails(&run("eu-central-1_Absent", "named"), &["no user pool eu-central-1_Absent", "list-user-pools"]);
    assert_fails(&run("us-east-1_Absent", "named"), &["no user pool us-east-1_Absent", "add --region us-east-1"]);
    for (pool, function, words) in [
        ("eu-central-1", "named", "expected the id of a user pool"),
        (pool, "named:$LATEST", "leave `:$LATEST` out"),
        (pool, "a b", "expected the name of a function"),
    ] {
        let output = run(pool, function);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(words), "expected {words:?} in {stderr}");
    }
    assert_eq!(fixture.aws.changing_operations(), [] as [String; 0]);
}

#[test]
fn the_pool_can_be_named_in_the_environment() {
    let fixture = Fixture::with("environment", &json!({}));
    let show = |pool: &str| {
        let mut command = fixture.command(&["show", "--function", "environment"]);
        command.env("USER_POOL_ID", pool).output().expect("provision starts")
    };
    let output = show(&fixture.pool);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_fails(&show(""), &["no user pool is named", "hint: add --pool with its id, or set USER_POOL_ID"]);
    assert_fails(&show("nonsense"), &["USER_POOL_ID: expected the id of a user pool", "hint: correct it"]);
}

#[test]
fn an_alias_is_attached_and_detached_by_its_name() {
    let fixture = Fixture::with("aliased", &json!({}));
    let functions = "/2015-03-31/functions/aliased";
    fixture.aws.lambda("POST", &format!("{functions}/versions"), &json!({})).expect("a version");
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    fixture.aws.lambda("POST", &format!("{functions}/aliases"), &alias).expect("an alias");
    let run = |command: &str, function: &str| {
        let target = [command, "--yes", "--pool", &fixture.pool, "--function", function];
        fixture.command(&target).output().expect("provision starts")
    };
    let output = run("attach", "aliased:live");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fixture.triggers()["PostConfirmation"], arn("aliased:live"));
    // moto has one policy for a function and its aliases; at AWS each has its own.
    let path = format!("{functions}/policy/{}", fixture.own_statement());
    fixture.aws.lambda("DELETE", &path, &Value::Null).expect("it is removed");
    let words =
        ["but another version or alias of it", &format!("hint: name that one: --function {}", arn("aliased:live"))];
    assert_fails(&run("detach", "aliased"), &[words[0], words[1]]);
    let output = run("detach", &arn("aliased:live"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fixture.triggers(), json!({}));
    let warned = run("attach", "aliased:1");
    assert!(String::from_utf8_lossy(&warned.stderr).starts_with("warning: aliased:1 is one version"), "{warned:?}");
}

#[test]
fn a_deleted_function_is_detached() {
    let fixture = Fixture::with("deleted", &json!({}));
    fixture.attach(&[]);
    let path = "/2015-03-31/functions/deleted";
    fixture.aws.lambda("DELETE", path, &Value::Null).expect("it is deleted");
    let shown = fixture.json(&["show"], 0);
    assert!(text(&shown["next"]).starts_with("the pool calls a function that does not exist"), "{shown}");
    fixture.detach();
    assert_eq!(fixture.triggers(), json!({}));
    fixture
        .assert_refused(&["detach", "--yes"], &["there is no function deleted in", "the user pool calls none like it"]);
}

#[test]
fn a_replica_is_read_only() {
    let fixture = Fixture::with("replica", &json!({}));
    let arn = fixture.pool_arn().replace("idp:eu-central-1", "idp:us-east-1");
    let mut extras = Extras::default();
    extras.settings.insert("Arn".to_owned(), json!(arn));
    fixture.aws.set_extras(&fixture.pool, extras);
    for command in ["attach", "detach"] {
        let words = ["in us-east-1 is a replica, whose settings are read-only", "add --region eu-central-1"];
        fixture.assert_refused(&[command, "--yes"], &words);
    }
    assert_eq!(fixture.json(&["show"], 0)["attached"], false);
}

#[test]
fn the_state_is_shown_with_what_to_do_next() {
    let fixture = Fixture::with("shown", &json!({"LambdaConfig": {"PreSignUp": arn("gate")}}));
    fixture.permit("of-another-pool", "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Other");
    let next = |command: &str| format!("`provision trigger {command} --pool {} --function shown", fixture.pool);
    let state = fixture.json(&["show"], 0);
    assert_eq!(
        (&state["attached"], &state["permitted"], &state["exists"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert!(text(&state["next"]).contains(&format!("{}`", next("attach"))), "{state}");
    let attached = fixture.attach(&[]);
    let find = format!("`provision users reconcile --prod --pool {} --dry-run` finds them", fixture.pool);
    assert!(text(&attached["next"]).contains(&find), "{attached}");
    let state = fixture.json(&["show"], 0);
    assert_eq!(
        (&state["attached"], &state["permitted"], &state["healing"]),
        (&json!(true), &json!(true), &json!("none"))
    );
    assert!(text(&state["next"]).contains(&format!("{} --heal pre-token`", next("attach"))), "{state}");
    let attached = fixture.attach(&["--heal", "pre-token"]);
    assert_eq!(attached["next"], Value::Null, "the function was attached before: {attached}");
    let state = fixture.json(&["show"], 0);
    assert_eq!((&state["healing"], &state["next"]), (&json!("pre-token"), &Value::Null));
    let shown = String::from_utf8(fixture.run(&["show"]).stdout).expect("UTF-8");
    let shown = shown.replace(&fixture.pool, "POOL");
    assert_eq!(
        shown.trim_end(),
        concat!(
            "user pool:  users (POOL; account 123456789012, eu-central-1)\n",
            "function:   arn:aws:lambda:eu-central-1:123456789012:function:shown\n",
            "permission: provision-trigger-POOL\n",
            "healing:    before each token (pre-token)\n\n",
            " trigger             calls\n",
            " PostConfirmation    this function\n",
            " PreSignUp           arn:aws:lambda:eu-central-1:123456789012:function:gate\n",
            " PreTokenGeneration  this function\n\n",
            "Others that may invoke the function:\n",
            "  of-another-pool: cognito-idp.amazonaws.com for arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Other\n\n",
            "users who were confirmed earlier may have no row: `provision users reconcile --prod --pool POOL --dry-run` finds them",
        )
    );
    let path = format!("/2015-03-31/functions/shown/policy/{}", fixture.own_statement());
    fixture.aws.lambda("DELETE", &path, &Value::Null).expect("it is removed");
    let state = fixture.json(&["show"], 0);
    assert!(text(&state["next"]).starts_with("Cognito may not invoke the function, so sign-ups fail"), "{state}");
}

#[test]
fn healing_is_moved_and_ended() {
    let fixture = Fixture::with("healing", &json!({}));
    fixture.attach(&["--heal", "pre-token"]);
    fixture.attach(&["--heal", "post-authentication"]);
    let expected = json!({"PostConfirmation": arn("healing"), "PostAuthentication": arn("healing")});
    assert_eq!(fixture.triggers(), expected);
    fixture.attach(&["--heal", "none"]);
    assert_eq!(fixture.triggers(), json!({"PostConfirmation": arn("healing")}));
}
