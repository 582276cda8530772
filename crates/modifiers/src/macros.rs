//! Macros: named texts that are put in the place of their call. Documentation pages: r-is-http-command-macros,
//! r-definition-macro.

use std::collections::HashMap;

use super::complaint::{Complaint, ComplaintKind, Fault, Origin};
use super::grammar::{self, Piece, Token};

/// How deep macros may call each other.
const DEPTH: usize = 8;
/// How long one text may grow through its macros, in bytes.
const LENGTH: usize = 8 << 10;

/// The macros that texts may call. Names do not mind case.
#[derive(Clone, Debug, Default)]
pub struct Macros {
    by_name: HashMap<String, Definition>,
    ordered: bool,
}

#[derive(Clone, Debug)]
struct Definition {
    name: String,
    text: String,
    position: usize,
}

impl Macros {
    /// Macros of which each may call only those defined before it, as in a macro file. Pairs of name and text.
    pub fn in_definition_order(definitions: Vec<(String, String)>) -> Self {
        Self { ordered: true, ..Self::any_order(definitions) }
    }

    /// Macros that may call each other, but not in a circle. Pairs of name and text.
    pub fn any_order(definitions: Vec<(String, String)>) -> Self {
        let entry = |(position, (name, text)): (usize, (String, String))| {
            (name.to_ascii_lowercase(), Definition { name, text, position })
        };
        Self { by_name: definitions.into_iter().enumerate().map(entry).collect(), ordered: false }
    }
}

/// A token of the text that remains when every macro stands in its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub piece: Piece<'a>,
    pub origin: Origin,
}

/// Expands texts, and collects what is wrong with their macro calls.
pub(super) struct Expansion<'a> {
    macros: &'a Macros,
    calling: Vec<&'a Definition>,
    grown: usize,
    pub placed: Vec<Placed<'a>>,
    pub complaints: Vec<Complaint>,
}

impl<'a> Expansion<'a> {
    pub fn new(macros: &'a Macros) -> Self {
        Self { macros, calling: Vec::new(), grown: 0, placed: Vec::new(), complaints: Vec::new() }
    }

    /// Adds a text's tokens, with macros expanded.
    pub fn add(&mut self, text: &'a str, origin: &Origin) {
        self.add_part(text, origin, 0);
    }

    /// Adds the tokens of a part of a text that begins so many bytes from its start.
    pub fn add_part(&mut self, text: &'a str, origin: &Origin, start: usize) {
        for piece in grammar::split(text) {
            let piece = Piece { offset: piece.offset + start, ..piece };
            match grammar::read(&piece) {
                Token::Call(name) => self.call(name, piece, origin),
                _ => self.placed.push(Placed { piece, origin: origin.clone() }),
            }
        }
    }

    /// Adds the one macro that an order names, as `$name$` or `name`.
    pub fn add_export_macro(&mut self, call: &'a str) {
        let trimmed = call.trim();
        let name = trimmed.strip_prefix('$').and_then(|rest| rest.strip_suffix('$')).unwrap_or(trimmed);
        let piece = Piece { offset: call.len() - call.trim_start().len(), text: trimmed };
        if grammar::is_ident(name) {
            return self.call(name, piece, &Origin::ExportMacro);
        }
        let detail = format!("`{trimmed}` is not one macro call.");
        self.complain(
            ComplaintKind::InvalidModifier,
            piece,
            &Origin::ExportMacro,
            detail,
            "Write one name, as $name$.",
        );
    }

    fn call(&mut self, name: &'a str, piece: Piece<'a>, origin: &Origin) {
        let Some(definition) = self.macros.by_name.get(&name.to_ascii_lowercase()) else {
            let detail = format!("There is no macro {name}.");
            return self.complain(
                ComplaintKind::UnknownMacro,
                piece,
                origin,
                detail,
                "Define it, or use one that exists.",
            );
        };
        if let Some((detail, remedy)) = self.refusal(definition) {
            return self.complain(ComplaintKind::UnknownMacro, piece, origin, detail, remedy);
        }
        self.grown += definition.text.len();
        self.calling.push(definition);
        self.add(&definition.text, &Origin::Macro(definition.name.clone()));
        self.calling.pop();
    }

