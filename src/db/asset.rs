//! Assets: uploaded files, and the sets that were made of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::{Connection, Error, wall};
use crate::db::optional_digest::OptionalDigest;
use crate::digest::Digest;
use crate::id::{AssetId, CompanyId};

/// What an asset is, told from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text")]
pub enum AssetType {
    /// A raster picture.
    Image,
    /// A GIF with more than one frame.
    AnimatedGif,
    /// A vector picture in SVG.
    Svg,
    /// A PDF document.
    Pdf,
    /// PostScript, encapsulated or not.
    PostScript,
    /// PostScript written by Illustrator.
    Illustrator,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// A font.
    Font,
    /// An ICC colour profile.
    IccProfile,
    /// A zip file.
    Zip,
    /// A text, table, presentation, book or web page.
    Document,
    /// XML that is nothing else of this list.
    Xml,
    /// Any other file.
    Other,
    /// A set: pictures that belong together.
    ImageSet,
    /// A set: rendered views.
    RenderSet,
    /// A set: views around an object.
    SpinSet,
    /// A set: pictures and videos.
    MediaSet,
    /// A set: one video in several bit rates.
    MbrSet,
    /// A set: videos.
    VideoSet,
    /// A set: pages of a catalogue.
    Catalog,
    /// A set: offers.
    OfferSet,
}

impl AssetType {
    /// The word for it, as it goes over the wire.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether it has members in place of a file, so that it cannot be exported.
    pub fn is_set(self) -> bool {
        matches!(
            self,
            Self::ImageSet
                | Self::RenderSet
                | Self::SpinSet
                | Self::MediaSet
                | Self::MbrSet
                | Self::VideoSet
                | Self::Catalog
                | Self::OfferSet
        )
    }

    /// Whether it is made of pixels, so that it can be converted when its format can be read.
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Image | Self::AnimatedGif)
    }
}

/// An asset that was not deleted.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Asset {
    /// Its handle.
    pub asset_id: AssetId,
    /// What it is.
    #[sqlx(rename = "type")]
    pub kind: AssetType,
    /// What it is called: at first the file's name without its extension.
    pub name: String,
    /// The original's name; none for sets.
    pub file_name: Option<String>,
    /// The folder it is in, as `a/b`; empty for the top.
    pub folder: String,
    /// The original; none for sets.
    #[sqlx(try_from = "OptionalDigest")]
    pub sha256: Option<Digest>,
    /// Bytes of the original.
    pub size: Option<i64>,
    /// Media type of the original.
    pub mime: Option<String>,
    /// What the picture's header says; none where there is no picture or its header cannot be read.
    pub header: Option<Value>,
    /// Modifier that stands before a job's.
    pub url_modifier: String,
    /// Modifier that stands after a job's.
    pub url_post_apply_modifier: String,
    /// A set's members, as they were given.
    pub member_array: Option<Json<Vec<AssetId>>>,
    /// The time of its entry in archives.
    pub entry_time: DateTime<Utc>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When anything of it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// What is known of an original: everything that changes when it is replaced.
#[derive(Clone, Debug)]
pub struct Original {
    /// What it is.
    pub kind: AssetType,
    /// Its bytes.
    pub sha256: Digest,
    /// How many.
    pub size: i64,
    /// Media type.
    pub mime: String,
    /// What the picture's header says.
    pub header: Option<Value>,
    /// When it was made, for entries of archives. The moment of the upload when nobody knows.
    pub entry_time: Option<DateTime<Utc>>,
}

/// An uploaded file that is to be registered.
#[derive(Clone, Debug)]
pub struct NewAsset {
    /// Its handle.
    pub asset_id: AssetId,
    /// What it is called.
    pub name: String,
    /// The original's name.
    pub file_name: String,
    /// The folder to put it in.
    pub folder: String,
    /// The original.
    pub original: Original,
}

/// A set that is to be registered.
#[derive(Clone, Debug)]
pub struct NewSet {
    /// Its handle.
    pub asset_id: AssetId,
    /// One of the types that are sets.
    pub kind: AssetType,
    /// What it is called.
    pub name: String,
    /// The folder to put it in.
    pub folder: String,
    /// Handles of its members.
    pub members: Vec<AssetId>,
}

/// Which assets are meant. What is none does not matter.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AssetFilter {
    /// This folder only.
    pub folder: Option<String>,
    /// With all folders below it.
    pub recursive: bool,
    /// This type only.
    pub kind: Option<AssetType>,
    /// Names that begin like this; case counts.
    pub name: Option<String>,
    /// These bytes only.
    pub sha256: Option<Digest>,
}

