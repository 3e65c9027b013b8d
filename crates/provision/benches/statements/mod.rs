//! The time that the server spends on the command's statements, beside a COPY of each page of users.

use std::convert::Infallible;
use std::time::Duration;

use testkit::TestDatabase;
use tokio::time::interval;
use tokio_postgres::{Client, Row};

/// The slowest statements that are printed.
const SLOWEST: usize = 8;

/// What `pg_stat_statements` has counted.
/// <https://www.postgresql.org/docs/current/pgstatstatements.html>
pub(crate) struct Statements {
    client: Client,
    file: String,
}

impl Statements {
    pub(crate) const CONFIGURATION: &str = "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track_planning = on\nmax_wal_size = '4GB'\n";

    /// Counts from now on.
    pub(crate) async fn count(database: &TestDatabase) -> Self {
        let client = database.connect().await.expect("the database is up");
        client.batch_execute("create extension pg_stat_statements").await.expect("PostgreSQL's contrib is installed");
        client.execute("select pg_stat_statements_reset()", &[]).await.expect("it is reset");
        Self { client, file: format!("listed-{}", std::process::id()) }
    }

    /// Copies a page of users into a table of its own for each page that is listed, so that both meet the same machine.
    pub(crate) async fn copy_pages(&self, rate: f64) -> Infallible {
        let page = "
            create unlogged table copied as
            select 1 as page, now() as at, cognito_user_id as sub, handle as username, 'CONFIRMED' as status, true as enabled,
                   now() as created_at, now() as modified_at, email, email_verified,
                   json_build_object('email', email, 'email_verified', 'true', 'name', display_name,
                                     'preferred_username', handle, 'sub', cognito_user_id)::text as attributes
            from public.users
            limit 60;
            copy copied to '/tmp/FILE'"
            .replace("FILE", &self.file);
        self.client.batch_execute(&page).await.expect("a page is copied out");
        let copy = format!("copy copied from '/tmp/{}'", self.file);
        let mut ticks = interval(Duration::from_secs(1).div_f64(rate));
        loop {
            ticks.tick().await;
            self.client.batch_execute(&copy).await.expect("a page is copied in");
        }
    }

    /// Prints the time of the command's statements, and how many times that of a COPY of each page they took.
    #[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
    pub(crate) async fn print(self, pages: u32) {
        let statements = "
            select calls, total_plan_time + total_exec_time as milliseconds, total_plan_time as planning,
                   left(regexp_replace(query, '\\s+', ' ', 'g'), 100)
            from pg_stat_statements
            where query like '%cognito.reconcile\\_%' or query like '%known_users(null)%'
            order by 2 desc";
        let rows = self.client.query(statements, &[]).await.expect("the statements");
        let is_repair = |row: &&Row| row.get::<_, &str>(3).starts_with("-- $1 the event");
        let total: f64 = rows.iter().filter(|row| !is_repair(row)).map(|row| row.get::<_, f64>(1)).sum();
        let copy = "select total_exec_time / calls from pg_stat_statements where query like 'copy copied from%'";
        let copy: f64 = self.client.query_one(copy, &[]).await.expect("its time").get::<_, f64>(0) * f64::from(pages);
        let (seconds, times) = (total / 1000.0, total / copy);
        println!(
            "comparison   {seconds:.1} s of the server, {times:.2} times a COPY of each page, {:.1} s",
            copy / 1000.0
        );
        for row in rows.iter().take(SLOWEST) {
            let (calls, milliseconds, planning, query): (i64, f64, f64, &str) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            println!("  {milliseconds:>9.0} ms {calls:>7} × {query} ({planning:.0} ms of planning)");
        }
    }
}
