//! A plan in one line, for people who ask why a picture looks as it does or took as long as it did.

use std::fmt;

use serde_json::Value;

use super::plan::Plan;
use super::step::Step;

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decode = &self.decode;
        write!(out, "{} {}x{}", word(&serde_json::json!(decode.format)), decode.width, decode.height)?;
        if decode.shrink > 1 {
            write!(out, " at 1/{}", decode.shrink)?;
        }
        for step in &self.steps {
            write!(out, ", {}", said(step))?;
        }
        write!(out, ", {}, about {} MiB", self.encode.format.name(), self.peak_bytes.div_ceil(1 << 20))
    }
}

/// A step by its name, with its size and its kernel where it has them.
fn said(step: &Step) -> String {
    let step = serde_json::json!(step);
    let mut said = word(&step["step"]);
    if let (Some(width), Some(height)) = (step["width"].as_u64(), step["height"].as_u64()) {
        said += &format!(" {width}x{height}");
    }
    if step["kernel"].is_string() {
        said += &format!(" {}", word(&step["kernel"]));
    }
    said
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