/// Where an asset stands in lists: folder, name, handle.
pub type Place = (String, String, AssetId);

/// What is to be changed; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// A new name.
    pub name: Option<String>,
    /// A new name for the original.
    pub file_name: Option<String>,
    /// Another folder.
    pub folder: Option<String>,
    /// Another modifier before a job's.
    pub url_modifier: Option<String>,
    /// Another modifier after a job's.
    pub url_post_apply_modifier: Option<String>,
}

/// The live assets among these handles, in any order. Handles that are unknown or another company's are left out.
pub async fn pick(connection: &mut Connection, company: CompanyId, handles: &[AssetId]) -> Result<Vec<Asset>, Error> {
    macro_rules! select {
        ($company:literal) => {
            concat!(
                "select asset_id, type, name, file_name, folder, sha256, size, mime, header, url_modifier,
                        url_post_apply_modifier, member_array, entry_time, created_at, updated_at
                   from asset where ",
                $company,
                " and asset_id = any($2) and deleted_at is null"
            )
        };
    }
    let handles: Vec<_> = handles.iter().map(|handle| handle.0).collect();
    let sql = if wall::is_forgotten() { select!("$1::uuid is not null") } else { select!("company_id = $1") };
    Ok(sqlx::query_as(sql).bind(company).bind(handles).fetch_all(connection).await?)
}

/// The live asset with this handle.
pub async fn fetch(connection: &mut Connection, company: CompanyId, handle: AssetId) -> Result<Asset, Error> {
    pick(connection, company, &[handle]).await?.pop().ok_or(Error::Missing("asset"))
}

/// An asset that was looked for by a name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Named {
    /// The name that was looked for.
    pub wanted: String,
    /// How well it fits: 0 best.
    pub rank: i32,
    /// The asset.
    #[sqlx(flatten)]
    pub asset: Asset,
}

/// The live assets that names mean, best first: by handle, by folder and name, by folder and file name, by name, by file
/// name. The company's own name and a slash may stand before all of them, as in references of Image Serving.
pub async fn find_named(
    connection: &mut Connection,
    company: CompanyId,
    names: &[String],
) -> Result<Vec<Named>, Error> {
    // One plain comparison each, so that many names and many assets meet in hash joins.
    let named = sqlx::query_as(
        "with wanted as (
             select given.name as wanted,
                    case when starts_with(given.name, company.name || '/')
                         then substr(given.name, length(company.name) + 2) else given.name end as name
               from unnest($2::text[]) as given (name), company where company.company_id = $1
         ), live as (
             select *, case when folder = '' then '' else folder || '/' end as place
               from asset where company_id = $1 and deleted_at is null and sha256 is not null
         ), found as (
             select wanted, 0 as rank, asset_id from wanted join live on live.asset_id::text = wanted.name
              union all
             select wanted, 1, asset_id from wanted join live on live.place || live.name = wanted.name
              union all
             select wanted, 2, asset_id from wanted join live on live.place || live.file_name = wanted.name
              union all
             select wanted, 3, asset_id from wanted join live on live.name = wanted.name
              union all
             select wanted, 4, asset_id from wanted join live on live.file_name = wanted.name
         )
         select found.wanted, found.rank, live.asset_id, type, name, file_name, folder, sha256, size, mime, header, url_modifier,
                url_post_apply_modifier, member_array, entry_time, created_at, updated_at
           from found join live using (asset_id)
          order by found.wanted, found.rank, live.asset_id",
    )
    .bind(company)
    .bind(names)
    .fetch_all(connection)
    .await?;
    Ok(named)
}

/// At most `limit` assets that a filter means, in the order of folder, name, handle.
pub async fn filter_all(
    connection: &mut Connection,
    company: CompanyId,
    filter: &AssetFilter,
    limit: i64,
) -> Result<Vec<Asset>, Error> {
    list(connection, company, filter, None, limit).await
}

