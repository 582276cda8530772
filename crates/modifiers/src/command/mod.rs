//! The table of commands: for each its name, values, default, help, examples and the function that sets the recipe.
//!
//! It is the only place that knows which commands exist. The parser, `GET /modifier-commands`, docs/MODIFIERS.md and
//! the test that tries every command read it. To add a command, add a row to the file of its group and a setter beside
//! it. Pages are those of the documentation's command reference.

mod clip;
mod layer;
mod mask;
mod output;
mod pixel;
mod unsupported;
mod view;

use serde::Serialize;

use super::attribute::Attributes;
use super::colour::Colour;
use super::diagnostic::ValueError;
use super::format::{self, OutputFormat, has_gray};
use super::profile::ProfileName;
use super::recipe::{LayerScale, PixelType, Quantize, Recipe, RequestKind, ThumbType, Thumbnail};
use super::segment::SegmentTracker;

/// The commands, grouped as in the documentation.
static COMMAND_GROUPS: [&[CommandSpec]; 8] = [
    view::COMMANDS,
    layer::COMMANDS,
    mask::COMMANDS,
    clip::COMMANDS,
    pixel::COMMANDS,
    output::COMMANDS,
    unsupported::COMMANDS,
    unsupported::IGNORED_COMMANDS,
];

/// Every documented command.
pub fn list_commands() -> impl Iterator<Item = &'static CommandSpec> {
    COMMAND_GROUPS.iter().copied().flatten()
}

/// One documented command.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandSpec {
    /// Case-insensitive when parsed.
    pub name: &'static str,
    /// The command with placeholders for the parts of its value.
    pub syntax: &'static str,
    /// Allowed values of the parts.
    pub range: &'static str,
    /// The value that applies without the command.
    pub default: &'static str,
    pub scope: Scope,
    /// Commands with the same slot override each other; the last one wins.
    pub slot: &'static str,
    pub support: Support,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    pub page: &'static str,
    /// An example modifier. It is accepted, unless the command is not supported yet.
    pub accepts: &'static str,
    /// An example that is refused because of this command; empty when no value is refused.
    pub refuses: &'static str,
    /// `None` when there is nothing to set.
    #[serde(skip)]
    pub(super) setter: Option<RecipeSetter>,
    /// Whether an ignored command could change the result elsewhere, so that ignoring it is worth a warning.
    #[serde(skip)]
    pub(super) warns: bool,
}

/// Parses the value of a command and sets the recipe.
pub(super) type RecipeSetter = fn(&mut RecipeBuilder<'_>, CommandTarget, &str) -> Result<(), ValueError>;

/// What a command applies to. Documentation page: c-specifying-layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// The request or its view, in whichever segment the command stands.
    Global,
    /// One layer; layer 0 without `layer=`.
    Layer,
    /// The composite without `layer=`, otherwise the layer.
    Composite,
    /// Opens a segment.
    Segment,
}

/// Whether a command is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Support {
    /// It does what the documentation says.
    Now,
    /// It is refused with `not-supported-yet`.
    NotYet,
    /// It has no effect in an export; it is accepted and ignored. A notice says so, or a warning where it could change
    /// the result elsewhere.
    Ignored,
}

/// What a command applies to, for commands that set different fields of the recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandTarget {
    /// No segment, or `layer=comp`.
    Composite,
    /// `layer=0`, or no segment for commands of scope `Layer`.
    LayerZero,
    /// Another layer.
    Layer,
}

