//! What an order asks for that not everybody may have: originals, and modifiers of one's own.

use crate::code::Code;
use crate::reason::Mistake;
use crate::db::capability::Capability::{self, ExportsCreateOriginal, ExportsCustomModifier, Schedules};
use crate::db::vocabulary::{Fmt, OnUnconvertible};
use crate::export::Order;
use crate::language;

/// Every part of an order that somebody may not have who `may` do so much and no more. Where nothing is said of files
/// that are no pictures, they fail for those who may not have originals.
pub fn exceeded(order: &mut Order, may: impl Fn(Capability) -> bool) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if !may(ExportsCreateOriginal) {
        mistakes.extend(originals(order));
    }
    if !may(ExportsCustomModifier) {
        mistakes.extend(modifiers(order));
    }
    if order.exec_schedule.is_some() && !may(Schedules) {
        let detail = "`execSchedule` makes a schedule. The key needs `schedules` for that.";
        mistakes.push(Mistake::new("/execSchedule", Code::ValueForbidden, detail));
    }
    mistakes
}

fn originals(order: &mut Order) -> Option<Mistake> {
    let remedy = "The key needs `exports:create-original` for that.";
    if order.fmt == Fmt::Orig {
        let detail = format!("`orig` hands out uploaded files. {remedy}");
        return Some(Mistake::new("/fmt", Code::ValueForbidden, detail));
    }
    match order.on_unconvertible {
        Some(OnUnconvertible::Original) => {
            let detail = format!("`original` hands out uploaded files. {remedy}");
            Some(Mistake::new("/onUnconvertible", Code::ValueForbidden, detail))
        }
        None => {
            order.on_unconvertible = Some(OnUnconvertible::Fail);
            None
        }
        _ => None,
    }
}

fn modifiers(order: &Order) -> Vec<Mistake> {
    let renditions = order.renditions.iter().flatten().enumerate();
    let renditions = renditions.map(|(at, it)| (format!("/renditions/{at}/is_modifier"), it.is_modifier.as_deref()));
    let own = std::iter::once(("/is_modifier".to_owned(), order.is_modifier.as_deref())).chain(renditions);
    own.filter(|(_, text)| text.is_some_and(|text| !language::is_blank(text)))
        .map(|(pointer, _)| {
            let detail = "The key may use image presets only: send `macro`. Modifiers need `exports:custom-modifier`.";
            Mistake::new(pointer, Code::ValueForbidden, detail)
        })
        .collect()
}
