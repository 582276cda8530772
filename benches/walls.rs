//! What the second wall between companies costs whoever polls: looking at a job behind the wall, beside the same look
//! without it and beside reading one row by its key. The three take turns, so that the machine's mood is everybody's.
//!
//!     cargo bench --bench walls [-- FOLDER]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "other benches use the rest")]
mod rows;

use std::time::{Duration, Instant};

use offprint::db::cluster::Cluster;
use offprint::db::vocabulary::Fmt;
use offprint::db::wall::acting_for;
use offprint::db::{self, PgPool};
use offprint::id::JobId;

use rows::{Company, company, job};

const CLIENTS: u64 = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

/// How often so many clients do it in a second.
async fn per_second(work: impl AsyncFn()) -> f64 {
    let begun = Instant::now();
    let one = async || {
        let mut done = 0_u64;
        while begun.elapsed() < ROUND {
            work().await;
            done += 1;
        }
        done
    };
    let done: u64 = futures_util::future::join_all((0..CLIENTS).map(|_| one())).await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

async fn look(pool: &PgPool, company: Company, job: JobId) -> f64 {
    per_second(async || drop(db::job::find(pool, company.id, job).await.unwrap())).await
}

async fn bare(pool: &PgPool, company: Company) -> f64 {
    let read = async || {
        let row = sqlx::query_scalar::<_, String>("select name from company where company_id = $1").bind(company.id);
        drop(row.fetch_one(pool).await.unwrap());
    };
    per_second(read).await
}

/// Takes the wall down, or puts it up again, where a look or the bare row would meet it.
async fn wall(pool: &PgPool, order: &str) {
    for table in ["company", "export_job", "export_item", "notice", "archive"] {
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
    let (mut walled, mut free, mut open, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        walled.push(acting_for(owner.id, look(&behind, owner, watched)).await);
        free.push(look(&system, owner, watched).await);
        wall(&system, "disable").await;
        open.push(look(&system, owner, watched).await);
        rows.push(bare(&system, owner).await);
        wall(&system, "enable").await;
    }
    let (walled, free, open, rows) = (median(walled), median(free), median(open), median(rows));
    println!("| what, {CLIENTS} clients | a second | beside one row |\n|---|---|---|");
    println!("| one row by its key, no wall | {rows:.0} | 1 |");
    println!("| a look at a job, no wall | {open:.0} | {:.2} |", open / rows);
    println!("| a look at a job for all companies, with its policies | {free:.0} | {:.2} |", free / rows);
    println!("| a look at a job for one company, which is named first | {walled:.0} | {:.2} |", walled / rows);
    behind.close().await;
    system.close().await;
    cluster.stop().await.unwrap();
}
