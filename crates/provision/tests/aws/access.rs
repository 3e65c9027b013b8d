//! `provision access`

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testkit::Authority;

use crate::account::{Account, boto3, text};

/// An account whose DB instance's security group exists.
fn account(identifier: &'static str) -> Account {
    boto3(&format!(
        "ec2.create_security_group(GroupName='{identifier}', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])"
    ));
    Account::new(identifier, "")
}

/// The rules for incoming traffic, as boto3 sees them.
fn ingress(identifier: &str) -> Vec<Value> {
    let group = format!("ec2.describe_security_groups(GroupNames=['{identifier}'])['SecurityGroups'][0]['GroupId']");
    let rules = boto3(&format!(
        "[r for r in ec2.describe_security_group_rules(Filters=[{{'Name': 'group-id', 'Values': [{group}]}}])\
         ['SecurityGroupRules'] if not r['IsEgress']]"
    ));
    rules.as_array().expect("a list").clone()
}

/// Adds a rule as another program does: of this protocol and port, for these sources in boto3's words.
fn add_rule(identifier: &str, protocol: &str, port: i32, sources: &str) {
    boto3(&format!(
        "ec2.authorize_security_group_ingress(GroupId=ec2.describe_security_groups(GroupNames=['{identifier}'])\
         ['SecurityGroups'][0]['GroupId'], IpPermissions=[{{'IpProtocol': '{protocol}', 'FromPort': {port}, \
         'ToPort': {port}, {sources}}}])['Return']"
    ));
}

/// The id of the security group by this name.
fn group_id(name: &str) -> String {
    text(&boto3(&format!("ec2.describe_security_groups(GroupNames=['{name}'])['SecurityGroups'][0]['GroupId']")))
}

/// Standard output of a command that succeeds.
#[track_caller]
fn shown(account: &Account, arguments: &[&str]) -> String {
    let output = account.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A service that reports this address to its only caller.
fn address_service(address: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).expect("a request");
        let length = address.len() + 1;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{address}\n")
            .expect("heard");
    });
    url
}

#[test]
fn the_service_that_reports_the_address_is_asked_over_verified_tls() {
    let account = account("tls");
    let authority = Authority::new("address root").expect("an authority");
    let identity = authority.issue("localhost").expect("a certificate");
    let identity = native_tls::Identity::from_pkcs8(identity.certificate.as_bytes(), identity.key.as_bytes());
    let acceptor = native_tls::TlsAcceptor::new(identity.expect("an identity")).expect("an acceptor");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("its address").port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut stream) = acceptor.accept(stream) else { continue };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\n192.0.2.7");
        }
    });
    account.assert_refused(&["access", "allow", "--address-url", &url], "does not report this machine's address");
    let mut root = NamedTempFile::new().expect("a file");
    root.write_all(authority.root_certificate().as_bytes()).expect("the file is writable");
    let mut command = account.command(&["access", "allow", "--address-url", &url]);
    let output = command.env("SSL_CERT_FILE", root.path()).output().expect("provision starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ingress("tls")[0]["CidrIpv4"], "192.0.2.7/32");
}

#[test]
fn the_own_address_is_allowed_and_a_second_run_changes_nothing() {
    let account = account("own");
    let allow =
        |address| account.json(&["access", "allow", "--user", "ada", "--address-url", &address_service(address)], 0);
    let allowed = allow("192.0.2.7");
    assert_eq!((&allowed["change"], &allowed["source"]), (&json!("added"), &json!("192.0.2.7/32")));
    let before = ingress("own");
    assert_eq!((&before[0]["CidrIpv4"], &before[0]["FromPort"]), (&json!("192.0.2.7/32"), &json!(5432)));
    assert_eq!(allow("192.0.2.7")["change"], "unchanged");
    assert_eq!(ingress("own"), before);
}

#[test]
fn the_own_rule_moves_with_the_address_and_others_stay() {
    let account = account("moved");
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "198.51.100.0/24"], 0);
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    let moved = account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.8"], 0);
    assert_eq!((&moved["change"], &moved["from"]), (&json!("moved"), &json!("192.0.2.7/32")));
    let sources: Vec<Value> = ingress("moved").iter().map(|rule| rule["CidrIpv4"].clone()).collect();
    assert_eq!(sources, [json!("198.51.100.0/24"), json!("192.0.2.8/32")]);
}

