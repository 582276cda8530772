//! Documented commands that do not work yet, and those that have no meaning in an export.

use super::super::complaint::Fault;
use super::super::value;
use super::{Command, Draft, Meaning, Place, Scope, Support};

/// A row of a command that is not supported yet.
const fn row(
    name: &'static str,
    syntax: &'static str,
    scope: Scope,
    page: &'static str,
    example: &'static str,
) -> Command {
    Command {
        range: "see the documentation",
        accepts: example,
        refuses: example,
        ..Command::row(name, syntax, scope, page)
    }
}

const fn layer(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> Command {
    Command { help, ..row(name, syntax, Scope::Layer, page, example) }
}

const fn global(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> Command {
    Command { help, ..row(name, syntax, Scope::Global, page, example) }
}

/// Refused with `not-supported-yet`, unless the value is one that does nothing.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { scope: Scope::Segment, ..layer("effect", "effect=number", "r-effect", "effect=-1", "Opens the segment of a layer effect.") },
    global("template", "template=object", "r-template", "template=card", "Lays the picture into a template."),
    global("effectMask", "effectMask=0|1", "r-effectmask", "effectMask=0", "Whether effects are cut where the layer is."),
    layer("text", "text=rtf", "r-text", "text=hello", "A layer of text."),
    layer("textPs", "textPs=rtf", "r-textps", "textPs=hello", "A layer of text, set as Photoshop does."),
    layer("textAngle", "textAngle=degrees", "r-textangle", "textAngle=90", "Turns the lines of text."),
    layer("textAttr", "textAttr=…", "r-textattr", "textAttr=72", "Resolution and smoothing of text."),
    layer("textPath", "textPath=path", "r-textpath", "textPath=M0,0L9,9", "Text along a path."),
    layer("textFlowPath", "textFlowPath=path", "r-textflowpath", "textFlowPath=M0,0L9,0,9,9Z", "Text inside a path."),
    layer("textFlowXPath", "textFlowXPath=path", "r-textflowxpath", "textFlowXPath=M0,0L9,0,9,9Z", "Text around a path."),
    layer("pathAttr", "pathAttr=direction[,start[,end]]", "r-pathattr", "pathAttr=norm", "Which part of a text path is used."),
];

/// A row of a command without meaning.
const fn ignored(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> Command {
    Command { support: Support::Ignored, refuses: "", range: "anything", ..global(name, syntax, page, example, help) }
}

/// A row of a command that places layers: its value is looked at, though a single picture has no place.
const fn placed(refuses: &'static str, meaning: Meaning, slot: &'static str, row: Command) -> Command {
    Command {
        refuses,
        slot,
        range: "two numbers up to 2,147,483,648",
        scope: Scope::Layer,
        meaning: Some(meaning),
        ..row
    }
}

fn pixels(_: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let parts: [&str; 2] = value::exactly(text, "x,y")?;
    parts.into_iter().try_for_each(|part| value::whole(part, -FAR..=FAR, "within 2,147,483,648 of 0").map(drop))
}

fn fractions(_: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let parts: [&str; 2] = value::exactly(text, "x,y")?;
    let far = FAR as f64;
    parts.into_iter().try_for_each(|part| value::real(part, -far..=far, "within 2,147,483,648 of 0").map(drop))
}

/// The largest place that is documented.
const FAR: i64 = 2_147_483_648;

/// Accepted with a warning, so that texts copied from delivery addresses work.
#[rustfmt::skip]
pub(super) const MEANINGLESS: &[Command] = &[
    ignored("cache", "cache=…", "r-is-http-cache", "cache=off", "How delivery caches the answer; an export is not cached."),
    ignored("id", "id=…", "r-id", "id=37JK6", "A label for caches; it never has an effect."),
    ignored("network", "network=on|off", "r-network", "network=off", "Fits the picture to the network; a file has none."),
    ignored("bfc", "bfc=on|off", "r-bfc", "bfc=on", "Lets the browser choose the format; there is none here."),
    ignored("locale", "locale=…", "r-locale", "locale=de", "The language of the answer."),
    ignored("map", "map=…", "r-map", "map=x", "An image map for web pages."),
    ignored("mapA", "mapA=…", "r-map", "mapA=x", "An image map for web pages."),
    ignored("imageSet", "imageSet={…}", "r-imageset", "imageSet={a,b}", "The pictures of a viewer."),
    ignored("defaultImage", "defaultImage=object", "r-is-http-defaultimage", "defaultImage=none", "Stands in for a missing picture; an export reports it instead."),
    ignored("type", "type=…", "r-type", "type=x", "The kind of a set's metadata."),
    ignored("name", "name=…", "r-savetofile", "name=x", "The file name of req=saveToFile."),
    ignored("timeout", "timeout=…", "r-savetofile", "timeout=1000", "The time limit of req=saveToFile."),
    ignored("blendMode", "blendMode=…", "r-blendmode", "blendMode=mult", "How a layer mixes with those below; there are none below layer 0."),
    placed("pos=left,0", pixels, "pos", ignored("pos", "pos=x,y", "r-pos", "pos=10,10", "Places a layer; layer 0 is the canvas and has no place.")),
    placed("posN=a,b", fractions, "pos", ignored("posN", "posN=x,y", "r-pos", "posN=0.1,0.1", "Places a layer; layer 0 is the canvas and has no place.")),
    placed("anchor=10", pixels, "anchor", ignored("anchor", "anchor=x,y", "r-anchor", "anchor=10,10", "Centre of rotation; the rectangle of layer 0 is the same for any.")),
    placed("anchorN=0", fractions, "anchor", ignored("anchorN", "anchorN=x,y", "r-anchor", "anchorN=0,0", "Centre of rotation; the rectangle of layer 0 is the same for any.")),
    placed("origin=x,y", fractions, "origin", ignored("origin", "origin=x,y", "r-origin", "origin=10,10", "The point that places a layer; layer 0 is the canvas.")),
    placed("originN=0,9999999999", fractions, "origin", ignored("originN", "originN=x,y", "r-origin", "originN=0,0", "The point that places a layer; layer 0 is the canvas.")),
];
