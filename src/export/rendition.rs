//! The ways in which an order converts every picture: its own modifier, or each of its renditions.

use crate::code::Code;
use crate::reason::Mistake;
use crate::db::vocabulary::Fmt;
use crate::export::order::{NewRendition, Order};
use crate::language;

/// One way: a modifier and a macro, and where they stand in the order.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Its place among the renditions; none for the job's own.
    pub number: Option<usize>,
    /// The rendition; none for the job's own.
    pub rendition: Option<&'a NewRendition>,
    /// The modifier.
    pub modifier: Option<&'a str>,
    /// The macro.
    pub r#macro: Option<&'a str>,
}

impl<'a> Way<'a> {
    fn of(number: usize, rendition: &'a NewRendition) -> Self {
        Self {
            number: Some(number),
            rendition: Some(rendition),
            modifier: rendition.is_modifier.as_deref(),
            r#macro: rendition.r#macro.as_deref(),
        }
    }

    /// Where a field of it stands in the body.
    pub fn pointer(&self, field: &str) -> String {
        match self.number {
            Some(number) => format!("/renditions/{number}/{field}"),
            None => format!("/{field}"),
        }
    }
}

/// The ways of an order, in the order in which its items hand out their files.
pub fn ways(order: &Order) -> Vec<Way<'_>> {
    let own = Way {
        number: None,
        rendition: None,
        modifier: order.is_modifier.as_deref(),
        r#macro: order.r#macro.as_deref(),
    };
    order.renditions.as_ref().map_or_else(
        || vec![own],
        |renditions| renditions.iter().enumerate().map(|(number, rendition)| Way::of(number, rendition)).collect(),
    )
}

fn said(text: Option<&str>) -> bool {
    text.is_some_and(|text| !language::is_blank(text))
}

/// What is wrong with modifiers, macros and renditions before anybody reads them.
pub fn check(order: &Order) -> Vec<Mistake> {
    let own = [("is_modifier", order.is_modifier.as_deref()), ("macro", order.r#macro.as_deref())];
    let own = own.into_iter().filter(|(_, text)| said(*text)).map(|(name, _)| name);
    let conflict = |name: &str, detail: String| Mistake::new(format!("/{name}"), Code::ConflictingParameters, detail);
    match (order.fmt, &order.renditions) {
        (Fmt::Orig, renditions) => own
            .chain(renditions.as_ref().map(|_| "renditions"))
            .map(|name| {
                conflict(name, format!("`orig` hands out the uploaded files as they are, so `{name}` would be ignored. Send `fmt: convert`, or leave it out."))
            })
            .collect(),
        (Fmt::Convert, None) => ways(order).iter().filter_map(empty).collect(),
        (Fmt::Convert, Some(renditions)) => own
            .map(|name| {
                conflict(name, format!("`{name}` and `renditions` exclude each other. Put it into each rendition that needs it."))
            })
            .chain(renditions.iter().enumerate().flat_map(|(number, rendition)| named(number, rendition, renditions)))
            .chain(ways(order).iter().filter_map(empty))
            .collect(),
    }
}

fn empty(way: &Way<'_>) -> Option<Mistake> {
    let what = if way.rendition.is_some() { "A rendition" } else { "`convert`" };
    let detail = format!(
        "{what} needs `is_modifier` or `macro` with at least one command. To get the uploaded files send `fmt: orig`."
    );
    let nothing = !said(way.modifier) && !said(way.r#macro);
    nothing.then(|| Mistake::new(way.pointer("is_modifier"), Code::MissingParameter, detail))
}

/// What is wrong with the names of a rendition, alone and beside those before it.
fn named(number: usize, rendition: &NewRendition, all: &[NewRendition]) -> Vec<Mistake> {
    let wrong =
        |field: &str, detail: String| Mistake::new(format!("/renditions/{number}/{field}"), Code::InvalidValue, detail);
    let mut mistakes = Vec::new();
    if let Some(strange) = strange(&rendition.name, "") {
        mistakes.push(wrong("name", format!("A name may hold letters, digits, `-` and `_`, not {strange:?}.")));
    }
    if let Some(strange) = rendition.suffix.as_deref().and_then(|suffix| strange(suffix, "@")) {
        mistakes
            .push(wrong("suffix", format!("A suffix may hold letters, digits, `-`, `_` and `@`, not {strange:?}.")));
    }
    let twin = |same: fn(&NewRendition) -> &str| {
        all[..number].iter().position(|other| same(other).eq_ignore_ascii_case(same(rendition)))
    };
    if let Some(other) = twin(|rendition| &rendition.name) {
        let detail = format!("Rendition {other} has the name `{}` too; capitals do not count.", rendition.name);
        mistakes.push(wrong("name", detail));
    } else if let Some(other) = twin(NewRendition::suffix) {
        let field = if rendition.suffix.is_some() { "suffix" } else { "name" };
        let suffix = rendition.suffix();
        mistakes.push(wrong(
            field,
            format!("Rendition {other} has the suffix `{suffix}` too, so their files would have one name. Send another `suffix`."),
        ));
    }
    mistakes
}

/// The first character that is neither a letter, a digit, `-`, `_`, nor one of these.
fn strange(text: &str, more: &str) -> Option<char> {
    text.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"-_".contains(*letter) && !more.contains(*letter))
}
