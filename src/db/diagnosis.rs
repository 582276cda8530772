//! What `offprint doctor` asks the database: the server, our role and its rights, the connection between.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::{DbError, PgPool, Transaction};

/// A connection, its role and its server.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ServerFacts {
    /// Such as 150013.
    pub version_number: i32,
    pub version: String,
    pub role: String,
    pub is_superuser: bool,
    pub bypasses_row_level_security: bool,
    pub may_create_roles: bool,
    /// Whether it may run programs, or read and write files, as the server's user.
    pub may_use_server_files: bool,
    pub owns_database: bool,
    pub application_name: String,
    /// TLS version between the server and whoever connected to it, which may be a pooler.
    pub tls_version: Option<String>,
    pub tls_cipher: Option<String>,
    pub max_connections: i32,
}

/// Reads the facts of one connection.
pub async fn fetch_server_facts(pool: &PgPool) -> Result<ServerFacts, DbError> {
    let facts = sqlx::query_as(
        "select current_setting('server_version_num')::int as version_number,
                current_setting('server_version') as version,
                role.rolname::text as role, role.rolsuper as is_superuser,
                role.rolbypassrls as bypasses_row_level_security, role.rolcreaterole as may_create_roles,
                pg_has_role('pg_execute_server_program', 'member') or pg_has_role('pg_read_server_files', 'member')
                    or pg_has_role('pg_write_server_files', 'member') as may_use_server_files,
                pg_has_role(database.datdba, 'usage') as owns_database,
                current_setting('application_name') as application_name,
                tls.version as tls_version, tls.cipher as tls_cipher,
                current_setting('max_connections')::int as max_connections
           from pg_roles role
           join pg_database database on database.datname = current_database()
           left join pg_stat_ssl tls on tls.pid = pg_backend_pid() and tls.ssl
          where role.rolname = current_user",
    )
    .fetch_one(pool)
    .await?;
    Ok(facts)
}

/// How far the database's clock is ahead of ours, in milliseconds, and how exact that is: half of the round trip.
pub async fn measure_clock_skew(pool: &PgPool) -> Result<(i64, Duration), DbError> {
    let mut connection = pool.acquire().await?;
    let before = Utc::now();
    let theirs: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *connection).await?;
    let round_trip = Utc::now() - before;
    let skew = theirs - (before + round_trip / 2);
    Ok((skew.num_milliseconds(), (round_trip / 2).to_std().unwrap_or_default()))
}

/// Whether a connection keeps its server process between transactions. A pooler that assigns processes by transaction
/// gives the one that our first connection has just released to the second, so the first gets another.
///
/// # Errors
/// Also when a statement finds that it was prepared elsewhere, with the SQLSTATE 26000 or 42P05.
pub async fn keeps_session(pool: &PgPool) -> Result<bool, DbError> {
    const PID_SQL: &str = "select pg_backend_pid()";
    let (mut first, second) = (pool.acquire().await?, pool.acquire().await?);
    let before: i32 = sqlx::query_scalar(PID_SQL).fetch_one(&mut *first).await?;
    let mut transaction = Transaction::begin(second).await?;
    let other: i32 = sqlx::query_scalar(PID_SQL).fetch_one(&mut *transaction).await?;
    let after: i32 = sqlx::query_scalar(PID_SQL).fetch_one(&mut *first).await?;
    transaction.rollback().await?;
    Ok(before == after && before != other)
}
