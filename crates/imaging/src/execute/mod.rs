//! Executes plans: decode, steps, encode.
//!
//! Several plans of one source are executed together. They share work as far as their plans are equal, like a tree
//! whose trunk is the decode and whose leaves are the encoded files:
//!
//! ```text
//! decode 1/2 ─┬─ resize 1600x1200 ────────────── encode JPEG
//!             └─ average 2 ─┬─ resize 800x600 ─┬─ encode JPEG
//!                           │                  └─ sharpen ── encode PNG
//!                           └─ average 2 ── resize 200x150 ── encode JPEG
//! ```
//!
//! A *branch* is a list of plans (by their index) that have been the same so far; wherever they differ it is split. No
//! plan is changed for the sake of another, so a file has the same bytes whatever it is rendered beside.

mod dispatch;
mod layer_cache;
mod product;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod cutout_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod step_tests;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use offprint_core::Code;
use serde::{Deserialize, Serialize};

use self::dispatch::{StepContext, apply_step};
pub use self::layer_cache::LayerCache;
use super::codec;
use super::error::{RenderError, RenderWarning};
use super::pixels::Pixels;
use super::plan::RenderPlan;
use super::row_sink::RowSinks;
use super::source_files::SourceFiles;
use super::step::{DecodePlan, Step, SubPlan};

/// Raise it whenever the same recipe and source may give other bytes than before: stored renditions of another version
/// are not reused.
pub const ENGINE_VERSION: i32 = 14;

/// A rendered image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderOutput {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    pub warnings: Vec<RenderWarning>,
    /// The plan in one line: the decoder's shrink, the steps, the estimated memory.
    pub plan: String,
}

/// Renders one image into a file. The same plan and source give the same bytes each time.
///
/// # Errors
/// `truncated`, `corrupt` and the like for the source, `encode-failed` for the output; `render-crashed` after a panic.
/// The output file may exist after an error and must not be used.
pub fn render_image(plan: &RenderPlan, files: &SourceFiles, output: &Path) -> Result<RenderOutput, RenderError> {
    let file = File::create(output)?;
    let mut outputs = render_images(&[(plan, &file)], files);
    outputs.pop().unwrap_or_else(|| Err(render_crash_error()))
}

/// Renders several images of one source, each into its own file, which must be empty. Returns one result per plan, in
/// the same order.
///
/// What plans have in common is done once: the decode when it is equal, and then every step until they differ. Each
/// file has the bytes that its plan gives alone, so it may be reused for its recipe.
pub fn render_images(targets: &[(&RenderPlan, &File)], files: &SourceFiles) -> Vec<Result<RenderOutput, RenderError>> {
    render_images_with_cache(targets, files, &LayerCache::default())
}

/// The same; layers that do not depend on the source are taken from `cache`, and kept in it.
pub fn render_images_with_cache(
    targets: &[(&RenderPlan, &File)],
    files: &SourceFiles,
    cache: &LayerCache,
) -> Vec<Result<RenderOutput, RenderError>> {
    let warnings = RefCell::default();
    let context = StepContext { files, cache, warnings: &warnings };
    let (results, layer_warnings) = (vec![None; targets.len()], vec![Vec::new(); targets.len()]);
    let mut batch = RenderBatch { targets, context, source_warning: None, layer_warnings, results };
    let all: Vec<usize> = (0..targets.len()).collect();
    for branch in split_branch(&all, |index| &targets[index].0.decode) {
        // A panic ends this branch only; whatever has no result after it is reported as crashed.
        let _ = catch_unwind(AssertUnwindSafe(|| batch.decode_branch(&branch)));
    }
    batch.results.into_iter().map(|result| result.unwrap_or_else(|| Err(render_crash_error()))).collect()
}

fn render_crash_error() -> RenderError {
    RenderError::new(Code::RenderCrashed, "Rendering this image crashed.")
}

