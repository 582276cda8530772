//! What an image is made of: a file, or the result of a nested request.

use std::borrow::Cow;

use offprint_core::Code;
use offprint_modifiers::{AssetReference, DecodeOptions, Layer, Output, PixelType, Recipe};

use super::estimate::estimate_peak_bytes;
use super::layer_content::{as_color_layer, measure_color};
use super::source_warnings::list_source_warnings;
use super::{PlanContext, Planner};
use crate::colour::ColorPlan;
use crate::error::{RenderError, RenderWarning};
use crate::header::{ImageHeader, SourceFormat};
use crate::pixels::FillColor;
use crate::source_files;
use crate::step::{DecodePlan, SubPlan};

/// An image before the first step.
pub(super) struct PlanSource<'a> {
    /// Its header; for a nested request, the header that its result would have as a file.
    pub(super) header: Cow<'a, ImageHeader>,
    pub(super) colors: ColorPlan,
    /// What is left out of it or irregular.
    pub(super) warnings: Vec<RenderWarning>,
    /// The point that is placed, of a colour whose outline gives it a size.
    pub(super) color_origin: Option<[f64; 2]>,
    /// The SHA-256 of another asset whose file it is.
    object: Option<String>,
    inner: Option<Box<SubPlan>>,
    /// The colour of a picture without an image.
    blank: Option<FillColor>,
}

impl<'a> PlanSource<'a> {
    /// The image of layer 0: the asset itself, another one, or none.
    pub(super) fn for_base(
        recipe: &Recipe,
        own_header: &'a ImageHeader,
        context: PlanContext<'a>,
    ) -> Result<Self, RenderError> {
        if let Some(template) = &recipe.template {
            let detail =
                format!("There is no template {template}: no such asset has a modifier of its own (urlModifier).");
            return Err(RenderError::new(Code::InvalidModifier, detail));
        }
        if !recipe.layer.blank {
            return Self::resolve(recipe.layer.source.as_ref(), own_header, recipe, context);
        }
        if recipe.layer.mask.object.is_some() {
            let detail = "Layer 0 is a colour with a mask. Lay it as layer 1 over a layer 0 with a size.";
            return Err(RenderError::new(Code::InvalidModifier, detail));
        }
        let Some((size, origin)) = measure_color(0, &recipe.layer, (0, 0))? else {
            let detail = "Layer 0 has no image. Write its src= or its size=width,height.";
            return Err(RenderError::new(Code::InvalidModifier, detail));
        };
        let mut source = Self::blank(size, FillColor::NONE, origin, recipe, context)?;
        if let Some(color) = recipe.layer.color {
            source.set_color(FillColor { color: source.colors.convert_color(color), alpha: color.alpha });
        }
        Ok(source)
    }