/// A recipe while commands set it. Values that depend on other commands are kept beside it until
/// [`build`](Self::build).
#[derive(Clone, Debug)]
pub(super) struct RecipeBuilder<'a> {
    pub(super) recipe: Recipe,
    pub(super) attributes: &'a Attributes,
    /// `bgc=`.
    pub(super) background: Option<Colour>,
    /// Whether `fmt=` named the pixel type.
    pub(super) has_pixel_type: bool,
    /// The nested request in the value of the command that is being applied; its setter takes it.
    pub(super) nested_request: Option<Box<Recipe>>,
    /// A warning about the command that was applied last.
    pub(super) remark: Option<ValueError>,
    pub(super) size: Option<LayerScale>,
    pub(super) scale: Option<LayerScale>,
    pub(super) res: Option<LayerScale>,
    /// `quantize=`; used only if the format has a palette.
    pub(super) quantize: Option<Quantize>,
    /// `icc=`.
    pub(super) profile: Option<ProfileName>,
    /// The pixel types that the format supports.
    pub(super) pixel_types: &'static [PixelType],
}

impl<'a> RecipeBuilder<'a> {
    /// Begins with the recipe of an empty modifier.
    pub(super) fn new(attributes: &'a Attributes) -> Self {
        Self {
            recipe: attributes.default_recipe(),
            attributes,
            background: None,
            has_pixel_type: false,
            nested_request: None,
            remark: None,
            size: None,
            scale: None,
            res: None,
            quantize: None,
            profile: None,
            pixel_types: format::DEFAULT_TYPES,
        }
    }

    /// A profile sets the pixel type, and the format must support it. Checked at the end, because `icc=` may stand
    /// before `fmt=`. Documentation page: r-icc.
    pub(super) fn find_profile_mismatch(&self) -> Option<ValueError> {
        let profile = self.profile.as_ref().filter(|profile| !self.pixel_types.contains(&profile.pixel_type))?;
        let (name, pixel_type) = (&profile.name, profile.pixel_type.name());
        let supported: Vec<_> = self.pixel_types.iter().map(|pixel_type| pixel_type.name()).collect();
        let remedy = format!("Use a profile for {}, or another format.", supported.join(" or "));
        let detail = format!("Profile `{name}` is for {pixel_type}, which the format does not support.");
        Some(ValueError { remedy, ..ValueError::invalid(detail) })
    }

    /// The finished recipe. Resolves what depends on more than one command:
    ///
    /// * `size` overrides `scale`, `scale` overrides `res`; with `perspective` only `scale` counts.
    /// * The kind of request sets the default background and pixel type, and the scale of textures.
    /// * The profile of `icc=` overrides the pixel type, and the profile that the attributes give for it.
    ///
    /// Settings that the format cannot use are dropped, so that modifiers with the same result give the same recipe.
    pub(super) fn build(self) -> Recipe {
        let Self { mut recipe, attributes, .. } = self;
        let has_perspective = recipe.layer.perspective.is_some();
        recipe.layer.scale = match recipe.view.request {
            _ if has_perspective => self.scale,
            RequestKind::Thumbnail(Thumbnail { kind: ThumbType::Texture, .. }) => {
                let asked = |asked| LayerScale::Resolution { asked, usual: attributes.resolution };
                self.size.or(self.scale).or(self.res).or_else(|| attributes.thumb_res.map(asked))
            }
            _ => self.size.or(self.scale).or(self.res),
        };
        let default_background = match recipe.view.request {
            RequestKind::Thumbnail(_) => attributes.thumb_bkg_color,
            _ => None,
        };
        recipe.view.background = self.background.or(default_background).unwrap_or(attributes.bkg_color).to_opaque();
        let output = &mut recipe.output;
        if recipe.view.request == RequestKind::Mask && !self.has_pixel_type && has_gray(output) {
            output.pixel_type = PixelType::Gray;
        }
        if let Some(profile) = &self.profile {
            output.pixel_type = profile.pixel_type;
        }
        let default_profile = attributes.icc_profile.get(output.pixel_type);
        recipe.colors.output = self.profile.or_else(|| default_profile.clone());
        if output.quantize.is_some() {
            output.quantize = Some(self.quantize.unwrap_or_default());
        }
        output.scans = output.scans.filter(|_| output.progressive);
        output.jpeg_size = output.jpeg_size.filter(|_| output.format == OutputFormat::Jpeg);
        output.path_embed &= output.format.can_carry_paths();
        recipe
    }
}

