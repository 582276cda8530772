//! A fleet of worker processes that claim and settle through the real queries, in sets as the service does, and sleep where
//! they would render, as long as renders were measured to take. Shows up to how many workers the throughput grows.
//!
//!     cargo bench --bench fleet [-- FOLDER]
//!
//! The database is created in FOLDER. Prints tables in Markdown for docs/OPERATIONS.md and docs/PERFORMANCE.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod fixtures;

use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offprint::db::enums::Fmt;
use offprint::db::item::{self, Claim};
use offprint::db::settle::MAX_SETTLES;
use offprint::db::{self, PgPool};
use offprint::id::WorkerId;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use fixtures::{build_claim_terms, insert_company, insert_job, settle_claims};
use offprint_embedded_postgres::EmbeddedPostgres;

const TOTAL_ITEMS: usize = 1_000_000;
const ITEMS_PER_JOB: usize = 20_000;

/// Database connections of a process for claims and settles, as of the service.
const QUEUE_CONNECTIONS: u32 = 2;

const RUN_SECONDS: u64 = 15;

/// How long a free slot waits for others, and the end of an item, as in the service.
const CLAIM_WAIT: Duration = Duration::from_millis(10);
const SETTLE_WAIT: Duration = Duration::from_millis(50);

/// Milliseconds of rendering photographs of 2 to 48 megapixels to 800 px, see docs/PERFORMANCE.md.
const RENDER_MILLIS: [u64; 8] = [12, 15, 22, 25, 34, 45, 52, 80];

/// Waits until a slot is free, then a little until half of them are. Returns the free ones.
async fn take_free_slots(slots: &Arc<Semaphore>, total: usize) -> Vec<OwnedSemaphorePermit> {
    let mut free = vec![slots.clone().acquire_owned().await.unwrap()];
    let until = Instant::now() + CLAIM_WAIT;
    while free.len() < total.div_ceil(2) {
        let Ok(permit) = timeout_at(until.into(), slots.clone().acquire_owned()).await else { break };
        free.push(permit.unwrap());
    }
    while let Ok(permit) = slots.clone().try_acquire_owned() {
        free.push(permit);
    }
    free
}

/// Settles what has ended, until all senders are gone. Returns how many.
async fn settle_ends(pool: PgPool, worker: WorkerId, mut ended: UnboundedReceiver<Claim>) -> usize {
    let mut done = 0;
    while let Some(first) = ended.recv().await {
        let (mut set, until) = (vec![first], Instant::now() + SETTLE_WAIT);
        while let Ok(Some(claim)) = timeout_at(until.into(), ended.recv()).await {
            set.push(claim);
            if set.len() == MAX_SETTLES {
                break;
            }
        }
        settle_claims(&pool, worker, &set).await;
        done += set.len();
    }
    done
}

/// One worker process with this many parallel renders, and twice as many items in hand; prints how many items it settled.
async fn run_worker(url: &str, renders: usize) {
    let pool = db::open_queue_pool(PgConnectOptions::from_str(url).unwrap(), QUEUE_CONNECTIONS);
    let terms = build_claim_terms(WorkerId::new());
    let (slots, renders) = (Arc::new(Semaphore::new(2 * renders)), Arc::new(Semaphore::new(renders)));
    let total_slots = slots.available_permits();
    let (ends, ended) = mpsc::unbounded_channel();
    let settler = tokio::spawn(settle_ends(pool.clone(), terms.worker, ended));
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < Duration::from_secs(RUN_SECONDS) {
        let free = take_free_slots(&slots, total_slots).await;
        let claims = item::claim_items(&pool, &terms, free.len()).await.unwrap();
        for (claim, slot) in claims.into_iter().zip(free) {
            let (renders, ends) = (renders.clone(), ends.clone());
            let render_time = Duration::from_millis(RENDER_MILLIS[number % RENDER_MILLIS.len()]);
            number += 1;
            tokio::spawn(async move {
                let render = renders.acquire().await.unwrap();
                tokio::time::sleep(render_time).await;
                drop(render);
                ends.send(claim).unwrap();
                drop(slot);
            });
        }
    }
    drop(ends);
    println!("{}", settler.await.unwrap());
}

/// Items that this many worker processes settle together per second.
async fn measure_fleet(url: &str, workers: usize, renders: usize) -> f64 {
    let mut children = JoinSet::new();
    for _ in 0..workers {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--work", url, &renders.to_string()]).stdout(Stdio::piped());
        children.spawn(async move { child.output().await.unwrap().stdout });
    }
    let counts = children.join_all().await;
    let done: usize = counts.iter().map(|count| String::from_utf8_lossy(count).trim().parse::<usize>().unwrap()).sum();
    done as f64 / RUN_SECONDS as f64
}

/// Prints the throughput of fleets of these sizes.
async fn print_fleets(url: &str, renders: usize, fleets: &[usize]) {
    println!("\n| workers of {renders} renders, {} items in hand | items/s | of linear |\n|---|---|---|", 2 * renders);
    let mut single_rate = 0.0;
    for &workers in fleets {
        let rate = measure_fleet(url, workers, renders).await;
        if workers == fleets[0] {
            single_rate = rate / workers as f64;
        }
        println!("| {workers} | {rate:.0} | {:.0} % |", 100.0 * rate / (single_rate * workers as f64));
    }
}

async fn count_waiting(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from export_item where state = 'waiting'").fetch_one(pool).await.unwrap()
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, url, renders] = words.as_slice()
        && word == "--work"
    {
        return run_worker(url, renders.parse().unwrap()).await;
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
    let url = postgres.connect_options().to_url_lossy().to_string();
    // Postgres allows a hundred connections.
    print_fleets(&url, 2, &[1, 2, 4, 8, 16, 24, 32]).await;
    print_fleets(&url, 16, &[1, 2, 4, 6, 8]).await;
    println!("\n{} items were left", count_waiting(&pool).await);
    pool.close();
    postgres.stop().await.unwrap();
}
