//! Image presets: stored, named modifiers. Names are compared ignoring case.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::{DbConnection, DbError};
use crate::id::CompanyId;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ImagePresetRow {
    /// As spelled when it was first saved.
    pub name: String,
    /// What the macro `$name$` expands to.
    pub url_modifier: String,
    pub description: Option<String>,
    pub watermark: Option<Json<PresetWatermark>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What is laid over the images that a preset makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetWatermark {
    /// The asset, by name or handle. Its own modifier says how it looks: `sizeN` relative to the image, `align`, `opac`,
    /// `blendMode`.
    #[schema(max_length = 1200, example = "logo")]
    pub asset: String,
    /// Whether it is repeated over the whole image. Default: false.
    #[serde(default)]
    #[schema(required = false)]
    pub tiled: bool,
}

/// A preset as a macro.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MacroRow {
    pub name: String,
    pub url_modifier: String,
    pub watermark: Option<Json<PresetWatermark>>,
}

/// Lists all presets, for the expansion of macros.
pub async fn list_macros(connection: &mut DbConnection, company: CompanyId) -> Result<Vec<MacroRow>, DbError> {
    let presets =
        sqlx::query_as("select name, url_modifier, watermark from image_preset where company_id = $1 order by name")
            .bind(company)
            .fetch_all(connection)
            .await?;
    Ok(presets)
}

/// Fetches the preset with this name.
pub async fn fetch_image_preset(
    connection: &mut DbConnection,
    company: CompanyId,
    name: &str,
) -> Result<ImagePresetRow, DbError> {
    sqlx::query_as(
        "select name, url_modifier, description, watermark, created_at, updated_at
         from image_preset
         where company_id = $1 and lower(name) = lower($2)",
    )
    .bind(company)
    .bind(name)
    .fetch_optional(connection)
    .await?
    .ok_or(DbError::NotFound("image preset"))
}

/// Lists at most `limit` presets after the given name, in order of name.
pub async fn list_image_presets(
    connection: &mut DbConnection,
    company: CompanyId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ImagePresetRow>, DbError> {
    let presets = sqlx::query_as(
        "select name, url_modifier, description, watermark, created_at, updated_at
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

/// Saves a preset and returns whether it is new. A name that differs only in case is the same preset.
pub async fn save_image_preset(
    connection: &mut DbConnection,
    company: CompanyId,
    name: &str,
    url_modifier: &str,
    description: Option<&str>,
    watermark: Option<&PresetWatermark>,
) -> Result<bool, DbError> {
    // `xmax` is 0 on inserted rows and set on updated ones.
    let is_new = sqlx::query_scalar(
        "insert into image_preset (company_id, name, url_modifier, description, watermark) values ($1, $2, $3, $4, $5)
         on conflict (company_id, lower(name))
         do update set url_modifier = excluded.url_modifier, description = excluded.description,
                       watermark = excluded.watermark, updated_at = now()
         returning xmax = 0",
    )
    .bind(company)
    .bind(name)
    .bind(url_modifier)
    .bind(description)
    .bind(watermark.map(Json))
    .fetch_one(connection)
    .await?;
    Ok(is_new)
}

/// Lets those who save presets of a company wait for each other, so that two of them cannot together make presets that
/// call each other in a circle.
pub async fn lock_image_presets(connection: &mut DbConnection, company: CompanyId) -> Result<(), DbError> {
    sqlx::query("select 1 from company where company_id = $1 for no key update")
        .bind(company)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a preset. Existing jobs contain its text.
pub async fn delete_image_preset(connection: &mut DbConnection, company: CompanyId, name: &str) -> Result<(), DbError> {
    let deleted = sqlx::query("delete from image_preset where company_id = $1 and lower(name) = lower($2)")
        .bind(company)
        .bind(name)
        .execute(connection)
        .await?;
    if deleted.rows_affected() == 1 { Ok(()) } else { Err(DbError::NotFound("image preset")) }
}
