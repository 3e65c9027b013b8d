//! The function's role: it may call `upsert_user` and do nothing else.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::Error;

/// The role's usual name.
pub const NAME: &str = "post_confirmation";

/// What RDS lets roles log in with IAM tokens by.
const RDS_IAM: &str = "rds_iam";

/// The statement's signature, see the migrations.
const UPSERT: &str = "upsert_user(text, text, text[], text)";

/// How the role enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// With a password, see [`set_password`].
    Password,
    /// With IAM tokens, which RDS then insists on.
    Iam,
}

/// Makes the role, or brings it into line: it can log in this way, with at most so many connections at once, call
/// `upsert_user`, and has no other right of its own. Returns what had to change, for people.
///
/// Needs a role that may create roles and owns the schema. Fails with [`Error::RoleTooPowerful`] if it is a superuser or
/// the like, which nobody meant for the function, or has rights that this login cannot take; with [`Error::SchemaMissing`] if the schema is not loaded; with SQLSTATE
/// 42704 for [`Entrance::Iam`] on a server that is not RDS.
pub async fn restrict(
    client: &mut Client,
    role: &str,
    entrance: Entrance,
    connection_limit: i32,
) -> Result<Vec<String>, Error> {
    let transaction = client.transaction().await?;
    let name = escape_identifier(role);
    let find = async || transaction.query_typed(include_str!("../sql/role/state.sql"), &[(&role, Type::TEXT)]).await;
    let mut changes: Vec<(String, String)> = Vec::new();
    let mut rows = find().await?;
    if rows.is_empty() {
        let statement = format!("create role {name} login connection limit {connection_limit}");
        transaction.batch_execute(&statement).await?;
        changes.push((String::new(), format!("made the role {role}, for {connection_limit} connections")));
        rows = find().await?;
    }
    let state = rows.first().expect("the role is there by now");
    if state.get("is_powerful") {
        return Err(Error::RoleTooPowerful { role: role.to_owned() });
    }

    let mut change = |statement: String, sentence: String| changes.push((statement, sentence));
    if !state.get::<_, bool>("can_log_in") || state.get::<_, i32>("connection_limit") != connection_limit {
        change(
            format!("alter role {name} login connection limit {connection_limit}"),
            format!("let it log in, for {connection_limit} connections"),
        );
    }
    let groups: Vec<String> = state.get("member_of");
    for group in groups.iter().filter(|group| entrance == Entrance::Password || *group != RDS_IAM) {
        change(format!("revoke {} from {name}", escape_identifier(group)), format!("took it out of {group}"));
    }
    if entrance == Entrance::Iam && !groups.iter().any(|group| group == RDS_IAM) {
        change(format!("grant {RDS_IAM} to {name}"), "let it log in with IAM tokens".to_owned());
    }
    for relation in state.get::<_, Vec<String>>("relations") {
        // regclass has quoted it where it must be.
        change(format!("revoke all on {relation} from {name}"), format!("took its rights on {relation}"));
    }
    if !state.get::<_, bool>("may_connect") {
        let rows = transaction.query_typed("select current_database()::text", &[]).await?;
        let database: String = rows.first().expect("one row").get(0);
        let statement = format!("grant connect on database {} to {name}", escape_identifier(&database));
        change(statement, format!("let it connect to {database}"));
    }
    if !state.get::<_, bool>("may_use_schema") {
        change(format!("grant usage on schema public to {name}"), "let it use the schema public".to_owned());
    }
    if state.get("may_create") {
        let statement = format!("revoke create on schema public from public, {name}");
        change(statement, "took everybody's right to create in the schema public".to_owned());
    }
    if !state.get::<_, bool>("may_upsert") {
        change(format!("grant execute on function {UPSERT} to {name}"), "let it call upsert_user".to_owned());
    }

    for (statement, _) in &changes {
        transaction.batch_execute(statement).await?;
    }
    // Who has not given a right cannot take it: the server only warns of that.
    let rows = find().await?;
    let state = rows.first().expect("the role is there by now");
    let groups: Vec<String> = state.get("member_of");
    let is_left = groups.iter().any(|group| group != RDS_IAM) || !state.get::<_, Vec<String>>("relations").is_empty();
    if is_left || state.get("may_create") {
        return Err(Error::RoleTooPowerful { role: role.to_owned() });
    }
    transaction.commit().await?;
    Ok(changes.into_iter().map(|(_, sentence)| sentence).collect())
}

/// Sets the role's password. What is sent is its SCRAM verifier, so that it stands in no log of the server.
pub async fn set_password(client: &Client, role: &str, password: &SecretString) -> Result<(), Error> {
    let verifier = postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes());
    let statement = format!("alter role {} password {}", escape_identifier(role), escape_literal(&verifier));
    Ok(client.batch_execute(&statement).await?)
}
