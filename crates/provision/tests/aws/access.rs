//! `provision access`

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testkit::Authority;

use crate::account::{Account, boto3};

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
fn a_rule_of_another_operator_is_enough() {
    let account = account("shared");
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "198.51.100.1"], 0);
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"], 0);
    let allowed = account.json(&["access", "allow", "--user", "ada", "--cidr", "198.51.100.1"], 0);
    assert_eq!(allowed["change"], "unchanged");
    assert_eq!(ingress("shared").len(), 2);
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
    account.json(&["access", "allow", "--user", "ada", "--cidr", "192.0.2.7", "--rule-id", &id], 0);
    let rules = ingress("by-id");
    assert_eq!((&rules[0]["CidrIpv4"], &rules[0]["SecurityGroupRuleId"]), (&json!("192.0.2.7/32"), &json!(id)));
    assert_eq!(rules.len(), 1);
    account.assert_refused(&["access", "allow", "--cidr", "192.0.2.9", "--rule-id", "sgr-0"], "has no rule sgr-0");
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
    account.json(&["access", "allow", "--user", "bayko", "--cidr", "198.51.100.1", "--expires", "0s"], 0);
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
    for cidr in ["0.0.0.0/0", "::/0"] {
        account.assert_refused(&["access", "allow", "--cidr", cidr], "add --anyone");
    }
    account.json(&["access", "allow", "--cidr", "0.0.0.0/0", "--anyone"], 0);
    let text = account.run(&["access", "list"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("WARNING: the whole internet"), "{text:?}");
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
    Account::new("no-group", "").assert_refused(&["access", "list"], "run `provision instance apply`");
    let usage = account.run(&["access", "allow", "--cidr", "home"]);
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
}
