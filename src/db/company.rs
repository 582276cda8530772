//! Companies: the tenants. Open mode has one.

use crate::db::{Error, PgPool};
use crate::id::CompanyId;

/// The company of an installation without access control; made when it is not there yet.
pub async fn default(pool: &PgPool) -> Result<CompanyId, Error> {
    let company = sqlx::query_scalar(
        "insert into company (company_id, name) values ($1, 'default')
         on conflict on constraint company_name_taken do update set name = excluded.name
         returning company_id",
    )
    .bind(CompanyId::new())
    .fetch_one(pool)
    .await?;
    Ok(company)
}
