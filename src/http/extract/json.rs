//! A JSON parser that reports duplicate fields: serde_json alone keeps the last one silently.

use std::cell::RefCell;
use std::fmt;

use offprint_core::Code;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::reason::{ValidationError, ValidationErrors};

/// Longest piece of input that an answer quotes, in characters.
const MAX_ECHO_CHARS: usize = 100;

/// Parses one JSON value. Also returns an error for each field that occurs more than once; the value keeps the last of
/// them. Arrays and objects may be nested 127 deep, as serde_json has it.
pub fn parse_json(bytes: &[u8]) -> Result<(Value, ValidationErrors), serde_json::Error> {
    let tracker = DuplicateTracker::default();
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = ValueSeed(&tracker).deserialize(&mut source)?;
    source.end()?;
    Ok((value, tracker.duplicates.into_inner()))
}

/// Appends a field name to a JSON pointer (RFC 6901).
pub fn extend_pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", clip_text(name).replace('~', "~0").replace('/', "~1"))
}

/// Input as an answer quotes it: cut when it is long.
pub fn clip_text(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Where the parser is, and the duplicates it found.
#[derive(Default)]
struct DuplicateTracker {
    // Kept as segments, not as text: building a pointer for every value would take quadratic time.
    path: RefCell<Vec<PathSegment>>,
    duplicates: RefCell<ValidationErrors>,
}

enum PathSegment {
    Field(String),
    Element(usize),
}

impl DuplicateTracker {
    fn descend<T>(&self, step: PathSegment, read: impl FnOnce(&Self) -> T) -> T {
        self.path.borrow_mut().push(step);
        let value = read(self);
        self.path.borrow_mut().pop();
        value
    }

    fn record_duplicate(&self, name: &str) {
        self.duplicates.borrow_mut().push_with(|| {
            let at = self.path.borrow().iter().fold(String::new(), |at, step| match step {
                PathSegment::Field(name) => extend_pointer(&at, name),
                PathSegment::Element(index) => format!("{at}/{index}"),
            });
            let at = extend_pointer(&at, name);
            ValidationError::new(at, Code::DuplicateField, "This field occurs twice. Send it once.")
        });
    }
}

struct ValueSeed<'a>(&'a DuplicateTracker);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // JSON has one kind of number: 1.0 is as whole as 1.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        Ok(if value.fract() == 0.0 && value.abs() < EXACT { (value as i64).into() } else { value.into() })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) =
            self.0.descend(PathSegment::Element(all.len()), |tracker| items.next_element_seed(ValueSeed(tracker)))?
        {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = self
                .0
                .descend(PathSegment::Field(name.clone()), |tracker| fields.next_value_seed(ValueSeed(tracker)))?;
            if all.contains_key(&name) {
                self.0.record_duplicate(&name);
            }
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::MAX_VALIDATION_ERRORS;

    #[test]
    fn duplicates_are_found_at_every_depth() {
        let (value, duplicates) = parse_json(br#"{"a":1,"b":[{"c":1,"c":2}],"a":3}"#).unwrap();
        assert_eq!(value["a"], 3);
        let pointers: Vec<String> = duplicates.into_parts().1.into_iter().map(|error| error.pointer).collect();
        assert_eq!(pointers, ["/b/0/c", "/a"]);
    }

    #[test]
    fn a_whole_number_is_whole_however_it_is_written() {
        assert_eq!(parse_json(b"[1.0, 2e2, 1.5, 1e30]").unwrap().0, serde_json::json!([1, 200, 1.5, 1e30]));
    }

    #[test]
    fn a_large_body_does_not_make_a_larger_answer() {
        let body = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(10_000));
        let (total, first) = parse_json(body.as_bytes()).unwrap().1.into_parts();
        assert_eq!((total, first.len()), (10_000, MAX_VALIDATION_ERRORS));
        assert_eq!(extend_pointer("/b", &"a/".repeat(1000)), format!("/b/{}…", "a~1".repeat(50)));
    }

    #[test]
    fn text_after_the_value_is_an_error() {
        assert!(parse_json(b"{} {}").is_err());
        assert!(parse_json(b"{").is_err());
    }

    #[test]
    fn nesting_has_a_limit() {
        let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_json(nest(127).as_bytes()).is_ok());
        assert!(parse_json(nest(128).as_bytes()).is_err());
        assert!(parse_json("[".repeat(500_000).as_bytes()).is_err());
        assert!(parse_json("{\"a\":".repeat(200_000).as_bytes()).is_err());
    }
}
