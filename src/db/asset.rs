//! Assets: uploaded files, and sets of them. They are listed and searched in [`super::asset_list`]. Deleted assets keep their row
//! while a job uses it; no query but [`is_asset_registered`] returns them.

use offprint_core::Digest;
use serde_json::{Value, json};
use sqlx::types::Json;

pub use crate::db::asset_record::{
    AssetChange, AssetCriteria, AssetCursor, AssetRow, AssetType, MetadataEdit, NewAsset, NewAssetSet, Original,
};
use crate::db::metadata_map::MetadataChange;
use crate::db::{DbConnection, DbError, collect_rows, retention, row_level_security};
use crate::id::{AssetId, CompanyId};

/// The columns of an [`AssetRow`].
macro_rules! asset_columns {
    () => {
        "asset_id, type, name, file_name, folder, sha256, size, mime, header, unconvertible, url_modifier,
         url_post_apply_modifier, settings, member_array, metadata, entry_time, created_at, updated_at"
    };
}
pub(super) use asset_columns;

/// Finds the assets with these handles, in any order. Handles that are unknown, deleted or another company's are left
/// out.
pub async fn find_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    handles: &[AssetId],
) -> Result<Vec<AssetRow>, DbError> {
    macro_rules! select {
        ($company:literal) => {
            concat!(
                "select ",
                asset_columns!(),
                " from asset where ",
                $company,
                " and asset_id = any($2) and deleted_at is null"
            )
        };
    }
    let handles: Vec<_> = handles.iter().map(|handle| handle.0).collect();
    let sql = if row_level_security::is_company_filter_skipped() {
        select!("$1::uuid is not null")
    } else {
        select!("company_id = $1")
    };
    collect_rows(sqlx::query_as(sql).bind(company).bind(handles).fetch(connection)).await
}

/// Fetches the asset with this handle.
pub async fn fetch_asset(
    connection: &mut DbConnection,
    company: CompanyId,
    handle: AssetId,
) -> Result<AssetRow, DbError> {
    find_assets(connection, company, &[handle]).await?.pop().ok_or(DbError::NotFound("asset"))
}

/// Registers an uploaded file. Its blob must exist.
pub async fn insert_asset(connection: &mut DbConnection, company: CompanyId, new: &NewAsset) -> Result<(), DbError> {
    insert_assets(connection, company, std::slice::from_ref(new)).await
}

/// Registers several assets, in one statement: the company's usage is counted once.
pub async fn insert_assets(connection: &mut DbConnection, company: CompanyId, new: &[NewAsset]) -> Result<(), DbError> {
    let rows: Vec<Value> = new.iter().map(build_asset_record).collect();
    sqlx::query(
        "insert into asset (company_id, asset_id, type, name, file_name, folder, sha256, size, mime, header, unconvertible,
                            entry_time, url_modifier, url_post_apply_modifier, settings, metadata)
         select $1, asset_id, type, name, file_name, folder, decode(sha256, 'hex'), size, mime, header, unconvertible,
                coalesce(entry_time, now()), coalesce(url_modifier, ''), coalesce(url_post_apply_modifier, ''),
                coalesce(settings, '{}'), metadata
           from jsonb_to_recordset($2) as new (
                asset_id uuid, type text, name text, file_name text, folder text, sha256 text, size bigint, mime text,
                header jsonb, unconvertible jsonb, entry_time timestamptz, url_modifier text, url_post_apply_modifier text,
                settings jsonb, metadata jsonb)",
    )
    .bind(company)
    .bind(Json(rows))
    .execute(connection)
    .await?;
    Ok(())
}

fn build_asset_record(new: &NewAsset) -> Value {
    let (original, record) = (&new.original, &new.record);
    json!({
        "asset_id": new.asset_id, "type": original.kind, "name": new.name, "file_name": new.file_name, "folder": new.folder,
        "sha256": original.sha256, "size": original.size, "mime": original.mime, "header": original.header,
        "unconvertible": original.unconvertible, "entry_time": original.entry_time, "url_modifier": record.url_modifier,
        "url_post_apply_modifier": record.url_post_apply_modifier, "settings": record.settings, "metadata": new.metadata,
    })
}

/// Registers a set.
pub async fn insert_asset_set(
    connection: &mut DbConnection,
    company: CompanyId,
    new: &NewAssetSet,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into asset (company_id, asset_id, type, name, folder, member_array, entry_time, metadata)
         values ($1, $2, $3, $4, $5, $6, now(), $7)",
    )
    .bind(company)
    .bind(new.asset_id)
    .bind(new.kind)
    .bind(&new.name)
    .bind(&new.folder)
    .bind(Json(&new.members))
    .bind(Json(&new.metadata))
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks an asset until the transaction ends, and returns it as it is then.
pub async fn lock_asset(
    connection: &mut DbConnection,
    company: CompanyId,
    handle: AssetId,
) -> Result<AssetRow, DbError> {
    sqlx::query("select from asset where company_id = $1 and asset_id = $2 and deleted_at is null for no key update")
        .bind(company)
        .bind(handle)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(DbError::NotFound("asset"))?;
    fetch_asset(connection, company, handle).await
}

