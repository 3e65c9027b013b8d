//! `provision instance` on an Amazon RDS that keeps state as AWS does.

use serde_json::json;

use crate::account::Account;

#[test]
fn a_declaration_is_applied_and_then_differs_in_nothing() {
    let account =
        Account::on_rds("stateful", "[parameters]\n\"log_statement\" = \"ddl\"\n[tags]\nproject = \"users\"\n");
    let applied = account.apply();
    assert_eq!(applied["status"], "available");
    let instance = account.rds().instance("stateful");
    assert_eq!(instance.get("EngineVersion"), testkit::rds::newest_minor_version("17").expect("a version"));
    assert_eq!((instance.secret.is_some(), &instance.tags["project"]), (true, &"users".to_owned()));
    let group = account.rds().change(|aws| aws.parameter_groups[&instance.parameter_group].set.clone());
    assert_eq!(group.get("log_statement"), Some(&"ddl".to_owned()));
    assert_eq!(account.json(&["instance", "plan"], 0)["changes"], json!([]));
}
