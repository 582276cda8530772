//! A fleet without pictures: worker processes that claim and settle through the real queries and sleep where they would
//! render, as long as pictures were measured to take. Shows up to where more workers mean more pictures, and what ends it.
//!
//!     cargo bench --bench fleet [-- FOLDER]
//!
//! FOLDER is where the database lies. Prints a table in Markdown for docs/OPERATIONS.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod rows;

use std::process::Stdio;
use std::str::FromStr;
use std::time::{Duration, Instant};

use offprint::db::cluster::Cluster;
use offprint::db::vocabulary::Fmt;
use offprint::db::{self, PgPool, item};
use offprint::id::WorkerId;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use tokio::task::JoinSet;

use rows::{company, job, settled, terms};

/// Items, in jobs of so many.
const ITEMS: usize = 1_000_000;
const JOB: usize = 20_000;

/// Slots of each worker, twice as many items in hand as renders, as the service has it on two processors.
const IN_HAND: usize = 4;
const SLOTS: usize = 2;

const SECONDS: u64 = 15;

/// Milliseconds that photographs of 2 to 48 megapixels took to 800 px, see docs/PERFORMANCE.md.
const RENDERS: [u64; 8] = [12, 15, 22, 25, 34, 45, 52, 80];

/// One worker process: prints how many items it settled.
async fn work(url: &str) {
    let pool = db::system(PgConnectOptions::from_str(url).unwrap(), IN_HAND as u32);
    let renders = std::sync::Arc::new(tokio::sync::Semaphore::new(SLOTS));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for slot in 0..IN_HAND {
        let (pool, renders) = (pool.clone(), renders.clone());
        tasks.spawn(async move {
            let worker = WorkerId::new();
            let (terms, mut done) = (terms(worker), 0);
            while begun.elapsed() < Duration::from_secs(SECONDS) {
                let Some(claim) = item::claim(&pool, &terms).await.unwrap() else { break };
                let render = renders.acquire().await.unwrap();
                tokio::time::sleep(Duration::from_millis(RENDERS[(slot + done) % RENDERS.len()])).await;
                drop(render);
                settled(&pool, worker, &claim).await;
                done += 1;
            }
            done
        });
    }
    println!("{}", tasks.join_all().await.into_iter().sum::<usize>());
}

/// Items a second that so many worker processes get done together.
async fn fleet(url: &str, workers: usize) -> f64 {
    let mut children = JoinSet::new();
    for _ in 0..workers {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--work", url]).stdout(Stdio::piped());
        children.spawn(async move { child.output().await.unwrap().stdout });
    }
    let said = children.join_all().await;
    let done: usize = said.iter().map(|said| String::from_utf8_lossy(said).trim().parse::<usize>().unwrap()).sum();
    done as f64 / SECONDS as f64
}

async fn left(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from export_item where state = 'waiting'").fetch_one(pool).await.unwrap()
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, url] = words.as_slice()
        && word == "--work"
    {
        return work(url).await;
    }
    let folder = words.first().map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::Builder::new().prefix("offprint-fleet-").tempdir_in(folder).unwrap();
    // Also for the user who runs Postgres when this is run as root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cluster = Cluster::start(folder.path()).await.unwrap();
    let pool = db::system(cluster.connect_options(), 4);
    db::migrate(&pool).await.unwrap();
    let begun = Instant::now();
    for number in 0..ITEMS / JOB {
        let company = company(&pool, &format!("company {number}")).await;
        job(&pool, company, Fmt::Convert, JOB).await;
    }
    println!("{ITEMS} items of {} companies written down in {:.0} s", ITEMS / JOB, begun.elapsed().as_secs_f64());
    println!("\n| workers | items/s | of linear |\n|---|---|---|");
    let url = cluster.connect_options().to_url_lossy().to_string();
    let mut one = 0.0;
    // Postgres has a hundred connections.
    for workers in [1, 2, 4, 8, 12, 16, 20] {
        let rate = fleet(&url, workers).await;
        if workers == 1 {
            one = rate;
        }
        println!("| {workers} | {rate:.0} | {:.0} % |", 100.0 * rate / (one * workers as f64));
    }
    println!("\n{} items were left", left(&pool).await);
    pool.close().await;
    cluster.stop().await.unwrap();
}
