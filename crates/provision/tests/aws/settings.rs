//! The table of the settings of RDS, in `docs/reference/rds.toml.md`.

use std::collections::BTreeSet;
use std::fmt::Debug;

use aws_sdk_rds::operation::create_db_instance::CreateDbInstanceInput;
use aws_sdk_rds::operation::modify_db_instance::ModifyDbInstanceInput;

const TABLE: &str = include_str!("../../../../docs/reference/rds.toml.md");
const DECLARATION: &str = include_str!("../../../../infra/rds.toml");

/// Keys that are no parameter of these two requests.
const OTHERS: [&str; 2] = ["backups.delete_automated", "network.vpc"];

/// The names of a structure's fields, as its `Debug` writes them.
fn fields(value: &impl Debug) -> Vec<String> {
    let text = format!("{value:?}");
    let fields = text.split_once(" { ").expect("fields").1.split(", ");
    fields.filter_map(|field| Some(field.split_once(": ")?.0.to_owned())).collect()
}

/// Without what RDS and Rust write in different ways.
fn folded(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

/// The cells of each row of a table.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Parameter"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// The keys of the commented file, such as `storage.size`.
fn keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in DECLARATION.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            name.clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains([' ', '"'])) {
            keys.insert(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") });
        }
    }
    keys.retain(|key| !key.starts_with("tags.") && !key.starts_with("parameters."));
    keys.extend(["tags", "parameters"].map(str::to_owned));
    keys
}

#[test]
fn every_parameter_of_rds_is_in_the_table_and_each_row_is_one() {
    let create = fields(&CreateDbInstanceInput::builder());
    let modify = fields(&ModifyDbInstanceInput::builder());
    let of_sdk: BTreeSet<String> = create.iter().chain(&modify).map(|name| folded(name)).collect();
    assert!(of_sdk.len() > 80 && of_sdk.contains("dbinstanceclass"), "{of_sdk:?}");
    let in_table: BTreeSet<String> = rows().map(|row| folded(row[0])).collect();
    assert_eq!(of_sdk.difference(&in_table).collect::<Vec<_>>(), [""; 0], "in the SDK, not in the table");
    assert_eq!(in_table.difference(&of_sdk).collect::<Vec<_>>(), [""; 0], "in the table, not in the SDK");
    assert_eq!(rows().count(), in_table.len(), "a parameter has one row");
}

#[test]
fn every_key_of_the_declaration_is_in_the_table_and_the_other_way_round() {
    let code = |cell: &'static str| cell.split('`').skip(1).step_by(2);
    let is_key = |code: &&str| !code.contains([' ', '-', '[']);
    let of_rows = rows().filter(|row| row.len() == 3).flat_map(|row| code(row[1])).filter(is_key);
    let in_table: BTreeSet<String> = of_rows.chain(OTHERS).map(str::to_owned).collect();
    let declared = keys();
    assert!(OTHERS.iter().all(|key| TABLE.contains(&format!("`{key}`"))), "{OTHERS:?}");
    assert_eq!(declared.difference(&in_table).collect::<Vec<_>>(), [""; 0], "in rds.toml, not in the table");
    assert_eq!(in_table.difference(&declared).collect::<Vec<_>>(), [""; 0], "in the table, not in rds.toml");
}
