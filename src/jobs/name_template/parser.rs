//! Reads a name template. A backslash takes the meaning from the character behind it; `{{` and `}}` are braces.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::operator::{OPERATORS, Operator};
use super::{Field, NameTemplate, Part, Placeholder};
use crate::db::metadata_map::is_metadata_key;

/// Longest template, in characters.
const MAX_TEMPLATE_CHARS: usize = 512;
/// The most digits of `{n:0…}`.
const MAX_DIGITS: usize = 9;

/// All placeholders, for errors.
const FIELDS: &str = "`name` `fileName` `folder` `rendition` `width` `height` `n` `n:04` `date` `date:%Y%m%d` `assetHandle` \
                      `metadata.KEY` `ext`";

/// A mistake in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Bytes from the start of the template.
    pub offset: usize,
    /// What is wrong, and the remedy.
    pub detail: String,
}

/// A character of a placeholder: with a meaning of its own, or escaped.
#[derive(Clone, Copy, PartialEq)]
struct Symbol {
    char: char,
    is_escaped: bool,
}

impl NameTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// All mistakes.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        let mut parser = Parser { text, parts: Vec::new(), literal: String::new(), errors: Vec::new() };
        let length = text.chars().count();
        if length > MAX_TEMPLATE_CHARS {
            let detail = format!("The template has {length} characters; the limit is {MAX_TEMPLATE_CHARS}.");
            return Err(vec![TemplateError { offset: 0, detail }]);
        }
        parser.read();
        let Parser { parts, errors, .. } = parser;
        if errors.is_empty() { Ok(Self { parts }) } else { Err(errors) }
    }

    /// A template that is this text: nothing in it is a placeholder.
    pub fn escape(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for char in text.chars() {
            let _ = match char {
                '{' | '}' => write!(escaped, "{char}{char}"),
                char => write!(escaped, "{char}"),
            };
        }
        escaped
    }
}

struct Parser<'a> {
    text: &'a str,
    parts: Vec<Part>,
    literal: String,
    errors: Vec<TemplateError>,
}

impl Parser<'_> {
    fn read(&mut self) {
        if self.text.trim().is_empty() {
            self.report(0, "The template is empty. Write at least one placeholder, such as `{name}`.");
            return;
        }
        if self.text.starts_with('/') {
            self.report(0, "A path begins with a name, not with `/`. Remove the `/`.");
        }
        let mut at = 0;
        while let Some(char) = self.text[at..].chars().next() {
            let rest = &self.text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                self.literal.push(char);
                at += 2;
            } else if char == '{' {
                at = self.read_placeholder(at);
            } else {
                self.read_literal(at, char);
                at += char.len_utf8();
            }
        }
        self.end_literal();
        self.check_parts();
    }

    fn read_literal(&mut self, at: usize, char: char) {
        match char {
            '}' => self.report(at, "There is no `{` before this `}`. Write `}}` for a brace in the name."),
            '\\' => self.report(at, "A name cannot have a backslash. Separate folders with `/`."),
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => {
                let detail = format!("`{char}` cannot be in a file name on every system. Use `-` or `_`.");
                self.report(at, &detail);
            }
            char if char.is_control() => self.report(at, "A name cannot have control characters. Remove it."),
            char => self.literal.push(char),
        }
    }

    /// Reads the placeholder that begins here. Returns where it ends.
    fn read_placeholder(&mut self, start: usize) -> usize {
        self.end_literal();
        let (mut symbols, mut is_escaped) = (Vec::new(), false);
        for (index, char) in self.text[start + 1..].char_indices() {
            match char {
                '\\' if !is_escaped => {
                    is_escaped = true;
                    continue;
                }
                '}' if !is_escaped => {
                    let end = start + 1 + index + 1;
                    self.add_placeholder(start, end, &symbols);
                    return end;
                }
                char => symbols.push(Symbol { char, is_escaped }),
            }
            is_escaped = false;
        }
        self.report(start, "There is no `}` for this `{`. Write `{{` for a brace in the name.");
        self.text.len()
    }

    fn add_placeholder(&mut self, start: usize, end: usize, symbols: &[Symbol]) {
        let mut pieces = symbols.split(|symbol| *symbol == plain('|'));
        let field = parse_field(pieces.next().unwrap_or_default());
        let operators: Vec<Result<Operator, String>> = pieces.map(parse_operator).collect();
        let source = self.text[start..end].to_owned();
        let mut report =
            |detail: String| self.errors.push(TemplateError { offset: start, detail: format!("{source}: {detail}") });
        let mut parsed = Vec::new();
        for operator in operators {
            match operator {
                Ok(operator) => parsed.push(operator),
                Err(detail) => report(detail),
            }
        }
        match field {
            Ok(field) => self.parts.push(Part::Placeholder(Placeholder { source, field, operators: parsed })),
            Err(detail) => report(detail),
        }
    }

    /// What the literals must not make of a path.
    fn check_parts(&mut self) {
        let has_placeholder = |parts: &[Part]| parts.iter().any(|part| matches!(part, Part::Placeholder(_)));
        for (offset, part) in split_with_offsets(self.text) {
            let is_name = part.contains('{') || part.contains(|char: char| char != '.' && !char.is_whitespace());
            if !part.is_empty() && !is_name {
                let detail = format!("`{part}` cannot be a name. Write the path from the top, without `.` and `..`.");
                self.report(offset, &detail);
            }
        }
        if self.errors.is_empty() && !has_placeholder(&self.parts) && self.text.ends_with('/') {
            self.report(self.text.len() - 1, "The path ends with `/`. Write the name of the file behind it.");
        }
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn report(&mut self, offset: usize, detail: &str) {
        self.errors.push(TemplateError { offset, detail: detail.to_owned() });
    }
}

