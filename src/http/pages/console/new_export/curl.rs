//! The request of the form as a call of curl.

use serde_json::{Map, Value};

use crate::app::AppState;
use crate::http::address::write_public_address;

/// The call that creates what the form would create.
pub(super) fn write_call(state: &AppState, request: &Map<String, Value>, is_recurring: bool) -> String {
    let path = if is_recurring { "/export-schedules" } else { "/export-jobs" };
    let url = write_public_address(state, format!("{}{path}", state.public_url()));
    let mut lines = vec![format!("curl {}", quote(&url)), "-H 'Content-Type: application/json'".to_owned()];
    if state.settings.is_key_required() {
        lines.push("-H \"Authorization: Bearer $OFFPRINT_API_KEY\"".to_owned());
    }
    let json = serde_json::to_string_pretty(request).unwrap_or_default();
    lines.push(format!("--data {}", quote(&json)));
    lines.join(" \\\n  ")
}

/// A text as one word of a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_quotes() {
        assert_eq!(quote("a'b $c `d` \\"), "'a'\\''b $c `d` \\'");
    }
}
