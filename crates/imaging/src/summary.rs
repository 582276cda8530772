//! A plan in one line, for people who ask why an image looks as it does or why it took so long.

use std::fmt;

use serde_json::Value;

use super::plan::RenderPlan;
use super::step::Step;

impl fmt::Display for RenderPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decode = &self.decode;
        write!(out, "{} {}x{}", get_text(&serde_json::json!(decode.format)), decode.width, decode.height)?;
        if decode.shrink > 1 {
            write!(out, " at 1/{}", decode.shrink)?;
        }
        for step in &self.steps {
            write!(out, ", {}", describe_step(step))?;
        }
        write!(out, ", {}, about {} MiB", self.encode.format.name(), self.peak_bytes.div_ceil(1 << 20))
    }
}

/// The name of a step, with its size and its kernel if it has them. Names are those of the serialized plan.
fn describe_step(step: &Step) -> String {
    let step = serde_json::json!(step);
    let mut text = get_text(&step["step"]);
    if let (Some(width), Some(height)) = (step["width"].as_u64(), step["height"].as_u64()) {
        text += &format!(" {width}x{height}");
    }
    if step["kernel"].is_string() {
        text += &format!(" {}", get_text(&step["kernel"]));
    }
    text
}

fn get_text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
