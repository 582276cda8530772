//! Any texts: nothing panics, every complaint has a place in the text that it names, and what was understood says the
//! same when it is read again, as a modifier and as a recipe.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use offprint_modifiers::{Attributes, Macros, Order, Origin, Recipe, recipe};

static ATTRIBUTES: LazyLock<Attributes> = LazyLock::new(Attributes::default);

#[derive(Arbitrary, Debug)]
struct Texts<'a> {
    before: &'a str,
    modifier: &'a str,
    export_macro: Option<&'a str>,
    after: &'a str,
    object: &'a str,
    macros: [(&'a str, &'a str); 2],
    ordered: bool,
}

fuzz_target!(|texts: Texts<'_>| {
    let definitions: Vec<_> = texts.macros.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let macros = if texts.ordered { Macros::in_definition_order } else { Macros::any_order }(definitions);
    let order = Order {
        before: texts.before,
        export_macro: texts.export_macro,
        after: texts.after,
        object: texts.object,
        ..Order::new(texts.modifier, &macros, &ATTRIBUTES)
    };
    let complaints = match recipe(&order) {
        Ok(understood) => {
            let canonical = understood.recipe.canonical();
            let read: Recipe = serde_json::from_str(&canonical).expect("a canonical recipe can be read");
            assert_eq!(read, understood.recipe, "{canonical}");

            let none = Macros::default();
            let again = Order { object: texts.object, ..Order::new(&understood.effective, &none, &ATTRIBUTES) };
            let again = recipe(&again).unwrap_or_else(|why| panic!("{:?}: {why:?}", understood.effective));
            assert_eq!(again.recipe, understood.recipe, "{:?}", understood.effective);
            assert_eq!(again.effective, understood.effective);
            understood.warnings
        }
        Err(complaints) => {
            assert!(!complaints.is_empty());
            complaints
        }
    };
    for complaint in complaints {
        let text = match &complaint.origin {
            Origin::AssetBefore => texts.before,
            Origin::Modifier => texts.modifier,
            Origin::ExportMacro => texts.export_macro.unwrap_or_default(),
            Origin::AssetAfter => texts.after,
            Origin::NamedBefore(_) | Origin::NamedAfter(_) => unreachable!("no asset brings anything along: {complaint:?}"),
            Origin::Macro(name) => {
                let called = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(name);
                // Of two macros with one name the later counts.
                texts.macros.iter().rev().find(called).map(|(_, text)| *text).unwrap_or_default()
            }
        };
        assert!(text.is_char_boundary(complaint.offset), "{complaint:?} in {text:?}");
    }
});
