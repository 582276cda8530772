//! Which types of assets can be exported, and which can be converted.

/// What an asset's type means for an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container of other assets: has no file of its own and cannot be exported (`types/c-data-types/r-exportjob`).
    Set,
    /// A picture: can be converted, if its format is one that we read.
    Picture,
    /// A file of another kind: can be handed out as it is.
    Other,
}

/// The types of sets.
pub const SETS: [&str; 8] = ["ImageSet", "RenderSet", "SpinSet", "MediaSet", "MbrSet", "VideoSet", "Catalog", "OfferSet"];

const PICTURES: [&str; 3] = ["Image", "AnimatedGif", "Mask"];

impl Kind {
    /// The kind of an asset's type.
    pub fn of(asset_type: &str) -> Self {
        if SETS.contains(&asset_type) {
            Self::Set
        } else if PICTURES.contains(&asset_type) {
            Self::Picture
        } else {
            Self::Other
        }
    }
}