/// Images that are rendered together, and their results. Branches are lists of indices into `targets`.
struct RenderBatch<'a> {
    targets: &'a [(&'a RenderPlan, &'a File)],
    context: StepContext<'a>,
    /// What is wrong with a source that is rendered all the same.
    source_warning: Option<RenderWarning>,
    /// What is wrong with layers and masks of each image.
    layer_warnings: Vec<Vec<RenderWarning>>,
    results: Vec<Option<Result<RenderOutput, RenderError>>>,
}

/// Splits a branch into plans with equal keys, in the order of the first plan of each.
fn split_branch<ForkKey: PartialEq>(branch: &[usize], key_of: impl Fn(usize) -> ForkKey) -> Vec<Vec<usize>> {
    let mut forks: Vec<Vec<usize>> = Vec::new();
    for index in branch {
        match forks.iter_mut().find(|fork| key_of(fork[0]) == key_of(*index)) {
            Some(fork) => fork.push(*index),
            None => forks.push(vec![*index]),
        }
    }
    forks
}

impl<'a> RenderBatch<'a> {
    /// The first steps of a plan, as far as they are executed while rows come in.
    fn streamed_steps(&self, index: usize) -> &'a [Step] {
        let plan = self.targets[index].0;
        &plan.steps[..RowSinks::count_streamed_steps(&plan.decode, &plan.steps)]
    }

    /// Decodes once. Where the first steps average, crop or resample, decoded rows go into them as they come, so the whole
    /// source is held only for plans that begin with another step.
    fn decode_branch(&mut self, branch: &[usize]) {
        if let [index] = branch
            && codec::can_stream(self.targets[*index].0)
        {
            return self.stream_image(*index);
        }
        let decode = &self.targets[branch[0]].0.decode;
        let forks = split_branch(branch, |index| self.streamed_steps(index));
        let mut sinks = RowSinks::new(decode, forks.iter().map(|fork| self.streamed_steps(fork[0])));
        self.source_warning = match decode_source(decode, self.context, &mut |rows| sinks.take(&rows)) {
            Ok(warning) => warning,
            Err(failure) => return self.fail_branch(branch, &failure),
        };
        self.assign_layer_warnings(branch);
        for (pixels, fork) in sinks.finish().zip(forks) {
            let steps_done = self.streamed_steps(fork[0]).len();
            match pixels {
                Ok(pixels) => self.run_steps(pixels, &fork, steps_done),
                Err(failure) => self.fail_branch(&fork, &failure),
            }
        }
    }

    /// Encodes an image while it is decoded, without holding it.
    fn stream_image(&mut self, index: usize) {
        let (plan, output) = self.targets[index];
        let size = (plan.width, plan.height);
        let encoded =
            codec::stream_image(&plan.encode, size, output, |take| decode_source(&plan.decode, self.context, take));
        self.assign_layer_warnings(&[index]);
        let layer_warnings = std::mem::take(&mut self.layer_warnings[index]);
        self.results[index] = Some(encoded.map(|(warning, bytes)| {
            let warnings = plan.warnings.iter().cloned().chain(warning).chain(layer_warnings).collect();
            RenderOutput { width: size.0, height: size.1, bytes, warnings, plan: plan.to_string() }
        }));
    }

    /// Executes the steps from this index on, then encodes. The last branch takes the pixels, the others borrow them:
    /// an image is copied only while another branch still needs it.
    fn run_steps(&mut self, pixels: Pixels, branch: &[usize], step_index: usize) {
        let mut forks = split_branch(branch, |index| self.targets[index].0.steps.get(step_index));
        let Some(last) = forks.pop() else { return };
        for fork in forks {
            self.run_branch(Cow::Borrowed(&pixels), &fork, step_index);
        }
        self.run_branch(Cow::Owned(pixels), &last, step_index);
    }

    fn run_branch(&mut self, pixels: Cow<'_, Pixels>, branch: &[usize], step_index: usize) {
        let plan = self.targets[branch[0]].0;
        let Some(step) = plan.steps.get(step_index) else { return self.encode_branch(&pixels, branch) };
        let applied = apply_step(step, pixels, self.context);
        self.assign_layer_warnings(branch);
        match applied {
            Ok(pixels) => self.run_steps(pixels, branch, step_index + 1),
            Err(failure) => self.fail_branch(branch, &failure),
        }
    }

    /// Keeps what was found wrong with layers meanwhile for the images that they are part of.
    fn assign_layer_warnings(&mut self, branch: &[usize]) {
        let found = self.context.warnings.take();
        for index in branch.iter().filter(|_| !found.is_empty()) {
            self.layer_warnings[*index].extend(found.iter().cloned());
        }
    }

    fn encode_branch(&mut self, pixels: &Pixels, branch: &[usize]) {
        for index in branch {
            let (plan, output) = self.targets[*index];
            let encoded = encode_image(plan, pixels, output);
            self.results[*index] = Some(encoded.map(|mut rendered| {
                let found = self.source_warning.iter().chain(&self.layer_warnings[*index]);
                for warning in found {
                    // The same file may be drawn several times.
                    if !rendered.warnings.contains(warning) {
                        rendered.warnings.push(warning.clone());
                    }
                }
                rendered
            }));
        }
    }

    fn fail_branch(&mut self, branch: &[usize], failure: &RenderError) {
        for index in branch {
            self.results[*index] = Some(Err(failure.clone()));
        }
    }
}