#[test]
fn two_operators_share_the_rule_for_an_address_and_each_ends_alone() {
    let account = account("shared");
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "198.51.100.1", "--expires", "8h"], 0);
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    let allowed = account.json(&["access", "allow", "--user", "ada", "--cidr", "198.51.100.1"], 0);
    assert_eq!((&allowed["change"], &allowed["from"]), (&json!("moved"), &json!("192.0.2.7/32")));
    let listed = account.json(&["access", "list"], 0);
    let rules = listed["rules"].as_array().expect("a list");
    assert_eq!(rules.len(), 1, "ada's former address is closed: {listed}");
    assert_eq!((&rules[0]["user"], &rules[0]["until"]), (&json!("bayko, ada"), &Value::Null));
    assert_eq!(account.json(&["access", "allow", "--user", "ada", "--cidr", "198.51.100.1"], 0)["change"], "unchanged");

    let left = account.json(&["access", "revoke", "--user", "bayko"], 0);
    assert_eq!((&left["revoked"], &left["shared"][0]["user"]), (&json!([]), &json!("ada")));
    assert_eq!(account.json(&["access", "list"], 0)["rules"][0]["user"], "ada");
    account.json(&["access", "revoke", "--user", "ada"], 0);
    assert_eq!(ingress("shared"), [] as [Value; 0]);
}

#[test]
fn another_operators_end_is_not_ones_own() {
    let account = account("ends");
    let over = "provision user=bayko since=2020-01-01T00:00:00Z until=2020-01-02T00:00:00Z";
    add_rule("ends", "tcp", 5432, &format!("'IpRanges': [{{'CidrIp': '198.51.100.1/32', 'Description': '{over}'}}]"));
    let allowed = account.json(&["access", "allow", "--user", "ada", "--cidr", "198.51.100.1"], 0);
    assert_eq!(allowed["change"], "renewed");
    assert_eq!(account.json(&["access", "revoke", "--expired"], 0)["revoked"], json!([]), "ada's has no end");
    assert_eq!(account.json(&["access", "list"], 0)["rules"][0]["user"], "ada");

    account.json(&["access", "allow", "--user", "chidi", "--cidr", "192.0.2.7", "--expires", "1h"], 0);
    let shared = account.json(&["access", "allow", "--user", "bayko", "--cidr", "192.0.2.7", "--expires", "8h"], 0);
    assert_eq!((&shared["change"], &shared["with"]), (&json!("shared"), &json!("chidi")));
    let listed = account.json(&["access", "list"], 0);
    let rule = &listed["rules"].as_array().expect("a list")[1];
    assert_eq!(rule["until"], shared["until"], "the rule ends with the last: {listed}");
    let renewed = account.json(&["access", "allow", "--user", "bayko", "--cidr", "192.0.2.7"], 0);
    assert_eq!((&renewed["change"], &renewed["until"]), (&json!("renewed"), &Value::Null), "without --expires, no end");
}

#[test]
fn an_address_of_version_six_has_a_rule_of_its_own() {
    let account = account("six");
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    account.json(&["access", "allow", "--user", "ada", "--cidr", "2001:db8::7"], 0);
    assert_eq!(account.json(&["access", "allow", "--user", "ada", "--cidr", "2001:db8::7"], 0)["change"], "unchanged");
    let rules = ingress("six");
    assert_eq!((&rules[0]["CidrIpv4"], &rules[1]["CidrIpv6"]), (&json!("192.0.2.7/32"), &json!("2001:db8::7/128")));
    assert_eq!(rules.len(), 2);
}

#[test]
fn a_rule_is_rewritten_by_its_id() {
    let account = account("by-id");
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "198.51.100.1"], 0);
    let id = ingress("by-id")[0]["SecurityGroupRuleId"].as_str().expect("an id").to_owned();
    let allow = ["access", "allow", "--user", "ada", "--cidr", "192.0.2.7", "--rule-id", &id];
    account.assert_refused(&allow, "(198.51.100.1/32, tcp 5432, for bayko): it will allow 192.0.2.7/32 at tcp 5432 alone, for ada\nhint: add --yes");
    assert_eq!(ingress("by-id")[0]["CidrIpv4"], "198.51.100.1/32", "not before the confirmation");
    account.json(&[&allow[..], &["--yes"]].concat(), 0);
    let rules = ingress("by-id");
    assert_eq!((&rules[0]["CidrIpv4"], &rules[0]["SecurityGroupRuleId"]), (&json!("192.0.2.7/32"), &json!(id)));
    assert_eq!(rules.len(), 1);
    account.assert_refused(&["access", "allow", "--cidr", "192.0.2.9", "--rule-id", "sgr-0"], "has no rule sgr-0");
}

