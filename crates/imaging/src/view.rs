//! The view transform: from the size of the composite to sizes and positions in the view. Numbers only. Documentation
//! page: r-view-transform-for-images; what it leaves open is decided in docs/decisions/0001-codecs.md.
//!
//! ```text
//! composite                    view (what is encoded)
//! +------------------+         +--------------------+
//! |    region        |  scale  |   background       |
//! |   +-------+      | ------> | offset +--------+  |   a negative offset: the scaled region is larger than
//! |   |       |      |         |        | scaled |  |   the view and is cropped by it
//! |   +-------+      |         |        +--------+  |
//! +------------------+         +--------------------+
//! ```

use offprint_core::Code;
use offprint_modifiers::{FitMode, Region, RequestKind, ThumbType, Thumbnail, View};

use super::error::RenderError;
use super::frame::Frame;

/// Where the image lies in its view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Size of the view, in pixels.
    pub(crate) view: (u32, u32),
    /// Size of the region of interest after scaling, in pixels of the view.
    pub(crate) scaled: (u32, u32),
    /// Left and top of the scaled region in the view; what is negative is cropped.
    pub(crate) offset: (i64, i64),
    /// The region of interest in pixels of the composite: left, top, width, height.
    pub(crate) region: [f64; 4],
}

/// Rounds a side to whole pixels, half up, at least 1. The small addition keeps products like 201 * (100 / 201) from
/// falling below their true value.
pub(super) fn round_size(value: f64) -> u32 {
    (value + 0.5 + 1e-9).floor().clamp(1.0, f64::from(u32::MAX)) as u32
}

/// Computes sizes and positions in the view. `composite` is the size of the image that is shown.
///
/// # Errors
/// `output-too-large` when the view, or the tile of it that is asked for, exceeds MaxPix.
pub(crate) fn place_view(composite: (u32, u32), view: &View) -> Result<Placement, RenderError> {
    let mut requested = resolve_requested_size(view);
    let mut placement = arrange_view(composite, view, requested);
    if view.dpr.is_some() {
        let fit = compute_fit_factor(placement.view, view.max_pix);
        if fit < 1.0 {
            requested = scale_requested_size(requested, fit);
            placement = arrange_view(composite, view, requested);
        }
    }
    let shown = view.rect.map_or(placement.view, |tile| (tile.region.w, tile.region.h));
    check_max_pix(shown, view.max_pix)?;
    Ok(placement)
}

fn arrange_view(composite: (u32, u32), view: &View, requested: RequestedSize) -> Placement {
    if let RequestKind::Thumbnail(thumbnail) = view.request {
        return arrange_thumbnail(composite, thumbnail, requested);
    }
    if let (Some(_), (Some(wid), Some(hei))) = (view.pad, requested) {
        let (scaled, offset) = frame_view(view, (wid, hei)).place_image(composite);
        let region = [0.0, 0.0, f64::from(composite.0), f64::from(composite.1)];
        return Placement { view: (wid, hei), scaled, offset, region };
    }
    let rgn = view.rgn.unwrap_or(Region { x: 0, y: 0, w: composite.0, h: composite.1 });
    let region = (f64::from(rgn.w), f64::from(rgn.h));
    let (scale, fixed) = choose_scale(region, view, requested);
    let scaled = (round_size(region.0 * scale.0), round_size(region.1 * scale.1));
    let size = (fixed.0.unwrap_or(scaled.0), fixed.1.unwrap_or(scaled.1));
    let stretched = view.scale.is_none() && view.fit.mode == FitMode::Stretch;
    let align = if stretched { (0.0, 0.0) } else { view.align };
    Placement::new(size, scaled, align, [f64::from(rgn.x), f64::from(rgn.y), region.0, region.1])
}

/// Documentation page: r-view-transform-for-thumbnails.
fn arrange_thumbnail((w, h): (u32, u32), thumbnail: Thumbnail, requested: RequestedSize) -> Placement {
    let side =
        |requested: Option<u32>, default: u32, own: u32| requested.unwrap_or(if default > 0 { default } else { own });
    let size = (side(requested.0, thumbnail.pix.0, w), side(requested.1, thumbnail.pix.1, h));
    let (x, y) = (f64::from(size.0) / f64::from(w), f64::from(size.1) / f64::from(h));
    let scale = match thumbnail.kind {
        ThumbType::Crop => x.max(y),
        ThumbType::Fit => x.min(y),
        ThumbType::Texture => 1.0,
    };
    let (w, h) = (f64::from(w), f64::from(h));
    Placement::new(size, (round_size(w * scale), round_size(h * scale)), thumbnail.align, [0.0, 0.0, w, h])
}

