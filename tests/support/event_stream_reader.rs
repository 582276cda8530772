//! A reader of a job's event stream (server-sent events), message by message.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::time::timeout;

/// Longer than anything here takes.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct StreamMessage {
    pub kind: String,
    pub id: String,
    pub data: Value,
}

pub struct EventStreamReader<S> {
    pub body: S,
    pub buffer: String,
}

pub type StreamChunk = Result<Vec<u8>, String>;

impl<S: Stream<Item = StreamChunk> + Unpin> EventStreamReader<S> {
    /// The next block up to an empty line, a comment or a message; `None` at the end of the stream. An end in the middle
    /// of a message is a failure.
    pub async fn read_part(&mut self) -> Option<String> {
        loop {
            if let Some((part, rest)) = self.buffer.split_once("\n\n") {
                let (part, rest) = (part.to_owned(), rest.to_owned());
                self.buffer = rest;
                return Some(part);
            }
            match timeout(TEST_TIMEOUT, self.body.next()).await.expect("a stream sends heartbeats") {
                Some(bytes) => self.buffer += std::str::from_utf8(&bytes.unwrap()).unwrap(),
                None => {
                    assert_eq!(self.buffer, "", "a stream ends with a whole message");
                    return None;
                }
            }
        }
    }

    /// The next message; comments are skipped.
    pub async fn next(&mut self) -> Option<StreamMessage> {
        loop {
            let part = self.read_part().await?;
            if part.starts_with(':') {
                continue;
            }
            let field = |name: &str| {
                let line = part.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                line.unwrap_or_else(|| panic!("no {name} in {part}")).to_owned()
            };
            let data = serde_json::from_str(&field("data")).unwrap();
            return Some(StreamMessage { kind: field("event"), id: field("id"), data });
        }
    }

    /// Every message up to and including the first for which `last` is true, or to the end.
    pub async fn read_until(&mut self, last: impl Fn(&StreamMessage) -> bool) -> Vec<StreamMessage> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
            if all.last().is_some_and(&last) {
                break;
            }
        }
        all
    }

    pub async fn read_rest(&mut self) -> Vec<StreamMessage> {
        self.read_until(|_| false).await
    }
}

/// The log events among these messages.
pub fn filter_events(messages: &[StreamMessage]) -> Vec<Value> {
    messages.iter().filter(|message| message.kind == "event").map(|message| message.data.clone()).collect()
}
