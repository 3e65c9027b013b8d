//! The time that the server spends on the command's statements, beside one COPY of the same rows.

use testkit::TestDatabase;
use tokio_postgres::Client;

/// The slowest statements that are printed.
const SLOWEST: usize = 8;

/// What `pg_stat_statements` has counted.
/// <https://www.postgresql.org/docs/current/pgstatstatements.html>
pub(crate) struct Statements(Client);

impl Statements {
    pub(crate) const CONFIGURATION: &str = "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track_planning = on\nmax_wal_size = '4GB'\n";

    /// Counts from now on.
    pub(crate) async fn count(database: &TestDatabase) -> Self {
        let client = database.connect().await.expect("the database is up");
        client.batch_execute("create extension pg_stat_statements").await.expect("PostgreSQL's contrib is installed");
        client.execute("select pg_stat_statements_reset()", &[]).await.expect("it is reset");
        Self(client)
    }

    #[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
    pub(crate) async fn print(self) {
        let statements = "
            select calls, total_plan_time + total_exec_time as milliseconds, left(regexp_replace(query, '\\s+', ' ', 'g'), 100)
            from pg_stat_statements
            where query like '%cognito.reconcile\\_%' or query like '%known_users(null)%'
            order by 2 desc";
        let rows = self.0.query(statements, &[]).await.expect("the statements");
        let total: f64 = rows.iter().map(|row| row.get::<_, f64>(1)).sum();
        let copy = self.copy().await;
        println!("database     {:.1} s, {:.2} times one COPY, {:.1} s", total / 1000.0, total / copy, copy / 1000.0);
        for row in rows.iter().take(SLOWEST) {
            let (calls, milliseconds, query): (i64, f64, String) = (row.get(0), row.get(1), row.get(2));
            println!("  {milliseconds:>9.0} ms {calls:>7} × {query}");
        }
    }

    /// The time of one COPY of as many rows as the table has, with the columns of the list, in milliseconds.
    async fn copy(&self) -> f64 {
        let copy = "
            create unlogged table listed as
            select 1 + (row_number() over ())::int / 55 as page, now() as at, cognito_user_id as sub, handle as username,
                   'CONFIRMED' as status, true as enabled, now() as created_at, now() as modified_at, email, email_verified,
                   json_build_object('email', email, 'email_verified', 'true', 'name', display_name,
                                     'preferred_username', handle, 'sub', cognito_user_id)::text as attributes
            from public.users;
            create table copied (like listed);
            copy listed to '/tmp/FILE';
            copy copied from '/tmp/FILE';
            checkpoint;"
            .replace("FILE", &format!("listed-{}", std::process::id()));
        for statement in copy.split_terminator(';') {
            self.0.batch_execute(statement).await.expect(statement);
        }
        let time = "select sum(total_exec_time) from pg_stat_statements where query like '%copy copied from%'
                    and query not like '%pg_stat_statements%'";
        self.0.query_one(time, &[]).await.expect("its time").get(0)
    }
}
