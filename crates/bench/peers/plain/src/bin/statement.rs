//! A function that only executes a statement: it has no checks, no log and no time limit.
//!
//! Its argument names the statement: `insert`, a plain INSERT, or `ensure`, the one of this project.

use std::env;
use std::rc::Rc;

use lambda_runtime::{LambdaEvent, service_fn};
use openssl::ssl::{SslConnector, SslMethod};
use postgres_openssl::MakeTlsConnector;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_postgres::types::Json;

const INSERT: &str = "insert into public.users \
    (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of) \
    values ($1, 'Ada Lovelace', $2, $3, true, now())";

const ENSURE: &str = "select cognito.ensure_user($1)";

#[tokio::main(flavor = "local")]
async fn main() -> Result<(), lambda_runtime::Error> {
    // As the function runs: a task goes on at once when it is woken.
    tokio::task::spawn_local(run()).await?
}

async fn run() -> Result<(), lambda_runtime::Error> {
    let is_insert = match env::args().nth(1).as_deref() {
        Some("insert") => true,
        Some("ensure") => false,
        _ => return Err("the argument is insert or ensure".into()),
    };
    let mut tls = SslConnector::builder(SslMethod::tls_client())?;
    tls.set_ca_file(env::var("PGSSLROOTCERT")?)?;
    // Every PostgreSQL takes it, so that there is no second first message.
    tls.set_groups_list("P-256")?;
    let tls = MakeTlsConnector::new(tls.build());
    let (client, connection) = tokio_postgres::connect(&env::var("DATABASE")?, tls).await?;
    tokio::task::spawn_local(connection);
    let statement = client.prepare(if is_insert { INSERT } else { ENSURE }).await?;
    let shared = Rc::new((client, statement));

    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let shared = Rc::clone(&shared);
        async move {
            let (client, statement) = &*shared;
            let value: Value = serde_json::from_str(event.payload.get())?;
            let attributes = &value["request"]["userAttributes"];
            let [sub, handle, email] = ["sub", "preferred_username", "email"].map(|name| attributes[name].as_str());
            if is_insert {
                client.execute(statement, &[&sub, &handle, &email]).await?;
            } else {
                let ensured = json!({
                    "contract": 1,
                    "sub": sub,
                    "user_name": value["userName"],
                    "user_pool_id": value["userPoolId"],
                    "trigger_source": value["triggerSource"],
                    "display_name": "Ada Lovelace",
                    "handles": [handle],
                    "email": email,
                    "email_verified": true,
                    "attributes": attributes,
                    "client_metadata": {},
                });
                client.query_one(statement, &[&Json(ensured)]).await?;
            }
            Ok::<_, lambda_runtime::Error>(event.payload)
        }
    }))
    .await
}
