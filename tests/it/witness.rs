//! A witness of every test that makes keys: at its end no raw key stands in the database or in what was logged.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, PgPool};
use tracing_subscriber::EnvFilter;

/// What all houses of this process logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, said: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(said);
        Ok(said.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes down what the service says from now on, and what others say when it matters.
///
/// One log for the whole process, because `tracing` decides once for each line of the code whether anybody listens.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::new("info,offprint=trace");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Log).init();
    });
}

/// What was logged so far.
pub fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// Every row of every table, as text.
pub async fn dump(connection: &mut PgConnection) -> String {
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

/// The ways in which the secret of a key could have been written down.
pub fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine;
    let bytes = hex::decode(secret).unwrap();
    let plain = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
    let for_addresses = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
    vec![secret.to_owned(), secret.to_uppercase(), plain, for_addresses, format!("{bytes:?}")]
}

/// Knows the keys that were made in a house. Dropped at the test's end, it looks for them.
pub struct Witness {
    database: PgConnectOptions,
    secrets: Mutex<Vec<String>>,
}

impl Witness {
    pub fn of(pool: &PgPool) -> Self {
        listen();
        Self { database: (*pool.connect_options()).clone(), secrets: Mutex::default() }
    }

    /// Remembers every key that stands in this text.
    pub fn read(&self, text: &str) {
        let keys = text.match_indices("op_").filter_map(|(at, _)| text.get(at..at + 100));
        let secrets = keys.filter(|key| key.parse::<offprint::db::api_key::RawKey>().is_ok()).map(|key| &key[36..]);
        self.secrets.lock().unwrap().extend(secrets.map(str::to_owned));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let secrets = std::mem::take(self.secrets.get_mut().unwrap());
        if secrets.is_empty() || std::thread::panicking() {
            return;
        }
        let database = self.database.clone();
        // Its own thread and runtime: that of the test cannot be waited for in here.
        let looked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&database).await.unwrap();
                let rows = dump(&mut connection).await;
                connection.close().await.unwrap();
                rows
            })
        });
        let (rows, log) = (looked.join().unwrap(), log());
        assert!(rows.contains("\"") && log.contains("offprint"), "the dump and the log are not empty");
        for spelling in secrets.iter().flat_map(|secret| spellings(secret)) {
            assert!(!rows.contains(&spelling), "the database holds a key");
            assert!(!log.contains(&spelling), "the log holds a key");
        }
    }
}