/// The frame of `x_trim` and `x_pad`.
pub(crate) fn frame_view(view: &View, (width, height): (u32, u32)) -> Frame {
    Frame { width, height, share: view.pad.unwrap_or(1.0), align: view.align, upscale: view.fit.upscale }
}

impl Placement {
    /// An image that is the view.
    pub(crate) fn whole(view: (u32, u32)) -> Self {
        Self::new(view, view, (0.0, 0.0), [0.0, 0.0, f64::from(view.0), f64::from(view.1)])
    }

    fn new(view: (u32, u32), scaled: (u32, u32), align: (f64, f64), region: [f64; 4]) -> Self {
        let offset = (compute_offset(view.0, scaled.0, align.0), compute_offset(view.1, scaled.1, align.1));
        Self { view, scaled, offset, region }
    }
}

/// The requested width and height, multiplied for dense screens (`dpr=`), though not beyond MaxPix. Documentation page:
/// r-dpr.
fn resolve_requested_size(view: &View) -> RequestedSize {
    let Some(factor) = view.dpr else { return (view.wid, view.hei) };
    let (wid, hei) = scale_requested_size((view.wid, view.hei), factor);
    scale_requested_size((wid, hei), compute_fit_factor((wid.unwrap_or(0), hei.unwrap_or(0)), view.max_pix))
}

fn scale_requested_size((wid, hei): RequestedSize, factor: f64) -> RequestedSize {
    let times = |side: Option<u32>| side.map(|side| round_size(f64::from(side) * factor));
    (times(wid), times(hei))
}

/// The factor, at most 1, that brings a size within limits; a limit of 0 is none.
fn compute_fit_factor((w, h): (u32, u32), (max_w, max_h): (u32, u32)) -> f64 {
    let side = |side: u32, max: u32| if max > 0 { f64::from(max) / f64::from(side.max(1)) } else { 1.0 };
    side(w, max_w).min(side(h, max_h)).min(1.0)
}

/// Positive where the image is smaller than the view (it is padded), negative where it is larger (it is cropped).
/// `align` is -1 for left or top, 0 for the middle, 1 for right or bottom.
pub(super) fn compute_offset(view: u32, scaled: u32, align: f64) -> i64 {
    ((f64::from(view) - f64::from(scaled)) * (1.0 + align) / 2.0 + 0.5).floor() as i64
}

/// Width and height, where they are asked for.
type RequestedSize = (Option<u32>, Option<u32>);

/// The scale of both axes, and the view's size where it does not follow from the scaled image.
fn choose_scale((rw, rh): (f64, f64), view: &View, requested: RequestedSize) -> ((f64, f64), RequestedSize) {
    if let Some(scale) = view.scale {
        return ((scale, scale), requested);
    }
    let cap = |scale: f64| if view.fit.upscale { scale } else { scale.min(1.0) };
    match requested {
        (Some(wid), Some(hei)) => {
            let (x, y) = (cap(f64::from(wid) / rw), cap(f64::from(hei) / rh));
            fit_region((rw, rh), (wid, hei), (x, y), view.fit.mode)
        }
        (Some(wid), None) => (scale_both_axes(cap(f64::from(wid) / rw)), (None, None)),
        (None, Some(hei)) => (scale_both_axes(cap(f64::from(hei) / rh)), (None, None)),
        (None, None) => {
            let limit = |max: u32, side: f64| if max > 0 { f64::from(max) / side } else { 1.0 };
            let (w, h) = view.default_pix;
            (scale_both_axes(limit(w, rw).min(limit(h, rh)).min(1.0)), (None, None))
        }
    }
}

fn scale_both_axes(scale: f64) -> (f64, f64) {
    (scale, scale)
}

