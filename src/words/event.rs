//! Events as sentences.

use serde_json::{Map, Value};

use super::{Language, Part};
use crate::reason::Note;

impl Language {
    /// A sentence about an event. Its parameters are the parts; a failure, or what there is to know about an item, is told
    /// as the part `reason`. An event that nobody knows yet, since a newer version wrote it, is told as its code.
    pub fn event(&self, code: &str, parameters: &Value) -> String {
        let name = format!("event-{code}");
        if !super::english().has(&name) {
            return code.to_owned();
        }
        let none = Map::new();
        let parameters = parameters.as_object().unwrap_or(&none);
        let reason = self.reasons(parameters);
        let mut parts: Vec<(&str, Part<'_>)> = vec![("reason", (&reason).into())];
        for (name, value) in parameters {
            match value {
                Value::String(text) => parts.push((name.as_str(), text.into())),
                Value::Number(number) => parts.push((name.as_str(), number.as_i64().unwrap_or_default().into())),
                _ => {}
            }
        }
        let size = parameters.get("size").and_then(Value::as_i64).map(|bytes| self.size(bytes));
        if let Some(size) = &size {
            parts.push(("bytes", size.into()));
        }
        self.say(&name, &parts)
    }

    /// What an event has to say of a failure and of notes, each once.
    fn reasons(&self, parameters: &Map<String, Value>) -> String {
        let failure = parameters.get("failure").into_iter();
        let notes = parameters.get("notes").and_then(Value::as_array).into_iter().flatten();
        let read = |note: &Value| serde_json::from_value::<Note>(note.clone()).ok();
        let mut reasons: Vec<String> = Vec::new();
        for note in failure.chain(notes).filter_map(read) {
            let reason = self.reason(&note);
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons.join(" ")
    }
}