impl CommandSpec {
    /// A row to start from: known, but not supported yet.
    const fn new(name: &'static str, syntax: &'static str, scope: Scope, page: &'static str) -> Self {
        Self {
            name,
            syntax,
            range: "",
            default: "none",
            scope,
            slot: name,
            support: Support::NotYet,
            help: "",
            page,
            accepts: "",
            refuses: "",
            setter: None,
            warns: false,
        }
    }

    /// Whether it changes something: neither ignored nor without a value to check.
    pub(super) fn has_effect(&self) -> bool {
        self.support != Support::Ignored || self.setter.is_some()
    }

    /// Whether a command with this value would be accepted.
    pub(super) fn accepts_value(&self, attributes: &Attributes, text: &str) -> bool {
        let mut discarded = RecipeBuilder::new(attributes);
        match self.setter {
            Some(set) => set(&mut discarded, CommandTarget::Composite, text).is_ok(),
            None if self.scope == Scope::Segment => SegmentTracker::new().open(self.name, text).is_ok(),
            None => true,
        }
    }
}

/// Former names of commands, which the examples of the documentation still use.
const OLD_NAMES: [(&str, &str); 1] = [("colorize", "op_colorize")];

/// Finds a command by its name, case-insensitive.
pub(super) fn find_command(name: &str) -> Option<&'static CommandSpec> {
    let renamed = OLD_NAMES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name));
    let name = renamed.map_or(name, |(_, current)| current);
    list_commands().find(|command| command.name.eq_ignore_ascii_case(name))
}

/// Commands that change something and whose name is at most so many edits away, the nearest first. Names longer than 32
/// bytes are not compared, which bounds the work.
pub(super) fn find_similar_commands(name: &str, edits: usize) -> Vec<&'static CommandSpec> {
    if name.len() > 32 {
        return Vec::new();
    }
    let typed = name.to_ascii_lowercase();
    let mut similar: Vec<_> = list_commands()
        .filter(|command| command.has_effect() && command.name.len().abs_diff(typed.len()) <= edits)
        .map(|command| (count_edits(&typed, &command.name.to_ascii_lowercase()), command))
        .filter(|(count, _)| *count <= edits)
        .collect();
    similar.sort_by_key(|(count, command)| (*count, command.support != Support::Now));
    similar.into_iter().map(|(_, command)| command).collect()
}

/// How many letters must be inserted, removed, replaced, or swapped with their neighbour (optimal string alignment
/// distance).
pub(super) fn count_edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let moved = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped { moved.min(rows[i - 2][j - 2] + 1) } else { moved }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_complete_and_names_unique() {
        let mut names = std::collections::HashSet::new();
        for command in list_commands() {
            assert!(names.insert(command.name.to_ascii_lowercase()), "{} stands twice", command.name);
            for (what, text) in [("syntax", command.syntax), ("range", command.range), ("help", command.help)] {
                assert!(!text.is_empty(), "{} has no {what}", command.name);
            }
            assert!(command.page.starts_with("r-"), "{}", command.name);
            assert!(!command.accepts.is_empty(), "{}", command.name);
            assert!(command.support == Support::Ignored || !command.refuses.is_empty(), "{}", command.name);
        }
    }

    #[test]
    fn misspelt_commands_are_recognised() {
        let first = |typed, edits| find_similar_commands(typed, edits).first().map(|command| command.name);
        assert_eq!(first("WDI", 1), Some("wid"));
        assert_eq!(first("op_sharp", 1), None);
        assert_eq!(first("op_sharp", 2), Some("op_sharpen"));
        assert_eq!(first("opsharpen", 1), Some("op_sharpen"));
        assert_eq!(first("foo", 1), None);
        // What an export ignores cannot be misspelt with a consequence.
        assert_eq!(first("cach", 1), None);
    }
}
