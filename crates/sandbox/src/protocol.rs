//! What the service and a render process say to each other: one line of JSON each, never pixels.
//!
//! The process says once what it is confined by. Then, for each picture: the service gives the [`Job`]; the process
//! plans it and says what it will need; the service gives the word when that much memory is free; the process renders
//! and says how it went. It refuses or fails with the same words at either place.

use serde::{Deserialize, Serialize};

use offprint_imaging::ProfileBytes;
use crate::confine::Confinement;
use offprint_imaging::Rendered;
use offprint_imaging::Failure;
use offprint_imaging::Limits;

/// Where the source lies in the scratch folder; the process may only read it.
pub(super) const SOURCE: &str = "in/source";

/// Where another asset lies in the scratch folder, by its pin.
pub(super) fn object(pin: &str) -> String {
    format!("in/{pin}")
}

/// Where results go in the scratch folder, by their numbers.
pub(super) fn output(number: usize) -> String {
    format!("out/{number}")
}

/// Where the process's last words are.
pub(super) const ERRORS: &str = "errors";

/// The word to render what was planned.
pub(super) const GO: &str = "go\n";

/// The word not to.
pub(super) const NO: &str = "no\n";

/// One source to render pictures of. Its files lie in the scratch folder under fixed names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The recipes' canonical texts, one for each picture.
    pub recipes: Vec<String>,
    /// Pins of the other assets that lie beside the source.
    pub objects: Vec<String>,
    /// The bytes of profiles that they name.
    pub profiles: ProfileBytes,
    /// How large pictures may be.
    pub limits: Limits,
    /// Processor seconds it may take.
    pub cpu: u64,
}

/// A line from the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Said {
    /// It is ready for the first picture.
    Ready(Confinement),
    /// The pictures can be rendered, with so many bytes of memory.
    Planned(u64),
    /// An answer for each picture; results are there.
    Rendered(Vec<Result<Rendered, Failure>>),
    /// The plan is forgotten.
    Idle,
    /// No picture can be rendered of this source, and why.
    Failed(Failure),
}
