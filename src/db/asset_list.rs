//! Assets as they are listed and searched. A company may have a million: no page of a list may read all of them.
//!
//! Statements have only the conditions that were asked for, and are planned with their values; [`super::job_list`] says why, and
//! which conditions an index can serve.

use offprint_core::Digest;
use offprint_core::name::normalize_name;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};

use crate::db::asset::asset_columns;
use crate::db::asset_record::{AssetCriteria, AssetCursor, AssetRow};
use crate::db::text_range::push_prefix;
use crate::db::{DbConnection, DbError, collect_rows};
use crate::id::CompanyId;

/// Finds at most `limit` assets that match the criteria, in order of folder, name, handle.
pub async fn find_matching_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    criteria: &AssetCriteria,
    limit: i64,
) -> Result<Vec<AssetRow>, DbError> {
    list_assets(connection, company, criteria, None, limit).await
}

/// Lists at most `limit` assets that match the criteria, in order of folder, name, handle, after the cursor.
pub async fn list_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    criteria: &AssetCriteria,
    after: Option<AssetCursor>,
    limit: i64,
) -> Result<Vec<AssetRow>, DbError> {
    let mut sql =
        QueryBuilder::<Postgres>::new(concat!("select ", asset_columns!(), " from asset where company_id = "));
    sql.push_bind(company).push(" and deleted_at is null");
    push_criteria(&mut sql, criteria);
    if let Some((folder, name, handle)) = after {
        sql.push(" and (folder, name, asset_id) > (").push_bind(folder).push(", ").push_bind(name);
        sql.push(", ").push_bind(handle).push(")");
    }
    sql.push(" order by folder, name, asset_id limit ").push_bind(limit);
    collect_rows(sql.build_query_as().persistent(false).fetch(connection)).await
}

fn push_criteria(sql: &mut QueryBuilder<Postgres>, criteria: &AssetCriteria) {
    if let Some(folders) = &criteria.folders {
        push_folders(sql, folders, criteria.recursive);
    }
    if let Some(kind) = criteria.kind {
        sql.push(" and type = ").push_bind(kind);
    }
    if let Some(name) = &criteria.name {
        push_prefix(sql, "name", name);
    }
    if let Some(names) = &criteria.names {
        sql.push(" and (name = any (").push_bind(names.clone());
        sql.push(") or file_name = any (").push_bind(names.clone()).push("))");
    }
    if let Some(sha256) = criteria.sha256 {
        sql.push(" and sha256 = ").push_bind(Digest::to_bytes(sha256));
    }
    if let Some(since) = criteria.updated_since {
        sql.push(" and updated_at >= ").push_bind(since);
    }
    if !criteria.metadata.is_empty() {
        sql.push(" and metadata @> ").push_bind(Json(criteria.metadata.clone()));
    }
    for tag in &criteria.tags {
        // Most assets are left out by the cheap half.
        sql.push(" and strpos(lower(metadata ->> 'tags'), ").push_bind(tag.clone());
        sql.push(") > 0 and ").push_bind(tag.clone());
        sql.push(" = any (regexp_split_to_array(lower(btrim(metadata ->> 'tags')), ' *, *'))");
    }
}

/// In one of these folders; or below them, where `recursive`.
fn push_folders(sql: &mut QueryBuilder<Postgres>, folders: &[String], recursive: bool) {
    if !recursive {
        match folders {
            [folder] => sql.push(" and folder = ").push_bind(folder.clone()),
            _ => sql.push(" and folder = any (").push_bind(folders.to_vec()).push(")"),
        };
        return;
    }
    // The top folder has all others below it.
    if folders.iter().any(String::is_empty) {
        return;
    }
    if let [folder] = folders {
        // One range, so that the rows come in the order of the list. Between a folder and what is below it stand others,
        // such as `a-b` between `a` and `a/b`.
        sql.push(" and folder >= ").push_bind(folder.clone());
        sql.push(" and folder < ").push_bind(format!("{folder}0"));
    }
    sql.push(" and (false");
    for folder in folders {
        sql.push(" or folder = ").push_bind(folder.clone());
        sql.push(" or folder >= ").push_bind(format!("{folder}/"));
        sql.push(" and folder < ").push_bind(format!("{folder}0"));
    }
    sql.push(")");
}

