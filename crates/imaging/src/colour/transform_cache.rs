//! Conversions that an engine has prepared, kept for the next image: littlecms takes 50 ms for the table of a CMYK profile,
//! which is a third of the time of a whole image, and a catalogue has the same profile in all of them.
//!
//! A render process serves one company, so a kept conversion tells nobody anything. It follows from its key alone: the same
//! image has the same bytes whatever was rendered before.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use offprint_core::Digest;
use offprint_modifiers::Intent;

use super::conversion::Conversion;

/// How many conversions are kept for each bit depth. One takes up to 2.3 MB: the finest table that littlecms makes has
/// 23 steps of each of four inks, and four values of 16 bits.
const MAX_KEPT_TRANSFORMS: usize = 4;

/// What a prepared conversion depends on, besides the bit depth.
#[derive(Clone, PartialEq)]
struct TransformKey {
    from: Digest,
    to: Digest,
    intent: Intent,
    black_point: bool,
}

impl TransformKey {
    fn from_conversion(conversion: &Conversion) -> Self {
        let digest = |bytes: &[u8]| Digest::compute(bytes);
        let Conversion { from, to, intent, black_point, .. } = conversion;
        Self { from: digest(&from.bytes), to: digest(&to.bytes), intent: *intent, black_point: *black_point }
    }
}

/// The conversions that were used last on this thread, the latest first.
pub(super) struct TransformCache<T>(RefCell<VecDeque<(TransformKey, Rc<T>)>>);

impl<T> TransformCache<T> {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(VecDeque::new()))
    }

    /// The prepared conversion; `prepare` makes it when it is not kept.
    ///
    /// # Errors
    /// Those of `prepare`; nothing is kept then.
    pub(super) fn get_or_prepare<E>(
        &self,
        conversion: &Conversion,
        prepare: impl FnOnce() -> Result<T, E>,
    ) -> Result<Rc<T>, E> {
        let key = TransformKey::from_conversion(conversion);
        let mut kept = self.0.borrow_mut();
        let known = kept.iter().position(|(known, _)| *known == key).and_then(|index| kept.remove(index));
        let transform = match known {
            Some((_, transform)) => transform,
            None => Rc::new(prepare()?),
        };
        kept.truncate(MAX_KEPT_TRANSFORMS - 1);
        kept.push_front((key, transform.clone()));
        Ok(transform)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::colour::Profile;

    fn convert_between(from: &str, to: &str, intent: Intent, black_point: bool) -> Conversion {
        let [from, to] = [from, to].map(|name| Profile::from_built_in(name).unwrap());
        Conversion { from, to, intent, black_point, deep: false }
    }

    #[test]
    fn a_conversion_is_prepared_once_until_others_are_used_more() {
        let cache = TransformCache::new();
        let mut prepared = 0;
        let mut get = |conversion: &Conversion| {
            let prepare = || {
                prepared += 1;
                Ok::<_, ()>(prepared)
            };
            *cache.get_or_prepare(conversion, prepare).unwrap()
        };
        let relative = |from: &str| convert_between(from, "sRGB", Intent::Relative, false);
        assert_eq!((get(&relative("AdobeRGB")), get(&relative("AdobeRGB"))), (1, 1));
        // Everything that counts makes another conversion.
        assert_eq!(get(&convert_between("AdobeRGB", "sRGB", Intent::Absolute, false)), 2);
        assert_eq!(get(&convert_between("AdobeRGB", "sRGB", Intent::Relative, true)), 3);
        assert_eq!(get(&convert_between("AdobeRGB", "DisplayP3", Intent::Relative, false)), 4);
        assert_eq!(get(&relative("AdobeRGB")), 1);
        // The one that was used the longest ago goes.
        assert_eq!(get(&relative("ProPhoto")), 5);
        assert_eq!(get(&relative("AdobeRGB")), 1);
        assert_eq!(get(&convert_between("AdobeRGB", "sRGB", Intent::Absolute, false)), 6);
    }

    #[test]
    fn what_cannot_be_prepared_is_not_kept() {
        let (cache, conversion) = (TransformCache::new(), convert_between("NTSC", "sRGB", Intent::Relative, false));
        assert_eq!(cache.get_or_prepare(&conversion, || Err("damaged")).err(), Some("damaged"));
        assert_eq!(cache.get_or_prepare::<&str>(&conversion, || Ok(7)).map(|kept| *kept), Ok(7));
    }
}
