//! The queue alone: the real creation, claim and settle on a durable Postgres of its own, without a picture.
//!
//!     cargo bench --bench queue [-- FOLDER]
//!
//! FOLDER is where the database lies: its disk is part of what is measured, and the first line says how fast that syncs;
//! `/dev/shm` shows what the processors allow. Prints a table in Markdown for
//! docs/PERFORMANCE.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use offprint::db::cluster::Cluster;
use offprint::db::item;
use offprint::db::ready::settle_ready;
use offprint::db::vocabulary::Fmt;
use offprint::db::{self, PgPool};
use offprint::id::{JobId, WorkerId};
use offprint::render::ENGINE_VERSION;
use tokio::task::JoinSet;

use rows::{Company, company, job, settled, terms};

const WORKERS: usize = 2;
const SECONDS: u64 = 10;

/// Items a second that so many workers claim and settle, one by one.
async fn one_by_one(pool: &PgPool, workers: usize) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (pool, done) = (pool.clone(), done.clone());
        tasks.spawn(async move {
            let terms = terms(WorkerId::new());
            while begun.elapsed() < Duration::from_secs(SECONDS) {
                let Some(claim) = item::claim(&pool, &terms).await.unwrap() else { return };
                settled(&pool, terms.worker, &claim).await;
                done.fetch_add(1, Relaxed);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    done.load(Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// Items a second that need no render, settled in sets by two workers, each on jobs of its own.
async fn in_sets(pool: &PgPool, companies: [Company; WORKERS], items: usize) -> f64 {
    let mut jobs = Vec::new();
    for company in companies {
        jobs.push((company, job(pool, company, Fmt::Orig, items).await));
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (company, job) in jobs {
        let pool = pool.clone();
        tasks.spawn(async move {
            while settle_ready(&pool, company.id, job, WorkerId::new(), ENGINE_VERSION).await.unwrap() > 0 {}
        });
    }
    while tasks.join_next().await.is_some() {}
    (WORKERS * items) as f64 / begun.elapsed().as_secs_f64()
}

/// Makes so many dead rows of the item table, at the head of what is claimed next.
async fn soil(pool: &PgPool, company: Company, rows: i64) {
    sqlx::query("alter table export_item set (autovacuum_enabled = false)").execute(pool).await.unwrap();
    const ITEMS: usize = 50_000;
    let job = job(pool, company, Fmt::Convert, ITEMS).await;
    for _ in 0..(rows / ITEMS as i64) {
        // What a try that was given back leaves behind, without its history.
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

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * part) as usize]
}

/// How long it takes to look at a large job while it is worked on.
async fn polled(pool: &PgPool, company: Company, job: JobId) -> (Duration, Duration) {
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(SECONDS) {
        let asked = Instant::now();
        db::job::find(pool, company.id, job).await.unwrap();
        times.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (percentile(&mut times, 0.5), percentile(&mut times, 0.99))
}

/// Looks at a job a second, by so many clients at once, beside reading one row by its primary key the same way.
async fn looks(pool: &PgPool, company: Company, job: JobId) -> (f64, f64) {
    const CLIENTS: u64 = 8;
    let looked = per_second(CLIENTS, || {
        let pool = pool.clone();
        async move { drop(db::job::find(&pool, company.id, job).await.unwrap()) }
    });
    let looked = looked.await;
    let bare = per_second(CLIENTS, || {
        let pool = pool.clone();
        async move {
            let row =
                sqlx::query_scalar::<_, String>("select name from company where company_id = $1").bind(company.id);
            drop(row.fetch_one(&pool).await.unwrap());
        }
    });
    (looked, bare.await)
}

async fn per_second<Work: Future<Output = ()> + Send>(clients: u64, work: impl Fn() -> Work) -> f64 {
    let begun = Instant::now();
    let one = async || {
        let mut done = 0_u64;
        while begun.elapsed() < Duration::from_secs(5) {
            work().await;
            done += 1;
        }
        done
    };
    let done: u64 = futures_util::future::join_all((0..clients).map(|_| one())).await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

/// Writes of 8 KiB that are safe on the disk, one after the other: no commit is faster than that.
fn synced(folder: &std::path::Path) -> f64 {
    use std::io::Write;
    let mut file = tempfile::tempfile_in(folder).unwrap();
    let (begun, mut done) = (Instant::now(), 0_u64);
    while begun.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 8192]).unwrap();
        file.sync_data().unwrap();
        done += 1;
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let folder =
        std::env::args().nth(1).filter(|word| !word.starts_with("--")).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::Builder::new().prefix("offprint-queue-").tempdir_in(folder).unwrap();
    // Also for the user who runs Postgres when this is run as root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cluster = Cluster::start(folder.path()).await.unwrap();
    let pool = db::system(cluster.connect_options(), 16);
    db::migrate(&pool).await.unwrap();
    let companies = [company(&pool, "first").await, company(&pool, "second").await];
    println!("| what | figure |\n|---|---|");
    println!("| 8 KiB written and synced, one after the other | {:.0}/s |", synced(folder.path()));
    let jobs = |items: usize| {
        let pool = pool.clone();
        async move {
            for number in 0..4 {
                job(&pool, companies[number % WORKERS], Fmt::Convert, items).await;
            }
        }
    };
    for workers in [1, WORKERS, 8] {
        jobs(20_000).await;
        println!(
            "| claim and settle one by one, 4 jobs of 2 companies, {workers} workers | {:.0}/s |",
            one_by_one(&pool, workers).await
        );
        forget_jobs(&pool).await;
    }
    println!("| settled in sets, 2 jobs | {:.0}/s |", in_sets(&pool, companies, 50_000).await);
    forget_jobs(&pool).await;

    let begun = Instant::now();
    let large = job(&pool, companies[0], Fmt::Convert, 100_000).await;
    println!("| a job of 100,000 items written down | {:.2} s |", begun.elapsed().as_secs_f64());
    let ((median, late), rate) = tokio::join!(polled(&pool, companies[0], large), one_by_one(&pool, WORKERS));
    println!(
        "| looking at it while 2 workers work on it ({rate:.0}/s), p50 and p99 | {:.2} and {:.2} ms |",
        median.as_secs_f64() * 1e3,
        late.as_secs_f64() * 1e3
    );
    let small = job(&pool, companies[1], Fmt::Convert, 10).await;
    for (items, job, company) in [("100,000", large, companies[0]), ("10", small, companies[1])] {
        let (looked, bare) = looks(&pool, company, job).await;
        println!(
            "| looking at a job of {items} items by 8 clients, beside one row by its key | {looked:.0}/s and {bare:.0}/s: {:.2} |",
            looked / bare
        );
    }
    forget_jobs(&pool).await;

    soil(&pool, companies[0], 1_000_000).await;
    println!("| one by one behind 1,000,000 dead rows, 2 workers | {:.0}/s |", one_by_one(&pool, WORKERS).await);
    println!("| settled in sets beside them | {:.0}/s |", in_sets(&pool, companies, 50_000).await);
    pool.close().await;
    cluster.stop().await.unwrap();
}
