//! Row-level security: the second protection of companies from each other. Every query names its company; if one
//! forgets to, the database still shows only rows of the company for which the connection works (policies in
//! `migrations/0001_foundation.sql`).
//!
//! The company of a connection is its `application_name`. When the connection leaves the pool and had another one, it is set
//! from the surrounding [`run_as_company`], in which the authentication middleware runs each request. Outside of it a connection
//! sees no rows. `docs/decisions` number 35 says why it is the application name and not a setting of our own.

use std::future::Future;

use crate::db::{DbError, PgPool};
use crate::id::CompanyId;

/// Name of a connection that sees no rows.
pub(super) const NO_COMPANY_NAME: &str = "offprint/nobody";
/// Name of a connection for the service's own work, which sees all rows.
pub const ALL_COMPANIES_NAME: &str = "offprint/all";

tokio::task_local! {
    static ACTING_COMPANY: CompanyId;
    static SKIPS_COMPANY_FILTER: ();
}

/// Runs `work` so that connections of [`open_request_pool`](super::open_request_pool) see this company. Tasks that it
/// spawns see no rows.
pub async fn run_as_company<T>(company: CompanyId, work: impl Future<Output = T>) -> T {
    ACTING_COMPANY.scope(company, work).await
}

/// The same for a future or stream that is polled by hand, such as a response body.
pub fn poll_as_company<T>(company: CompanyId, poll: impl FnOnce() -> T) -> T {
    ACTING_COMPANY.sync_scope(company, poll)
}

/// Runs `work` with one query that forgets its company ([`find_assets`](super::asset::find_assets)), so that a test can
/// show that row-level security alone protects the rows. Not in release builds.
#[cfg(debug_assertions)]
#[cfg_attr(dead_code_check, expect(dead_code, reason = "for tests"))]
pub async fn skip_company_filter<T>(work: impl Future<Output = T>) -> T {
    SKIPS_COMPANY_FILTER.scope((), work).await
}

/// Whether this task runs inside of `skip_company_filter`.
pub(super) fn is_company_filter_skipped() -> bool {
    cfg!(debug_assertions) && SKIPS_COMPANY_FILTER.try_with(|()| ()).is_ok()
}

/// The application name for connections of this task.
pub(super) fn build_application_name() -> String {
    ACTING_COMPANY.try_with(|company| format!("offprint/{company}")).unwrap_or_else(|_| NO_COMPANY_NAME.to_owned())
}

/// Whether Postgres enforces row-level security for our role. It does not for superusers and roles with BYPASSRLS.
///
/// # Errors
/// When the database does not answer.
pub async fn is_row_level_security_enforced(pool: &PgPool) -> Result<bool, DbError> {
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
        assert_eq!(build_application_name(), NO_COMPANY_NAME);
        assert_eq!(run_as_company(company, async { build_application_name() }).await, named);
        assert_eq!(poll_as_company(company, build_application_name), named);
        assert_eq!(
            run_as_company(company, async { tokio::spawn(async { build_application_name() }).await.ok() })
                .await
                .as_deref(),
            Some(NO_COMPANY_NAME)
        );
        assert!(named.len() < 64, "Postgres cuts longer names");
    }
}
