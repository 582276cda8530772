//! Checks at the end of every test that creates API keys that no raw key is in the database or in the log.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

use offprint::db::browser_session::RawSession;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tracing_subscriber::EnvFilter;

use crate::support::test_database::TestDatabase;

/// The log of all applications of this process.
static CAPTURED_LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        CAPTURED_LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Captures the log from now on: all of the service, and of other crates from level info.
///
/// There is one log for the whole process, because `tracing` decides once per call site whether it is enabled.
pub fn capture_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::new("info,offprint=trace");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| LogWriter).init();
    });
}

pub fn read_log() -> String {
    String::from_utf8_lossy(&CAPTURED_LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// Every row of every table as text.
pub async fn dump_tables(connection: &mut PgConnection) -> String {
    let names = "select tablename::text from pg_tables where schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *connection).await.unwrap();
    let mut all = String::new();
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("select row::text from \"{table}\" row"));
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
        all.extend(rows);
    }
    all
}

/// The secret of a key in every encoding in which it could have been stored.
pub fn list_spellings(secret: &str) -> Vec<String> {
    use base64::Engine;
    let bytes = hex::decode(secret).unwrap();
    let plain = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
    let for_addresses = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
    vec![secret.to_owned(), secret.to_uppercase(), plain, for_addresses, format!("{bytes:?}")]
}

/// Remembers the keys that a test created and looks for them when it is dropped at the end of the test.
pub struct SecretLeakCheck {
    database: PgConnectOptions,
    secrets: Mutex<Vec<String>>,
}

impl SecretLeakCheck {
    pub fn new(database: &impl TestDatabase) -> Self {
        capture_log();
        Self { database: database.get_connect_options(), secrets: Mutex::default() }
    }

    /// Remembers every key and every cookie of a session in this text.
    pub fn remember_keys(&self, text: &str) {
        let keys = text.match_indices("op_").filter_map(|(at, _)| text.get(at..at + 100));
        let secrets = keys.filter(|key| key.parse::<offprint::db::api_key::RawKey>().is_ok()).map(|key| &key[36..]);
        self.secrets.lock().unwrap().extend(secrets.map(str::to_owned));
        let sessions = text.match_indices("os_").filter_map(|(at, _)| text.get(at..at + 100));
        let secrets = sessions.filter(|text| text.parse::<RawSession>().is_ok()).map(|session| &session[36..]);
        self.secrets.lock().unwrap().extend(secrets.map(str::to_owned));
    }
}

impl Drop for SecretLeakCheck {
    fn drop(&mut self) {
        let secrets = std::mem::take(self.secrets.get_mut().unwrap());
        if secrets.is_empty() || std::thread::panicking() {
            return;
        }
        let database = self.database.clone();
        // A thread and runtime of its own: `drop` cannot wait for the runtime of the test.
        let looked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&database).await.unwrap();
                let rows = dump_tables(&mut connection).await;
                connection.close().await.unwrap();
                rows
            })
        });
        let (rows, log) = (looked.join().unwrap(), read_log());
        assert!(rows.contains("\"") && log.contains("offprint"), "the dump and the log are not empty");
        for spelling in secrets.iter().flat_map(|secret| list_spellings(secret)) {
            assert!(!rows.contains(&spelling), "the database holds a key");
            assert!(!log.contains(&spelling), "the log holds a key");
        }
    }
}
