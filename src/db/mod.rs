//! The database. This is the only module with SQL; each row type stands beside its queries.
//!
//! It knows nothing of HTTP, of files or of rendering: it takes and returns plain values, and [`DbError`] says why a
//! query did not work. Two rules hold everywhere:
//!
//! * Locks are taken in the order company, job, item, so that transactions never wait for each other in a circle.
//! * Time that decides anything is the database's (`now()`), because the clocks of processes differ.
//!
//! Begin with [`insert_job`] (an export request becomes rows), [`item`] (a worker claims an item), [`settle`] (an
//! attempt ends), [`task`] (work that is not an item) and [`seal`] (the job is finished). [`row_level_security`] says which rows a connection sees.

pub mod address_migration;
pub mod api_key;
pub mod api_key_cache;
pub mod archive;
pub mod asset;
pub mod asset_list;
mod asset_record;
pub mod attempt;
pub mod audit;
pub mod backup;
pub mod blob;
pub mod browser_session;
pub mod bulk_settle;
pub mod capability;
pub mod company;
mod connection;
pub mod delivered_file;
pub mod delivery;
pub mod delivery_settle;
pub mod destination;
pub mod diagnosis;
pub mod enums;
mod error;
pub mod event;
pub mod idempotency;
pub mod image_preset;
pub mod import;
pub mod import_entry;
pub mod insert_job;
pub(crate) mod interval;
pub mod item;
pub mod item_view;
pub mod job;
pub mod job_actions;
pub mod job_changes;
pub mod job_group;
pub mod job_group_end;
pub mod job_list;
pub mod kept_rendition;
pub mod limits;
pub mod link;
pub mod mail_task;
pub mod metadata_map;
pub mod migrations;
mod optional_digest;
mod pool;
pub mod recipe;
pub mod retention;
pub mod row_level_security;
pub mod schedule;
pub mod seal;
pub mod settle;
mod settle_tail;
pub mod sign_in_attempt;
pub mod sign_in_link;
pub mod signal;
pub mod statistics;
pub mod task;
pub mod task_claim;
pub mod task_queue;
mod text_range;
pub mod thumbnail;
mod transaction;
mod transition;
pub mod upload;
pub mod usage;
pub mod user_identity;
pub mod webhook;
pub mod webhook_secret;
pub mod worker;

use futures_util::{Stream, TryStreamExt};

pub use error::DbError;
pub use migrations::run_migrations;
pub use pool::{PgPool, open_queue_pool, open_request_pool, open_system_pool, with_query_timeout};
pub use transaction::{Transaction, roll_back_to_savepoint, set_savepoint};

/// A connection inside a transaction, as the queries take it.
pub type DbConnection = sqlx::PgConnection;

/// How many rows are decoded before other tasks of the same thread get a turn: a row with an image header takes some
/// microseconds.
const ROWS_PER_TURN: usize = 100;

/// Collects the rows of a query that may have thousands, without holding up everything else on this thread.
///
/// # Errors
/// Those of the query.
async fn collect_rows<T>(mut rows: impl Stream<Item = Result<T, sqlx::Error>> + Unpin) -> Result<Vec<T>, DbError> {
    let mut all = Vec::new();
    while let Some(row) = rows.try_next().await? {
        all.push(row);
        if all.len().is_multiple_of(ROWS_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }
    Ok(all)
}

/// Checks that the database answers.
pub async fn ping_database(pool: &PgPool) -> Result<(), DbError> {
    sqlx::query("select 1").execute(pool).await?;
    Ok(())
}
