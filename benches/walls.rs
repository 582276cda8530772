//! What the second wall between companies costs: whoever polls looks at a job behind the wall, beside the same look
//! without it and beside reading one row by its key; and whoever works claims and settles with it and without. All take
//! turns, so that the machine's mood is everybody's.
//!
//!     cargo bench --bench walls [-- FOLDER]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod rows;

use std::time::{Duration, Instant};

use offprint::db::cluster::Cluster;
use offprint::db::vocabulary::Fmt;
use offprint::db::wall::acting_for;
use offprint::db::{self, PgPool, item};
use offprint::id::{JobId, WorkerId};

use rows::{Company, company, job, settled, terms};

const CLIENTS: u64 = 8;
const WORKERS: u64 = 2;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

/// How often so many do it in a second.
async fn per_second(many: u64, work: impl AsyncFn()) -> f64 {
    let begun = Instant::now();
    let one = async || {
        let mut done = 0_u64;
        while begun.elapsed() < ROUND {
            work().await;
            done += 1;
        }
        done
    };
    let done: u64 = futures_util::future::join_all((0..many).map(|_| one())).await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

async fn look(pool: &PgPool, company: Company, job: JobId) -> f64 {
    per_second(CLIENTS, async || drop(db::job::find(pool, company.id, job).await.unwrap())).await
}

async fn bare(pool: &PgPool, company: Company) -> f64 {
    let read = async || {
        let row = sqlx::query_scalar::<_, String>("select name from company where company_id = $1").bind(company.id);
        drop(row.fetch_one(pool).await.unwrap());
    };
    per_second(CLIENTS, read).await
}

/// Claims and settles, one by one.
async fn work(pool: &PgPool) -> f64 {
    let one = async || {
        let terms = terms(WorkerId::new());
        let claim = item::claim(pool, &terms).await.unwrap().unwrap();
        settled(pool, terms.worker, &claim).await;
    };
    per_second(WORKERS, one).await
}

/// Takes the wall down, or puts it up again.
async fn wall(pool: &PgPool, order: &str) {
    let tables = sqlx::query_scalar::<_, String>("select tablename from pg_policies").fetch_all(pool).await.unwrap();
    for table in tables {
        let sql = format!("alter table {table} {order} row level security");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[tokio::main]
async fn main() {
    let folder =
        std::env::args().nth(1).filter(|word| !word.starts_with("--")).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::Builder::new().prefix("offprint-walls-").tempdir_in(folder).unwrap();
    // Also for the user who runs Postgres when this is run as root.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cluster = Cluster::start(folder.path()).await.unwrap();
    let system = db::system(cluster.connect_options(), CLIENTS as u32);
    db::migrate(&system).await.unwrap();
    let behind = db::pool(cluster.connect_options(), CLIENTS as u32);
    let owner = company(&system, "first").await;
    let watched = job(&system, owner, Fmt::Convert, 1000).await;
    job(&system, owner, Fmt::Convert, 100_000).await;
    sqlx::query("vacuum analyze").execute(&system).await.unwrap();
    let (mut walled, mut free, mut open, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut worked_behind, mut worked_open) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        walled.push(acting_for(owner.id, look(&behind, owner, watched)).await);
        free.push(look(&system, owner, watched).await);
        worked_behind.push(work(&system).await);
        wall(&system, "disable").await;
        open.push(look(&system, owner, watched).await);
        rows.push(bare(&system, owner).await);
        worked_open.push(work(&system).await);
        wall(&system, "enable").await;
    }
    let (walled, free, open, rows) = (median(walled), median(free), median(open), median(rows));
    println!("| what, {CLIENTS} clients | a second | beside one row |\n|---|---|---|");
    println!("| one row by its key, no wall | {rows:.0} | 1 |");
    println!("| a look at a job, no wall | {open:.0} | {:.2} |", open / rows);
    println!("| a look at a job for all companies, with its policies | {free:.0} | {:.2} |", free / rows);
    println!("| a look at a job for one company, which is named first | {walled:.0} | {:.2} |", walled / rows);
    let (behind_it, without) = (median(worked_behind), median(worked_open));
    println!("claim and settle, {WORKERS} workers: {without:.0}/s without the wall, {behind_it:.0}/s behind it");
    behind.close().await;
    system.close().await;
    cluster.stop().await.unwrap();
}
