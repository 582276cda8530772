//! Errors of commands that are valid alone but not together.

use super::command::RecipeBuilder;
use super::diagnostic::{Diagnostic, ValueError};
use super::overrides::{OverrideTable, ParsedCommand};
use super::recipe::{FitMode, Palette, RequestKind};
use super::segment::ModifierSegment;

/// All conflicts between the effective commands.
pub(super) fn find_conflicts(overrides: &OverrideTable<'_>, draft: &RecipeBuilder<'_>) -> Vec<Diagnostic> {
    let icc = overrides.find_effective("icc", ModifierSegment::Composite);
    let conflicts = [
        check_fit(overrides, draft),
        check_palette(overrides, draft),
        icc.zip(draft.find_profile_mismatch()),
        check_frame("x_trim", overrides, draft),
        check_frame("x_pad", overrides, draft),
    ];
    conflicts.into_iter().flatten().map(|(command, error)| command.diagnose(error)).collect()
}

/// The mac palette uses all 256 entries, so none is left for a transparent pixel. Documentation page:
/// r-is-http-quantize.
fn check_palette<'s>(
    overrides: &'s OverrideTable<'_>,
    draft: &RecipeBuilder<'_>,
) -> Option<(&'s ParsedCommand<'s>, ValueError)> {
    let command = overrides.find_effective("quantize", ModifierSegment::Composite)?;
    let is_mac = draft.quantize.as_ref().is_some_and(|quantize| quantize.palette == Palette::Mac);
    if !is_mac || draft.recipe.output.quantize.is_none() || !draft.recipe.output.alpha {
        return None;
    }
    let remedy = "Use adaptive or web, or a format without alpha.".into();
    Some((command, ValueError { remedy, ..ValueError::invalid("The mac palette has no entry left for transparency.") }))
}

/// `fit` needs a width or a height, and thumbnails have their own way of fitting (`ThumbType`). Documentation page:
/// r-fit.
fn check_fit<'s>(
    overrides: &'s OverrideTable<'_>,
    draft: &RecipeBuilder<'_>,
) -> Option<(&'s ParsedCommand<'s>, ValueError)> {
    let global = |slot| overrides.find_effective(slot, ModifierSegment::Composite);
    let command = global("fit")?;
    let view = &draft.recipe.view;
    if matches!(view.request, RequestKind::Thumbnail(_)) {
        let error = ValueError::invalid("fit does not apply to thumbnails.");
        return Some((command, ValueError { remedy: "Remove fit or req=tmb.".into(), ..error }));
    }
    // A wid= or hei= that cannot be parsed is reported already, and must not also count as missing.
    let sides = [global("wid"), global("hei")];
    if sides.iter().any(Option::is_some) || view.wid.or(view.hei).is_some() {
        return None;
    }
    let remedy = "Add wid= or hei=, or remove fit.".into();
    Some((command, ValueError { remedy, ..ValueError::invalid("fit needs wid or hei.") }))
}

/// Trimming and padding fit the image into a frame. Its size must not depend on pixels, so that names, limits and the
/// archive are known when a job is created.
fn check_frame<'s>(
    name: &'static str,
    overrides: &'s OverrideTable<'_>,
    draft: &RecipeBuilder<'_>,
) -> Option<(&'s ParsedCommand<'s>, ValueError)> {
    let global = |slot| overrides.find_effective(slot, ModifierSegment::Composite);
    let command = global(name)?;
    let (view, output) = (&draft.recipe.view, &draft.recipe.output);
    let is_trim = name == "x_trim";
    // Off, or without an effect.
    let _asked = if is_trim { view.trim } else { view.pad }?;
    let refuse = |detail: String, remedy: String| Some((command, ValueError { remedy, ..ValueError::invalid(detail) }));
    // Sides that cannot be parsed are reported already.
    let lacks = |side: Option<u32>, slot| side.is_none() && global(slot).is_none();
    if lacks(view.wid, "wid") || lacks(view.hei, "hei") {
        return refuse(format!("{name} needs both wid and hei."), format!("Add wid= and hei=, or remove {name}."));
    }
    if matches!(view.request, RequestKind::Thumbnail(_)) {
        return refuse(format!("{name} does not apply to thumbnails."), format!("Remove {name} or req=tmb."));
    }
    if view.fit.mode != FitMode::Fit {
        let remedy = "Remove fit, or write fit=fit,1 to enlarge small images.".to_owned();
        return refuse(
            format!("{name} always fits the whole image into wid and hei; another fit excludes it."),
            remedy,
        );
    }
    let excluded = [
        ("scl", view.scale.is_some(), "sets the scale itself"),
        ("rgn", view.rgn.is_some(), "chooses the part itself"),
        ("pathEmbed", is_trim && output.path_embed, "moves the image to where paths cannot follow"),
    ];
    let (other, _, reason) = excluded.into_iter().find(|(_, stands, _)| *stands)?;
    refuse(format!("{name} {reason}, so it excludes {other}."), format!("Remove {other} or {name}."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::test_input::resolve_text;

    #[test]
    fn fit_needs_a_side() {
        assert!(resolve_text("fit=crop").is_err());
        assert!(resolve_text("fit=crop&scl=2").is_err());
        assert!(resolve_text("fit=crop&hei=5").is_ok());
    }
}
