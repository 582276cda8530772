//! The one table of commands: what each is called, may say, does by default and means.
//!
//! Parser, documentation and the test that every command is tried walk the same table. Pages are those of the
//! documentation's command reference.

mod cut;
mod later;
mod layer;
mod mask;
mod output;
mod pixel;
mod view;

use serde::Serialize;

use super::attribute::Attributes;
use super::colour::Colour;
use super::complaint::Fault;
use super::format::{self, OutputFormat, has_gray};
use super::profile::ProfileName;
use super::recipe::{LayerScale, PixelType, Quantize, Recipe, Request};

/// The commands, grouped as in the documentation.
pub static COMMANDS: [&[Command]; 8] = [
    view::COMMANDS,
    layer::COMMANDS,
    mask::COMMANDS,
    cut::COMMANDS,
    pixel::COMMANDS,
    output::COMMANDS,
    later::COMMANDS,
    later::MEANINGLESS,
];

/// Every documented command.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().copied().flatten()
}

/// One documented command.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// The name; case does not matter.
    pub name: &'static str,
    /// How its value is written.
    pub syntax: &'static str,
    /// What the parts of the value may be.
    pub range: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it applies to.
    pub scope: Scope,
    /// Commands with the same slot exclude each other; the last one holds.
    pub slot: &'static str,
    /// Whether it works.
    pub support: Support,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// The documentation page.
    pub page: &'static str,
    /// A modifier that shows it. Accepted, unless the command is not supported yet.
    pub accepts: &'static str,
    /// A modifier that is refused because of it; empty when nothing is.
    pub refuses: &'static str,
    /// How it sets the recipe; `None` when there is nothing to set.
    #[serde(skip)]
    pub(super) meaning: Option<Meaning>,
}

/// How a command sets the recipe.
pub(super) type Meaning = fn(&mut Draft, Place, &str) -> Result<(), Fault>;

/// What a command applies to. Documentation page: c-specifying-layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// The request or its view, wherever the command stands.
    Global,
    /// One layer; without `layer=` it is layer 0.
    Layer,
    /// The composite without `layer=`, else the layer.
    Composite,
    /// Opens a segment.
    Segment,
}

/// Whether a command works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Support {
    /// It does what the documentation says.
    Now,
    /// It is refused with `not-supported-yet`.
    NotYet,
    /// It has no meaning in an export; it is accepted and ignored, with a warning.
    Ignored,
}

/// Where a command stands, for those that mean another thing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// No segment, or `layer=comp`.
    Composite,
    /// `layer=0`, also where commands of the composite go there.
    LayerZero,
    /// Another layer.
    Layer,
}

/// A recipe while commands set it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub recipe: Recipe,
    /// What holds where nothing is said.
    pub attributes: Attributes,
    /// The background that was said.
    pub background: Option<Colour>,
    /// Whether `fmt=` named the pixel type.
    pub typed: bool,
    /// What a request inside of the value that is read makes.
    pub request: Option<Box<Recipe>>,
    pub size: Option<LayerScale>,
    pub scale: Option<LayerScale>,
    pub res: Option<LayerScale>,
    /// Of use only where the format has a palette.
    pub quantize: Option<Quantize>,
    /// `icc=`.
    pub profile: Option<ProfileName>,
    /// The components that the format can have.
    pub pixel_types: &'static [PixelType],
}

impl Draft {
    /// What holds when nothing is said.
    pub fn new(attributes: &Attributes) -> Self {
        Self {
            recipe: attributes.recipe(),
            attributes: attributes.clone(),
            background: None,
            typed: false,
            request: None,
            size: None,
            scale: None,
            res: None,
            quantize: None,
            profile: None,
            pixel_types: format::DEFAULT_TYPES,
        }
    }

    /// A profile sets the components, and the format must be able to have them. Documentation page: r-icc.
    pub fn profile_mismatch(&self) -> Option<Fault> {
        let profile = self.profile.as_ref().filter(|it| !self.pixel_types.contains(&it.pixel_type))?;
        let (name, pixel_type) = (&profile.name, profile.pixel_type.name());
        let known: Vec<_> = self.pixel_types.iter().map(|it| it.name()).collect();
        let remedy = format!("Use a profile of {}, or another format.", known.join(" or "));
        let detail = format!("The profile {name} is one of {pixel_type}, which the format cannot have.");
        Some(Fault { remedy, ..Fault::invalid(detail) })
    }

    /// The finished recipe: `size` beats `scale`, `scale` beats `res`; a bent layer has only `scale`. What a request
    /// is decides the background and the pixel type that are not said; `icc=` beats the attribute of the pixel type,
    /// and the pixel type itself. What the format has no use for is dropped, so
    /// that it makes no other recipe.
    pub fn finish(self) -> Recipe {
        let Self { mut recipe, attributes, .. } = self;
        let bent = recipe.layer.perspective.is_some();
        recipe.layer.scale = if bent { self.scale } else { self.size.or(self.scale).or(self.res) };
        let silent = match recipe.view.request {
            Request::Thumbnail(_) => attributes.thumb_bkg_color,
            _ => None,
        };
        recipe.view.background = self.background.or(silent).unwrap_or(attributes.bkg_color).opaque();
        let output = &mut recipe.output;
        if recipe.view.request == Request::Mask && !self.typed && has_gray(output) {
            output.pixel_type = PixelType::Gray;
        }
        if let Some(profile) = &self.profile {
            output.pixel_type = profile.pixel_type;
        }
        let default = attributes.icc_profile.of(output.pixel_type);
        recipe.colors.output = self.profile.or_else(|| default.clone());
        if output.quantize.is_some() {
            output.quantize = Some(self.quantize.unwrap_or_default());
        }
        output.scans = output.scans.filter(|_| output.progressive);
        output.jpeg_size = output.jpeg_size.filter(|_| output.format == OutputFormat::Jpeg);
        output.path_embed &= output.format.carries_paths();
        recipe
    }
}

impl Command {
    /// A row to start from: a command that is known and not supported yet.
    const fn row(name: &'static str, syntax: &'static str, scope: Scope, page: &'static str) -> Self {
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
            meaning: None,
        }
    }
}

/// Names that commands had before, which the documentation's own examples still use.
const OLD_NAMES: [(&str, &str); 1] = [("colorize", "op_colorize")];

/// The command of a name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    let renamed = OLD_NAMES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name));
    let name = renamed.map_or(name, |(_, now)| now);
    commands().find(|command| command.name.eq_ignore_ascii_case(name))
}

/// The known command that a mistyped one probably is: at most two edits away, one for names of three letters.
pub(super) fn nearest(name: &str) -> Option<&'static Command> {
    if name.len() > 32 {
        return None;
    }
    let typed = name.to_ascii_lowercase();
    let allowed = if typed.chars().count() <= 3 { 1 } else { 2 };
    commands()
        .map(|command| (edits(&typed, &command.name.to_ascii_lowercase()), command))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, command)| (*edits, command.support != Support::Now))
        .map(|(_, command)| command)
}

/// How many letters must be put in, taken out, replaced, or swapped with their neighbour.
fn edits(a: &str, b: &str) -> usize {
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
        for command in commands() {
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
    fn slips_of_the_hand_find_their_command() {
        let name = |typed| nearest(typed).map(|command| command.name);
        assert_eq!(name("wdi"), Some("wid"));
        assert_eq!(name("width"), Some("wid"));
        assert_eq!(name("op_sharp"), Some("op_sharpen"));
        assert_eq!(name("opsharpen"), Some("op_sharpen"));
        assert_eq!(name("foo"), None);
        assert_eq!(name("ts"), None);
    }
}
