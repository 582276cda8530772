//! Recipe and image to encoded bytes, in three parts: read a header, plan with numbers, render pixels.
//!
//! * [`read_image_header`] reads what a file says about its image. It reads a bounded amount, decodes no pixels and
//!   calls no C code. ([`read_header_for_render`] asks littlecms about profiles, in a render process.)
//! * [`RenderPlan::new`] turns a recipe and a header into numbers: the decoder's shrink, a list of [`Step`]s, how the
//!   result is encoded, the size and an estimate of the memory. It touches no pixels, so that a service can plan in its
//!   own process and tell beforehand whether an item will fail.
//! * [`render_image`] decodes, executes the steps one after the other and encodes. [`render_images`] does so for
//!   several plans of one source and decodes it once for all plans that decode alike. Both call codecs written in C
//!   with bytes from anywhere: run them in a process that nothing else depends on (the crate `offprint-sandbox` does).
//!
//! The crate knows files, recipes and pixels. It knows nothing of storage, companies, jobs, databases, HTTP or
//! processes. Of our crates it uses [`offprint_modifiers`] for recipes and [`offprint_core`] for codes and digests.
//!
//! Begin reading with the plan (`plan.rs`, `step.rs`, then `planner/mod.rs`: the order in which the commands of a recipe
//! become steps, and `planner/layered.rs` for several layers) and continue with `execute/mod.rs`. What a step does to
//! pixels is in `pixels/`, one file per kind; colour profiles are in `colour/`, file formats in `header/` and `codec/`.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use offprint_imaging::{ObjectHeaders, ProfileBytes, RenderLimits, RenderPlan, SourceFiles};
//! use offprint_imaging::{read_header_for_render, render_image};
//! use offprint_modifiers::{Attributes, Macros, ModifierInput, resolve_modifier};
//!
//! # fn main() -> Result<(), offprint_imaging::RenderError> {
//! let (macros, attributes) = (Macros::default(), Attributes::default());
//! let input = ModifierInput::new("wid=300&fmt=png", &macros, &attributes);
//! let recipe = resolve_modifier(&input).expect("a valid modifier").recipe;
//!
//! let source = Path::new("shoe.jpg");
//! let header = read_header_for_render(&source.into())?;
//! let (limits, profiles) = (RenderLimits::default(), ProfileBytes::default());
//! let plan = RenderPlan::new(&recipe, &header, &ObjectHeaders::new(), &limits, &profiles)?;
//! let output = render_image(&plan, &SourceFiles::from_source(source), Path::new("shoe.png"))?;
//! println!("{}x{} pixels, {} bytes: {}", output.width, output.height, output.bytes, output.plan);
//! # Ok(())
//! # }
//! ```

#![deny(unreachable_pub)]

mod codec;
mod colour;
mod error;
mod execute;
mod file_section;
mod frame;
mod header;
mod limits;
mod palette;
mod pixels;
mod plan;
mod planner;
mod rights;
mod row_sink;
mod source_files;
mod step;
mod summary;
mod turn;
mod view;
mod xmp;

pub use colour::{Conversion, Profile, ProfileBytes, ProfileLibrary, read_profile_description};
pub use error::{RenderError, RenderWarning};
pub use execute::{ENGINE_VERSION, LayerCache, RenderOutput, render_image, render_images, render_images_with_cache};
pub use file_section::FilePart;
pub use frame::Frame;
pub use header::{
    CaptureTime, ImageHeader, MAX_SIGNATURE_BYTES, SourceFormat, UnreadFormat, decode_plain_text, find_root_element,
    is_avif, is_bmp, is_svg_element, read_capture_time, read_header_for_render, read_image_header,
};
pub use limits::RenderLimits;
pub use pixels::{FillColor, Kernel, ShapeEffect};
pub use plan::{EncodePlan, RenderPlan};
pub use rights::ImageRights;
pub use source_files::{ObjectHeaders, SourceFile, SourceFiles};
pub use step::{DecodePlan, PaintContent, PaintStep, Step, SubPlan};
pub use turn::Turn;
