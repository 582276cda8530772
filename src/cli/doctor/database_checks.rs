//! The database: reachable, its version, our role, TLS, a pooler, migrations, clocks.

use std::time::Duration;

use offprint_embedded_postgres::PostgresError;
use sqlx::postgres::PgConnectOptions;

use super::report::DoctorReport;
use crate::app;
use crate::cli::database_url::ServerVerification;
use crate::cli::{database, migrate};
use crate::db::diagnosis::{self, ServerFacts};
use crate::db::migrations::{self, SchemaStatus};
use crate::db::{self, DbError, PgPool};
use crate::settings::{MigrationMode, Settings};

/// Oldest version of Postgres that the service's SQL works with, as a number.
const MIN_SERVER_VERSION: i32 = 150_000;
/// A larger difference of clocks confuses people who compare logs.
const MAX_SKEW_MILLIS: i64 = 2_000;
/// A larger one breaks signatures of object stores and certificates.
const MAX_USABLE_SKEW_MILLIS: i64 = 300_000;
/// Connections of a process beside two for each slot.
const BASE_CONNECTIONS: i32 = 15;

/// All checks of the database. The later ones need those before them.
pub(super) async fn check_database(settings: &Settings, report: &mut DoctorReport) {
    let Some(options) = find_database(settings, report) else { return };
    let pool = db::open_system_pool(options.clone(), 2);
    if let Err(error) = db::ping_database(&pool).await {
        let detail = database::describe_unreachable(&options, &error).await;
        return report.fail("database", detail, "Check DATABASE_URL, and that Postgres is running and may be reached");
    }
    match diagnosis::fetch_server_facts(&pool).await {
        Ok(facts) => {
            check_version(&facts, report);
            check_role(&facts, report);
            check_tls(&options, &facts, report);
            check_connections(settings, &facts, report);
            check_pooler(&pool, &facts, report).await;
        }
        Err(error) if is_of_another_session(&error) => report_statement_pooler(report),
        Err(error) => report.fail("database", format!("It cannot be asked: {error}"), "See the log of Postgres"),
    }
    check_migrations(settings, &pool, report).await;
    check_clocks(&pool, report).await;
}

fn find_database(settings: &Settings, report: &mut DoctorReport) -> Option<PgConnectOptions> {
    let database = &settings.database;
    if database.database_url.is_some() {
        return match database::read_connect_options(database) {
            Ok(options) => Some(options),
            Err(error) => {
                report.fail("database", error.detail, "Correct DATABASE_URL");
                None
            }
        };
    }
    match offprint_embedded_postgres::find_running_server(&database.data_dir) {
        Ok(options) => Some(options),
        Err(PostgresError::NotRunning { .. }) => {
            report.warn(
                "database",
                "The private Postgres is not running, so the database was not checked",
                "Run doctor again while `offprint serve` runs",
            );
            None
        }
        Err(error) => {
            report.fail("database", error.to_string(), "See docs/OPERATIONS.md, The private Postgres");
            None
        }
    }
}

fn check_version(facts: &ServerFacts, report: &mut DoctorReport) {
    let detail = format!("PostgreSQL {} answers", facts.version);
    if facts.version_number < MIN_SERVER_VERSION {
        report.fail("database", detail, "Use PostgreSQL 15 or later");
    } else {
        report.pass("database", detail);
    }
}

fn check_role(facts: &ServerFacts, report: &mut DoctorReport) {
    let role = &facts.role;
    let remedy = "Let DATABASE_URL name a role of its own that owns the database and has no other rights \
                  (docs/OPERATIONS.md, The database's role)";
    if facts.is_superuser {
        report.fail(
            "role",
            format!("{role} is a superuser: whoever gets at the database can run programs on its server"),
            remedy,
        );
    } else if facts.may_use_server_files {
        report.fail("role", format!("{role} may run programs or use files of the database server"), remedy);
    } else if facts.bypasses_row_level_security {
        report.warn("role", format!("{role} bypasses row-level security between companies"), remedy);
    } else if facts.may_create_roles {
        report.warn("role", format!("{role} may create roles, which the service never does"), remedy);
    } else if !facts.owns_database {
        report.warn("role", format!("{role} does not own the database, so migrations may fail"), remedy);
    } else {
        report.pass("role", format!("{role} owns the database, is no superuser and obeys row-level security"));
    }
}

