//! The Image Serving modifier language: text to commands to a [`Recipe`]. Knows no pixels and nothing else of ours.
//!
//! A text is split into tokens ([`grammar`]), macros are put in their place ([`macros`]), variables are filled in
//! ([`variables`]), commands go to their segments ([`scope`]), and the last writer of each slot ([`slots`]) sets the
//! recipe ([`reader`]); [`understand`] says which texts stand around each other. What a command is called, may say and means stands in one table, [`command::COMMANDS`].

mod agreement;
mod attribute;
mod colour;
pub mod command;
mod companion;
mod complaint;
mod format;
mod grammar;
mod macros;
mod object;
mod path;
mod profile;
mod reader;
mod recipe;
mod scope;
mod silence;
mod slots;
mod understand;
mod value;
mod variables;

pub use attribute::Attributes;
pub use colour::Colour;
pub use command::{COMMANDS, Command, Scope, Support, commands};
pub use companion::{Companions, Own};
pub use complaint::{Complaint, ComplaintKind, Fault, Origin};
pub use format::{OutputFormat, output_words};
pub use grammar::is_blank;
pub use macros::{Macros, effective};
pub use object::Object;
pub use path::{Outline, Stroke};
pub use profile::{ProfileName, ProfileNames};
pub use recipe::{
    ByType, Clip, Colorize, Colors, Composite, Compression, Crop, Extend, Fit, FitMode, Flip, Intent, Layer,
    LayerScale, Mask, MaskUse, Noise, Output, Palette, Perspective, PixelType, Quantize, Reading, Recipe, Region,
    Request, ResMode, Sampling, Sharpening, ThumbType, Thumbnail, Tile, Tone, Usm, View,
};
pub use scope::Segment;
pub use slots::{Fate, Spoken};
pub use understand::{Order, Understood, recipe};
