//! JSON with its duplicate fields seen: serde_json alone keeps the last and says nothing.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The value, and JSON pointers to fields that stand more than once. Of those the last one is kept.
pub fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let duplicates = RefCell::new(Vec::new());
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Node { at: String::new(), duplicates: &duplicates }.deserialize(&mut source)?;
    source.end()?;
    Ok((value, duplicates.into_inner()))
}

/// A field name as it stands in a JSON pointer (RFC 6901).
pub fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

struct Node<'a> {
    at: String,
    duplicates: &'a RefCell<Vec<String>>,
}

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
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) =
            items.next_element_seed(Node { at: format!("{}/{}", self.at, all.len()), duplicates: self.duplicates })?
        {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let at = pointer(&self.at, &name);
            let value = fields.next_value_seed(Node { at: at.clone(), duplicates: self.duplicates })?;
            if all.insert(name, value).is_some() {
                self.duplicates.borrow_mut().push(at);
            }
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
    fn what_follows_the_value_is_a_mistake() {
        assert!(read(b"{} {}").is_err());
        assert!(read(b"{").is_err());
    }
}
