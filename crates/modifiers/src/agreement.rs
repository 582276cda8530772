//! Commands that do not go together.

use super::command::Draft;
use super::complaint::{Complaint, Fault};
use super::recipe::{Palette, Request};
use super::scope::Segment;
use super::slots::{Said, Slots};

/// What is wrong with commands of which each alone is right.
pub(super) fn complaints(slots: &Slots<'_>, draft: &Draft) -> Vec<Complaint> {
    let holder = |slot| slots.holder(slot, Segment::Composite);
    let found = [fit(slots, draft), palette(slots, draft), holder("icc").zip(draft.profile_mismatch())];
    found.into_iter().flatten().map(|(said, fault)| said.complaint(fault)).collect()
}

/// The palette mac has no colour to spare. Documentation page: r-is-http-quantize.
fn palette<'s>(slots: &'s Slots<'_>, draft: &Draft) -> Option<(&'s Said<'s>, Fault)> {
    let said = slots.holder("quantize", Segment::Composite)?;
    let mac = draft.quantize.as_ref().is_some_and(|it| it.palette == Palette::Mac);
    if !mac || draft.recipe.output.quantize.is_none() || !draft.recipe.output.alpha {
        return None;
    }
    let remedy = "Use adaptive or web, or a format without alpha.".into();
    Some((said, Fault { remedy, ..Fault::invalid("The palette mac leaves no room for transparency.") }))
}

/// `fit` says how width and height are met, so it is a mistake without either, and for thumbnails, which have a way of
/// their own. Documentation page: r-fit.
fn fit<'s>(slots: &'s Slots<'_>, draft: &Draft) -> Option<(&'s Said<'s>, Fault)> {
    let global = |slot| slots.holder(slot, Segment::Composite);
    let said = global("fit")?;
    let view = &draft.recipe.view;
    if matches!(view.request, Request::Thumbnail(_)) {
        let fault = Fault::invalid("A thumbnail has a way of fitting of its own.");
        return Some((said, Fault { remedy: "Leave fit away, or req=tmb.".into(), ..fault }));
    }
    let sides = [global("wid"), global("hei")];
    if sides.iter().any(Option::is_some) || view.wid.or(view.hei).is_some() {
        return None;
    }
    let remedy = "Add wid= or hei=, or leave fit away.".into();
    Some((said, Fault { remedy, ..Fault::invalid("fit needs wid or hei.") }))
}
