//! JSON with its duplicate fields seen: serde_json alone keeps the last and says nothing.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Most mistakes of form that are told at once. Who sends more has one cause for them, and the answer shall not be
/// many times as large as the body.
pub const MOST_MISTAKES: usize = 100;
/// Longest text that is repeated in an answer, in characters.
const LONGEST_ECHO: usize = 100;

/// The value, and JSON pointers to fields that stand more than once, [`MOST_MISTAKES`] at most. Of those the last one
/// is kept.
pub fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let reading = Reading::default();
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Node(&reading).deserialize(&mut source)?;
    source.end()?;
    Ok((value, reading.duplicates.into_inner()))
}

/// A field name as it stands in a JSON pointer (RFC 6901).
pub fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", clipped(name).replace('~', "~0").replace('/', "~1"))
}

/// A text as an answer repeats it: its beginning when it is long.
pub fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST_ECHO) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Where the reader is, and what it saw twice.
#[derive(Default)]
struct Reading {
    // Kept as parts: a pointer for each value would cost the body's length for each of its values.
    at: RefCell<Vec<Step>>,
    duplicates: RefCell<Vec<String>>,
}

enum Step {
    Field(String),
    Element(usize),
}

impl Reading {
    fn below<T>(&self, step: Step, read: impl FnOnce(&Self) -> T) -> T {
        self.at.borrow_mut().push(step);
        let value = read(self);
        self.at.borrow_mut().pop();
        value
    }

    fn saw_twice(&self, name: &str) {
        let mut duplicates = self.duplicates.borrow_mut();
        if duplicates.len() < MOST_MISTAKES {
            let at = self.at.borrow().iter().fold(String::new(), |at, step| match step {
                Step::Field(name) => pointer(&at, name),
                Step::Element(index) => format!("{at}/{index}"),
            });
            duplicates.push(pointer(&at, name));
        }
    }
}

struct Node<'a>(&'a Reading);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
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
            self.0.below(Step::Element(all.len()), |reading| items.next_element_seed(Node(reading)))?
        {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = self.0.below(Step::Field(name.clone()), |reading| fields.next_value_seed(Node(reading)))?;
            if all.contains_key(&name) {
                self.0.saw_twice(&name);
            }
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_seen_at_every_depth() {
        let (value, duplicates) = read(br#"{"a":1,"b":[{"c":1,"c":2}],"a":3}"#).unwrap();
        assert_eq!(value["a"], 3);
        assert_eq!(duplicates, ["/b/0/c", "/a"]);
    }

    #[test]
    fn a_whole_number_is_whole_however_it_is_written() {
        assert_eq!(read(b"[1.0, 2e2, 1.5, 1e30]").unwrap().0, serde_json::json!([1, 200, 1.5, 1e30]));
    }

    #[test]
    fn a_large_body_does_not_make_a_larger_answer() {
        let body = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(10_000));
        assert_eq!(read(body.as_bytes()).unwrap().1.len(), MOST_MISTAKES);
        assert_eq!(pointer("/b", &"a/".repeat(1000)), format!("/b/{}…", "a~1".repeat(50)));
    }

    #[test]
    fn what_follows_the_value_is_a_mistake() {
        assert!(read(b"{} {}").is_err());
        assert!(read(b"{").is_err());
    }
}
