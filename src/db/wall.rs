//! The second wall between companies. Every query names its company; should one forget to, the database shows it the rows
//! of the company for which the connection works and no others (row-level security, migrations/0012_walls.sql).
//!
//! For whom a connection works is its `application_name`. It is set when the connection leaves the pool, from what the
//! guard said of the request: see [`acting_for`]. Where nobody said anything, nothing is seen.

use std::future::Future;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::timeout;

use super::{Connection, Error, SIGN_OF_LIFE, silent};
use crate::id::CompanyId;

/// Name of a connection that works for nobody.
const NOBODY: &str = "offprint/nobody";
/// Name of a connection that works for the service itself.
const ALL: &str = "offprint/all";

tokio::task_local! {
    static COMPANY: CompanyId;
    static FORGETS: ();
}

/// Does work in which connections of [`pool`](super::pool) see this company. Tasks that are spawned in it see nothing.
pub async fn acting_for<T>(company: CompanyId, work: impl Future<Output = T>) -> T {
    COMPANY.scope(company, work).await
}

/// The same for what is polled by hand, such as the body of an answer.
pub fn polling_for<T>(company: CompanyId, poll: impl FnOnce() -> T) -> T {
    COMPANY.sync_scope(company, poll)
}

/// Does work in which one query forgets its company ([`asset::pick`](super::asset::pick)), so that a test can show that
/// this wall holds alone. Builds for people have no such thing.
#[cfg(debug_assertions)]
pub async fn forgetting<T>(work: impl Future<Output = T>) -> T {
    FORGETS.scope((), work).await
}

/// Whether [`forgetting`] is the order.
pub(super) fn is_forgotten() -> bool {
    cfg!(debug_assertions) && FORGETS.try_with(|()| ()).is_ok()
}

/// The name that a connection gets in this task.
fn name() -> String {
    COMPANY.try_with(|company| format!("offprint/{company}")).unwrap_or_else(|_| NOBODY.to_owned())
}

async fn rename(connection: &mut Connection, name: &str) -> Result<(), sqlx::Error> {
    let renamed = sqlx::query("select set_config('application_name', $1, false)").bind(name).execute(connection);
    timeout(SIGN_OF_LIFE, renamed).await.unwrap_or_else(|_| Err(silent())).map(drop)
}

/// A pool whose connections see the company of the task that takes them.
pub(super) fn of_companies(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    pool.after_connect(|connection, _| Box::pin(async move { rename(connection, &name()).await }))
        .before_acquire(|connection, _| Box::pin(async move { rename(connection, &name()).await.map(|()| true) }))
        .connect_lazy_with(options.application_name(NOBODY))
}

/// A pool whose connections see everything.
pub(super) fn of_the_service(pool: PgPoolOptions, options: PgConnectOptions) -> PgPool {
    pool.connect_lazy_with(options.application_name(ALL))
}

/// Whether the wall stands: the database's role is bound by it. A superuser is not, nor a role with BYPASSRLS.
///
/// # Errors
/// When the database does not answer.
pub async fn stands(pool: &PgPool) -> Result<bool, Error> {
    let sql = "select not (rolsuper or rolbypassrls) from pg_roles where rolname = current_user";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_named_after_the_company_of_its_task() {
        let company = CompanyId::new();
        let named = format!("offprint/{company}");
        assert_eq!(name(), NOBODY);
        assert_eq!(acting_for(company, async { name() }).await, named);
        assert_eq!(polling_for(company, name), named);
        assert_eq!(
            acting_for(company, async { tokio::spawn(async { name() }).await.ok() }).await.as_deref(),
            Some(NOBODY)
        );
        assert!(named.len() < 64, "Postgres cuts longer names");
    }
}