fn check_tls(options: &PgConnectOptions, facts: &ServerFacts, report: &mut DoctorReport) {
    const VERIFY_REMEDY: &str = "Add sslmode=verify-full and sslrootcert=/path/of/ca.pem to DATABASE_URL \
                                 (docs/OPERATIONS.md, TLS to Postgres)";
    let encryption = match (&facts.tls_version, &facts.tls_cipher) {
        (Some(version), Some(cipher)) => format!("{version}, {cipher}"),
        _ => "not encrypted".to_owned(),
    };
    match ServerVerification::from_options(options) {
        ServerVerification::Local => report.pass("database TLS", "The database is on this machine"),
        ServerVerification::Full => {
            report.pass("database TLS", format!("The server's certificate and name are verified ({encryption})"));
        }
        ServerVerification::CaOnly => report.warn(
            "database TLS",
            format!("sslmode=verify-ca accepts a certificate of any trusted CA for any host name ({encryption})"),
            VERIFY_REMEDY,
        ),
        ServerVerification::Unverified => report.warn(
            "database TLS",
            format!("sslmode=require encrypts, but to whoever answers: the server is not verified ({encryption})"),
            VERIFY_REMEDY,
        ),
        ServerVerification::Opportunistic => report.warn(
            "database TLS",
            format!("sslmode=prefer does without TLS when the server, or somebody between, does ({encryption})"),
            VERIFY_REMEDY,
        ),
        ServerVerification::Plaintext => {
            report.warn("database TLS", "Passwords and rows travel to another machine unencrypted", VERIFY_REMEDY)
        }
    }
}

fn check_connections(settings: &Settings, facts: &ServerFacts, report: &mut DoctorReport) {
    let needed = BASE_CONNECTIONS + 2 * i32::try_from(app::get_render_slots(settings)).unwrap_or(i32::MAX / 4);
    if needed > facts.max_connections {
        report.warn(
            "connections",
            format!("This process may need {needed} connections, and Postgres has {}", facts.max_connections),
            "Raise max_connections, or lower OFFPRINT_SLOTS",
        );
    }
}

async fn check_pooler(pool: &PgPool, facts: &ServerFacts, report: &mut DoctorReport) {
    if facts.application_name != db::row_level_security::ALL_COMPANIES_NAME {
        return report.fail(
            "pooler",
            format!(
                "A pooler changes application_name to {:?}, so row-level security hides all rows",
                facts.application_name
            ),
            "Let it pass on application_name unchanged (PgBouncer: application_name_add_host=0)",
        );
    }
    match diagnosis::keeps_session(pool).await {
        Ok(true) => report.pass("pooler", "Connections keep their session: no pooler, or pool_mode=session"),
        Ok(false) => report.warn(
            "pooler",
            "A pooler assigns connections by transaction: signals between processes do not arrive, which costs a second \
             each",
            "Set pool_mode=session for Offprint, or connect to Postgres directly",
        ),
        Err(error) if is_of_another_session(&error) => report_statement_pooler(report),
        Err(error) => report.fail("pooler", format!("It cannot be told: {error}"), "See the log of the pooler"),
    }
}

fn report_statement_pooler(report: &mut DoctorReport) {
    report.fail(
        "pooler",
        "A pooler runs each statement on another connection",
        "Set pool_mode=session for Offprint, or connect DATABASE_URL to Postgres directly",
    );
}

/// Whether a prepared statement is missing, or one exists that we did not prepare.
fn is_of_another_session(error: &DbError) -> bool {
    let DbError::QueryFailed(sqlx::Error::Database(error)) = error else { return false };
    matches!(error.code().as_deref(), Some("42P05" | "26000"))
}

async fn check_migrations(settings: &Settings, pool: &PgPool, report: &mut DoctorReport) {
    match migrations::check_schema(pool).await {
        Ok(SchemaStatus::Current) => report.pass("migrations", "The tables are those of this version"),
        Ok(SchemaStatus::Older(missing)) => {
            let detail = format!("{} migrations of this version are missing", missing.len());
            match settings.migrate {
                MigrationMode::Run => report.warn("migrations", detail, "Nothing to do: the next `serve` runs them"),
                MigrationMode::Check => report.fail("migrations", detail, "Run `offprint migrate`"),
            }
        }
        Ok(SchemaStatus::Newer(newer)) => report.warn(
            "migrations",
            format!("A newer version has run {} more migrations", newer.len()),
            "Nothing to do during an update; otherwise start the newer version",
        ),
        Err(error) => report.fail(
            "migrations",
            migrate::to_migrate_error(error).detail,
            "Use the version that the database belongs to, or restore a backup",
        ),
    }
}

async fn check_clocks(pool: &PgPool, report: &mut DoctorReport) {
    let remedy = "Synchronise the clocks of both machines (NTP)";
    match diagnosis::measure_clock_skew(pool).await {
        Ok((skew, uncertainty)) => {
            let certain = skew.abs().saturating_sub(to_millis(uncertainty));
            let seconds = skew as f64 / 1000.0;
            let detail = format!("The database's clock is {seconds:+.1} s from that of this machine");
            if certain <= MAX_SKEW_MILLIS {
                report.pass("clocks", detail);
            } else if certain <= MAX_USABLE_SKEW_MILLIS {
                report.warn("clocks", detail, remedy);
            } else {
                report.fail("clocks", detail, remedy);
            }
        }
        Err(error) => report.fail("clocks", format!("The database's time is unknown: {error}"), remedy),
    }
}

fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
