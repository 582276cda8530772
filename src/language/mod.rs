//! The Image Serving modifier language: text to commands to a [`Recipe`]. Knows no pixels and nothing else of ours.
//!
//! A text is split into tokens ([`grammar`]), macros are put in their place ([`macros`]), variables are filled in
//! ([`variables`]), and the last writer of each slot sets the recipe ([`understand`]). What a command is called, may
//! say and means stands in one table, [`command::COMMANDS`].

mod attribute;
mod colour;
pub mod command;
mod complaint;
mod format;
mod grammar;
mod macros;
mod profile;
mod recipe;
mod understand;
mod value;
mod variables;

pub use attribute::Attributes;
pub use colour::Colour;
pub use command::{COMMANDS, Command, Place, Scope, Support, commands};
pub use complaint::{Complaint, ComplaintKind, Fault, Origin};
pub use format::{OutputFormat, output_words};
pub use grammar::is_blank;
pub use macros::{Macros, effective};
pub use profile::{ProfileName, ProfileNames};
pub use recipe::{
    ByType, Colors, Composite, Compression, Crop, Extend, Fit, FitMode, Flip, Intent, Layer, LayerScale, Output, PixelType, Recipe, Region,
    ResMode, Sharpening, Tone, Usm, View,
};
pub use understand::{Order, Understood, recipe};
