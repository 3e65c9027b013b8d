//! The contract with the database, as an operator inspects it: `cognito.ensure_user` runs with its owner's rights, for a
//! role that has none.

use serde::Serialize;
use tokio_postgres::{GenericClient, Row};

use crate::Error;
use crate::row::{Columns, Lossy};

/// The schemas of a `search_path` in which nobody creates objects.
const EMPTY_PATH: [&str; 1] = [""];

/// The encodings that hold any character.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];

/// The contract of a database, and what its owner could do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// The role with whose rights `cognito.ensure_user` runs.
    pub owner: String,
    /// The tables that this role may write.
    pub writable_tables: Vec<String>,
    /// What is not wrong, and could be safer or is missing for the operator's commands.
    pub warnings: Vec<String>,
    /// What nobody should rely on before it is corrected.
    #[serde(skip)]
    pub faults: Vec<String>,
}

/// Inspects the contract. Writes nothing. Needs no right but to connect.
///
/// Fails with [`Error::ContractMissing`] if the database has none.
pub async fn inspect(client: &impl GenericClient) -> Result<Contract, Error> {
    let rows = client.query_typed(include_str!("../sql/contract/state.sql"), &[]).await?;
    rows.first().map_or(Err(Error::ContractMissing), Contract::of)
}

impl Contract {
    fn of(state: &Row) -> Result<Self, Error> {
        let texts = |column| state.names(column);
        let Lossy(owner) = state.column("owner")?;
        let mut faults = Vec::new();
        if !state.column::<bool>("is_definer")? {
            faults.push(
                "it is not `security definer`, so that the function's role would need rights of its own".to_owned(),
            );
        }
        if !state.column::<bool>("is_volatile")? {
            faults.push("it is not `volatile`, so that it may not write".to_owned());
        }
        if !state.column::<bool>("is_answer")? {
            let returned: &str = state.column("returned")?;
            faults.push(format!("it returns {returned}, not text"));
        }
        faults.extend(texts("rivals")?.into_iter().map(|rival| format!("a call of it could as well mean {rival}")));
        match state.column::<Option<Vec<&str>>>("path")?.as_deref() {
            None => faults.push("it sets no `search_path`: its caller decides what its names mean".to_owned()),
            Some(path) if path != EMPTY_PATH && !ends_with_pg_temp(path) => {
                faults.push(
                    "its `search_path` does not end with `pg_temp`, which is otherwise the first place".to_owned(),
                );
            }
            Some(_) => {}
        }
        let of_path = |schema: String, fault: &str| format!("its `search_path` names the schema {schema}, {fault}");
        faults.extend(
            texts("open_schemas")?.into_iter().map(|schema| of_path(schema, "in which other roles may create objects")),
        );
        faults.extend(texts("missing_schemas")?.into_iter().map(|schema| of_path(schema, "which does not exist")));

        let powers = texts("owner_powers")?.into_iter().map(|power| format!("its owner {owner} {power}"));
        let missing = texts("missing_functions")?.into_iter();
        let differs = state.column::<Option<bool>>("knows_users")? == Some(false);
        let triggers = texts("careless_triggers")?.into_iter();
        let policies = texts("policies")?.into_iter();
        let schema_owner = state.column::<Option<Lossy>>("schema_owner")?.into_iter();
        let encoding: &str = state.column("encoding")?;
        let is_narrow = !ENCODINGS.contains(&encoding);
        let definers = texts("public_definers")?.into_iter();
        let is_open = state.column::<bool>("is_schema_open")?;
        let warnings = powers
            .chain(is_open.then(|| "other roles may create functions in the schema cognito".to_owned()))
            .chain(missing.map(|function| format!("{function} is missing")))
            .chain(differs.then(|| {
                "cognito.known_users(text[]) does not return sub text, email text, as_of timestamptz and, if the table has \
                 it, email_verified boolean"
                    .to_owned()
            }))
            .chain(
                schema_owner.map(|Lossy(role)| format!("{role} owns the schema cognito, and may replace the function")),
            )
            .chain(triggers.map(|trigger| {
                format!(
                    "the trigger {trigger} runs with the rights and the search_path of cognito.ensure_user: give its \
                     function a search_path of its own, and make it security definer if it needs other rights"
                )
            }))
            .chain(policies.map(|policy| format!("the restrictive policy {policy} may refuse a sign-up")))
            .chain(is_narrow.then(|| {
                format!("the database's encoding is {encoding}, and fails a sign-up with another character; use UTF8")
            }))
            .chain(
                definers.map(|function| format!("every role may call {function}, which runs with its owner's rights")),
            )
            .collect();
        Ok(Self { writable_tables: texts("writable_tables")?, owner, warnings, faults })
    }
}

/// Whether the schema of the session's temporary objects is the last place, and no earlier one.
fn ends_with_pg_temp(path: &[&str]) -> bool {
    path.iter().position(|schema| *schema == "pg_temp") == path.len().checked_sub(1)
}