#[test]
fn a_rewritten_rule_keeps_the_other_operators_of_its_source() {
    let account = account("keeps");
    for user in ["ada", "bayko"] {
        account.json(&["access", "allow", "--user", user, "--cidr", "192.0.2.7"], 0);
    }
    let id = text(&ingress("keeps")[0]["SecurityGroupRuleId"]);
    let allow = ["access", "allow", "--user", "chidi", "--cidr", "192.0.2.7", "--rule-id", &id, "--expires", "8h"];
    let allowed = account.json(&allow, 0);
    assert_eq!((&allowed["change"], &allowed["with"]), (&json!("shared"), &json!("ada, bayko")));
    assert_eq!(account.json(&["access", "list"], 0)["rules"][0]["user"], "ada, bayko, chidi");
    let revoke = ["access", "revoke", "--rule-id", &id, "--user", "bayko"];
    assert_eq!(account.json(&revoke, 0)["shared"][0]["user"], "ada, chidi", "only bayko's part is removed");
    account.assert_refused(&revoke, &format!("the rule {id} has no part of bayko"));
}

#[test]
fn a_rule_that_more_depends_on_is_changed_after_a_confirmation() {
    let account = account("vital");
    let group = group_id("vital");
    boto3(&format!(
        "ec2.authorize_security_group_ingress(GroupId='{group}', IpPermissions=[{{'IpProtocol': 'tcp', 'FromPort': 22, \
         'ToPort': 5432, 'IpRanges': [{{'CidrIp': '192.0.2.0/24', 'Description': 'ssh and db of the team'}}]}}])['Return']"
    ));
    let before = ingress("vital");
    let id = text(&before[0]["SecurityGroupRuleId"]);
    let named = r#"(192.0.2.0/24, tcp 22-5432, of another program, described as "ssh and db of the team")"#;
    for command in [&["allow", "--cidr", "192.0.2.0/24"][..], &["allow", "--cidr", "192.0.2.7"], &["revoke"]] {
        account.assert_refused(&[&["access"], command, &["--rule-id", &id]].concat(), named);
        assert_eq!(ingress("vital"), before);
    }
    account.json(&["access", "revoke", "--rule-id", &id, "--yes"], 0);
    assert_eq!(ingress("vital"), [] as [Value; 0]);
}