/// Passes the rows of a source to `take`: those of a file, or of a picture that is made here. Returns a warning when the
/// file is irregular, or damaged and accepted all the same.
fn decode_source(
    decode: &DecodePlan,
    context: StepContext<'_>,
    take: &mut dyn FnMut(Pixels) -> Result<(), RenderError>,
) -> Result<Option<RenderWarning>, RenderError> {
    if let Some(color) = decode.blank {
        let pixels = Pixels::from_color(color, (decode.width, decode.height), decode.color, decode.alpha);
        take(pixels.into_shape(decode.color, decode.alpha, decode.bits))?;
        return Ok(None);
    }
    let Some(inner) = &decode.inner else {
        return codec::decode_image(decode, context.files.find_file(decode.object.as_deref())?, take);
    };
    let (pixels, warning) = make_picture(inner, context)?;
    take(pixels.into_shape(decode.color, decode.alpha, decode.bits))?;
    Ok(warning)
}

/// Makes the picture of a layer.
fn apply_sub_plan(plan: &SubPlan, context: StepContext<'_>) -> Result<Pixels, RenderError> {
    let (pixels, warning) = make_picture(plan, context)?;
    context.warnings.borrow_mut().extend(warning);
    Ok(pixels)
}

/// Decodes and executes the steps. As with a whole plan, rows go into the first steps as they come.
fn make_picture(plan: &SubPlan, context: StepContext<'_>) -> Result<(Pixels, Option<RenderWarning>), RenderError> {
    let streamed = RowSinks::count_streamed_steps(&plan.decode, &plan.steps);
    let mut sinks = RowSinks::new(&plan.decode, [&plan.steps[..streamed]]);
    let warning = decode_source(&plan.decode, context, &mut |rows| sinks.take(&rows))?;
    let mut pixels = sinks.finish_single()?;
    for step in &plan.steps[streamed..] {
        pixels = apply_step(step, Cow::Owned(pixels), context)?;
    }
    Ok((pixels, warning))
}

fn encode_image(plan: &RenderPlan, pixels: &Pixels, output: &File) -> Result<RenderOutput, RenderError> {
    let (width, height) = pixels.size();
    if (width, height) != (plan.width, plan.height) {
        let detail =
            format!("The plan has {}x{} pixels, the rendered image {width}x{height}.", plan.width, plan.height);
        return Err(RenderError::new(Code::Internal, detail));
    }
    let bytes = codec::encode_image(&plan.encode, pixels, output)?;
    Ok(RenderOutput { width, height, bytes, warnings: plan.warnings.clone(), plan: plan.to_string() })
}
