//! Any texts: nothing panics, the offset of every diagnostic is inside the text that it names, and a resolved modifier
//! resolves to the same when it is parsed again, as a modifier and as a recipe.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use offprint_modifiers::{Attributes, Macros, ModifierInput, Origin, Recipe, resolve_modifier};

static ATTRIBUTES: LazyLock<Attributes> = LazyLock::new(Attributes::default);

#[derive(Arbitrary, Debug)]
struct FuzzedTexts<'a> {
    before: &'a str,
    modifier: &'a str,
    export_macro: Option<&'a str>,
    after: &'a str,
    object: &'a str,
    macros: [(&'a str, &'a str); 2],
    ordered: bool,
}

fuzz_target!(|texts: FuzzedTexts<'_>| {
    let definitions: Vec<_> = texts.macros.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let macros = if texts.ordered { Macros::from_ordered } else { Macros::from_unordered }(definitions);
    let input = ModifierInput {
        before: texts.before,
        export_macro: texts.export_macro,
        after: texts.after,
        object: texts.object,
        ..ModifierInput::new(texts.modifier, &macros, &ATTRIBUTES)
    };
    let diagnostics = match resolve_modifier(&input) {
        Ok(resolved) => {
            let canonical = resolved.recipe.to_canonical_text();
            let parsed: Recipe = serde_json::from_str(&canonical).expect("a canonical recipe can be parsed");
            assert_eq!(parsed, resolved.recipe, "{canonical}");

            let text = &resolved.effective_modifier;
            let no_macros = Macros::default();
            let input = ModifierInput { object: texts.object, ..ModifierInput::new(text, &no_macros, &ATTRIBUTES) };
            let again = resolve_modifier(&input).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
            assert_eq!(again.recipe, resolved.recipe, "{text:?}");
            assert_eq!(again.effective_modifier, *text);
            [resolved.warnings, resolved.notices].concat()
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            diagnostics
        }
    };
    for diagnostic in diagnostics {
        let text = match &diagnostic.origin {
            Origin::AssetBefore => texts.before,
            Origin::Modifier => texts.modifier,
            Origin::ExportMacro => texts.export_macro.unwrap_or_default(),
            Origin::AssetAfter => texts.after,
            Origin::Item | Origin::Parameters => unreachable!("no asset has texts in a request: {diagnostic:?}"),
            Origin::NamedBefore(_) | Origin::NamedAfter(_) | Origin::Crop(_) | Origin::Watermark => {
                unreachable!("no asset has modifiers of its own: {diagnostic:?}")
            }
            Origin::Macro(name) => {
                let called = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(name);
                // Of two macros with one name the later counts.
                texts.macros.iter().rev().find(called).map(|(_, text)| *text).unwrap_or_default()
            }
        };
        assert!(text.is_char_boundary(diagnostic.offset), "{diagnostic:?} in {text:?}");
    }
});