#[test]
fn a_group_of_the_own_account_is_the_same_with_and_without_the_account() {
    let account = account("own-account");
    let function = text(&boto3(
        "ec2.create_security_group(GroupName='own-account-function', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    ));
    let owned = format!("123456789012/{function}");
    let allowed = account.json(&["access", "allow", "--from-group", &owned], 0);
    assert_eq!((&allowed["change"], &allowed["source"]), (&json!("added"), &json!(function)));
    for source in [&owned, &function] {
        assert_eq!(account.json(&["access", "allow", "--from-group", source], 0)["change"], "unchanged", "{source}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_on_standard_error() {
    let account = account("full");
    for (command, change) in
        [(&["allow", "--cidr", "192.0.2.7"][..], "192.0.2.7/32 will be able"), (&["revoke"], "192.0.2.7/32 may not")]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it can be opened");
        let command = [&["access"], command].concat();
        let output = account.command(&command).stdout(full).output().expect("provision starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = "error: the result is above instead: the command is done, but its result cannot be written";
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with(change) && stderr.contains(expected), "{stderr}");
        assert!(stderr.contains("\nhint: do not repeat it"), "{stderr}");
    }
}

#[test]
fn a_value_with_a_control_character_is_refused_by_its_option() {
    let output = account("control").run(&["access", "allow", "--address-url", "http://127.0.0.1:1/\n"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let expected =
        r"error: invalid value 'http://127.0.0.1:1/\n' for '--address-url <URL>': use a URL such as https://";
    assert!(stderr.starts_with(expected) && stderr.ends_with('\n'), "{stderr:?}");
}

#[test]
fn a_move_names_what_is_closed_and_never_the_new_source() {
    let account = account("closed");
    add_rule("closed", "tcp", 5432, "'IpRanges': [{'CidrIp': '198.51.100.1/32', 'Description': 'office'}]");
    add_rule("closed", "-1", -1, "'IpRanges': [{'CidrIp': '192.0.2.8/32'}]");
    let allow = |cidr: &'static str| ["access", "allow", "--user", "ada", "--cidr", cidr, "--expires", "8h"];
    shown(&account, &allow("192.0.2.7"));
    let moved = shown(&account, &allow("198.51.100.1"));
    assert!(moved.contains(", and 192.0.2.7/32 may not (") && moved.contains("has no end: another"), "{moved}");
    shown(&account, &allow("192.0.2.8"));
    let moved = shown(&account, &allow("198.51.100.1"));
    assert!(moved.contains("192.0.2.8/32 is still allowed") && moved.contains("has no end: another"), "{moved}");
    assert!(!moved.contains("may not"), "{moved}");

    let other = text(&boto3(
        "ec2.create_security_group(GroupName='closed-other', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    ));
    account.declare(&format!("[network]\nsecurity_groups = [\"{other}\", \"{}\"]\n", group_id("closed")));
    let former = "provision user=bayko";
    let range = format!("'IpRanges': [{{'CidrIp': '203.0.113.7/32', 'Description': '{former}'}}]");
    add_rule("closed", "tcp", 5432, &range);
    let moved = shown(&account, &["access", "allow", "--user", "bayko", "--cidr", "203.0.113.7"]);
    assert!(!moved.contains("still allowed") && !moved.contains("may not"), "{moved}");
}

#[test]
fn a_security_group_is_allowed_once() {
    let account = account("from-group");
    let function = boto3(
        "ec2.create_security_group(GroupName='function', Description='x', \
                          VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    );
    let function = function.as_str().expect("an id");
    assert_eq!(account.json(&["access", "allow", "--from-group", function], 0)["change"], "added");
    assert_eq!(account.json(&["access", "allow", "--from-group", function], 0)["change"], "unchanged");
    let rules = ingress("from-group");
    assert_eq!((rules.len(), &rules[0]["ReferencedGroupInfo"]["GroupId"]), (1, &json!(function)));
}

#[test]
fn a_rule_that_expires_says_so_and_can_be_revoked_when_it_has() {
    let account = account("expiry");
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7", "--expires", "8h"], 0);
    let over = "provision user=bayko since=2020-01-01T00:00:00Z until=2020-01-02T00:00:00Z";
    add_rule("expiry", "tcp", 5432, &format!("'IpRanges': [{{'CidrIp': '198.51.100.1/32', 'Description': '{over}'}}]"));
    let listed = account.json(&["access", "list"], 0);
    let expired: Vec<&Value> =
        listed["rules"].as_array().expect("a list").iter().map(|rule| &rule["expired"]).collect();
    assert_eq!(expired, [&json!(false), &json!(true)], "{listed}");
    let text = account.run(&["access", "list"]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("ada  since 20") && text.contains("EXPIRED"), "{text}");
    let revoked = account.json(&["access", "revoke", "--expired"], 0);
    assert_eq!(revoked["revoked"][0]["source"], "198.51.100.1/32");
    assert_eq!(ingress("expiry").len(), 1);
    assert_eq!(account.json(&["access", "revoke", "--expired"], 0)["revoked"], json!([]));
}

#[test]
fn the_own_rules_or_others_by_their_ids_are_revoked() {
    let account = account("revoked");
    for (user, cidr) in [("ada", "192.0.2.7"), ("ada", "2001:db8::7"), ("bayko", "198.51.100.1")] {
        account.json(&["access", "allow", "--user", user, "--cidr", cidr], 0);
    }
    account.json(&["access", "revoke", "--user", "ada"], 0);
    let left = ingress("revoked");
    assert_eq!((left.len(), &left[0]["CidrIpv4"]), (1, &json!("198.51.100.1/32")));
    let id = left[0]["SecurityGroupRuleId"].as_str().expect("an id");
    account.assert_refused(&["access", "revoke", "--rule-id", id, "--rule-id", "sgr-0"], "has no rule sgr-0");
    account.json(&["access", "revoke", "--rule-id", id], 0);
    assert_eq!(ingress("revoked"), [] as [Value; 0]);
}

#[test]
fn the_whole_internet_needs_an_option_and_a_warning_names_it() {
    let account = account("anyone");
    for cidr in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "2000::/3"] {
        account.assert_refused(&["access", "allow", "--cidr", cidr], "add --anyone");
    }
    account.json(&["access", "allow", "--cidr", "128.0.0.0/1", "--anyone"], 0);
    let listed = shown(&account, &["access", "list"]);
    assert!(listed.contains("128.0.0.0/1  operator") && listed.contains("WARNING: the whole internet"), "{listed}");
}

#[test]
fn wrong_input_is_reported_with_the_remedy() {
    let account = account("told");
    account.assert_refused(
        &["access", "allow", "--address-url", &address_service("no address")],
        "hint: name the address with --cidr",
    );
    account.assert_refused(
        &["access", "allow", "--address-url", "http://127.0.0.1:1"],
        "hint: name the address with --cidr",
    );
    account.assert_refused(&["access", "allow", "--cidr", "192.0.2.7", "--user", "a b"], "hint: use 1 to 64 letters");
    for address in ["192.168.1.20", "127.0.0.1", "100.64.3.4", "fd00::1"] {
        let allow = ["access", "allow", "--address-url", &address_service(address)];
        account.assert_refused(&allow, "which is no address on the internet\nhint: name the address with --cidr");
    }
    // A second one would be created, if it is only the region that is wrong.
    let first = "a security group no-group in this region and account\nhint: choose the right --profile, --region and";
    Account::new("no-group", "").assert_refused(&["access", "list"], first);
    for wrong in [
        &["allow", "--cidr", "home"][..],
        &["allow", "--from-group", "function"],
        &["allow", "--from-group", "210987654321/function"],
        &["allow", "--from-prefix-list", "sg-0a1b"],
        &["allow", "--cidr", "192.0.2.7", "--from-group", "sg-0a1b"],
        &["allow", "--cidr", "192.0.2.7", "--expires", "0s"],
        &["allow", "--cidr", "192.0.2.7", "--expires", "1000y"],
        &["allow", "--cidr", "192.0.2.7", "--rule-id", "mine"],
        &["allow", "--cidr", "192.0.2.7", "--expires", "-1h"],
        &["allow", "--address-url", ""],
        &["allow", "--address-url", "home"],
        &["list", "--profile", ""],
        &["revoke", "--rule-id", "sg-0a1b"],
        &["revoke", "--expired", "--user", "ada"],
    ] {
        let usage = account.run(&[&["access"], wrong].concat());
        assert_eq!(usage.status.code(), Some(2), "{wrong:?}: {usage:?}");
    }
}

#[test]
fn a_rule_of_another_protocol_or_port_is_no_access() {
    let account = account("protocols");
    add_rule("protocols", "icmp", -1, "'IpRanges': [{'CidrIp': '203.0.113.7/32'}]");
    add_rule("protocols", "udp", 5432, "'IpRanges': [{'CidrIp': '203.0.113.7/32'}]");
    add_rule("protocols", "tcp", 22, "'IpRanges': [{'CidrIp': '203.0.113.7/32'}]");
    assert_eq!(account.json(&["access", "list"], 0)["rules"], json!([]));
    assert_eq!(account.json(&["access", "allow", "--cidr", "203.0.113.7"], 0)["change"], "added");
    add_rule("protocols", "-1", -1, "'IpRanges': [{'CidrIp': '198.51.100.1/32'}]");
    let listed = account.json(&["access", "list"], 0);
    let sources: Vec<&Value> = listed["rules"].as_array().expect("a list").iter().map(|rule| &rule["source"]).collect();
    assert_eq!(sources, ["203.0.113.7/32", "198.51.100.1/32"], "all protocols are TCP as well");
}

#[test]
fn access_before_the_instance_is_promised_and_not_reported() {
    let account = account("before");
    let allowed = shown(&account, &["access", "allow", "--cidr", "203.0.113.7"]);
    let group = group_id("before");
    let expected =
        format!("203.0.113.7/32 will be able to reach port 5432 of the DB instance once it is created ({group})");
    assert_eq!(allowed, expected);
    assert!(
        shown(&account, &["access", "list"]).starts_with(&format!("{group} (before before is created), port 5432:"))
    );
}

#[test]
fn the_groups_and_the_port_are_those_of_the_instance_and_not_of_the_file() {
    let account = Account::new("as-it-is", "publicly_accessible = true\n");
    account.apply();
    let own = group_id("as-it-is");
    account.declare("publicly_accessible = true\nport = 6543\n");
    let allowed = account.json(&["access", "allow", "--cidr", "203.0.113.7"], 0);
    assert_eq!((&allowed["port"], &allowed["security_group"]), (&json!(5432), &json!(own)));
    assert_eq!((&allowed["exists"], &allowed["obstacle"]), (&json!(true), &Value::Null));
    assert_eq!(
        shown(&account, &["access", "allow", "--cidr", "203.0.113.7"]),
        format!("203.0.113.7/32 may reach port 5432 already ({own})")
    );

    // A restored snapshot has the default group of its VPC.
    let other = boto3(
        "ec2.create_security_group(GroupName='of-a-restore', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    );
    let other = text(&other);
    boto3(&format!(
        "rds.modify_db_instance(DBInstanceIdentifier='as-it-is', VpcSecurityGroupIds=['{other}'])['ResponseMetadata']['HTTPStatusCode']"
    ));
    let refused =
        format!("the security group {own} is not attached to as-it-is, which has {other}\nhint: attach its own");
    account.assert_refused(&["access", "allow", "--cidr", "203.0.113.8"], &refused);
    account
        .assert_refused(&["access", "allow", "--cidr", "203.0.113.8", "--group", &own], "is not attached to as-it-is");
    let allowed = account.json(&["access", "allow", "--user", "bayko", "--cidr", "203.0.113.8", "--group", &other], 0);
    assert_eq!(allowed["security_group"], json!(other));
    let listed = shown(&account, &["access", "list"]);
    assert!(listed.starts_with(&format!("{other}, port 5432:\n")), "{listed}");
    assert!(listed.contains(&format!("\n{own} (not attached to as-it-is), port 5432:\n")), "{listed}");
    let revoked = account.json(&["access", "revoke", "--user", "bayko"], 0);
    assert_eq!(revoked["closed"], json!(["203.0.113.8/32"]), "the rule is found in every group");
}

#[test]
fn a_source_that_cannot_reach_the_instance_is_told_so() {
    let account = Account::new("private", "");
    account.apply();
    let allowed = shown(&account, &["access", "allow", "--cidr", "203.0.113.7"]);
    assert!(allowed.starts_with("203.0.113.7/32 is now allowed at port 5432 (sg-"), "{allowed}");
    assert!(
        allowed.contains("\nprivate has no public address: connect from its VPC, or with `provision db tunnel"),
        "{allowed}"
    );
    let internet = ["access", "allow", "--cidr", "0.0.0.0/0", "--anyone", "--user", "all"];
    for allowed in [shown(&account, &internet), shown(&account, &internet)] {
        assert!(allowed.contains("\nprivate has no public address"), "{allowed}");
    }
    let peer = shown(&account, &["access", "allow", "--cidr", "10.1.0.0/16", "--user", "peer"]);
    assert!(peer.starts_with("10.1.0.0/16 may now reach port 5432"), "{peer}");
    let six = account.json(&["access", "allow", "--cidr", "2001:db8::7"], 0);
    assert_eq!(six["obstacle"], "private has IPv4 addresses only: allow an IPv4 address");
}

#[test]
fn a_security_group_that_does_not_exist_is_an_error() {
    let account = Account::new("typo", "[network]\nsecurity_group = \"sg-0123456789abcdef0\"\n");
    for command in [&["list"][..], &["revoke"], &["allow", "--cidr", "192.0.2.7"]] {
        let command = [&["access"], command].concat();
        account.assert_refused(&command, "there is no security group sg-0123456789abcdef0 in this region and account");
    }
}

#[test]
fn a_rule_of_another_program_is_enough_and_has_no_end() {
    let account = account("enough");
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    add_rule("enough", "tcp", 5432, "'IpRanges': [{'CidrIp': '198.51.100.1/32', 'Description': 'office'}]");
    let allow = ["access", "allow", "--user", "ada", "--cidr", "198.51.100.1", "--expires", "8h"];
    let allowed = account.json(&allow, 0);
    assert_eq!(
        (&allowed["change"], &allowed["from"]),
        (&json!("moved"), &json!("192.0.2.7/32")),
        "one rule of each kind"
    );
    assert_eq!(allowed["until"], Value::Null);
    assert!(text(&allowed["note"]).ends_with("has no end: another program has made it"), "{allowed}");
    let rules = ingress("enough");
    assert_eq!((rules.len(), &rules[0]["Description"]), (1, &json!("office")), "its description stays");
    assert_eq!(account.json(&["access", "allow", "--user", "ada", "--cidr", "198.51.100.1"], 0)["change"], "unchanged");
}

#[test]
fn a_revoked_source_that_another_rule_allows_is_reported() {
    let account = account("still");
    add_rule("still", "-1", -1, "'IpRanges': [{'CidrIp': '192.0.2.0/24', 'Description': 'office'}]");
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    let revoked = shown(&account, &["access", "revoke", "--user", "ada"]);
    assert!(
        revoked.starts_with("192.0.2.7/32 is still allowed, by sgr-") && revoked.ends_with("for 192.0.2.0/24"),
        "{revoked}"
    );
}

#[test]
fn a_part_that_a_narrower_rule_allows_is_not_closed() {
    let account = account("parts");
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "192.0.2.0/24"], 0);
    let revoked = account.json(&["access", "revoke", "--user", "bayko"], 0);
    assert_eq!(revoked["closed"], json!([]));
    let note = text(&revoked["notes"][0]);
    assert!(note.starts_with("a part of 192.0.2.0/24 is still allowed, by sgr-"), "{note}");
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "192.0.2.0/24"], 0);
    let moved = shown(&account, &["access", "allow", "--user", "bayko", "--cidr", "198.51.100.1"]);
    assert!(moved.contains("\na part of 192.0.2.0/24 is still allowed") && !moved.contains("may not"), "{moved}");
}

#[test]
fn a_rule_that_is_rewritten_stays_in_its_security_group() {
    let account = account("own-group");
    let other = text(&boto3(
        "ec2.create_security_group(GroupName='own-group-other', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    ));
    account.declare(&format!("[network]\nsecurity_groups = [\"{}\", \"{other}\"]\n", group_id("own-group")));
    add_rule("own-group-other", "tcp", 5432, "'IpRanges': [{'CidrIp': '192.0.2.0/24'}]");
    let id = text(&ingress("own-group-other")[0]["SecurityGroupRuleId"]);
    let allow = ["access", "allow", "--cidr", "192.0.2.7", "--rule-id", &id, "--expires", "8h", "--yes"];
    account.assert_refused(&[&allow[..], &["--group", &group_id("own-group")]].concat(), "hint: leave out --group");
    let allowed = account.json(&allow, 0);
    assert_eq!(allowed["security_group"], json!(other), "{allowed}");
    assert!(allowed["until"].is_string(), "{allowed}");
}

#[test]
fn the_service_that_reports_the_address_is_asked_without_a_proxy_and_never_quoted() {
    let account = account("direct");
    let url = address_service("192.0.2.7");
    let mut command = account.command(&["access", "allow", "--address-url", &url]);
    let dead = "http://127.0.0.1:1";
    let output = command.envs([("ALL_PROXY", dead), ("NO_PROXY", "")]).output().expect("provision starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("AWS cannot be reached"),
        "the address is known, and only AWS is behind the proxy: {stderr}"
    );
    let secret = "http://ada:hunter2@127.0.0.1:1/hunter2";
    let stderr = account.run(&["access", "allow", "--address-url", secret]).stderr;
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(stderr.contains("http://127.0.0.1 does not report") && !stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn a_prefix_list_is_allowed_and_a_group_that_does_not_exist_refused() {
    let account = account("peers");
    let list = text(&boto3(
        "ec2.create_managed_prefix_list(PrefixListName='offices', MaxEntries=1, AddressFamily='IPv4')\
         ['PrefixList']['PrefixListId']",
    ));
    let allowed = account.json(&["access", "allow", "--from-prefix-list", &list], 0);
    assert_eq!((&allowed["change"], &allowed["source"]), (&json!("added"), &json!(list)));
    let allow = ["access", "allow", "--from-group", "210987654321/sg-0123456789abcdef0"];
    account.assert_refused(&allow, "EC2 cannot find 210987654321/sg-0123456789abcdef0 for a rule of");
}
