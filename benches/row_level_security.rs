//! The cost of row-level security: reading a job with it and without it, compared with reading one row by its key, and
//! claiming and settling with it and without it. The variants take turns, so that load on the machine affects all alike.
//!
//!     cargo bench --bench row_level_security [-- FOLDER]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod fixtures;

use std::time::{Duration, Instant};

use offprint::db::enums::Fmt;
use offprint::db::row_level_security::run_as_company;
use offprint::db::{self, PgPool, item};
use offprint::id::{JobId, WorkerId};

use fixtures::{BenchCompany, build_claim_terms, insert_company, insert_job, settle_claims};
use offprint_embedded_postgres::EmbeddedPostgres;

const CLIENTS: u64 = 8;
const WORKERS: u64 = 2;
const ROUNDS: usize = 5;
const ROUND_DURATION: Duration = Duration::from_secs(3);

/// How often this many clients do the work per second.
async fn measure_rate(clients: u64, work: impl AsyncFn()) -> f64 {
    let started = Instant::now();
    let run_client = async || {
        let mut done = 0_u64;
        while started.elapsed() < ROUND_DURATION {
            work().await;
            done += 1;
        }
        done
    };
    let done: u64 = futures_util::future::join_all((0..clients).map(|_| run_client())).await.into_iter().sum();
    done as f64 / started.elapsed().as_secs_f64()
}

async fn measure_job_reads(pool: &PgPool, company: BenchCompany, job: JobId) -> f64 {
    measure_rate(CLIENTS, async || drop(db::job::load_job(pool, company.id, job).await.unwrap())).await
}

async fn measure_row_reads(pool: &PgPool, company: BenchCompany) -> f64 {
    let read = async || {
        let row = sqlx::query_scalar::<_, String>("select name from company where company_id = $1").bind(company.id);
        drop(row.fetch_one(pool).await.unwrap());
    };
    measure_rate(CLIENTS, read).await
}

/// Items per second, claimed and settled one by one.
async fn measure_settles(pool: &PgPool) -> f64 {
    let settle_next = async || {
        let terms = build_claim_terms(WorkerId::new());
        let claim = item::claim_items(pool, &terms, 1).await.unwrap();
        settle_claims(pool, terms.worker, &claim).await;
    };
    measure_rate(WORKERS, settle_next).await
}

/// Switches row-level security of every table: `disable` or `enable`.
async fn set_row_level_security(pool: &PgPool, switch: &str) {
    let tables = sqlx::query_scalar::<_, String>("select tablename from pg_policies").fetch_all(pool).await.unwrap();
    for table in tables {
        let sql = format!("alter table {table} {switch} row level security");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
    }
}

fn compute_median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[tokio::main]
async fn main() {
    let folder =
        std::env::args().nth(1).filter(|word| !word.starts_with("--")).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::Builder::new().prefix("offprint-row-level-security-").tempdir_in(folder).unwrap();
    // The unprivileged user who runs Postgres must enter it too when this is run as root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let postgres = EmbeddedPostgres::start(folder.path()).await.unwrap();
    let system = db::open_system_pool(postgres.connect_options(), CLIENTS as u32);
    db::run_migrations(&system).await.unwrap();
    let requests = db::open_request_pool(postgres.connect_options(), CLIENTS as u32);
    let company = insert_company(&system, "first").await;
    let job = insert_job(&system, company, Fmt::Convert, 1000).await;
    insert_job(&system, company, Fmt::Convert, 100_000).await;
    sqlx::query("vacuum analyze").execute(&system).await.unwrap();
    let (mut by_company, mut all_companies, mut unsecured, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut secured_settle_rates, mut unsecured_settle_rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_company.push(run_as_company(company.id, measure_job_reads(&requests, company, job)).await);
        all_companies.push(measure_job_reads(&system, company, job).await);
        secured_settle_rates.push(measure_settles(&system).await);
        set_row_level_security(&system, "disable").await;
        unsecured.push(measure_job_reads(&system, company, job).await);
        rows.push(measure_row_reads(&system, company).await);
        unsecured_settle_rates.push(measure_settles(&system).await);
        set_row_level_security(&system, "enable").await;
    }
    let (by_company, all_companies, unsecured, rows) =
        (compute_median(by_company), compute_median(all_companies), compute_median(unsecured), compute_median(rows));
    println!("| reading, {CLIENTS} clients | per second | relative to one row |\n|---|---|---|");
    println!("| one row by its key, no row-level security | {rows:.0} | 1 |");
    println!("| a job, no row-level security | {unsecured:.0} | {:.2} |", unsecured / rows);
    println!("| a job as the role that sees all companies | {all_companies:.0} | {:.2} |", all_companies / rows);
    println!(
        "| a job for one company, with the statement that names it | {by_company:.0} | {:.2} |",
        by_company / rows
    );
    let (secured_settles, unsecured_settles) =
        (compute_median(secured_settle_rates), compute_median(unsecured_settle_rates));
    println!(
        "claim and settle, {WORKERS} workers: {unsecured_settles:.0}/s without row-level security, {secured_settles:.0}/s with it"
    );
    requests.close();
    system.close();
    postgres.stop().await.unwrap();
}
