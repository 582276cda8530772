//! The protocol between the service and a render process: one line of JSON per message, never pixels.
//!
//! The process first reports its confinement. Then, for each source: the service sends a [`RenderRequest`]; the process
//! plans the images and reports the memory that they will need; the service sends [`RENDER_LINE`] when that much memory
//! is free, or [`DISCARD_LINE`]; the process renders and reports the results. It may reply with [`RenderReply::Failed`]
//! to either message.

use offprint_imaging::{ProfileBytes, RenderError, RenderLimits, RenderOutput};
use serde::{Deserialize, Serialize};

use crate::confinement::Confinement;

/// Path of the source in the scratch folder. The process may only read it.
pub(super) const SOURCE_PATH: &str = "in/source";

/// Path of another asset in the scratch folder, by its pin.
pub(super) fn format_object_path(pin: &str) -> String {
    format!("in/{pin}")
}

/// Path of a result in the scratch folder, by the number of the image.
pub(super) fn format_output_path(number: usize) -> String {
    format!("out/{number}")
}

/// Path of the process's error output in the scratch folder.
pub(super) const STDERR_PATH: &str = "errors";

/// The command to render what was planned.
pub(super) const RENDER_LINE: &str = "go\n";

/// The command to forget what was planned.
pub(super) const DISCARD_LINE: &str = "no\n";

/// One source and the images to render of it. The files lie in the scratch folder under fixed names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RenderRequest {
    /// The canonical text of each image's recipe.
    pub(crate) recipes: Vec<String>,
    /// Pins of the other assets in the scratch folder.
    pub(crate) objects: Vec<String>,
    /// The profiles that the recipes name.
    pub(crate) profiles: ProfileBytes,
    pub(crate) limits: RenderLimits,
    /// Processor time for the whole request, in seconds.
    pub(crate) cpu: u64,
}

/// A message from the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RenderReply {
    /// The process has confined itself and is ready for requests.
    Ready(Confinement),
    /// The images can be rendered with this much memory, in bytes.
    Planned(u64),
    /// A result for each image, in order. The files are written.
    Rendered(Vec<Result<RenderOutput, RenderError>>),
    /// The plan is forgotten.
    Idle,
    /// No image of this source can be rendered.
    Failed(RenderError),
}
