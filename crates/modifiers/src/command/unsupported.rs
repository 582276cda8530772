//! Documented commands that are not supported yet, and those that have no effect in an export.
//!
//! They stand in the table all the same: a known command gets a fitting message, and a misspelt one is not mistaken for
//! it.

use super::{CommandSpec, Scope, Support};

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
    CommandSpec { slot: "src", ..define_layer_command("text", "text=rtf", "r-text", "text=hello", "A text layer.") },
    CommandSpec { slot: "src", ..define_layer_command("textPs", "textPs=rtf", "r-textps", "textPs=hello", "A text layer, set as Photoshop does.") },
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
];