    /// Layer 0 as its steps see it.
    pub(super) fn base_layer<'r>(&self, recipe: &'r Recipe) -> Cow<'r, Layer> {
        match self.blank {
            Some(_) => Cow::Owned(as_color_layer(&recipe.layer, self.color_origin)),
            None => Cow::Borrowed(&recipe.layer),
        }
    }

    /// A picture of one colour.
    pub(super) fn blank(
        size: (u32, u32),
        color: FillColor,
        color_origin: Option<[f64; 2]>,
        recipe: &Recipe,
        context: PlanContext<'_>,
    ) -> Result<PlanSource<'static>, RenderError> {
        let header = Self::blank_header(size, recipe.output.pixel_type);
        let mut colors = ColorPlan::new(recipe, &header, context.limits, context.profiles)?;
        // Colours of the modifier are colours of the output already.
        colors.source = colors.output.clone();
        colors.warnings.clear();
        let mut source = PlanSource {
            header: Cow::Owned(header),
            colors,
            warnings: Vec::new(),
            color_origin,
            object: None,
            inner: None,
            blank: None,
        };
        source.set_color(color);
        Ok(source)
    }

    fn set_color(&mut self, color: FillColor) {
        self.blank = Some(color);
        self.header.to_mut().alpha = !color.is_opaque();
    }

    /// The header that a picture of one colour would have as a file.
    pub(super) fn blank_header(size: (u32, u32), pixel_type: PixelType) -> ImageHeader {
        ImageHeader::new(SourceFormat::Bmp, size, pixel_type, 8)
    }

    /// Whether there is no image, only a colour.
    pub(super) fn is_blank(&self) -> bool {
        self.blank.is_some()
    }

    /// The same without borrowing headers.
    pub(super) fn into_owned(self) -> PlanSource<'static> {
        let Self { header, colors, warnings, color_origin, object, inner, blank } = self;
        PlanSource { header: Cow::Owned(header.into_owned()), colors, warnings, color_origin, object, inner, blank }
    }

    /// Resolves an object that the recipe names; none is the asset itself.
    pub(super) fn resolve(
        object: Option<&AssetReference>,
        own_header: &'a ImageHeader,
        recipe: &Recipe,
        context: PlanContext<'a>,
    ) -> Result<Self, RenderError> {
        if let Some(AssetReference::Request(request)) = object {
            return Self::plan_request(request, own_header, recipe, context);
        }
        let (object, header) = match object {
            Some(object) => source_files::find_header(object, context.object_headers)
                .map(|(pin, header)| (Some(pin.to_owned()), header))?,
            None => (None, own_header),
        };
        context.limits.check_source(header)?;
        let colors = ColorPlan::new(recipe, header, context.limits, context.profiles)?;
        let warnings = list_source_warnings(header);
        let header = Cow::Borrowed(header);
        Ok(Self { header, colors, warnings, color_origin: None, object, inner: None, blank: None })
    }

    /// Plans a nested request. Its result keeps alpha and has the colours of the outer recipe's output, unless the
    /// request names a profile itself: then the outer recipe sees an image with that profile and converts it like any
    /// other.
    fn plan_request(
        request: &Recipe,
        own_header: &ImageHeader,
        outer: &Recipe,
        context: PlanContext<'_>,
    ) -> Result<Self, RenderError> {
        let reading = outer.reading;
        let (pixel_type, colors) = match &request.colors.output {
            Some(_) => (request.output.pixel_type, request.colors.clone()),
            None => (outer.output.pixel_type, outer.colors.clone()),
        };
        let output = Output { pixel_type, alpha: true, ..request.output.clone() };
        let recipe = Recipe { output, colors, reading, ..request.clone() };
        let source = PlanSource::for_base(&recipe, own_header, context)?;
        let mut planner = Planner::new(&source.header, &recipe, context.limits, &source.colors);
        planner.apply_recipe(&recipe, &source, context)?;
        planner.convert_to_output();
        let (width, height) = planner.size;
        let mut header = ImageHeader::new(SourceFormat::Bmp, (width, height), planner.pixel_type, planner.bits);
        (header.alpha, header.dpi) = (planner.alpha, source.header.dpi);
        let planner_warnings = std::mem::take(&mut planner.warnings);
        let (decode, steps) = planner.finish(&source, reading)?;
        let peak_bytes = estimate_peak_bytes(&source.header, &decode, &steps, (width, height));
        let inner = Some(Box::new(SubPlan { decode, steps, peak_bytes }));
        let mut colors = source.colors;
        if request.colors.output.is_some() {
            header.profile = colors.output.as_ref().map(|profile| profile.bytes.to_vec());
            let warnings = colors.warnings;
            colors = ColorPlan::new(outer, &header, context.limits, context.profiles)?;
            colors.warnings.extend(warnings);
        } else {
            colors.source = colors.output.clone();
        }
        let warnings = [source.warnings, planner_warnings].concat();
        let header = Cow::Owned(header);
        Ok(Self { header, colors, warnings, color_origin: None, object: None, inner, blank: None })
    }

    /// How it is decoded; `shrink` divides its sides.
    pub(super) fn decode_plan(&self, shrink: u8, reading: DecodeOptions) -> DecodePlan {
        let decode = DecodePlan::new(&self.header, shrink, self.object.as_deref(), reading);
        DecodePlan { inner: self.inner.clone(), blank: self.blank, ..decode }
    }
}
