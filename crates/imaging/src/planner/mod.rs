//! Builds the list of steps: follows the image through the commands of a recipe, in the order in which Image Serving
//! applies them, and keeps account of its size, components, profile and depth. Numbers only.
//!
//! ```text
//! source -> layer (mask, crop, scale, flip, tone, sharpen, rotate, extend, fill)
//!        -> composite -> view -> tile -> encoder
//! ```
//!
//! Here is the order; what a command adds is in a file of its kind: `shape.rs` (masks, outlines), `geometry.rs`,
//! `resampling.rs`, `tone.rs`, `fill.rs`, `conversion.rs`, `view.rs`. Where other layers are laid over layer 0,
//! `layered.rs` plans each of them in the same way, at the scale of the view.
//!
//! Three rules keep plans short and results sharp:
//!
//! * What can be one resampling is one: a crop before a resize, and a resize that only makes smaller before another,
//!   become part of it (`Planner::resize`).
//! * An image keeps the components and the depth of its source until a step needs others, because every conversion
//!   loses something (`Planner::convert_to_output`, `Planner::convert_to_rgb`).
//! * The first crop or resize is moved before the turn that makes the image upright, so that the decoder can do it
//!   (`shrink.rs`).
//!
//! Begin with `Planner::apply_recipe`.

mod canvas;
mod conversion;
mod effects;
mod estimate;
mod fill;
mod geometry;
mod layer_content;
mod layer_planner;
mod layered;
mod oversize;
mod pixel_budget;
mod render_plan;
mod resampling;
mod shape;
mod shrink;
mod source;
mod source_transform;
mod source_warnings;
mod tone;
mod view;
mod visible_area;
mod watermark;

use std::cell::Cell;

use offprint_modifiers::{Layer, PixelType, Recipe, ResMode, ResampleSpace};

use self::source::PlanSource;
use self::source_transform::SourceTransform;
use super::colour::{ColorPlan, Profile, ProfileBytes};
use super::error::{RenderError, RenderWarning};
use super::header::ImageHeader;
use super::limits::RenderLimits;
use super::pixels::Kernel;
use super::source_files::ObjectHeaders;
use super::step::{Step, get_decoded_bits};

/// What planning needs besides a recipe and the image's own header.
#[derive(Clone, Copy)]
struct PlanContext<'a> {
    object_headers: &'a ObjectHeaders,
    limits: &'a RenderLimits,
    profiles: &'a ProfileBytes,
    /// Pixels of all layers so far.
    layer_pixels: &'a Cell<u64>,
}

/// The list of steps so far, and the state of the image after them.
#[derive(Clone)]
struct Planner<'a> {
    steps: Vec<Step>,
    size: (u32, u32),
    alpha: bool,
    pixel_type: PixelType,
    /// The profile of its colours, or none when it is not known what their numbers mean.
    profile: Option<Profile>,
    bits: u8,
    colors: &'a ColorPlan,
    kernel: Kernel,
    /// In which values images are made smaller.
    space: ResampleSpace,
    /// By what factor the image was resized so far. Radii that are given in source pixels shrink with it.
    shrink_ratio: f64,
    /// Where the source lies in the image.
    source_transform: SourceTransform,
    /// Whether the last window lay within the image, so that a resize after it can absorb it.
    last_window_inside: bool,
    limits: &'a RenderLimits,
    /// Warnings about sources of masks and layers.
    warnings: Vec<RenderWarning>,
    /// The scale at which the picture is made: pixels for each pixel of the recipe, horizontally and vertically. It
    /// takes effect where the layer is scaled; until then the image has the pixels of its source.
    scale: (f64, f64),
    /// The size that the image has at scale 1.
    nominal: (u32, u32),
    /// The size of layer 0 at scale 1, while another layer is planned.
    canvas: Option<(u32, u32)>,
}

impl<'a> Planner<'a> {
    fn new(header: &ImageHeader, recipe: &Recipe, limits: &'a RenderLimits, colors: &'a ColorPlan) -> Self {
        let kernel = match recipe.view.res_mode {
            ResMode::Bilin => Kernel::Triangle,
            ResMode::Bicub => Kernel::CatmullRom,
            ResMode::Sharp2 => Kernel::Lanczos3,
            ResMode::Bisharp => Kernel::SharpCubic,
        };
        Self {
            steps: Vec::new(),
            size: header.upright_size(),
            alpha: header.alpha,
            pixel_type: header.color,
            profile: colors.source.clone(),
            bits: get_decoded_bits(header),
            colors,
            kernel,
            space: recipe.view.resample_space,
            shrink_ratio: 1.0,
            source_transform: SourceTransform::for_image(header.upright_size(), header.orientation),
            last_window_inside: false,
            limits,
            warnings: Vec::new(),
            scale: (1.0, 1.0),
            nominal: header.upright_size(),
            canvas: None,
        }
    }

    fn apply_recipe(
        &mut self,
        recipe: &Recipe,
        source: &PlanSource<'_>,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        if layered::is_layered(recipe) {
            return self.apply_layered(recipe, source, context);
        }
        let header = source.header.as_ref();
        self.apply_layer(&recipe.layer, recipe, header, context)?;
        self.apply_composite(recipe, header)?;
        self.fade(recipe.composite.opacity.filter(|_| !has_fill(&recipe.layer)));
        self.apply_view(recipe, header, context)
    }

    /// A layer, in the order of the documentation page r-layer-transforms.
    fn apply_layer(
        &mut self,
        layer: &Layer,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        self.apply_mask(&layer.mask, recipe, header, context)?;
        self.shape_layer(layer, header)?;
        self.fade(layer.opacity);
        // `opac` fades no fill, not even for the composite, so it is then applied before them. Page: r-opac.
        if has_fill(layer) && self.canvas.is_none() {
            self.fade(recipe.composite.opacity);
        }
        self.fill_source(layer.color);
        self.place_layer(layer)
    }

    /// The part of a layer's transforms before its opacity and its fills.
    fn shape_layer(&mut self, layer: &Layer, header: &ImageHeader) -> Result<(), RenderError> {
        if let Some(crop) = layer.crop {
            self.crop(crop)?;
        }
        self.crop_paths(&layer.crop_paths, header)?;
        self.scale_layer(layer, header.dpi)?;
        self.grow_mask(f64::from(layer.mask.grow_layer) * self.length_scale());
        self.clip(&layer.clip, header);
        self.flip(layer.flip);
        self.adjust_tone(layer.tone);
        self.sharpen(&layer.sharpening, self.length_scale());
        Ok(())
    }

    /// The part after them.
    fn place_layer(&mut self, layer: &Layer) -> Result<(), RenderError> {
        self.rotate(layer.rotate)?;
        self.bend(layer.perspective)?;
        if let Some(extend) = layer.extend {
            self.extend(extend)?;
        }
        self.fill(layer.bg_color);
        if layer.hidden {
            self.fade(Some(0.0));
        }
        Ok(())
    }

    fn apply_composite(&mut self, recipe: &Recipe, header: &ImageHeader) -> Result<(), RenderError> {
        let composite = &recipe.composite;
        self.crop_paths(&composite.crop_paths, header)?;
        self.clip(&composite.clip, header);
        self.flip(composite.flip);
        self.adjust_tone(composite.tone);
        Ok(())
    }
}

/// Whether the layer has a fill.
fn has_fill(layer: &Layer) -> bool {
    (layer.color.is_some() && !layer.blank) || layer.bg_color.is_some()
}
