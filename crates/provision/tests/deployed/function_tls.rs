//! TLS as the function's own build of OpenSSL speaks it, which has fewer algorithms than that of other programs.

use testkit::{Answer, Authority, Function, Keys, Postgres, TestDatabase};

use crate::fixture::{Fixture, TRIES, ensure, is_caused_by_slowness, sign_up};
use crate::stack::function_zip;

/// Settings of the server, and the cipher of a session with them.
struct Case {
    version: &'static str,
    /// Of TLS 1.2; the server has no setting for those of 1.3.
    ciphers: &'static str,
    /// The group for the exchange of keys.
    group: &'static str,
    /// The cipher of the session.
    cipher: &'static str,
}

const fn newest(group: &'static str) -> Case {
    Case { version: "TLSv1.3", ciphers: "DEFAULT", group, cipher: "TLS_AES_256_GCM_SHA384" }
}

const fn older(ciphers: &'static str) -> Case {
    Case { version: "TLSv1.2", ciphers, group: "prime256v1", cipher: ciphers }
}

/// The groups that every version of the server knows by these names.
const GROUPS: [Case; 3] = [newest("prime256v1"), newest("secp384r1"), newest("secp521r1")];

/// Ciphers that RDS accepts, by kind of key.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.Ciphers.html>
const RSA: [Case; 5] = [
    older("ECDHE-RSA-AES256-GCM-SHA384"),
    older("ECDHE-RSA-AES128-GCM-SHA256"),
    older("ECDHE-RSA-CHACHA20-POLY1305"),
    older("ECDHE-RSA-AES256-SHA"),
    older("ECDHE-RSA-AES128-SHA256"),
];
const ECDSA: [Case; 4] = [
    older("ECDHE-ECDSA-AES256-GCM-SHA384"),
    older("ECDHE-ECDSA-AES128-GCM-SHA256"),
    older("ECDHE-ECDSA-CHACHA20-POLY1305"),
    older("ECDHE-ECDSA-AES256-SHA"),
];

#[tokio::test]
async fn the_function_logs_in_with_each_kind_of_key_of_rds() {
    for (keys, older) in [(Keys::Rsa2048, &RSA[..]), (Keys::Rsa4096, &RSA), (Keys::P384, &ECDSA)] {
        let server = Postgres::start_with_keys(keys).expect("a server");
        let fixture = Fixture::on(&server).await;
        let sample = sign_up();
        for case in GROUPS.iter().chain(older) {
            case.set(&server).await;
            let function = start(&fixture.variables(fixture.database.port)).await;
            ensure(&function, &sample).await;
            assert_eq!(spoken(&fixture.database).await, (case.version.to_owned(), case.cipher.to_owned()), "{keys:?}");
        }
        fixture.assert_only_row_of(&sample).await;
    }
}

#[tokio::test]
async fn the_function_refuses_each_kind_of_key_of_an_unknown_root() {
    let directory = tempfile::tempdir().expect("a directory");
    for keys in [Keys::Rsa2048, Keys::Rsa4096, Keys::P384] {
        let server = Postgres::start_with_keys(keys).expect("a server");
        let fixture = Fixture::on(&server).await;
        // The same name: only its key is another.
        let other = Authority::with_keys(Postgres::AUTHORITY, keys).expect("an authority");
        let root = directory.path().join("root.pem");
        std::fs::write(&root, other.root_certificate()).expect("a file");
        let mut variables = fixture.variables(fixture.database.port);
        variables.retain(|(name, _)| *name != "PGSSLROOTCERT");
        variables.push(("PGSSLROOTCERT", root.to_string_lossy().into_owned()));
        let function = start(&variables).await;
        for attempt in 1.. {
            let answer = function.invoke(sign_up().event.trim()).await.expect("an answer").answer;
            let Answer::Error(error) = answer else { panic!("{keys:?}: expected an error, not {answer:?}") };
            if !is_caused_by_slowness(&error.error_type) || attempt == TRIES {
                assert_eq!(error.error_type, "TlsRefused", "{keys:?}: {error:?}");
                break;
            }
        }
    }
}

impl Case {
    /// Applies the settings to new sessions.
    async fn set(&self, server: &Postgres) {
        let settings = [
            ("ssl_min_protocol_version", self.version),
            ("ssl_max_protocol_version", self.version),
            ("ssl_ciphers", self.ciphers),
            ("ssl_ecdh_curve", self.group),
        ];
        server.configure(&settings).await.expect("the server takes its settings over");
    }
}

/// The deployed function.
async fn start(variables: &[(&str, String)]) -> Function {
    // The zip contains this program.
    let program = function_zip().with_extension("");
    Function::start(program.to_str().expect("text"), variables).await.expect("the function starts")
}

/// Version and cipher of the function's session, which is the newest: that of a process before it may not have ended yet.
async fn spoken(database: &TestDatabase) -> (String, String) {
    let session = database.connect().await.expect("the database is up");
    let spoken = "select version, cipher from pg_stat_ssl join pg_stat_activity using (pid) \
                  where datname = current_database() and application_name = 'post-confirmation' \
                  order by backend_start desc limit 1";
    let spoken = session.query_one(spoken, &[]).await.expect("a session");
    (spoken.get(0), spoken.get(1))
}
