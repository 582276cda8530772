//! Which operation on pixels each step of a plan is.

use std::borrow::Cow;
use std::cell::RefCell;

use offprint_modifiers::BlendMode;

use super::layer_cache::LayerCache;
use super::product::frame_product;
use super::{apply_sub_plan, decode_source};
use crate::error::{RenderError, RenderWarning};
use crate::pixels::{Blend, Pixels, Raster, Sample, is_linear_resampling, render_coverage};
use crate::row_sink::RowSinks;
use crate::source_files::SourceFiles;
use crate::step::{DecodePlan, PaintContent, PaintStep, Step};
use crate::turn::Turn;

/// What steps need beside pixels: the files of other assets, and layers that were made before.
#[derive(Clone, Copy)]
pub(super) struct StepContext<'a> {
    pub(super) files: &'a SourceFiles,
    pub(super) cache: &'a LayerCache,
    /// What is wrong with files of layers and masks that are rendered all the same.
    pub(super) warnings: &'a RefCell<Vec<RenderWarning>>,
}

/// Executes one step.
pub(super) fn apply_step(
    step: &Step,
    pixels: Cow<'_, Pixels>,
    context: StepContext<'_>,
) -> Result<Pixels, RenderError> {
    match step {
        Step::Mask { decode, turn } => pixels.into_owned().with_mask_from(decode_mask(decode, *turn, context)?),
        Step::Convert(conversion) => conversion.apply(pixels.into_owned()),
        Step::Average { box_side, .. } => pixels.average(*box_side),
        Step::Resize { from, width, height, kernel, space } => {
            let size = (*width, *height);
            if is_linear_resampling(*space, *from, size) {
                pixels.resize_linear(*from, size, *kernel)
            } else {
                pixels.resize(*from, size, *kernel)
            }
        }
        Step::FitProduct { tolerance, frame, kernel, space } => {
            let (framed, warning) = frame_product(&pixels, *tolerance, frame, (*kernel, *space))?;
            context.warnings.borrow_mut().extend(warning);
            Ok(framed)
        }
        Step::Paint(paint) => paint_layer(paint, pixels.into_owned(), context),
        Step::AddEffects { effects, opacity, shape } => {
            let image = pixels.into_owned();
            let blend = Blend { mode: BlendMode::Norm, opacity: *opacity, seed: 0 };
            let shape = match shape {
                Some(plan) => apply_sub_plan(plan, context)?.to_shape(),
                None => image.to_shape(),
            };
            let mut canvas = image.to_transparent();
            effects
                .iter()
                .filter(|effect| !effect.inner)
                .for_each(|effect| canvas.paint_effect(&shape, (0, 0), effect));
            canvas.paint(&image, (0, 0), blend);
            effects.iter().filter(|effect| effect.inner).for_each(|effect| canvas.paint_effect(&shape, (0, 0), effect));
            Ok(canvas)
        }
        Step::Reduce { dither } => Ok(match pixels.into_owned() {
            Pixels::Sixteen(raster) if *dither => raster.dither().into(),
            pixels => pixels.into_eight().into(),
        }),
        step => Ok(match pixels.into_owned() {
            Pixels::Eight(raster) => apply_to_raster(step, raster).into(),
            Pixels::Sixteen(raster) => apply_to_raster(step, raster).into(),
        }),
    }
}

/// Executes a step that needs nothing but pixels, and is the same at both depths.
fn apply_to_raster<S: Sample>(step: &Step, raster: Raster<S>) -> Raster<S> {
    match *step {
        Step::Window { x, y, width, height, fill } => raster.apply_window(x, y, (width, height), fill),
        Step::Turn(turn) => raster.turn(turn),
        Step::Rotate { degrees, width, height } => raster.rotate(degrees, (width, height)),
        Step::Fade { opacity } => raster.fade(opacity),
        Step::Fill { color } => raster.fill(color),
        Step::FillPart { color, part } => raster.fill_part(color, part),
        Step::Tone(tone) => raster.adjust_tone(&tone),
        Step::Blur { sigma } => raster.blur(sigma),
        Step::Sharpen { amount, sigma, threshold, mono } => raster.sharpen(amount, sigma, threshold, mono),
        Step::Flatten { color } => raster.fill(color).without_alpha(),
        Step::Recolor { to } => raster.recolor(to),
        Step::Unmask => raster.without_alpha(),
        Step::InvertMask { black } => raster.invert_mask(black),
        Step::GrowMask { pixels } => raster.grow_mask(pixels),
        Step::ShowMask => raster.to_shape(),
        Step::Clip { ref inside, ref outside } => {
            let coverage = render_coverage(inside, outside, raster.size());
            raster.apply_coverage(&coverage)
        }
        Step::Warp { width, height, ref back, sampling, each_way } => {
            raster.warp((width, height), back, sampling, each_way)
        }
        Step::Grow { pixels } => raster.grow(pixels),
        Step::Noise(noise) => raster.add_noise(noise),
        Step::Stencil { color, to, by_brightness } => raster.into_stencil(color, to, by_brightness),
        // These need files, profiles, the other depth, or report errors: `apply_step`.
        Step::Average { .. }
        | Step::Resize { .. }
        | Step::FitProduct { .. }
        | Step::Convert(_)
        | Step::Reduce { .. }
        | Step::Mask { .. }
        | Step::Paint(_)
        | Step::AddEffects { .. } => raster,
    }
}

/// Decodes another image that becomes a mask, and makes it upright.
fn decode_mask(plan: &DecodePlan, turn: Turn, context: StepContext<'_>) -> Result<Pixels, RenderError> {
    let mut sinks = RowSinks::new(plan, [&[][..]]);
    let warning = decode_source(plan, context, &mut |rows| sinks.take(&rows))?;
    context.warnings.borrow_mut().extend(warning);
    apply_step(&Step::Turn(turn), Cow::Owned(sinks.finish_single()?), context)
}

/// Lays a layer over the image, with its effects.
fn paint_layer(step: &PaintStep, mut image: Pixels, context: StepContext<'_>) -> Result<Pixels, RenderError> {
    let plan = match &step.content {
        PaintContent::Color { color, width, height } => {
            image.paint_color(*color, step.at, (*width, *height), step.blend);
            return Ok(image);
        }
        PaintContent::Picture(plan) => plan,
    };
    let picture = context.cache.get_or_make(plan, context, || apply_sub_plan(plan, context))?;
    let shape = match &step.shape {
        _ if step.effects.is_empty() => None,
        Some(plan) => Some(apply_sub_plan(plan, context)?.to_shape()),
        None => Some(picture.to_shape()),
    };
    let draw_effects = |image: &mut Pixels, inner: bool| {
        for effect in step.effects.iter().filter(|effect| effect.inner == inner) {
            shape.iter().for_each(|shape| image.paint_effect(shape, step.at, effect));
        }
    };
    draw_effects(&mut image, false);
    match step.tiled {
        true => image.paint_tiled(&picture, step.at, step.blend),
        false => image.paint(&picture, step.at, step.blend),
    }
    draw_effects(&mut image, true);
    Ok(image)
}

/// Executes a step that needs no files.
#[cfg(test)]
pub(super) fn apply_alone(step: &Step, pixels: Pixels) -> Result<Pixels, RenderError> {
    let (files, cache) = (SourceFiles::from_source(std::path::Path::new("")), LayerCache::default());
    let warnings = RefCell::default();
    apply_step(step, Cow::Owned(pixels), StepContext { files: &files, cache: &cache, warnings: &warnings })
}
