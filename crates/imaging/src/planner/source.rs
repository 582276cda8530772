//! What an image is made of: a file, or the result of a nested request.

use std::borrow::Cow;

use offprint_modifiers::{AssetReference, DecodeOptions, Output, Recipe};

use super::Planner;
use super::source_warnings::list_source_warnings;
use crate::colour::{ColorPlan, ProfileBytes};
use crate::error::{RenderError, RenderWarning};
use crate::header::{ImageHeader, SourceFormat};
use crate::limits::RenderLimits;
use crate::plan::{DecodePlan, InnerPlan, estimate_peak_bytes};
use crate::source_files::{self, ObjectHeaders};

/// What planning needs besides a recipe and the image's own header.
#[derive(Clone, Copy)]
pub(crate) struct PlanContext<'a> {
    pub(crate) object_headers: &'a ObjectHeaders,
    pub(crate) limits: &'a RenderLimits,
    pub(crate) profiles: &'a ProfileBytes,
}

/// An image before the first step.
pub(crate) struct PlanSource<'a> {
    /// Its header; for a nested request, the header that its result would have as a file.
    pub(crate) header: Cow<'a, ImageHeader>,
    pub(crate) colors: ColorPlan,
    /// What is left out of it or irregular.
    pub(crate) warnings: Vec<RenderWarning>,
    /// The SHA-256 of another asset whose file it is.
    object: Option<&'a str>,
    inner: Option<Box<InnerPlan>>,
}

impl<'a> PlanSource<'a> {
    /// Resolves an object that the recipe names; none is the asset itself.
    pub(crate) fn resolve(
        object: Option<&'a AssetReference>,
        own_header: &'a ImageHeader,
        recipe: &Recipe,
        context: PlanContext<'a>,
    ) -> Result<Self, RenderError> {
        if let Some(AssetReference::Request(request)) = object {
            return Self::plan_request(request, own_header, recipe, context);
        }
        let (object, header) = match object {
            Some(object) => {
                source_files::find_header(object, context.object_headers).map(|(pin, header)| (Some(pin), header))?
            }
            None => (None, own_header),
        };
        context.limits.check_source(header)?;
        let colors = ColorPlan::new(recipe, header, context.limits, context.profiles)?;
        let warnings = list_source_warnings(header);
        Ok(Self { header: Cow::Borrowed(header), colors, warnings, object, inner: None })
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
        let source = PlanSource::resolve(recipe.layer.source.as_ref(), own_header, &recipe, context)?;
        let mut planner = Planner::new(&source.header, &recipe, context.limits, &source.colors);
        planner.apply_recipe(&recipe, &source.header, context)?;
        planner.convert_to_output();
        let (width, height) = planner.size;
        let mut header = ImageHeader::new(SourceFormat::Bmp, (width, height), planner.pixel_type, planner.bits);
        (header.alpha, header.dpi) = (planner.alpha, source.header.dpi);
        let planner_warnings = std::mem::take(&mut planner.warnings);
        let (decode, steps) = planner.finish(&source, reading)?;
        let peak_bytes = estimate_peak_bytes(&source.header, &decode, &steps, (width, height));
        let inner = Some(Box::new(InnerPlan { decode, steps, peak_bytes }));
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
        Ok(Self { header: Cow::Owned(header), colors, warnings, object: None, inner })
    }

    /// How it is decoded; `shrink` divides its sides.
    pub(crate) fn decode_plan(&self, shrink: u8, reading: DecodeOptions) -> DecodePlan {
        let decode = DecodePlan::new(&self.header, shrink, self.object, reading);
        DecodePlan { inner: self.inner.clone(), ..decode }
    }
}
