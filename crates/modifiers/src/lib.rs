//! The Image Serving modifier language: text to commands to a [`Recipe`].
//!
//! A modifier is a text such as `wid=400&fmt=png`. This crate parses it, expands macros and variables, checks every
//! command and resolves all defaults. The result, a [`Recipe`], says what was asked for without looking at an image, so
//! modifiers can be checked before a job starts and recipes can be compared and stored.
//!
//! It knows nothing of pixels, files, HTTP, SQL or jobs, and depends on no other crate of the workspace: whether an
//! asset exists, how large an image is and how a recipe is executed is decided elsewhere.
//!
//! ```
//! use offprint_modifiers::{Attributes, Macros, ModifierInput, OutputFormat, resolve_modifier};
//!
//! let macros = Macros::from_unordered(vec![("thumb".into(), "wid=100&fit=constrain".into())]);
//! let attributes = Attributes::default();
//!
//! let resolved = resolve_modifier(&ModifierInput::new("$thumb$&fmt=png", &macros, &attributes)).unwrap();
//! assert_eq!(resolved.effective_modifier, "wid=100&fit=constrain&fmt=png");
//! assert_eq!(resolved.recipe.view.wid, Some(100));
//! assert_eq!(resolved.recipe.format(), OutputFormat::Png);
//!
//! let errors = resolve_modifier(&ModifierInput::new("wid=0&hei=tall", &macros, &attributes)).unwrap_err();
//! assert_eq!(errors.iter().map(|error| error.offset).collect::<Vec<_>>(), [0, 6]);
//! ```
//!
//! # Where to begin reading
//!
//! The module `command` holds the table of commands ([`list_commands`]): names, values, help, examples and setters. The
//! texts of one request pass through these modules:
//!
//! ```text
//! modifier    resolves the texts of request and asset
//! surroundings  puts them in order, with those of other assets and of the template
//! macros      expands $name$ calls         (grammar splits texts into tokens)
//! text_mistake  recognises texts that are no modifier: addresses, escaped texts
//! resolver    walks the tokens:
//!   variables   fills $name$ references in values
//!   segment     finds the layer that a command applies to
//!   overrides   lets the last command of each slot win
//!   unknown, foreign       decide about names that are no commands
//!   no_effect, conflicts   check commands against each other
//! recipe      the result
//! work_budget   bounds the work of all of them
//! ```

#![deny(unreachable_pub)]

mod asset_modifiers;
mod asset_reference;
mod attribute;
mod colour;
mod command;
mod conflicts;
mod diagnostic;
mod foreign;
mod format;
mod grammar;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod layer_tests;
mod macros;
mod modifier;
mod no_effect;
mod overrides;
mod path;
mod print_profile;
mod profile;
mod recipe;
mod resolver;
mod segment;
mod surroundings;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod test_input;
mod text_mistake;
mod unknown;
mod value;
mod variables;
mod work_budget;

pub use asset_modifiers::{AssetModifierIndex, AssetModifiers, AssetSettings};
pub use asset_reference::AssetReference;
pub use attribute::{Attributes, OWN_ATTRIBUTES, OwnAttribute};
pub use colour::Colour;
pub use command::{CommandSpec, Scope, Support, list_commands};
pub use diagnostic::{Diagnostic, DiagnosticKind, Origin, ValueError};
pub use foreign::is_harmless_parameter;
pub use format::{OutputFormat, list_output_formats};
pub use grammar::is_blank;
pub use macros::{MacroWatermark, Macros, expand_modifier};
pub use modifier::{ModifierInput, ResolvedModifier, resolve_modifier};
pub use overrides::{CommandStatus, ResolvedCommand};
pub use path::{Outline, Stroke};
pub use profile::{ProfileCatalog, ProfileName};
pub use recipe::{
    BlendMode, Clip, ColorManagement, Colorize, Composite, Compression, Crop, DecodeOptions, Effect, Extend, Fit,
    FitMode, Flip, Intent, JpegEffort, Layer, LayerMask, LayerPoint, LayerScale, MaskUse, Noise, Output, Palette,
    PerPixelType, Perspective, PixelType, Quantize, Recipe, Region, RequestKind, ResMode, ResampleSpace, Sampling,
    Sharpening, ThumbType, Thumbnail, Tile, Tone, Usm, View, Watermark,
};
pub use segment::ModifierSegment;
pub use variables::{format_variables, list_variable_uses, list_variables};
pub use work_budget::{WorkBudget, estimate_units};
