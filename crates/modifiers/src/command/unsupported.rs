//! Documented commands that are not supported yet, and those that have no effect in an export.
//!
//! They stand in the table all the same: a known command gets a fitting message, and a misspelt one is not mistaken for
//! it.

use super::super::diagnostic::ValueError;
use super::super::value;
use super::{CommandSpec, CommandTarget, RecipeBuilder, RecipeSetter, Scope, Support};

/// A row of a command that is not supported yet.
const fn define_command(
    name: &'static str,
    syntax: &'static str,
    scope: Scope,
    page: &'static str,
    example: &'static str,
) -> CommandSpec {
    CommandSpec {
        range: "see the documentation",
        accepts: example,
        refuses: example,
        ..CommandSpec::new(name, syntax, scope, page)
    }
}

const fn define_layer_command(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { help, ..define_command(name, syntax, Scope::Layer, page, example) }
}

const fn define_global_command(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { help, ..define_command(name, syntax, Scope::Global, page, example) }
}

/// Refused with `not-supported-yet`.
#[rustfmt::skip]
pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec { scope: Scope::Segment, ..define_layer_command("effect", "effect=number", "r-effect", "effect=-1", "Opens the segment of a layer effect.") },
    define_global_command("template", "template=object", "r-template", "template=card", "Places the image into a template."),
    define_global_command("effectMask", "effectMask=0|1", "r-effectmask", "effectMask=0", "Whether effects are masked by their layer."),
    define_layer_command("text", "text=rtf", "r-text", "text=hello", "A text layer."),
    define_layer_command("textPs", "textPs=rtf", "r-textps", "textPs=hello", "A text layer, set as Photoshop does."),
    define_layer_command("textAngle", "textAngle=degrees", "r-textangle", "textAngle=90", "Rotates the lines of text."),
    define_layer_command("textAttr", "textAttr=…", "r-textattr", "textAttr=72", "Resolution and smoothing of text."),
    define_layer_command("textPath", "textPath=path", "r-textpath", "textPath=M0,0L9,9", "Text along a path."),
    define_layer_command("textFlowPath", "textFlowPath=path", "r-textflowpath", "textFlowPath=M0,0L9,0,9,9Z", "Text inside a path."),
    define_layer_command("textFlowXPath", "textFlowXPath=path", "r-textflowxpath", "textFlowXPath=M0,0L9,0,9,9Z", "Text around a path."),
    define_layer_command("pathAttr", "pathAttr=direction[,start[,end]]", "r-pathattr", "pathAttr=norm", "Which part of a text path is used."),
];

/// A row of a command that has no effect in an export.
const fn define_ignored_command(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> CommandSpec {
    CommandSpec {
        support: Support::Ignored,
        refuses: "",
        range: "anything",
        ..define_global_command(name, syntax, page, example, help)
    }
}

/// A row of a command that positions layers: it has no effect on layer 0, but a value that cannot be parsed is still an
/// error, as it will be once other layers are supported.
const fn define_position_command(
    refuses: &'static str,
    setter: RecipeSetter,
    slot: &'static str,
    row: CommandSpec,
) -> CommandSpec {
    CommandSpec {
        refuses,
        slot,
        range: "two numbers up to 2,147,483,648",
        scope: Scope::Layer,
        setter: Some(setter),
        ..row
    }
}

fn check_pixel_pair(_: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let parts: [&str; 2] = value::split_exactly(text, "x,y")?;
    parts.into_iter().try_for_each(|part| {
        value::parse_integer(part, -MAX_COORDINATE..=MAX_COORDINATE, "within 2,147,483,648 of 0").map(drop)
    })
}

fn check_fraction_pair(_: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let parts: [&str; 2] = value::split_exactly(text, "x,y")?;
    let far = MAX_COORDINATE as f64;
    parts.into_iter().try_for_each(|part| value::parse_real(part, -far..=far, "within 2,147,483,648 of 0").map(drop))
}

/// The largest coordinate that is documented, in pixels.
const MAX_COORDINATE: i64 = 2_147_483_648;

/// Accepted and ignored, so that modifiers copied from Image Serving URLs work.
#[rustfmt::skip]
pub(super) const IGNORED_COMMANDS: &[CommandSpec] = &[
    define_ignored_command("cache", "cache=…", "r-is-http-cache", "cache=off", "How the delivery server caches the response; an export is not cached."),
    define_ignored_command("id", "id=…", "r-id", "id=37JK6", "A label for caches; it never has an effect."),
    define_ignored_command("network", "network=on|off", "r-network", "network=off", "Adapts the image to the viewer's network; an export has none."),
    define_ignored_command("bfc", "bfc=on|off", "r-bfc", "bfc=on", "Lets the browser choose the format; an export has no browser."),
    CommandSpec { warns: true, ..define_ignored_command("locale", "locale=…", "r-locale", "locale=de", "Chooses images and texts of a language; an export uses those that are named and warns.") },
    define_ignored_command("map", "map=…", "r-map", "map=x", "An image map for web pages."),
    define_ignored_command("mapA", "mapA=…", "r-map", "mapA=x", "An image map for web pages."),
    define_ignored_command("imageSet", "imageSet={…}", "r-imageset", "imageSet={a,b}", "The images of a viewer."),
    define_ignored_command("defaultImage", "defaultImage=object", "r-is-http-defaultimage", "defaultImage=none", "Replaces a missing image; an export reports it as missing instead."),
    define_ignored_command("type", "type=…", "r-type", "type=x", "The kind of a set's metadata."),
    define_ignored_command("name", "name=…", "r-savetofile", "name=x", "The file name of req=saveToFile."),
    define_ignored_command("timeout", "timeout=…", "r-savetofile", "timeout=1000", "The time limit of req=saveToFile."),
    define_ignored_command("blendMode", "blendMode=…", "r-blendmode", "blendMode=mult", "How a layer blends with those below; layer 0 has none below it."),
    define_position_command("pos=left,0", check_pixel_pair, "pos", define_ignored_command("pos", "pos=x,y", "r-pos", "pos=10,10", "Position of a layer; layer 0 is the canvas and has no position.")),
    define_position_command("posN=a,b", check_fraction_pair, "pos", define_ignored_command("posN", "posN=x,y", "r-pos", "posN=0.1,0.1", "Position of a layer; layer 0 is the canvas and has no position.")),
    define_position_command("anchor=10", check_pixel_pair, "anchor", define_ignored_command("anchor", "anchor=x,y", "r-anchor", "anchor=10,10", "Centre of rotation; it does not change the rectangle of layer 0.")),
    define_position_command("anchorN=0", check_fraction_pair, "anchor", define_ignored_command("anchorN", "anchorN=x,y", "r-anchor", "anchorN=0,0", "Centre of rotation; it does not change the rectangle of layer 0.")),
    define_position_command("origin=x,y", check_fraction_pair, "origin", define_ignored_command("origin", "origin=x,y", "r-origin", "origin=10,10", "The point of a layer that pos= places; layer 0 is the canvas.")),
    define_position_command("originN=0,9999999999", check_fraction_pair, "origin", define_ignored_command("originN", "originN=x,y", "r-origin", "originN=0,0", "The point of a layer that pos= places; layer 0 is the canvas.")),
];
