//! What the renditions of one picture share: the decode.

use crate::db::asset::Asset;
use crate::export::modifier::{Meaning, Modifier};
use crate::export::{Desk, header};

/// Lets all pictures of one source come of one decode. A decoder that shrinks serves each size best by a shrink of its
/// own, but reading the file once for each costs more than the sizes themselves: so all take the shrink of the largest.
/// It becomes part of their recipes, for it shows in their bytes; whoever has that shrink anyway keeps the recipe that it
/// has alone. docs/decisions/0016-renditions-of-a-jpeg.md has the figures.
pub fn share(meanings: &mut [Option<Meaning>], modifiers: &mut [Modifier<'_>], asset: &Asset, desk: &Desk<'_>) {
    if meanings.len() < 2 {
        return;
    }
    let Some(header) = header(asset) else { return };
    let shrink = |meaning: &Meaning| {
        let plan = desk.plan(&meaning.recipe, &header, &meaning.others).ok()?;
        // Another picture in its place is decoded for itself.
        let own = plan.decode.object.is_none() && plan.decode.inner.is_none();
        own.then_some(plan.decode.shrink)
    };
    let shrinks: Vec<Option<u8>> = meanings.iter().map(|meaning| meaning.as_ref().and_then(shrink)).collect();
    let Some(least) = shrinks.iter().flatten().min().copied() else { return };
    for ((meaning, modifier), shrink) in meanings.iter_mut().zip(modifiers).zip(shrinks) {
        if let Some(alone) = meaning
            && shrink.is_some_and(|shrink| shrink > least)
        {
            *alone = modifier.shrunk(alone, least);
        }
    }
}
