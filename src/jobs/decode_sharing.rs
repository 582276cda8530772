//! The renditions of one image share its decode.

use offprint_imaging::SourceFormat;

use crate::db::asset::AssetRow;
use crate::jobs::RecipeContext;
use crate::jobs::read_asset_header;
use crate::jobs::rendition_resolver::PinnedRecipe;
use crate::jobs::rendition_resolver::RenditionResolver;

/// Makes all renditions of one source use one decode.
///
/// A JPEG decoder can shrink an image while it reads it, and each output size has its own best shrink. But decoding the
/// file once for each rendition costs more than resizing does, so all renditions take the smallest of their shrinks, which
/// is that of the largest one. The shrink is visible in the pixels, so it becomes part of the recipe; a rendition that has
/// this shrink anyway keeps the recipe that it would have alone, and its cached file can be reused.
/// docs/decisions/0016-renditions-of-a-jpeg.md has the figures.
pub fn share_decode(
    recipes: &mut [Option<PinnedRecipe>],
    resolvers: &mut [RenditionResolver],
    asset: &AssetRow,
    context: &RecipeContext,
) {
    if recipes.len() < 2 {
        return;
    }
    let Some(header) = read_asset_header(asset).filter(|header| header.format == SourceFormat::Jpeg) else { return };
    let find_shrink = |recipe: &PinnedRecipe| {
        let plan = context.plan(&recipe.recipe, &header, &recipe.reference_headers).ok()?;
        // A modifier that starts from another image (`src=`) or from a colour does not decode this one.
        let decode = &plan.decode;
        let uses_source = decode.object.is_none() && decode.inner.is_none() && decode.blank.is_none();
        uses_source.then_some(plan.decode.shrink)
    };
    let shrinks: Vec<Option<u8>> = recipes.iter().map(|recipe| recipe.as_ref().and_then(find_shrink)).collect();
    let Some(min_shrink) = shrinks.iter().flatten().min().copied() else { return };
    for ((recipe, resolver), shrink) in recipes.iter_mut().zip(resolvers).zip(shrinks) {
        if let Some(recipe) = recipe
            && shrink.is_some_and(|shrink| shrink > min_shrink)
        {
            *recipe = resolver.limit_shrink(recipe, min_shrink);
        }
    }
}
