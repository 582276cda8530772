//! Assets as rows and as what is written of them. The queries are in [`super::asset`].

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::metadata_map::{MetadataChange, MetadataMap};
use crate::db::optional_digest::OptionalDigest;
use crate::id::AssetId;
use crate::reason::Reason;

/// Type of an asset, detected from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text")]
pub enum AssetType {
    /// A raster image.
    Image,
    /// A GIF with more than one frame.
    AnimatedGif,
    /// A vector image in SVG.
    Svg,
    /// A PDF document.
    Pdf,
    /// PostScript, encapsulated or not.
    PostScript,
    /// PostScript written by Illustrator.
    Illustrator,
    /// A video.
    Video,
    /// An audio file.
    Audio,
    /// A font.
    Font,
    /// An ICC colour profile.
    IccProfile,
    /// A zip file.
    Zip,
    /// A text, table, presentation, book or web page.
    Document,
    /// XML that is none of the other types.
    Xml,
    /// Any other file.
    Other,
    /// A set: images that belong together.
    ImageSet,
    /// A set: rendered views.
    RenderSet,
    /// A set: views around an object.
    SpinSet,
    /// A set: images and videos.
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
    /// The name as it is serialized.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether it has members instead of a file, so that it cannot be exported.
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

    /// Whether it is a raster image, which can be converted if its format can be read.
    pub fn is_raster(self) -> bool {
        matches!(self, Self::Image | Self::AnimatedGif)
    }
}

/// An asset that is not deleted.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AssetRow {
    pub asset_id: AssetId,
    #[sqlx(rename = "type")]
    pub kind: AssetType,
    /// Initially the file name without its extension.
    pub name: String,
    /// None for sets.
    pub file_name: Option<String>,
    /// As `a/b`; empty at the top.
    pub folder: String,
    /// The original; none for sets.
    #[sqlx(try_from = "OptionalDigest")]
    pub sha256: Option<Digest>,
    /// Bytes of the original.
    pub size: Option<i64>,
    /// Media type of the original.
    pub mime: Option<String>,
    /// What the image header says, as JSON; none when it is no image or its header cannot be read.
    pub header: Option<Value>,
    /// Why the original cannot be converted, where that was found at upload.
    pub unconvertible: Option<Json<Reason>>,
    /// Applied before a job's modifier.
    pub url_modifier: String,
    /// Applied after a job's modifier.
    pub url_post_apply_modifier: String,
    /// What modifiers take from the asset: a JSON object with mask, anchor, resolution, crops and so on.
    pub settings: Value,
    /// Members of a set, as given.
    pub member_array: Option<Json<Vec<AssetId>>>,
    /// The client's own texts.
    pub metadata: Json<MetadataMap>,
    /// Time of its entry in archives.
    pub entry_time: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The facts about an original: everything that changes when it is replaced.
#[derive(Clone, Debug)]
pub struct Original {
    pub kind: AssetType,
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
    /// Media type.
    pub mime: String,
    pub header: Option<Value>,
    /// Why it cannot be converted; none for images whose header can be read.
    pub unconvertible: Option<Reason>,
    /// When the file was last changed, for its entry in archives; none: the time of the upload.
    pub entry_time: Option<DateTime<Utc>>,
}

/// An uploaded file to register.
#[derive(Clone, Debug)]
pub struct NewAsset {
    pub asset_id: AssetId,
    pub name: String,
    pub file_name: String,
    pub folder: String,
    pub metadata: MetadataMap,
    pub original: Original,
    /// What is kept with it from the beginning: modifiers and settings.
    pub record: AssetChange,
}

/// A set to register.
#[derive(Clone, Debug)]
pub struct NewAssetSet {
    pub asset_id: AssetId,
    /// One of the types for which [`AssetType::is_set`] holds.
    pub kind: AssetType,
    pub name: String,
    pub folder: String,
    pub metadata: MetadataMap,
    pub members: Vec<AssetId>,
}

/// Criteria for assets. None means no restriction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AssetCriteria {
    /// In one of these.
    pub folders: Option<Vec<String>>,
    /// Whether their subfolders are included.
    pub recursive: bool,
    pub kind: Option<AssetType>,
    /// Beginning of the name; case-sensitive.
    pub name: Option<String>,
    /// Name or file name is one of these.
    pub names: Option<Vec<String>>,
    pub sha256: Option<Digest>,
    pub updated_since: Option<DateTime<Utc>>,
    /// Tags that an asset must have, in lower case.
    pub tags: Vec<String>,
    /// Entries that an asset must have.
    pub metadata: MetadataMap,
}

/// Position in a list of assets: folder, name, handle.
pub type AssetCursor = (String, String, AssetId);

/// Changes to an asset; none: unchanged.
#[derive(Clone, Debug, Default)]
pub struct AssetChange {
    pub name: Option<String>,
    pub file_name: Option<String>,
    pub folder: Option<String>,
    pub url_modifier: Option<String>,
    pub url_post_apply_modifier: Option<String>,
    /// All of them, not only those that change.
    pub settings: Option<Value>,
    pub metadata: Option<MetadataEdit>,
}

/// A change of an asset's metadata.
#[derive(Clone, Debug)]
pub enum MetadataEdit {
    /// Removes all entries.
    Clear,
    Merge(MetadataChange),
}
