//! Macros: named texts that replace their call. Documentation pages: r-is-http-command-macros, r-definition-macro.
//!
//! [`Expansion`] is a list of tokens to which texts are added one after the other; it replaces macro calls on the way
//! and remembers for each token the text it was written in, so that diagnostics can point there. Nothing here knows
//! what a command means.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::diagnostic::{Diagnostic, DiagnosticKind, Origin, ValueError};
use super::grammar::{self, ParsedToken, RawToken};
use super::work_budget::{TOKEN_UNITS, UNLIMITED, WorkBudget};

/// How deep macros may call each other.
const MAX_CALL_DEPTH: usize = 8;
/// How many bytes macros may add to one modifier. The depth is no bound for that: macros that each call the one before
/// several times grow exponentially.
const MAX_EXPANDED_BYTES: usize = 8 << 10;

/// The macros that every company has, unless it defines one with the same name. The documentation names these two and
/// what they are for, not what they contain; see docs/decisions/0069-layers.md. Documentation page: r-layer-effects.
static STOCK_MACROS: LazyLock<[MacroDefinition; 2]> = LazyLock::new(|| {
    let define = |name: &str, text: &str| MacroDefinition {
        name: name.into(),
        text: text.into(),
        watermark: None,
        position: None,
    };
    [
        define("shadow", "op_blur=6&pos=4,4&color=0,0,0&opac=60&blendMode=mult"),
        define("glow", "op_blur=8&op_grow=2&color=255,255,190&opac=75&blendMode=screen"),
    ]
});

/// The macros that texts may call. Names are case-insensitive.
#[derive(Clone, Debug, Default)]
pub struct Macros {
    by_name: HashMap<String, MacroDefinition>,
    ordered: bool,
}

/// The watermark of a macro, in place of that of the attributes. Documentation page: r-watermarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacroWatermark {
    /// The asset that is laid over the picture, as modifiers name it.
    pub asset: String,
    /// Whether it is repeated over the whole picture.
    pub tiled: bool,
}

#[derive(Clone, Debug)]
struct MacroDefinition {
    name: String,
    text: String,
    /// What is laid over pictures whose modifier calls it.
    watermark: Option<MacroWatermark>,
    /// Its place among the definitions; none for a stock macro, which is defined before all others.
    position: Option<usize>,
}

impl Macros {
    /// Macros that may each call only those defined before them, as in a macro file. Pairs of name and text.
    pub fn from_ordered(definitions: Vec<(String, String)>) -> Self {
        Self { ordered: true, ..Self::from_unordered(definitions) }
    }

    /// Macros that may call each other in any order, but not recursively. Pairs of name and text.
    pub fn from_unordered(definitions: Vec<(String, String)>) -> Self {
        let entry = |(position, (name, text)): (usize, (String, String))| {
            let key = name.to_ascii_lowercase();
            (key, MacroDefinition { name, text, watermark: None, position: Some(position) })
        };
        Self { by_name: definitions.into_iter().enumerate().map(entry).collect(), ordered: false }
    }

    /// Sets the watermark of a macro that is defined; its name is case-insensitive.
    pub fn set_watermark(&mut self, name: &str, watermark: MacroWatermark) {
        if let Some(definition) = self.by_name.get_mut(&name.to_ascii_lowercase()) {
            definition.watermark = Some(watermark);
        }
    }

    fn find(&self, name: &str) -> Option<&MacroDefinition> {
        let stock = || STOCK_MACROS.iter().find(|stock| stock.name.eq_ignore_ascii_case(name));
        self.by_name.get(&name.to_ascii_lowercase()).or_else(stock)
    }
}

/// A token after macro expansion, with the text it was written in.
#[derive(Clone, Debug)]
pub(super) struct ExpandedToken<'a> {
    pub(super) raw: RawToken<'a>,
    pub(super) origin: Origin,
    /// The layer that the text belongs to: it is kept with the asset that this layer draws. `None` for other texts,
    /// which say themselves what their commands apply to.
    pub(super) layer: Option<u32>,
}

