//! What a picture is made of: a file, or what a request inside of the request makes of one.

use std::borrow::Cow;

use super::Planner;
use offprint_modifiers::{Object, Output, Reading, Recipe};
use crate::colour::{Colors, ProfileBytes};
use crate::failure::Failure;
use crate::files::{self, Headers};
use crate::header::{Header, SourceFormat};
use crate::limits::Limits;
use crate::plan::{Decode, Inner, peak_bytes};

/// What plans are made with, beside a recipe and the picture's own header.
#[derive(Clone, Copy)]
pub(in crate) struct Desk<'a> {
    /// Headers of other assets.
    pub others: &'a Headers,
    pub limits: &'a Limits,
    pub profiles: &'a ProfileBytes,
}

/// A picture before anything is done to it.
pub(in crate) struct Source<'a> {
    /// Its header; of a picture that is made first, what that would be as a file.
    pub header: Cow<'a, Header>,
    /// Where its colours begin and go.
    pub colors: Colors,
    /// Another asset whose file it is, by its pin.
    object: Option<&'a str>,
    inner: Option<Box<Inner>>,
}

impl<'a> Source<'a> {
    /// The picture behind an object that the recipe names, or its own.
    pub fn of(object: Option<&'a Object>, own: &'a Header, recipe: &Recipe, desk: Desk<'a>) -> Result<Self, Failure> {
        if let Some(Object::Request(request)) = object {
            return Self::made(request, own, recipe, desk);
        }
        let (object, header) = match object {
            Some(object) => files::find(object, desk.others).map(|(pin, header)| (Some(pin), header))?,
            None => (None, own),
        };
        desk.limits.check_source(header)?;
        let colors = Colors::of(recipe, header, desk.limits, desk.profiles)?;
        Ok(Self { header: Cow::Borrowed(header), colors, object, inner: None })
    }

    /// Plans a request inside of another recipe. What it makes has the colours of that one's output, or of the profile that
    /// it names itself, and keeps its alpha.
    fn made(request: &Recipe, own: &Header, outer: &Recipe, desk: Desk<'_>) -> Result<Self, Failure> {
        let reading = outer.reading;
        let (pixel_type, colors) = match &request.colors.output {
            Some(_) => (request.output.pixel_type, request.colors.clone()),
            None => (outer.output.pixel_type, outer.colors.clone()),
        };
        let output = Output { pixel_type, alpha: true, ..request.output.clone() };
        let recipe = Recipe { output, colors, reading, ..request.clone() };
        let source = Source::of(recipe.layer.source.as_ref(), own, &recipe, desk)?;
        let mut planner = Planner::new(&source.header, &recipe, desk.limits, &source.colors);
        planner.follow(&recipe, &source.header, desk)?;
        planner.convert_to_output();
        let (width, height) = planner.size;
        let mut header = Header::new(SourceFormat::Bmp, (width, height), planner.pixel_type, planner.bits);
        (header.alpha, header.dpi) = (planner.alpha, source.header.dpi);
        let (decode, steps) = planner.decoded(&source, reading);
        let peak_bytes = peak_bytes(&source.header, &decode, &steps, (width, height));
        let inner = Some(Box::new(Inner { decode, steps, peak_bytes }));
        let mut colors = source.colors;
        if request.colors.output.is_some() {
            header.profile = colors.output.as_ref().map(|profile| profile.bytes.to_vec());
            let warnings = colors.warnings;
            colors = Colors::of(outer, &header, desk.limits, desk.profiles)?;
            colors.warnings.extend(warnings);
        } else {
            colors.source = colors.output.clone();
        }
        Ok(Self { header: Cow::Owned(header), colors, object: None, inner })
    }

    /// How it is decoded, its sides so many times smaller.
    pub fn decode(&self, shrink: u8, reading: Reading) -> Decode {
        let decode = Decode::of(&self.header, shrink, self.object, reading);
        Decode { inner: self.inner.clone(), ..decode }
    }
}
