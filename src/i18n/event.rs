//! Events of the job log as sentences.

use serde_json::{Map, Value};

use super::{Language, MessageArg};
use crate::reason::Reason;

impl Language {
    /// The sentence of an event, with its parameters filled in; its failure, warnings or notices become the argument `reason`.
    /// An event that only a newer version knows is shown as its code.
    pub fn format_event(&self, code: &str, parameters: &Value) -> String {
        let name = format!("event-{code}");
        if !super::default_language().has_message(&name) {
            return code.to_owned();
        }
        let no_parameters = Map::new();
        let parameters = parameters.as_object().unwrap_or(&no_parameters);
        let reason = self.join_reasons(parameters);
        let mut arguments: Vec<(&str, MessageArg<'_>)> = vec![("reason", (&reason).into())];
        for (name, value) in parameters {
            match value {
                Value::String(text) => arguments.push((name.as_str(), text.into())),
                Value::Number(number) => arguments.push((name.as_str(), number.as_i64().unwrap_or_default().into())),
                _ => {}
            }
        }
        let size = parameters.get("size").and_then(Value::as_i64).map(|bytes| self.format_size(bytes));
        if let Some(size) = &size {
            arguments.push(("bytes", size.into()));
        }
        // A sentence may end with reasons that this event does not have.
        self.format(&name, &arguments).trim_end().to_owned()
    }

    /// The failure, the warnings and the notices of an event, each once.
    fn join_reasons(&self, parameters: &Map<String, Value>) -> String {
        let failure = parameters.get("failure").into_iter();
        let remarks = ["notes", "notices"].into_iter().filter_map(|name| parameters.get(name)?.as_array()).flatten();
        let parse = |reason: &Value| serde_json::from_value::<Reason>(reason.clone()).ok();
        let mut sentences: Vec<String> = Vec::new();
        for reason in failure.chain(remarks).filter_map(parse) {
            let sentence = self.format_reason(&reason);
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        sentences.join(" ")
    }
}
