//! A fleet of worker processes that claim and settle through the real queries and sleep where they would render, as long
//! as renders were measured to take. Shows up to how many workers the throughput grows.
//!
//!     cargo bench --bench fleet [-- FOLDER]
//!
//! The database is created in FOLDER. Prints a table in Markdown for docs/OPERATIONS.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod fixtures;

use std::process::Stdio;
use std::str::FromStr;
use std::time::{Duration, Instant};

use offprint::db::enums::Fmt;
use offprint::db::{self, PgPool, item};
use offprint::id::WorkerId;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use tokio::task::JoinSet;

use fixtures::{build_claim_terms, insert_company, insert_job, settle_claims};
use offprint_embedded_postgres::EmbeddedPostgres;

const TOTAL_ITEMS: usize = 1_000_000;
const ITEMS_PER_JOB: usize = 20_000;

/// Claimed items and parallel renders of each worker: the defaults of the service on two processors.
const CLAIMS_PER_WORKER: usize = 4;
const RENDER_SLOTS: usize = 2;

const RUN_SECONDS: u64 = 15;

/// Milliseconds of rendering photographs of 2 to 48 megapixels to 800 px, see docs/PERFORMANCE.md.
const RENDER_MILLIS: [u64; 8] = [12, 15, 22, 25, 34, 45, 52, 80];

/// One worker process; prints how many items it settled.
async fn run_worker(url: &str) {
    let pool = db::open_queue_pool(PgConnectOptions::from_str(url).unwrap(), CLAIMS_PER_WORKER as u32);
    let renders = std::sync::Arc::new(tokio::sync::Semaphore::new(RENDER_SLOTS));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for slot in 0..CLAIMS_PER_WORKER {
        let (pool, renders) = (pool.clone(), renders.clone());
        tasks.spawn(async move {
            let worker = WorkerId::new();
            let (terms, mut done) = (build_claim_terms(worker), 0);
            while started.elapsed() < Duration::from_secs(RUN_SECONDS) {
                let Some(claim) = item::claim_items(&pool, &terms, 1).await.unwrap().pop() else { break };
                let render = renders.acquire().await.unwrap();
                tokio::time::sleep(Duration::from_millis(RENDER_MILLIS[(slot + done) % RENDER_MILLIS.len()])).await;
                drop(render);
                settle_claims(&pool, worker, &[claim]).await;
                done += 1;
            }
            done
        });
    }
    println!("{}", tasks.join_all().await.into_iter().sum::<usize>());
}

/// Items that this many worker processes settle together per second.
async fn measure_fleet(url: &str, workers: usize) -> f64 {
    let mut children = JoinSet::new();
    for _ in 0..workers {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--work", url]).stdout(Stdio::piped());
        children.spawn(async move { child.output().await.unwrap().stdout });
    }
    let counts = children.join_all().await;
    let done: usize = counts.iter().map(|count| String::from_utf8_lossy(count).trim().parse::<usize>().unwrap()).sum();
    done as f64 / RUN_SECONDS as f64
}

async fn count_waiting(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from export_item where state = 'waiting'").fetch_one(pool).await.unwrap()
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, url] = words.as_slice()
        && word == "--work"
    {
        return run_worker(url).await;
    }
    let folder = words.first().map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::Builder::new().prefix("offprint-fleet-").tempdir_in(folder).unwrap();
    // The unprivileged user who runs Postgres must enter it too when this is run as root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let postgres = EmbeddedPostgres::start(folder.path()).await.unwrap();
    let pool = db::open_system_pool(postgres.connect_options(), 4);
    db::run_migrations(&pool).await.unwrap();
    let started = Instant::now();
    for number in 0..TOTAL_ITEMS / ITEMS_PER_JOB {
        let company = insert_company(&pool, &format!("company {number}")).await;
        insert_job(&pool, company, Fmt::Convert, ITEMS_PER_JOB).await;
    }
    println!(
        "{TOTAL_ITEMS} items of {} companies inserted in {:.0} s",
        TOTAL_ITEMS / ITEMS_PER_JOB,
        started.elapsed().as_secs_f64()
    );
    println!("\n| workers | items/s | of linear |\n|---|---|---|");
    let url = postgres.connect_options().to_url_lossy().to_string();
    let mut single_rate = 0.0;
    // Postgres allows a hundred connections.
    for workers in [1, 2, 4, 8, 12, 16, 20] {
        let rate = measure_fleet(&url, workers).await;
        if workers == 1 {
            single_rate = rate;
        }
        println!("| {workers} | {rate:.0} | {:.0} % |", 100.0 * rate / (single_rate * workers as f64));
    }
    println!("\n{} items were left", count_waiting(&pool).await);
    pool.close().await;
    postgres.stop().await.unwrap();
}