fn plain(char: char) -> Symbol {
    Symbol { char, is_escaped: false }
}

/// The parts of a path, each with its offset. Slashes inside of placeholders do not count.
fn split_with_offsets(text: &str) -> Vec<(usize, &str)> {
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (index, char) in text.char_indices() {
        match char {
            '{' => is_inside = true,
            '}' => is_inside = false,
            '/' if !is_inside => {
                parts.push((start, &text[start..index]));
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push((start, &text[start..]));
    parts
}

fn to_text(symbols: &[Symbol]) -> String {
    symbols.iter().map(|symbol| symbol.char).collect()
}

/// Splits at the first of this character that is not escaped.
fn split_once(symbols: &[Symbol], char: char) -> Option<(&[Symbol], &[Symbol])> {
    let at = symbols.iter().position(|symbol| *symbol == plain(char))?;
    Some((&symbols[..at], &symbols[at + 1..]))
}

fn parse_field(symbols: &[Symbol]) -> Result<Field, String> {
    let (name, argument) = split_once(symbols, ':').map_or((symbols, None), |(name, rest)| (name, Some(to_text(rest))));
    let name = to_text(name);
    let field = match name.as_str() {
        "n" => return parse_number(argument.as_deref()),
        "date" => return parse_date(argument.as_deref()),
        "name" => Field::Name,
        "fileName" => Field::FileName,
        "folder" => Field::Folder,
        "rendition" => Field::Rendition,
        "width" => Field::Width,
        "height" => Field::Height,
        "assetHandle" => Field::AssetHandle,
        "ext" => Field::Extension,
        name => match name.strip_prefix("metadata.") {
            Some(key) if is_metadata_key(key) => Field::Metadata(key.to_owned()),
            Some(key) => return Err(format!("`{key}` cannot be a key of metadata.")),
            None => return Err(format!("There is no placeholder `{name}`. Known: {FIELDS}.")),
        },
    };
    match argument {
        None => Ok(field),
        Some(argument) => {
            Err(format!("`{name}` takes no `:{argument}`. Operators follow a `|`, as in `{{{name}|before:_}}`."))
        }
    }
}

fn parse_number(argument: Option<&str>) -> Result<Field, String> {
    let Some(argument) = argument else { return Ok(Field::Number(1)) };
    let digits = argument.strip_prefix('0').and_then(|digits| digits.parse::<usize>().ok());
    digits.filter(|digits| (1..=MAX_DIGITS).contains(digits)).map(Field::Number).ok_or_else(|| {
        format!("`{argument}` is not a number of digits. Write 01 to 0{MAX_DIGITS}, as in `{{n:04}}` for 0001.")
    })
}

fn parse_date(argument: Option<&str>) -> Result<Field, String> {
    let format = argument.unwrap_or("%Y-%m-%d");
    let mut shown = String::new();
    let is_known = write!(shown, "{}", DateTime::<Utc>::UNIX_EPOCH.format(format)).is_ok();
    // Times of day would make the names of one job differ from those of its dry run.
    let codes = format.split('%').skip(1).map(|code| code.chars().next().unwrap_or_default());
    let is_date =
        is_known && codes.clone().count() > 0 && codes.into_iter().all(|code| "YmdyjVGbBaAuUW".contains(code));
    if is_date {
        return Ok(Field::Date(format.to_owned()));
    }
    Err(format!(
        "`{format}` is not the format of a day. Use %Y (2026), %y (26), %m (month), %d (day), %j (day of the year), %V (week), \
         %b (Nov), as in `{{date:%Y/%m}}`."
    ))
}

fn parse_operator(symbols: &[Symbol]) -> Result<Operator, String> {
    let (name, argument) = split_once(symbols, ':').map_or((symbols, None), |(name, rest)| (name, Some(rest)));
    let name = to_text(name);
    let need_text = || match argument.map(to_text) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(format!("`{name}` needs a text, as in `{name}:_`.")),
    };
    let need_count = || {
        let count = argument.map(to_text).and_then(|text| text.parse::<usize>().ok()).filter(|count| *count > 0);
        count.ok_or_else(|| format!("`{name}` needs a number of characters, as in `{name}:8`."))
    };
    match name.as_str() {
        "after" => Ok(Operator::After(need_text()?)),
        "afterLast" => Ok(Operator::AfterLast(need_text()?)),
        "before" => Ok(Operator::Before(need_text()?)),
        "beforeLast" => Ok(Operator::BeforeLast(need_text()?)),
        "first" => Ok(Operator::First(need_count()?)),
        "last" => Ok(Operator::Last(need_count()?)),
        "lower" | "upper" if argument.is_some() => Err(format!("`{name}` takes no argument.")),
        "lower" => Ok(Operator::Lower),
        "upper" => Ok(Operator::Upper),
        "replace" => match argument.and_then(|argument| split_once(argument, '=')) {
            Some((from, to)) if !from.is_empty() => Ok(Operator::Replace(to_text(from), to_text(to))),
            _ => Err("`replace` needs two texts, as in `replace:_=-`.".to_owned()),
        },
        "map" => parse_map(argument.unwrap_or_default()),
        "default" => Ok(Operator::Default(argument.map(to_text).unwrap_or_default())),
        name => Err(format!("There is no operator `{name}`. Known: {OPERATORS}.")),
    }
}

fn parse_map(symbols: &[Symbol]) -> Result<Operator, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in symbols.split(|symbol| *symbol == plain(',')) {
        let Some((key, value)) = split_once(pair, '=') else {
            return Err("`map` needs pairs, as in `map:A=MAIN,B=PT01,*=OTHER`.".to_owned());
        };
        let key = to_text(key);
        if pairs.iter().any(|(other, _)| *other == key) {
            return Err(format!("`map` has `{key}` twice. Write it once."));
        }
        if pairs.iter().any(|(other, _)| other == "*") {
            return Err(format!("`map` has `{key}` behind `*`, which is every text. Write `*` last."));
        }
        pairs.push((key, to_text(value)));
    }
    Ok(Operator::Map(pairs))
}
