//! The fixture of the function alone: a database with the schema, and a secret with the function's login.

use std::process::Command;

use testkit::{Answer, Function, Moto, Postgres, Sample, TestDatabase, samples};

/// How often a case is run that a slow machine disturbs. A defect of the function disturbs every run.
pub(crate) const TRIES: usize = 10;

/// Whether a slow machine may cause an error of this type: it needs more time than the function has.
pub(crate) fn is_caused_by_slowness(error_type: &str) -> bool {
    ["BudgetExceeded", "DatabaseUnreachable", "SecretUnavailable"].contains(&error_type)
}

/// A database that a function can log in to.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    secret: String,
}

impl Fixture {
    /// A database of the shared server.
    pub(crate) async fn new() -> Self {
        Self::on(Postgres::shared()).await
    }

    /// Loads the schema, and grants the function what it needs, as an operator does.
    pub(crate) async fn on(server: &Postgres) -> Self {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let database = server.loaded_database(load).await.expect("a database");
        let fixture = Self { secret: format!("function/{}-{}", database.name, database.port), database };
        let mut provision = Command::new(env!("CARGO_BIN_EXE_provision"));
        // Other databases on the same server belong to other tests.
        provision.args(["db", "grant", "--secret", &fixture.secret, "--yes"]);
        provision.env_clear().envs(Moto::shared().environment()).env("CONNECTION_URL", fixture.database.url());
        crate::stack::succeed(provision.env("PGSSLROOTCERT", &fixture.database.root_certificate));
        fixture
    }

    /// The variables of a function that reaches the database on this port.
    pub(crate) fn variables(&self, port: u16) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("DB_SECRET_ID", self.secret.clone()),
            ("PGPORT", port.to_string()),
            ("PGSSLROOTCERT", self.database.root_certificate.to_string_lossy().into_owned()),
        ];
        variables.extend(Moto::shared().environment());
        variables
    }

    /// Insists on one row, the one that the sample leads to.
    pub(crate) async fn assert_only_row_of(&self, sample: &Sample) {
        let session = self.database.connect().await.expect("the database is up");
        let rows = session.query("select cognito_user_id, display_name, handle, email from users", &[]).await;
        let rows = rows.expect("the rows");
        let rows: Vec<[Option<&str>; 4]> = rows.iter().map(|row| [0, 1, 2, 3].map(|column| row.get(column))).collect();
        let expected = sample.row.as_ref().expect("a user's event");
        let columns =
            [Some(expected.cognito_user_id), Some(expected.display_name), Some(expected.handle), expected.email];
        assert_eq!(rows, [columns], "the rows of users");
    }
}

/// A confirmed sign-up, of somebody whose name takes more than ASCII and whom no other sample is about.
pub(crate) fn sign_up() -> Sample {
    let mut samples = samples().expect("every sample has its row");
    samples.swap_remove(samples.iter().position(|sample| sample.name == "confirm-sign-up-names").expect("the sample"))
}

/// Sends the sample's event, again where only a slow machine explains the error, until it comes back as it went in.
pub(crate) async fn ensure(function: &Function, sample: &Sample) {
    for attempt in 1.. {
        match function.invoke(sample.event.trim()).await.expect("an answer").answer {
            Answer::Response(answer) => {
                assert_eq!(answer, sample.event.trim());
                return;
            }
            Answer::Error(error) => {
                let is_slow = is_caused_by_slowness(&error.error_type) && attempt < TRIES;
                assert!(is_slow, "{error:?} in attempt {attempt}; the log:\n{}", function.log());
            }
        }
    }
}