/// Locks assets until the transaction ends, in the order of their handles, and returns those that exist as they are then.
pub async fn lock_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    handles: &[AssetId],
) -> Result<Vec<AssetRow>, DbError> {
    sqlx::query(
        "select from asset where company_id = $1 and asset_id = any($2) and deleted_at is null
          order by asset_id for no key update",
    )
    .bind(company)
    .bind(handles.iter().map(|handle| handle.0).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    find_assets(connection, company, handles).await
}

/// Changes names, folder, modifiers, settings and metadata of an asset. The caller checks afterwards how many entries its metadata
/// has.
pub async fn update_asset(
    connection: &mut DbConnection,
    company: CompanyId,
    handle: AssetId,
    change: &AssetChange,
) -> Result<(), DbError> {
    let metadata = match &change.metadata {
        Some(MetadataEdit::Merge(change)) => change.clone(),
        _ => MetadataChange::default(),
    };
    let updated = sqlx::query(
        "update asset
         set name = coalesce($3, name),
             file_name = coalesce($4, file_name),
             folder = coalesce($5, folder),
             url_modifier = coalesce($6, url_modifier),
             url_post_apply_modifier = coalesce($7, url_post_apply_modifier),
             settings = coalesce($10, settings),
             -- A merge patch of texts: null removes an entry.
             metadata = jsonb_strip_nulls(case when $8 then '{}' else metadata end || $9::jsonb),
             updated_at = now()
         where company_id = $1 and asset_id = $2 and deleted_at is null",
    )
    .bind(company)
    .bind(handle)
    .bind(&change.name)
    .bind(&change.file_name)
    .bind(&change.folder)
    .bind(&change.url_modifier)
    .bind(&change.url_post_apply_modifier)
    .bind(matches!(change.metadata, Some(MetadataEdit::Clear)))
    .bind(Json(metadata))
    .bind(&change.settings)
    .execute(connection)
    .await?;
    ensure_one_row(updated.rows_affected())
}

/// Changes names, folders, modifiers and settings of many assets, each at most once.
pub async fn update_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    changes: &[(AssetId, AssetChange)],
) -> Result<(), DbError> {
    let texts = |text: fn(&AssetChange) -> &Option<String>| changes.iter().map(move |(_, change)| text(change).clone());
    sqlx::query(
        "update asset
         set name = coalesce(new.name, asset.name),
             file_name = coalesce(new.file_name, asset.file_name),
             folder = coalesce(new.folder, asset.folder),
             url_modifier = coalesce(new.url_modifier, asset.url_modifier),
             url_post_apply_modifier = coalesce(new.url_post_apply_modifier, asset.url_post_apply_modifier),
             settings = coalesce(new.settings, asset.settings),
             updated_at = now()
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[])
           as new (asset_id, name, file_name, folder, url_modifier, url_post_apply_modifier, settings)
         where asset.company_id = $1 and asset.asset_id = new.asset_id and asset.deleted_at is null",
    )
    .bind(company)
    .bind(changes.iter().map(|(handle, _)| handle.0).collect::<Vec<_>>())
    .bind(texts(|change| &change.name).collect::<Vec<_>>())
    .bind(texts(|change| &change.file_name).collect::<Vec<_>>())
    .bind(texts(|change| &change.folder).collect::<Vec<_>>())
    .bind(texts(|change| &change.url_modifier).collect::<Vec<_>>())
    .bind(texts(|change| &change.url_post_apply_modifier).collect::<Vec<_>>())
    .bind(changes.iter().map(|(_, change)| change.settings.clone()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces the original of an asset. Jobs that were created before keep the old one, which is returned; it counts
/// toward the company's quota as long as they need it.
pub async fn replace_original(
    connection: &mut DbConnection,
    company: CompanyId,
    handle: AssetId,
    original: &Original,
) -> Result<Digest, DbError> {
    // Its blob is locked before its row, as everywhere: a release locks the blob and then counts.
    let old: Option<[u8; 32]> = sqlx::query_scalar(
        "select blob.sha256 from asset join blob using (sha256)
          where company_id = $1 and asset_id = $2 and deleted_at is null for key share of blob for update of asset",
    )
    .bind(company)
    .bind(handle)
    .fetch_optional(&mut *connection)
    .await?;
    let old = Digest::from(old.ok_or(DbError::NotFound("asset"))?);
    let updated = sqlx::query(
        "update asset
         set type = $3, sha256 = $4, size = $5, mime = $6, header = $7, unconvertible = $8,
             entry_time = coalesce($9, now()), updated_at = now()
         where company_id = $1 and asset_id = $2 and deleted_at is null and sha256 is not null",
    )
    .bind(company)
    .bind(handle)
    .bind(original.kind)
    .bind(original.sha256.to_bytes())
    .bind(original.size)
    .bind(&original.mime)
    .bind(&original.header)
    .bind(original.unconvertible.as_ref().map(Json))
    .bind(original.entry_time)
    .execute(&mut *connection)
    .await?;
    ensure_one_row(updated.rows_affected())?;
    retention::note_replaced_original(connection, company, old).await?;
    Ok(old)
}

/// Deletes an asset: hides it at once. Its row is removed when no job uses it any more.
pub async fn hide_asset(connection: &mut DbConnection, company: CompanyId, handle: AssetId) -> Result<(), DbError> {
    let updated = sqlx::query(
        "update asset set deleted_at = now(), updated_at = now()
         where company_id = $1 and asset_id = $2 and deleted_at is null",
    )
    .bind(company)
    .bind(handle)
    .execute(connection)
    .await?;
    ensure_one_row(updated.rows_affected())
}

fn ensure_one_row(rows: u64) -> Result<(), DbError> {
    if rows == 1 { Ok(()) } else { Err(DbError::NotFound("asset")) }
}

/// Whether the handle belongs to an asset, deleted or not.
pub async fn is_asset_registered(
    connection: &mut DbConnection,
    company: CompanyId,
    handle: AssetId,
) -> Result<bool, DbError> {
    let exists = sqlx::query_scalar("select exists (select from asset where company_id = $1 and asset_id = $2)")
        .bind(company)
        .bind(handle)
        .fetch_one(connection)
        .await?;
    Ok(exists)
}
