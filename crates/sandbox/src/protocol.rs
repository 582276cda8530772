//! The protocol between the service and a render process: lines of JSON on a pair of sockets, never pixels.
//!
//! The process first reports its confinement. Then, for each source: the service sends a [`RenderRequest`] and the open
//! files with it; the process plans the images and reports the memory that they will need; the service sends
//! [`RENDER_LINE`] when that much memory is free, or [`DISCARD_LINE`]; the process renders and reports the results. It
//! may reply with [`RenderReply::Failed`] to either message.

use offprint_imaging::{ProfileBytes, RenderError, RenderLimits, RenderOutput};
use serde::{Deserialize, Serialize};

use crate::confinement::Confinement;

/// The command to render what was planned.
pub(super) const RENDER_LINE: &str = "go";

/// The command to forget what was planned.
pub(super) const DISCARD_LINE: &str = "no";

/// Longest reply of a process, in bytes. A result is a few hundred bytes, so this is enough for a thousand; more is a
/// process that fails or was taken over.
pub(super) const MAX_REPLY_BYTES: u64 = 1 << 20;

/// One source and the images to render of it. Its files come as descriptors: the source, the other assets in the order
/// of their pins, and an empty file for each image.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RenderRequest {
    /// The canonical text of each image's recipe.
    pub(crate) recipes: Vec<String>,
    /// Pins of the other assets.
    pub(crate) objects: Vec<String>,
    /// The profiles that the recipes name.
    pub(crate) profiles: ProfileBytes,
    pub(crate) limits: RenderLimits,
}

/// A message from the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RenderReply {
    /// The process has confined itself and is ready for requests.
    Ready(Confinement),
    /// The images can be rendered with this much memory, in bytes.
    Planned(u64),
    /// A result for each image, in order. The files are written and closed.
    Rendered(Vec<Result<RenderOutput, RenderError>>),
    /// The plan is forgotten.
    Idle,
    /// No image of this source can be rendered.
    Failed(RenderError),
}
