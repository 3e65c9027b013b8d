//! Text in the answers of AWS that would act on the operator's terminal: no command writes it as it is.

use testkit::{assert_harmless, hostile_text};

use crate::answers::{Answer, Answers, COMMANDS, is_json};

/// The text in XML, each character as a reference: many of them may stand nowhere else.
fn xml(text: &str) -> String {
    text.chars().map(|character| format!("&#{};", u32::from(character))).collect::<Vec<_>>().concat()
}

/// Runs all commands, and fails if the output of one could act on a terminal. Returns all of it.
#[track_caller]
fn assert_all_harmless(formats: &[&str], answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let aws = Answers::start(answer);
    let mut all = Vec::new();
    for arguments in COMMANDS {
        for format in formats {
            let output = aws.run(&[arguments, &["--output", format]].concat());
            let written = [output.stdout, output.stderr].concat();
            assert!(!written.is_empty(), "expected output of {arguments:?}");
            assert_harmless(&written);
            all.extend(written);
        }
    }
    String::from_utf8(all).expect("UTF-8")
}

#[test]
fn errors_of_aws_are_shown_harmlessly() {
    let text = hostile_text();
    let written = assert_all_harmless(&["text"], move |operation| {
        if is_json(operation) {
            return (400, serde_json::json!({"__type": text, "message": text}).to_string());
        }
        let (code, message) = (xml(&text), xml(&text));
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
        // EC2's protocol has a list of errors.
        let errors = format!("<Errors>{error}</Errors>");
        let root =
            if operation.contains("DB") || operation == "GetCallerIdentity" { "ErrorResponse" } else { "Response" };
        (400, format!("<{root}>{error}{errors}<RequestId>{code}</RequestId></{root}>"))
    });
    assert!(written.contains("\\nerror: forged"), "the text is shown: {written}");
}

#[test]
fn values_of_aws_are_shown_harmlessly() {
    for status in ["available", &hostile_text()] {
        let (status, text) = (xml(status), xml(&hostile_text()));
        let written = assert_all_harmless(&["text", "json"], move |operation| {
            if is_json(operation) {
                let text = hostile_text();
                let pool = serde_json::json!({
                    "Id": text, "Name": text, "Arn": format!("arn:aws:cognito-idp:{text}:{text}:userpool/{text}"),
                    "LambdaConfig": {"PreSignUp": format!("arn:aws:lambda:{text}"), &text: format!("x:x:lambda:{text}")}
                });
                let statement = serde_json::json!({
                    "Sid": text, "Principal": text, "Condition": {"ArnLike": {"aws:SourceArn": text}}
                });
                let policy = serde_json::json!({"Statement": [statement]}).to_string();
                let answer = serde_json::json!({
                    "ARN": text, "VersionId": text, "SecretString": text, "UserPool": pool, "Policy": policy
                });
                return (200, answer.to_string());
            }
            let answer = format!(
                "<DBInstances><DBInstance><DBInstanceIdentifier>{text}</DBInstanceIdentifier>\
                 <DBInstanceStatus>{status}</DBInstanceStatus><DBInstanceClass>{text}</DBInstanceClass>\
                 <EngineVersion>{text}</EngineVersion><DBName>{text}</DBName><AvailabilityZone>{text}</AvailabilityZone>\
                 <DBInstanceArn>{text}</DBInstanceArn><PreferredBackupWindow>{text}</PreferredBackupWindow>\
                 <CACertificateIdentifier>{text}</CACertificateIdentifier><MasterUsername>{text}</MasterUsername>\
                 <Endpoint><Address>{text}</Address><Port>5432</Port></Endpoint>\
                 <MasterUserSecret><SecretArn>{text}</SecretArn></MasterUserSecret>\
                 <DBParameterGroups><DBParameterGroup><DBParameterGroupName>{text}</DBParameterGroupName>\
                 <ParameterApplyStatus>{text}</ParameterApplyStatus></DBParameterGroup></DBParameterGroups>\
                 <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>{text}</VpcSecurityGroupId>\
                 </VpcSecurityGroupMembership></VpcSecurityGroups>\
                 <TagList><Tag><Key>a</Key><Value>{text}</Value></Tag></TagList></DBInstance></DBInstances>\
                 <DBSnapshots><DBSnapshot><Status>{text}</Status></DBSnapshot></DBSnapshots>\
                 <Events><Event><Message>{text}</Message></Event></Events>\
                 <Parameters><Parameter><ParameterName>{text}</ParameterName><ParameterValue>{text}</ParameterValue>\
                 </Parameter></Parameters><Account>{text}</Account>\
                 <vpcSet><item><vpcId>{text}</vpcId></item></vpcSet>\
                 <securityGroupInfo><item><groupId>{text}</groupId></item></securityGroupInfo>\
                 <securityGroupRuleSet><item><securityGroupRuleId>{text}</securityGroupRuleId>\
                 <isEgress>false</isEgress><cidrIpv4>{text}</cidrIpv4><description>{text}</description></item>\
                 <item><securityGroupRuleId>sgr-1</securityGroupRuleId><isEgress>false</isEgress>\
                 <cidrIpv4>192.0.2.9/32</cidrIpv4><description>provision user=ada since={text} until={text}</description>\
                 </item></securityGroupRuleSet>"
            );
            (
                200,
                format!(
                    "<{operation}Response><{operation}Result>{answer}</{operation}Result>{answer}</{operation}Response>"
                ),
            )
        });
        assert!(written.contains("\\nerror: forged"), "the text is shown: {written}");
    }
}
