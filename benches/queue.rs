//! The queue alone: inserting jobs, claiming and settling items through the real queries on a durable Postgres of its
//! own, without rendering.
//!
//!     cargo bench --bench queue [-- FOLDER]
//!
//! The database is created in FOLDER: its disk is part of what is measured, and the first row says how fast it syncs;
//! `/dev/shm` shows what the processors allow. Prints a table in Markdown for docs/PERFORMANCE.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod fixtures;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use offprint::db::bulk_settle::settle_ready_items;
use offprint::db::enums::Fmt;
use offprint::db::item;
use offprint::db::{self, PgPool};
use offprint::id::{JobId, WorkerId};
use tokio::task::JoinSet;

use fixtures::{BenchCompany, build_claim_terms, insert_company, insert_job, settle_claims};
use offprint_embedded_postgres::EmbeddedPostgres;
use offprint_imaging::ENGINE_VERSION;

const WORKERS: usize = 2;
const RUN_SECONDS: u64 = 10;

/// Items per second that this many workers claim and settle, one by one.
async fn measure_single_settles(pool: &PgPool, workers: usize) -> f64 {
    measure_settles(pool, workers, 1).await
}

/// Items per second that this many workers claim and settle in sets of up to `slots`.
async fn measure_settles(pool: &PgPool, workers: usize, slots: usize) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (pool, done) = (pool.clone(), done.clone());
        tasks.spawn(async move {
            let terms = build_claim_terms(WorkerId::new());
            while started.elapsed() < Duration::from_secs(RUN_SECONDS) {
                let claims = item::claim_items(&pool, &terms, slots).await.unwrap();
                if claims.is_empty() {
                    return;
                }
                settle_claims(&pool, terms.worker, &claims).await;
                done.fetch_add(claims.len() as u64, Relaxed);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    done.load(Relaxed) as f64 / started.elapsed().as_secs_f64()
}

/// Items per second that need no render, settled in bulk by two workers, each on a job of its own.
async fn measure_bulk_settles(pool: &PgPool, companies: [BenchCompany; WORKERS], items: usize) -> f64 {
    let mut jobs = Vec::new();
    for company in companies {
        jobs.push((company, insert_job(pool, company, Fmt::Orig, items).await));
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for (company, job) in jobs {
        let pool = pool.clone();
        tasks.spawn(async move {
            while settle_ready_items(&pool, company.id, job, WorkerId::new(), ENGINE_VERSION).await.unwrap() > 0 {}
        });
    }
    while tasks.join_next().await.is_some() {}
    (WORKERS * items) as f64 / started.elapsed().as_secs_f64()
}

/// Creates this many dead rows in the item table, at the head of the queue.
async fn create_dead_rows(pool: &PgPool, company: BenchCompany, rows: i64) {
    sqlx::query("alter table export_item set (autovacuum_enabled = false)").execute(pool).await.unwrap();
    const ITEMS: usize = 50_000;
    let job = insert_job(pool, company, Fmt::Convert, ITEMS).await;
    for _ in 0..(rows / ITEMS as i64) {
        // The update of an attempt that was given back, without its history.
        sqlx::query("update export_item set claim = claim + 1, run_at = now() where company_id = $1 and job_id = $2")
            .bind(company.id)
            .bind(job)
            .execute(pool)
            .await
            .unwrap();
    }
}

async fn forget_jobs(pool: &PgPool) {
    sqlx::query("truncate export_job cascade").execute(pool).await.unwrap();
}

fn compute_percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * part) as usize]
}