fn fit_region(
    region: (f64, f64),
    (wid, hei): (u32, u32),
    (x, y): (f64, f64),
    mode: FitMode,
) -> ((f64, f64), RequestedSize) {
    let exact = (Some(wid), Some(hei));
    match mode {
        FitMode::Fit => (scale_both_axes(x.min(y)), exact),
        FitMode::Constrain => (scale_both_axes(x.min(y)), (None, None)),
        FitMode::Crop => (scale_both_axes(x.max(y)), exact),
        FitMode::Stretch => ((x, y), exact),
        FitMode::Hfit => (scale_both_axes(x), exact),
        FitMode::Vfit => (scale_both_axes(y), exact),
        FitMode::Wrap => {
            let scale = x.max(y);
            let least = |requested: u32, side: f64| Some(requested.max(round_size(side * scale)));
            (scale_both_axes(scale), (least(wid, region.0), least(hei, region.1)))
        }
    }
}

fn check_max_pix((w, h): (u32, u32), (max_w, max_h): (u32, u32)) -> Result<(), RenderError> {
    if (max_w > 0 && w > max_w) || (max_h > 0 && h > max_h) {
        let detail =
            format!("The output would be {w}x{h} pixels; the attribute MaxPix allows at most {max_w}x{max_h}.");
        return Err(RenderError::new(Code::OutputTooLarge, detail));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offprint_modifiers::{Attributes, Macros, ModifierInput, resolve_modifier};

    fn place_image(composite: (u32, u32), modifier: &str, attributes: &Attributes) -> Result<Placement, RenderError> {
        let macros = Macros::default();
        let input = ModifierInput::new(modifier, &macros, attributes);
        let view = resolve_modifier(&input).unwrap().recipe.view;
        place_view(composite, &view)
    }

    /// Scaled size, offset and view.
    fn measure_placement(composite: (u32, u32), modifier: &str) -> [(i64, i64); 3] {
        let placement = place_image(composite, modifier, &Attributes::default()).unwrap();
        let pair = |(a, b): (u32, u32)| (i64::from(a), i64::from(b));
        [pair(placement.scaled), placement.offset, pair(placement.view)]
    }

    #[test]
    fn a_large_image_in_a_square() {
        for (fit, expected) in [
            ("fit", [(600, 400), (0, 100), (600, 600)]),
            ("constrain", [(600, 400), (0, 0), (600, 400)]),
            ("crop", [(900, 600), (-150, 0), (600, 600)]),
            ("crop&align=-1,0", [(900, 600), (0, 0), (600, 600)]),
            ("crop&align=1,0", [(900, 600), (-300, 0), (600, 600)]),
            ("wrap", [(900, 600), (0, 0), (900, 600)]),
            ("stretch", [(600, 600), (0, 0), (600, 600)]),
            ("hfit", [(600, 400), (0, 100), (600, 600)]),
            ("vfit", [(900, 600), (-150, 0), (600, 600)]),
        ] {
            assert_eq!(measure_placement((1200, 800), &format!("wid=600&hei=600&fit={fit}")), expected, "{fit}");
        }
    }

    #[test]
    fn a_small_image_is_enlarged_only_when_asked() {
        let padded = [(300, 200), (150, 200), (600, 600)];
        for (fit, expected) in [
            ("fit", padded),
            ("constrain", [(300, 200), (0, 0), (300, 200)]),
            ("crop", padded),
            ("wrap", padded),
            ("stretch", padded),
            ("hfit", padded),
            ("vfit", padded),
            ("fit,1", [(600, 400), (0, 100), (600, 600)]),
            ("constrain,1", [(600, 400), (0, 0), (600, 400)]),
            ("crop,1", [(900, 600), (-150, 0), (600, 600)]),
            ("wrap,1", [(900, 600), (0, 0), (900, 600)]),
            ("stretch,1", [(600, 600), (0, 0), (600, 600)]),
            ("hfit,1", [(600, 400), (0, 100), (600, 600)]),
            ("vfit,1", [(900, 600), (-150, 0), (600, 600)]),
        ] {
            assert_eq!(measure_placement((300, 200), &format!("wid=600&hei=600&fit={fit}")), expected, "{fit}");
        }
    }

    #[test]
    fn an_image_small_one_way_and_large_the_other() {
        for (fit, expected) in [
            ("fit", [(67, 300), (267, 0), (600, 300)]),
            ("constrain", [(67, 300), (0, 0), (67, 300)]),
            ("crop", [(200, 900), (200, -300), (600, 300)]),
            ("wrap", [(200, 900), (200, 0), (600, 900)]),
            ("stretch", [(200, 300), (200, 0), (600, 300)]),
            ("hfit", [(200, 900), (200, -300), (600, 300)]),
            ("vfit", [(67, 300), (267, 0), (600, 300)]),
        ] {
            assert_eq!(measure_placement((200, 900), &format!("wid=600&hei=300&fit={fit}")), expected, "{fit}");
        }
    }

    #[test]
    fn other_worked_examples() {
        assert_eq!(measure_placement((400, 200), "wid=100"), [(100, 50), (0, 0), (100, 50)]);
        assert_eq!(measure_placement((400, 200), "hei=50"), [(100, 50), (0, 0), (100, 50)]);
        assert_eq!(measure_placement((1000, 600), "scl=4"), [(250, 150), (0, 0), (250, 150)]);
        assert_eq!(measure_placement((1000, 600), "scl=4&wid=200&hei=200"), [(250, 150), (-25, 25), (200, 200)]);
        assert_eq!(measure_placement((200, 100), "rgn=100,0,100,100&wid=50"), [(50, 50), (0, 0), (50, 50)]);
        assert_eq!(measure_placement((10_000, 1), "wid=100")[2], (100, 1));
        assert_eq!(measure_placement((400, 201), "wid=200")[2], (200, 101));
    }

    #[test]
    fn only_the_tile_of_a_view_is_held_against_max_pix() {
        let small = Attributes { max_pix: (50, 50), ..Attributes::default() };
        assert!(place_image((200, 100), "wid=100&rect=60,0,40,20", &small).is_ok());
        assert!(place_image((200, 100), "wid=40&rect=0,0,60,20", &small).is_err());
    }

    #[test]
    fn dense_screens_get_more_and_never_too_much() {
        let attributes = |max_pix| Attributes { max_pix, ..Attributes::default() };
        let view = |modifier, max_pix| place_image((4000, 3000), modifier, &attributes(max_pix)).unwrap().view;
        assert_eq!(view("dpr=on,2&wid=816&hei=500", (0, 0)), (1632, 1000));
        assert_eq!(view("dpr=on,2&wid=816&hei=500", (816, 0)), (816, 500));
        assert_eq!(view("dpr=on,2&wid=400", (0, 300)), (400, 300));
        assert_eq!(view("dpr=on,2&scl=4", (0, 0)), (1000, 750));
    }

    #[test]
    fn thumbnails_have_one_size() {
        let attributes = |kind| {
            let thumbnail = Thumbnail { pix: (80, 80), kind, align: (0.0, -1.0) };
            Attributes { thumbnail, ..Attributes::default() }
        };
        let place = |modifier, kind| {
            let placement = place_image((400, 200), modifier, &attributes(kind)).unwrap();
            (placement.scaled, placement.offset, placement.view)
        };
        assert_eq!(place("req=tmb", ThumbType::Fit), ((80, 40), (0, 0), (80, 80)));
        assert_eq!(place("req=tmb&wid=100", ThumbType::Crop), ((160, 80), (-30, 0), (100, 80)));
        assert_eq!(place("req=tmb&hei=300&align=1,1", ThumbType::Texture), ((400, 200), (-160, 0), (80, 300)));
    }

    #[test]
    fn attributes_cap_and_limit() {
        let capped = |w, h| {
            let attributes = Attributes { default_pix: (w, h), ..Attributes::default() };
            place_image((4000, 3000), "", &attributes).unwrap().view
        };
        assert_eq!((capped(1280, 1280), capped(0, 500), capped(0, 0)), ((1280, 960), (667, 500), (4000, 3000)));
        let limited = Attributes { max_pix: (3000, 3000), ..Attributes::default() };
        assert_eq!(place_image((4000, 3000), "scl=1", &limited).unwrap_err().code, Code::OutputTooLarge);
        assert!(place_image((4000, 3000), "wid=3000", &limited).is_ok());
    }
}