    fn refusal(&self, called: &Definition) -> Option<(String, &'static str)> {
        let name = &called.name;
        let caller = self.calling.last();
        if self.calling.iter().any(|open| open.position == called.position) {
            return Some((format!("The macro {name} calls itself."), "Break the circle."));
        }
        if caller.is_some_and(|caller| self.macros.ordered && called.position > caller.position) {
            return Some((format!("The macro {name} is defined after the macro that calls it."), "Define it earlier."));
        }
        if self.calling.len() >= DEPTH {
            return Some((format!("The macro {name} is called {} levels deep.", DEPTH + 1), "Nest at most 8 levels."));
        }
        if self.grown + called.text.len() > LENGTH {
            return Some((format!("With the macro {name} the text grows beyond 8 KiB."), "Call fewer macros."));
        }
        None
    }

    fn complain(&mut self, kind: ComplaintKind, piece: Piece<'a>, origin: &Origin, detail: String, remedy: &str) {
        self.complaints.push(Fault { kind, detail, remedy: remedy.to_owned() }.at(piece.text, piece, origin));
    }

    /// The text as one string, tokens joined by `&`. Read again it says the same.
    pub fn text(&self) -> String {
        let text = self.placed.iter().map(|placed| placed.piece.text).collect::<Vec<_>>().join("&");
        // One `?` at the start of a text falls away, so a token's own needs another before it.
        if text.starts_with('?') { format!("?{text}") } else { text }
    }
}

/// The text that an order means: its modifier, then its macro, every macro expanded in its place. Empty when both say
/// nothing.
///
/// # Errors
/// Every macro call that cannot be expanded.
pub fn effective(
    modifier: Option<&str>,
    export_macro: Option<&str>,
    macros: &Macros,
) -> Result<String, Vec<Complaint>> {
    let mut expansion = Expansion::new(macros);
    expansion.add(modifier.unwrap_or_default(), &Origin::Modifier);
    if let Some(call) = export_macro.filter(|call| !grammar::is_blank(call)) {
        expansion.add_export_macro(call);
    }
    if expansion.complaints.is_empty() { Ok(expansion.text()) } else { Err(expansion.complaints) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pairs(definitions: &[(&str, &str)]) -> Vec<(String, String)> {
        definitions.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    #[test]
    fn the_macro_stands_after_the_modifier() {
        let macros = Macros::any_order(pairs(&[("test", "wid=640&fmt=tif,,lzw")]));
        assert_eq!(effective(Some("&fmt=png"), Some("$TEST$"), &macros).unwrap(), "fmt=png&wid=640&fmt=tif,,lzw");
        assert_eq!(effective(None, Some("test"), &macros).unwrap(), "wid=640&fmt=tif,,lzw");
        assert_eq!(effective(Some("a=1&$test$&b=2"), None, &macros).unwrap(), "a=1&wid=640&fmt=tif,,lzw&b=2");
        assert_eq!(effective(Some(" & "), Some(" "), &macros).unwrap(), "");
        assert_eq!(effective(Some("?a=1"), None, &macros).unwrap(), "a=1");
        assert_eq!(effective(Some("??$x=1&wid=$x$"), None, &macros).unwrap(), "??$x=1&wid=$x$");
    }

    #[test]
    fn calls_that_lead_nowhere_are_refused_with_their_place() {
        let forward = Macros::in_definition_order(pairs(&[("a", "x=1&$b$"), ("b", "wid=1")]));
        let wrong = effective(Some("$a$"), None, &forward).unwrap_err();
        assert_eq!((wrong[0].offset, &wrong[0].origin), (4, &Origin::Macro("a".into())));
        let circle = Macros::any_order(pairs(&[("a", "$b$"), ("b", "$a$")]));
        assert_eq!(effective(Some("$a$"), None, &circle).unwrap_err().len(), 1);
        let missing = effective(Some("wid=1&$nope$"), Some("$a$&$b$"), &Macros::default()).unwrap_err();
        assert_eq!(missing.len(), 2);
        assert_eq!((missing[0].kind, missing[0].offset), (ComplaintKind::UnknownMacro, 6));
    }

    #[test]
    fn growth_and_depth_have_limits() {
        let mut chain = vec![("m0".to_owned(), "wid=1".to_owned())];
        chain.extend((1..12).map(|level| (format!("m{level}"), format!("$m{}$", level - 1))));
        let macros = Macros::in_definition_order(chain);
        assert!(effective(Some("$m7$"), None, &macros).is_ok());
        assert!(effective(Some("$m8$"), None, &macros).is_err());
        let mut bomb = vec![("b0".to_owned(), "x=".to_owned() + &"y".repeat(500))];
        bomb.extend((1..8).map(|level| (format!("b{level}"), format!("$b{0}$&$b{0}$", level - 1).repeat(4))));
        assert!(effective(Some("$b7$"), None, &Macros::in_definition_order(bomb)).is_err());
    }
}
