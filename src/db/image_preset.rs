//! Image presets: stored, named modifiers. Names do not mind case.

use chrono::{DateTime, Utc};

use crate::db::{Connection, Error};
use crate::id::CompanyId;

/// An image preset.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ImagePreset {
    /// Its name, as it was written first.
    pub name: String,
    /// The modifier that its macro stands for.
    pub url_modifier: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was saved first.
    pub created_at: DateTime<Utc>,
    /// When it was saved last.
    pub updated_at: DateTime<Utc>,
}

/// Names and modifiers of all presets, as the language takes macros.
pub async fn all(connection: &mut Connection, company: CompanyId) -> Result<Vec<(String, String)>, Error> {
    let presets = sqlx::query_as("select name, url_modifier from image_preset where company_id = $1 order by name")
        .bind(company)
        .fetch_all(connection)
        .await?;
    Ok(presets)
}

/// The preset with this name.
pub async fn fetch(connection: &mut Connection, company: CompanyId, name: &str) -> Result<ImagePreset, Error> {
    sqlx::query_as(
        "select name, url_modifier, description, created_at, updated_at
         from image_preset
         where company_id = $1 and lower(name) = lower($2)",
    )
    .bind(company)
    .bind(name)
    .fetch_optional(connection)
    .await?
    .ok_or(Error::Missing("image preset"))
}

/// At most `limit` presets in the order of their names, from the one after `after` on.
pub async fn list(
    connection: &mut Connection,
    company: CompanyId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ImagePreset>, Error> {
    let presets = sqlx::query_as(
        "select name, url_modifier, description, created_at, updated_at
         from image_preset
         where company_id = $1 and ($2::text is null or lower(name) > lower($2))
         order by lower(name)
         limit $3",
    )
    .bind(company)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(presets)
}

/// Saves a preset; says whether it is new. One whose name differs in case only is the same preset.
pub async fn save(
    connection: &mut Connection,
    company: CompanyId,
    name: &str,
    url_modifier: &str,
    description: Option<&str>,
) -> Result<bool, Error> {
    // `xmax` is set on rows that were there before.
    let new = sqlx::query_scalar(
        "insert into image_preset (company_id, name, url_modifier, description) values ($1, $2, $3, $4)
         on conflict (company_id, lower(name))
         do update set url_modifier = excluded.url_modifier, description = excluded.description, updated_at = now()
         returning xmax = 0",
    )
    .bind(company)
    .bind(name)
    .bind(url_modifier)
    .bind(description)
    .fetch_one(connection)
    .await?;
    Ok(new)
}

/// Locks the company's presets against other savers, so that two of them cannot close a circle together.
pub async fn lock(connection: &mut Connection, company: CompanyId) -> Result<(), Error> {
    sqlx::query("select 1 from company where company_id = $1 for no key update")
        .bind(company)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a preset. Jobs have its text already.
pub async fn delete(connection: &mut Connection, company: CompanyId, name: &str) -> Result<(), Error> {
    let done = sqlx::query("delete from image_preset where company_id = $1 and lower(name) = lower($2)")
        .bind(company)
        .bind(name)
        .execute(connection)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(Error::Missing("image preset")) }
}
