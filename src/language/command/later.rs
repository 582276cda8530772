//! Documented commands that do not work yet, and those that have no meaning in an export.

use super::{Command, Scope, Support};

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

const fn composite(
    name: &'static str,
    syntax: &'static str,
    page: &'static str,
    example: &'static str,
    help: &'static str,
) -> Command {
    Command { help, ..row(name, syntax, Scope::Composite, page, example) }
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

const fn idle(idle: &'static [&'static str], row: Command) -> Command {
    Command { idle, ..row }
}

/// Refused with `not-supported-yet`, unless the value is one that does nothing.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { scope: Scope::Segment, ..layer("effect", "effect=number", "r-effect", "effect=-1", "Opens the segment of a layer effect.") },
    idle(&["off", "on,1"], global("dpr", "dpr=off|on,factor", "r-dpr", "dpr=on,2", "Multiplies width and height for dense screens.")),
    global("rect", "rect=x,y,width,height[,scale]", "r-rect", "rect=0,0,100,100", "A tile of the finished view.")    ,
    layer("src", "src=object", "r-src", "src=other", "Takes another picture as the layer's source."),
    layer("mask", "mask=object", "r-mask", "mask=other", "Takes another picture as the layer's mask."),
    idle(&["norm"], layer("maskUse", "maskUse=norm|invert|off", "r-maskuse", "maskUse=invert", "How the mask is used.")),
    idle(&["0"], layer("hide", "hide=0|1", "r-hide", "hide=1", "Leaves the layer out.")),
    layer("perspective", "perspective=x0,y0,…[,mode]", "r-perspective", "perspective=0,0,9,0,9,9,0,9", "Maps the layer onto a quadrangle."),
    Command { slot: "perspective", ..layer("perspectiveN", "perspectiveN=x0,y0,…[,mode]", "r-perspective", "perspectiveN=0,0,1,0,1,1,0,1", "Maps the layer onto a quadrangle, in fractions.") },
    composite("cropPathE", "cropPathE=name[,name]", "r-croppath", "cropPathE=a", "Crops to the bounds of embedded paths."),
    composite("clipPath", "clipPath=path", "r-clippath", "clipPath=M0,0L9,0,9,9Z", "Makes what lies outside a path transparent."),
    composite("clipPathE", "clipPathE=name[,name]", "r-clippath", "clipPathE=a", "Clips with embedded paths."),
    composite("clipXPath", "clipXPath=path", "r-clipxpath", "clipXPath=M0,0L9,0,9,9Z", "Makes what lies inside a path transparent."),
    composite("clipXPathE", "clipXPathE=name[,name]", "r-clipxpath", "clipXPathE=a", "Punches embedded paths out."),
    composite("op_colorize", "op_colorize=colour[,mode[,contrast]]", "r-op-colorize", "op_colorize=00ff00", "Recolours the picture."),
    idle(&["0"], composite("op_grow", "op_grow=pixels", "r-op-grow", "op_grow=3", "Grows bright or dark areas.")),
    idle(&["0"], layer("op_growMask", "op_growMask=pixels", "r-op-growmask", "op_growMask=3", "Grows the mask, in source pixels.")),
    Command { slot: "op_growMask", ..idle(&["0"], layer("op_growMaskR", "op_growMaskR=pixels", "r-op-growmaskr", "op_growMaskR=3", "Grows the mask.")) },
    idle(&["0"], composite("op_noise", "op_noise=percent[,kind[,mono]]", "r-op-noise", "op_noise=10", "Adds noise.")),
    idle(&["0"], global("jpegSize", "jpegSize=kilobytes", "r-jpegsize", "jpegSize=50", "Lowers the quality until a JPEG fits.")),
    idle(&["auto"], global("pscan", "pscan=auto|3|4|5", "r-pscan", "pscan=4", "How many scans a progressive JPEG has.")),
    global("quantize", "quantize=palette[,dither[,colours]]", "r-is-http-quantize", "quantize=web", "How colours are reduced to a palette."),
    idle(&["0"], global("pathEmbed", "pathEmbed=0|1", "r-pathembed", "pathEmbed=1", "Keeps embedded paths.")),
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
    ignored("pos", "pos=x,y", "r-pos", "pos=10,10", "Places a layer; layer 0 is the canvas and has no place."),
    Command { slot: "pos", ..ignored("posN", "posN=x,y", "r-pos", "posN=0.1,0.1", "Places a layer; layer 0 is the canvas and has no place.") },
    ignored("anchor", "anchor=x,y", "r-anchor", "anchor=10,10", "Centre of rotation; the rectangle of layer 0 is the same for any."),
    Command { slot: "anchor", ..ignored("anchorN", "anchorN=x,y", "r-anchor", "anchorN=0,0", "Centre of rotation; the rectangle of layer 0 is the same for any.") },
    ignored("origin", "origin=x,y", "r-origin", "origin=10,10", "The point that places a layer; layer 0 is the canvas."),
    Command { slot: "origin", ..ignored("originN", "originN=x,y", "r-origin", "originN=0,0", "The point that places a layer; layer 0 is the canvas.") },
    ignored("blendMode", "blendMode=…", "r-blendmode", "blendMode=mult", "How a layer mixes with those below; there are none below layer 0."),
];