/// Expands texts and collects errors of their macro calls.
pub(super) struct Expansion<'a> {
    macros: &'a Macros,
    budget: &'a WorkBudget,
    call_stack: Vec<&'a MacroDefinition>,
    expanded_bytes: usize,
    /// Named crops of the asset; `None` when it is not known which asset it will be.
    crops: Option<&'a BTreeMap<String, String>>,
    /// Whether a named crop was asked for while the asset is not known.
    pub(super) awaits_crop: bool,
    /// The watermark of the macro that was called last, of those that have one.
    pub(super) watermark: Option<&'a MacroWatermark>,
    /// The layer that the text being added belongs to.
    layer: Option<u32>,
    /// Where the last text of its own begins, in `tokens`.
    part_start: usize,
    /// What ends the segments of the text before, once another token follows.
    end_of_segments: Option<ExpandedToken<'a>>,
    pub(super) tokens: Vec<ExpandedToken<'a>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Ends the segments of the text before it.
const END_OF_SEGMENTS: &str = "layer=comp";

impl<'a> Expansion<'a> {
    pub(super) fn new(macros: &'a Macros, budget: &'a WorkBudget) -> Self {
        Self {
            macros,
            budget,
            call_stack: Vec::new(),
            expanded_bytes: 0,
            crops: None,
            awaits_crop: false,
            watermark: None,
            layer: None,
            part_start: 0,
            end_of_segments: None,
            tokens: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// The same, with the named crops of the asset.
    pub(super) fn with_crops(self, crops: Option<&'a BTreeMap<String, String>>) -> Self {
        Self { crops, ..self }
    }

    /// Begins a text of its own: a segment of the text before it does not reach into it. (A macro is part of the text
    /// that calls it.) Documentation page: r-modifier-cat.
    pub(super) fn begin_part(&mut self) {
        let opens_segment = |token: &ExpandedToken<'_>| match grammar::parse_token(&token.raw) {
            ParsedToken::Command { name, .. } => {
                ["layer", "effect"].iter().any(|known| known.eq_ignore_ascii_case(&name))
            }
            _ => false,
        };
        let last = self.tokens[self.part_start..].iter().rfind(|token| opens_segment(token));
        let end = last.filter(|last| last.raw.text != END_OF_SEGMENTS).map(|last| {
            let raw = RawToken { offset: last.raw.offset, text: END_OF_SEGMENTS };
            ExpandedToken { raw, origin: last.origin.clone(), layer: None }
        });
        self.end_of_segments = end.or(self.end_of_segments.take());
        self.part_start = self.tokens.len();
    }

    /// Adds a text whose commands apply to a layer.
    pub(super) fn add_for_layer(&mut self, text: &'a str, origin: &Origin, layer: u32) {
        self.layer = Some(layer);
        self.add(text, origin);
        self.layer = None;
    }

    /// Adds the tokens of a text, with macros expanded.
    pub(super) fn add(&mut self, text: &'a str, origin: &Origin) {
        self.add_part(text, origin, 0);
    }

    /// Adds the tokens of a part of a text; the part begins `start` bytes into it.
    pub(super) fn add_part(&mut self, text: &'a str, origin: &Origin, start: usize) {
        let tokens = grammar::split_tokens(text);
        // An opening bracket is searched for its end, which may be that of the text.
        let brackets = tokens.iter().filter(|token| token.text.contains(['(', '{'])).count();
        self.budget.spend((text.len() * (1 + brackets / 8)) as u64);
        for token in tokens {
            let token = RawToken { offset: token.offset + start, ..token };
            if !self.budget.spend(TOKEN_UNITS) {
                return self.diagnostics.push(ValueError::too_complex().into_diagnostic(token.text, token, origin));
            }
            match grammar::parse_token(&token) {
                ParsedToken::Call(name) => self.expand_call(&name, token, origin),
                ParsedToken::CropCall { name, crop } => {
                    self.expand_call(&name, token, origin);
                    self.add_crop(&crop, token, origin);
                }
                _ => {
                    self.tokens.extend(self.end_of_segments.take());
                    self.tokens.push(ExpandedToken { raw: token, origin: origin.clone(), layer: self.layer });
                }
            }
        }
    }

    /// Adds the macro that an export request names in its field `macro`, as `$name$` or `name`.
    pub(super) fn add_export_macro(&mut self, call: &'a str) {
        let trimmed = call.trim();
        let name = trimmed.strip_prefix('$').and_then(|rest| rest.strip_suffix('$')).unwrap_or(trimmed);
        let token = RawToken { offset: call.len() - call.trim_start().len(), text: trimmed };
        if grammar::is_identifier(name) {
            return self.expand_call(name, token, &Origin::ExportMacro);
        }
        let detail = format!("`{trimmed}` is not a macro call.");
        self.report(
            DiagnosticKind::InvalidModifier,
            token,
            &Origin::ExportMacro,
            detail,
            "Write the name of one image preset, as $name$.",
        );
    }

    /// Adds the modifier of a named crop of the asset.
    fn add_crop(&mut self, crop: &str, token: RawToken<'a>, origin: &Origin) {
        let Some(crops) = self.crops else {
            self.awaits_crop = true;
            return;
        };
        match crops.get(crop) {
            Some(text) => self.add(text, &Origin::Crop(crop.to_owned())),
            None => {
                let detail = format!("The asset has no crop named `{crop}`.");
                let remedy = "Define it in the asset's `crops`, or call the preset without it.";
                self.report(DiagnosticKind::UnknownMacro, token, origin, detail, remedy);
            }
        }
    }

    fn expand_call(&mut self, name: &str, token: RawToken<'a>, origin: &Origin) {
        let Some(definition) = self.macros.find(name) else {
            let detail = format!("Unknown macro or image preset `{name}`.");
            return self.report(
                DiagnosticKind::UnknownMacro,
                token,
                origin,
                detail,
                "Check the name, or create an image preset with this name.",
            );
        };
        if let Some((detail, remedy)) = self.find_call_error(definition) {
            return self.report(DiagnosticKind::UnknownMacro, token, origin, detail, remedy);
        }
        self.expanded_bytes += definition.text.len();
        self.watermark = definition.watermark.as_ref().or(self.watermark);
        self.call_stack.push(definition);
        self.add(&definition.text, &Origin::Macro(definition.name.clone()));
        self.call_stack.pop();
    }

    fn find_call_error(&self, called: &'a MacroDefinition) -> Option<(String, &'static str)> {
        let name = &called.name;
        let caller = self.call_stack.last();
        if self.call_stack.iter().any(|open| std::ptr::eq(*open, called)) {
            return Some((format!("Macro `{name}` calls itself."), "Remove the recursive call."));
        }
        if caller.is_some_and(|caller| self.macros.ordered && called.position > caller.position) {
            return Some((format!("Macro `{name}` is defined after its caller."), "Define it before its caller."));
        }
        if self.call_stack.len() >= MAX_CALL_DEPTH {
            return Some((
                format!("Macro `{name}` is nested {} levels deep.", MAX_CALL_DEPTH + 1),
                "Nest macros at most 8 levels.",
            ));
        }
        if self.expanded_bytes + called.text.len() > MAX_EXPANDED_BYTES {
            return Some((format!("Macro `{name}` expands the modifier beyond 8 KiB."), "Call fewer macros."));
        }
        None
    }

    fn report(&mut self, kind: DiagnosticKind, token: RawToken<'a>, origin: &Origin, detail: String, remedy: &str) {
        self.diagnostics
            .push(ValueError { kind, detail, remedy: remedy.to_owned() }.into_diagnostic(token.text, token, origin));
    }

    /// The expanded text, tokens joined by `&`. Parsing it again gives the same tokens.
    pub(super) fn to_text(&self) -> String {
        let mut texts: Vec<Cow<'_, str>> = Vec::new();
        let mut layer = None;
        for token in &self.tokens {
            if token.layer != layer {
                layer = token.layer;
                let number = layer.map_or("comp".to_owned(), |number| number.to_string());
                texts.push(format!("layer={number}").into());
            }
            texts.push(token.raw.text.into());
        }
        let text = texts.join("&");
        // `split_tokens` drops one `?` at the start of a text; a first token that begins with `?` needs another one.
        if text.starts_with('?') { format!("?{text}") } else { text }
    }
}

/// Expands the modifier and then the macro of an export request into one text. Empty when neither has a command.
///
/// # Errors
/// One diagnostic for every macro call that cannot be expanded.
pub fn expand_modifier(
    modifier: Option<&str>,
    export_macro: Option<&str>,
    macros: &Macros,
) -> Result<String, Vec<Diagnostic>> {
    let mut expansion = Expansion::new(macros, &UNLIMITED);
    expansion.add(modifier.unwrap_or_default(), &Origin::Modifier);
    if let Some(call) = export_macro.filter(|call| !grammar::is_blank(call)) {
        expansion.add_export_macro(call);
    }
    if expansion.diagnostics.is_empty() { Ok(expansion.to_text()) } else { Err(expansion.diagnostics) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn copy_pairs(definitions: &[(&str, &str)]) -> Vec<(String, String)> {
        definitions.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    #[test]
    fn the_macro_stands_after_the_modifier() {
        let macros = Macros::from_unordered(copy_pairs(&[("test", "wid=640&fmt=tif,,lzw")]));
        assert_eq!(expand_modifier(Some("&fmt=png"), Some("$TEST$"), &macros).unwrap(), "fmt=png&wid=640&fmt=tif,,lzw");
        assert_eq!(expand_modifier(None, Some("test"), &macros).unwrap(), "wid=640&fmt=tif,,lzw");
        assert_eq!(expand_modifier(Some("a=1&$test$&b=2"), None, &macros).unwrap(), "a=1&wid=640&fmt=tif,,lzw&b=2");
        assert_eq!(expand_modifier(Some(" & "), Some(" "), &macros).unwrap(), "");
        assert_eq!(expand_modifier(Some("?a=1"), None, &macros).unwrap(), "a=1");
        assert_eq!(expand_modifier(Some("??$x=1&wid=$x$"), None, &macros).unwrap(), "??$x=1&wid=$x$");
    }

    #[test]
    fn calls_that_lead_nowhere_are_refused_with_their_place() {
        let forward = Macros::from_ordered(copy_pairs(&[("a", "x=1&$b$"), ("b", "wid=1")]));
        let wrong = expand_modifier(Some("$a$"), None, &forward).unwrap_err();
        assert_eq!((wrong[0].offset, &wrong[0].origin), (4, &Origin::Macro("a".into())));
        let circle = Macros::from_unordered(copy_pairs(&[("a", "$b$"), ("b", "$a$")]));
        assert_eq!(expand_modifier(Some("$a$"), None, &circle).unwrap_err().len(), 1);
        let missing = expand_modifier(Some("wid=1&$nope$"), Some("$a$&$b$"), &Macros::default()).unwrap_err();
        assert_eq!(missing.len(), 2);
        assert_eq!((missing[0].kind, missing[0].offset), (DiagnosticKind::UnknownMacro, 6));
    }

    #[test]
    fn growth_and_depth_have_limits() {
        let mut chain = vec![("m0".to_owned(), "wid=1".to_owned())];
        chain.extend((1..12).map(|level| (format!("m{level}"), format!("$m{}$", level - 1))));
        let macros = Macros::from_ordered(chain);
        assert!(expand_modifier(Some("$m7$"), None, &macros).is_ok());
        assert!(expand_modifier(Some("$m8$"), None, &macros).is_err());
        let mut bomb = vec![("b0".to_owned(), "x=".to_owned() + &"y".repeat(500))];
        bomb.extend((1..8).map(|level| (format!("b{level}"), format!("$b{0}$&$b{0}$", level - 1).repeat(4))));
        assert!(expand_modifier(Some("$b7$"), None, &Macros::from_ordered(bomb)).is_err());
    }
}