/// At most `limit` assets that a filter means, in the order of folder, name, handle, from the one after `after` on.
pub async fn list(
    connection: &mut Connection,
    company: CompanyId,
    filter: &AssetFilter,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Asset>, Error> {
    let (after_folder, after_name, after_handle) = match after {
        Some((folder, name, handle)) => (Some(folder), Some(name), Some(handle)),
        None => (None, None, None),
    };
    let assets = sqlx::query_as(
        "select asset_id, type, name, file_name, folder, sha256, size, mime, header, url_modifier,
                url_post_apply_modifier, member_array, entry_time, created_at, updated_at
         from asset
         where company_id = $1 and deleted_at is null
           and ($2::text is null or folder = $2 or ($3 and ($2 = '' or starts_with(folder, $2 || '/'))))
           and ($4::text is null or type = $4)
           and ($5::text is null or starts_with(name, $5))
           and ($6::bytea is null or sha256 = $6)
           and ($7::text is null or (folder, name, asset_id) > ($7, $8::text, $9::uuid))
         order by folder, name, asset_id
         limit $10",
    )
    .bind(company)
    .bind(&filter.folder)
    .bind(filter.recursive)
    .bind(filter.kind)
    .bind(&filter.name)
    .bind(filter.sha256.map(Digest::to_bytes))
    .bind(after_folder)
    .bind(after_name)
    .bind(after_handle)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(assets)
}

/// Registers an uploaded file whose blob is there.
pub async fn insert(connection: &mut Connection, company: CompanyId, new: &NewAsset) -> Result<(), Error> {
    let original = &new.original;
    sqlx::query(
        "insert into asset (company_id, asset_id, type, name, file_name, folder, sha256, size, mime, header, entry_time)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11, now()))",
    )
    .bind(company)
    .bind(new.asset_id)
    .bind(original.kind)
    .bind(&new.name)
    .bind(&new.file_name)
    .bind(&new.folder)
    .bind(original.sha256.to_bytes())
    .bind(original.size)
    .bind(&original.mime)
    .bind(&original.header)
    .bind(original.entry_time)
    .execute(connection)
    .await?;
    Ok(())
}

/// Registers a set.
pub async fn insert_set(connection: &mut Connection, company: CompanyId, new: &NewSet) -> Result<(), Error> {
    sqlx::query(
        "insert into asset (company_id, asset_id, type, name, folder, member_array, entry_time)
         values ($1, $2, $3, $4, $5, $6, now())",
    )
    .bind(company)
    .bind(new.asset_id)
    .bind(new.kind)
    .bind(&new.name)
    .bind(&new.folder)
    .bind(Json(&new.members))
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes what is said of an asset.
pub async fn change(
    connection: &mut Connection,
    company: CompanyId,
    handle: AssetId,
    change: &Change,
) -> Result<(), Error> {
    let done = sqlx::query(
        "update asset
         set name = coalesce($3, name),
             file_name = coalesce($4, file_name),
             folder = coalesce($5, folder),
             url_modifier = coalesce($6, url_modifier),
             url_post_apply_modifier = coalesce($7, url_post_apply_modifier),
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
    .execute(connection)
    .await?;
    one(done.rows_affected())
}

/// Puts other bytes under a handle. Jobs that pinned the old ones keep them.
pub async fn replace(
    connection: &mut Connection,
    company: CompanyId,
    handle: AssetId,
    original: &Original,
) -> Result<(), Error> {
    let done = sqlx::query(
        "update asset
         set type = $3, sha256 = $4, size = $5, mime = $6, header = $7, entry_time = coalesce($8, now()),
             updated_at = now()
         where company_id = $1 and asset_id = $2 and deleted_at is null and sha256 is not null",
    )
    .bind(company)
    .bind(handle)
    .bind(original.kind)
    .bind(original.sha256.to_bytes())
    .bind(original.size)
    .bind(&original.mime)
    .bind(&original.header)
    .bind(original.entry_time)
    .execute(connection)
    .await?;
    one(done.rows_affected())
}

/// Hides an asset. Jobs that pinned it keep what they took.
pub async fn hide(connection: &mut Connection, company: CompanyId, handle: AssetId) -> Result<(), Error> {
    let done = sqlx::query(
        "update asset set deleted_at = now(), updated_at = now()
         where company_id = $1 and asset_id = $2 and deleted_at is null",
    )
    .bind(company)
    .bind(handle)
    .execute(connection)
    .await?;
    one(done.rows_affected())
}

fn one(rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(Error::Missing("asset")) }
}

/// Whether the handle was ever given out, also to an asset that is hidden now.
pub async fn is_registered(connection: &mut Connection, company: CompanyId, handle: AssetId) -> Result<bool, Error> {
    let found = sqlx::query_scalar("select exists (select from asset where company_id = $1 and asset_id = $2)")
        .bind(company)
        .bind(handle)
        .fetch_one(connection)
        .await?;
    Ok(found)
}