/// Lists the names of at most `limit` folders right below a folder that have assets in them or below them, in order. Where
/// there are more, which ones are left out is not defined to the last one.
///
/// It reads two assets of each of these folders, however many they have: from the first asset of one it goes on behind all
/// of that folder's (a loose index scan). `bound` is a column of its own because a condition that calls functions is not looked up
/// in an index where rows are protected.
pub async fn list_subfolders(
    connection: &mut DbConnection,
    company: CompanyId,
    folder: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    macro_rules! select_next {
        ($from:literal, $number:literal) => {
            concat!(
                "select named.name, ",
                // Behind the folder itself come others such as `a-b`, then what is below it, then `0`, which follows the slash.
                "$2 || named.name || case when found.folder = $2 || named.name then E'\\x01' else '0' end as bound, ",
                $number,
                " as number from ",
                $from,
                " cross join lateral (select split_part(substr(found.folder, length($2) + 1), '/', 1) as name) named"
            )
        };
    }
    let sql = concat!(
        "with recursive step as (",
        select_next!(
            "(select folder from asset where company_id = $1 and deleted_at is null and folder >= $3 and folder < $4
               order by folder limit 1) found",
            "1"
        ),
        " union all ",
        select_next!(
            "step cross join lateral (
                 select folder from asset where company_id = $1 and deleted_at is null and folder >= step.bound and folder < $4
                  order by folder limit 1) found",
            "step.number + 1"
        ),
        // The folder itself and what is below it are two steps.
        "   where step.number < 2 * $5
         )
         select name from (select distinct name from step) listed order by name collate \"C\" limit $5"
    );
    let (prefix, first, end) = match folder {
        // Everything but the top folder itself.
        "" => (String::new(), "\u{1}".to_owned(), "\u{10ffff}".to_owned()),
        folder => (format!("{folder}/"), format!("{folder}/"), format!("{folder}0")),
    };
    let query = sqlx::query_scalar(sql).bind(company).bind(prefix).bind(first).bind(end).bind(limit);
    Ok(query.fetch_all(connection).await?)
}

/// Which of these names assets have, as name or as file name.
pub async fn find_known_names(
    connection: &mut DbConnection,
    company: CompanyId,
    names: &[String],
) -> Result<Vec<String>, DbError> {
    let known = sqlx::query_scalar(
        "select name from asset where company_id = $1 and deleted_at is null and name = any ($2)
          union
         select file_name from asset where company_id = $1 and deleted_at is null and file_name = any ($2)",
    )
    .bind(company)
    .bind(names)
    .fetch_all(connection)
    .await?;
    Ok(known)
}

/// An asset that was searched by name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct NamedAssetRow {
    /// The name that was searched.
    pub wanted: String,
    /// How many assets match the name as well as this one.
    pub count: i64,
    #[sqlx(flatten)]
    pub asset: AssetRow,
}

/// Finds the assets that match these names: for each name one of those that match best, by handle, then by folder and
/// name, by folder and file name, by name, by file name. A name may begin with a root ID and a slash, as references of
/// Image Serving do: the company's name, one of its own root IDs, or one of `root_ids`. An asset that has the whole name
/// comes before. Documentation page: r-object.
pub async fn find_assets_by_name(
    connection: &mut DbConnection,
    company: CompanyId,
    root_ids: &[String],
    names: &[String],
) -> Result<Vec<NamedAssetRow>, DbError> {
    // One comparison of columns per part, so that Postgres can use indexes for a few names, and hash joins for many. Names have
    // no slash: the last one ends the folder.
    let matches = sqlx::query_as(concat!(
        "with wanted as (
             select given.name as wanted, given.stored as name, 0 as rank
               from unnest($2::text[], $3::text[]) as given (name, stored)
              union all
             select given.name, substr(given.stored, strpos(given.stored, '/') + 1), 5
               from unnest($2::text[], $3::text[]) as given (name, stored), company
              where company.company_id = $1
                and split_part(given.stored, '/', 1) = any (company.root_ids || company.name || $4::text[])
                and strpos(given.stored, '/') between 2 and length(given.stored) - 1
         ), parsed as materialized (
             -- Columns, because conditions that call functions are not looked up in an index where rows are protected.
             select wanted, rank, name,
                    case when name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then name::uuid end as handle,
                    coalesce(substring(name from '^(.*)/[^/]*$'), '') as folder, substring(name from '[^/]*$') as last
               from wanted
         ), matches as (
             select wanted, rank + 0 as rank, asset_id from parsed
               join asset on company_id = $1 and asset_id = parsed.handle and deleted_at is null and sha256 is not null
              union all
             select wanted, rank + 1, asset_id from parsed
               join asset on company_id = $1 and asset.folder = parsed.folder and asset.name = parsed.last
                and deleted_at is null and sha256 is not null
              union all
             select wanted, rank + 2, asset_id from parsed
               join asset on company_id = $1 and asset.folder = parsed.folder and asset.file_name = parsed.last
                and deleted_at is null and sha256 is not null
              union all
             select wanted, rank + 3, asset_id from parsed
               join asset on company_id = $1 and asset.name = parsed.name and deleted_at is null and sha256 is not null
              union all
             select wanted, rank + 4, asset_id from parsed
               join asset on company_id = $1 and asset.file_name = parsed.name and deleted_at is null and sha256 is not null
         ), ranked as (
             -- A name may match every asset of the company, and only the first and their number are of interest.
             select wanted, asset_id as best, count(*) over (partition by wanted, rank) as count,
                    row_number() over (partition by wanted order by rank, asset_id) as place
               from matches
         )
         select ranked.wanted, ranked.count, ",
        asset_columns!(),
        " from ranked join asset on company_id = $1 and asset_id = best where place = 1"
    ))
    .bind(company)
    .bind(names)
    .bind(names.iter().map(|name| normalize_name(name)).collect::<Vec<_>>())
    .bind(root_ids)
    .persistent(false)
    .fetch(connection);
    collect_rows(matches).await
}
