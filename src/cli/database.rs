//! The database of a command: how to connect to it, and why it cannot be reached.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use offprint_core::Code;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tracing::info;

use super::CliError;
use super::database_url::check_certificate_files;
use crate::db::{self, DbError, PgPool};
use crate::settings::DatabaseSettings;

/// How long one connection may take that only looks for the reason of a failure.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the service asks for a database that does not answer, and the pause between two tries: in containers both
/// start at the same time.
const MAX_WAIT_TRIES: u32 = 15;
const WAIT_INTERVAL: Duration = Duration::from_secs(2);

/// How to connect to the database: the one that is given, or the private one that a running `offprint serve` keeps.
pub(super) fn read_connect_options(settings: &DatabaseSettings) -> Result<PgConnectOptions, CliError> {
    match &settings.database_url {
        Some(url) => parse_database_url(url),
        None => offprint_embedded_postgres::find_running_server(&settings.data_dir)
            .map_err(|error| CliError::new(Code::Unavailable, error.to_string())),
    }
}

/// How to connect to the database of a URL.
///
/// # Errors
/// When it is no URL of Postgres, or names a file of certificates that cannot be used. The URL is never shown: it may
/// contain a password.
pub(super) fn parse_database_url(url: &str) -> Result<PgConnectOptions, CliError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        CliError::new(
            Code::InvalidValue,
            "DATABASE_URL is not a Postgres URL, such as postgres://user:password@host:5432/name.",
        )
    })?;
    check_certificate_files(&options)?;
    Ok(options)
}

/// The database of a command that works on an installation, once it has answered. The URL is read from its file where a
/// file is named.
pub(super) async fn connect_database(settings: &DatabaseSettings, connections: u32) -> Result<PgPool, CliError> {
    let settings = settings.clone().with_secrets().map_err(|error| CliError::new(Code::InvalidValue, error))?;
    connect_with(&read_connect_options(&settings)?, connections).await
}

/// The same for a database whose connect options are known.
pub(super) async fn connect_with(options: &PgConnectOptions, connections: u32) -> Result<PgPool, CliError> {
    let pool = db::open_system_pool(options.clone(), connections);
    match db::ping_database(&pool).await {
        Err(error @ DbError::Unreachable(_)) => Err(to_unreachable_error(options, &error).await),
        // Anything else that is wrong is described better by what the command does next.
        _ => Ok(pool),
    }
}

/// Waits for a database that is still starting, for half a minute and longer.
pub(super) async fn wait_for_database(pool: &PgPool, options: &PgConnectOptions) -> Result<(), CliError> {
    let mut tries = 0;
    loop {
        let error = match db::ping_database(pool).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if tries >= MAX_WAIT_TRIES {
            return Err(to_unreachable_error(options, &error).await);
        }
        tries += 1;
        let error = describe_unreachable(options, &error).await;
        info!(error, "Waiting for the database (try {tries} of {MAX_WAIT_TRIES}): {error}");
        tokio::time::sleep(WAIT_INTERVAL).await;
    }
}

async fn to_unreachable_error(options: &PgConnectOptions, error: &DbError) -> CliError {
    let detail = describe_unreachable(options, error).await;
    CliError::new(Code::Unavailable, format!("{detail}. Check DATABASE_URL and that Postgres is running."))
}

/// Why the database cannot be reached. A pool only knows that it waited in vain ("pool timed out"): a connection of our
/// own gets the reason.
pub(super) async fn describe_unreachable(options: &PgConnectOptions, error: &DbError) -> String {
    let server = format_server(options.get_socket().map(|path| path.as_path()), options.get_host(), options.get_port());
    match tokio::time::timeout(DIAGNOSIS_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => {
            // It can be reached now, so what the pool said is all that is known.
            let _ = connection.close().await;
            format!("Postgres at {server} did not answer: {error}")
        }
        Ok(Err(sqlx::Error::Tls(why))) => {
            format!("The TLS connection to Postgres at {server} failed: {}", describe_tls_error(&*why))
        }
        Ok(Err(sqlx::Error::Io(why))) if why.get_ref().is_some_and(is_certificate_error) => {
            format!("The TLS connection to Postgres at {server} failed: {}", describe_tls_error(&why))
        }
        Ok(Err(sqlx::Error::Io(why))) => format!("Postgres at {server} cannot be reached: {why}"),
        Ok(Err(sqlx::Error::Database(why))) => {
            format!("Postgres at {server} refused the connection: {}", why.message())
        }
        Ok(Err(why)) => format!("Postgres at {server} cannot be reached: {why}"),
        Err(_) => {
            format!("Postgres at {server} cannot be reached: no answer within {} seconds", DIAGNOSIS_TIMEOUT.as_secs())
        }
    }
}

/// Whether rustls refused the server's certificate.
fn is_certificate_error(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<rustls::Error>().is_some()
}

/// Why TLS failed, with the remedy where the certificate is at fault.
fn describe_tls_error(error: &(dyn std::error::Error + 'static)) -> String {
    let reason = super::client::format_causes(error);
    // BadSignature: a CA has the right name, but another key.
    let remedy = if reason.contains("UnknownIssuer") || reason.contains("BadSignature") {
        ". No CA that is trusted has signed the server's certificate: name the file of its CA with sslrootcert= in \
         DATABASE_URL"
    } else if reason.contains("NotValidForName") || reason.contains("not valid for name") {
        ". The certificate is for another host name: use the name that is in it in DATABASE_URL"
    } else {
        ""
    };
    reason + remedy
}

/// `host:port`, or the folder of a Unix socket.
fn format_server(socket: Option<&Path>, host: &str, port: u16) -> String {
    match socket {
        Some(folder) => folder.display().to_string(),
        None if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_it_is_reached() {
        assert_eq!(format_server(None, "db.example.org", 5432), "db.example.org:5432");
        assert_eq!(format_server(None, "::1", 5433), "[::1]:5433");
        assert_eq!(format_server(Some(Path::new("/run/postgresql")), "localhost", 5432), "/run/postgresql");
    }

    #[tokio::test]
    async fn a_refused_connection_is_described_with_address_and_reason() {
        // A port that was free a moment ago: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = PgConnectOptions::from_str(&format!("postgres://a:b@127.0.0.1:{port}/c")).unwrap();
        let error = to_unreachable_error(&options, &DbError::from(sqlx::Error::PoolTimedOut)).await;
        let expected = format!("Postgres at 127.0.0.1:{port} cannot be reached: Connection refused");
        assert!(error.detail.starts_with(&expected) && error.detail.contains("Check DATABASE_URL"), "{}", error.detail);
    }
}