/// The time to read a large job while it is worked on: median and 99th percentile.
async fn measure_polling(pool: &PgPool, company: BenchCompany, job: JobId) -> (Duration, Duration) {
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(RUN_SECONDS) {
        let asked = Instant::now();
        db::job::load_job(pool, company.id, job).await.unwrap();
        times.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (compute_percentile(&mut times, 0.5), compute_percentile(&mut times, 0.99))
}

/// Reads of a job per second by several clients at once, and reads of one row by its primary key in the same way.
async fn measure_reads(pool: &PgPool, company: BenchCompany, job: JobId) -> (f64, f64) {
    const CLIENTS: u64 = 8;
    let job_reads = measure_rate(CLIENTS, || {
        let pool = pool.clone();
        async move { drop(db::job::load_job(&pool, company.id, job).await.unwrap()) }
    });
    let job_reads = job_reads.await;
    let row_reads = measure_rate(CLIENTS, || {
        let pool = pool.clone();
        async move {
            let row =
                sqlx::query_scalar::<_, String>("select name from company where company_id = $1").bind(company.id);
            drop(row.fetch_one(&pool).await.unwrap());
        }
    });
    (job_reads, row_reads.await)
}

async fn measure_rate<Work: Future<Output = ()> + Send>(clients: u64, work: impl Fn() -> Work) -> f64 {
    let started = Instant::now();
    let one = async || {
        let mut done = 0_u64;
        while started.elapsed() < Duration::from_secs(5) {
            work().await;
            done += 1;
        }
        done
    };
    let done: u64 = futures_util::future::join_all((0..clients).map(|_| one())).await.into_iter().sum();
    done as f64 / started.elapsed().as_secs_f64()
}

/// Writes of 8 KiB per second, each synced to the disk before the next: no commit is faster than that.
fn measure_sync_rate(folder: &std::path::Path) -> f64 {
    use std::io::Write;
    let mut file = tempfile::tempfile_in(folder).unwrap();
    let (started, mut done) = (Instant::now(), 0_u64);
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 8192]).unwrap();
        file.sync_data().unwrap();
        done += 1;
    }
    done as f64 / started.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let folder =
        std::env::args().nth(1).filter(|word| !word.starts_with("--")).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::Builder::new().prefix("offprint-queue-").tempdir_in(folder).unwrap();
    // The unprivileged user who runs Postgres must enter it too when this is run as root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let postgres = EmbeddedPostgres::start(folder.path()).await.unwrap();
    let pool = db::open_system_pool(postgres.connect_options(), 16);
    db::run_migrations(&pool).await.unwrap();
    // As many connections as the service has for it.
    let queue = db::open_queue_pool(postgres.connect_options(), 2);
    let companies = [insert_company(&pool, "first").await, insert_company(&pool, "second").await];
    println!("| what | figure |\n|---|---|");
    println!("| 8 KiB written and synced, one after the other | {:.0}/s |", measure_sync_rate(folder.path()));
    let jobs = |items: usize| {
        let pool = pool.clone();
        async move {
            for number in 0..4 {
                insert_job(&pool, companies[number % WORKERS], Fmt::Convert, items).await;
            }
        }
    };
    for workers in [1, WORKERS, 8] {
        jobs(20_000).await;
        println!(
            "| claim and settle one by one, 4 jobs of 2 companies, {workers} workers | {:.0}/s |",
            measure_single_settles(&queue, workers).await
        );
        forget_jobs(&pool).await;
    }
    for (workers, slots) in [(1, 8), (WORKERS, 4), (WORKERS, 8)] {
        jobs(40_000).await;
        println!(
            "| claim and settle in sets of {slots}, 4 jobs of 2 companies, {workers} workers | {:.0}/s |",
            measure_settles(&queue, workers, slots).await
        );
        forget_jobs(&pool).await;
    }
    println!("| settled in bulk, 2 jobs | {:.0}/s |", measure_bulk_settles(&pool, companies, 50_000).await);
    forget_jobs(&pool).await;

    let started = Instant::now();
    let large = insert_job(&pool, companies[0], Fmt::Convert, 100_000).await;
    println!("| inserting a job of 100,000 items | {:.2} s |", started.elapsed().as_secs_f64());
    let ((median, late), rate) =
        tokio::join!(measure_polling(&pool, companies[0], large), measure_single_settles(&queue, WORKERS));
    println!(
        "| reading it while 2 workers work on it ({rate:.0}/s), p50 and p99 | {:.2} and {:.2} ms |",
        median.as_secs_f64() * 1e3,
        late.as_secs_f64() * 1e3
    );
    let small = insert_job(&pool, companies[1], Fmt::Convert, 10).await;
    for (items, job, company) in [("100,000", large, companies[0]), ("10", small, companies[1])] {
        let (job_reads, row_reads) = measure_reads(&pool, company, job).await;
        println!(
            "| reading a job of {items} items by 8 clients, compared with one row by its key | {job_reads:.0}/s and {row_reads:.0}/s: {:.2} |",
            job_reads / row_reads
        );
    }
    forget_jobs(&pool).await;

    create_dead_rows(&pool, companies[0], 1_000_000).await;
    println!(
        "| one by one behind 1,000,000 dead rows, 2 workers | {:.0}/s |",
        measure_single_settles(&queue, WORKERS).await
    );
    println!("| in sets of 8 behind them, 1 worker | {:.0}/s |", measure_settles(&queue, 1, 8).await);
    println!("| settled in bulk beside them | {:.0}/s |", measure_bulk_settles(&pool, companies, 50_000).await);
    queue.close();
    pool.close();
    postgres.stop().await.unwrap();
}
