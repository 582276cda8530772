//! Recipe and picture to plan, steps and encoded bytes. Knows [`offprint_modifiers`] only.
//!
//! [`probe`] reads a file's header; [`Plan::of`] makes numbers of recipe and header, without pixels; [`render`] decodes,
//! does the plan's [`Step`]s one after the other and encodes; [`render_all`] does it for several recipes of one source,
//! which is decoded once for all that want it decoded the same way. A service does all this through a [`Pool`], in
//! processes that nothing else depends on.

mod blur;
mod codec;
mod colour;
mod develop;
mod failure;
mod files;
mod header;
mod limits;
mod outline;
mod palette;
mod pixels;
mod plan;
mod planner;
mod rights;
mod rotate;
mod step;
mod summary;
mod tone;
mod tray;
mod turn;
mod view;

pub use colour::{Conversion, Library, Profile, ProfileBytes};
pub use develop::{ENGINE_VERSION, Rendered, render, render_all};
pub use failure::{Failure, Warning};
pub use files::{Files, Headers};
pub use header::{Header, SourceFormat, is_avif, probe};
pub use limits::Limits;
pub use plan::{Decode, Encode, Plan};
pub use rights::Rights;
pub use step::{Kernel, Step};
pub use turn::Turn;
