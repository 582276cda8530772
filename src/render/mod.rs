//! Recipe and picture to plan, steps and encoded bytes. Knows [`crate::language`] only.
//!
//! [`probe`] reads a file's header; [`Plan::of`] makes numbers of recipe and header, without pixels; [`render`] decodes,
//! does the plan's [`Step`]s one after the other and encodes; [`develop`] does all of it for
//! several recipes of one source, which is decoded once for all that want it decoded the same way.

mod codec;
mod colour;
mod develop;
mod failure;
mod header;
mod limits;
mod pixels;
mod plan;
mod planner;
mod step;
mod tone;
mod turn;
mod view;

pub use develop::{ENGINE_VERSION, Rendered, Stop, develop, render, render_all};
pub use failure::{Failure, Warning};
pub use header::{Header, SourceColor, SourceFormat, probe};
pub use limits::Limits;
pub use plan::{Decode, Encode, Plan};
pub use step::{Kernel, Step};
pub use turn::Turn;
