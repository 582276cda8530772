//! The render itself: decode, the plan's steps, encode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::codec;
use super::colour::Conversion;
use super::failure::{Failure, Warning};
use super::pixels::Pixels;
use super::plan::Plan;
use super::step::Step;
use crate::code::Code;

/// Raised whenever the same recipe and source may give other bytes than before, so that nothing stale is reused.
pub const ENGINE_VERSION: i32 = 1;

/// A rendered picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    /// What to know about it.
    pub warnings: Vec<Warning>,
}

/// Renders one picture into a file. The same plan and source give the same bytes each time.
///
/// # Errors
/// `truncated`, `corrupt` and the like for the source, `encode-failed` for the output; `render-crashed` when a
/// codec or we ourselves panicked. The output file may then exist and must not be used.
pub fn render(plan: &Plan, source: &Path, output: &Path) -> Result<Rendered, Failure> {
    catch_unwind(AssertUnwindSafe(|| develop(plan, source, output)))
        .unwrap_or_else(|_| Err(Failure::new(Code::RenderCrashed, "Rendering this picture crashed.")))
}

fn develop(plan: &Plan, source: &Path, output: &Path) -> Result<Rendered, Failure> {
    let mut pixels = codec::decode(&plan.decode, source)?;
    for step in &plan.steps {
        pixels = match step {
            Step::Convert => convert(plan, pixels)?,
            other => pixels.apply(other)?,
        };
    }
    let (width, height) = pixels.size();
    if (width, height) != (plan.width, plan.height) {
        let detail = format!("The plan said {}x{}, the picture is {width}x{height}.", plan.width, plan.height);
        return Err(Failure::new(Code::Internal, detail));
    }
    let bytes = codec::encode(&plan.encode, pixels, output)?;
    Ok(Rendered { width, height, bytes, warnings: plan.warnings.clone() })
}

fn convert(plan: &Plan, mut pixels: Pixels) -> Result<Pixels, Failure> {
    if let Some(profile) = &plan.decode.profile {
        Conversion::new(profile)?.apply(&mut pixels)?;
    }
    Ok(pixels)
}
